-- A session says on what it was opened, so that people can tell theirs apart, and may be ended from another one.

ALTER TABLE sessions ADD COLUMN device_name text CHECK (length(device_name) BETWEEN 1 AND 100);
COMMENT ON COLUMN sessions.device_name IS 'What the app calls the phone or browser it runs on; absent where it did not say.';
ALTER TABLE sessions DROP CONSTRAINT sessions_revoked_because_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_revoked_because_check
    CHECK (revoked_because IN ('logout', 'reuse', 'reset', 'removed', 'elsewhere', 'password', 'second_factor', 'clinic'));
