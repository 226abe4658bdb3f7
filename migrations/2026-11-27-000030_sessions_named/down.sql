UPDATE sessions SET revoked_because = 'logout' WHERE revoked_because IN ('elsewhere', 'password', 'second_factor', 'clinic');
ALTER TABLE sessions DROP CONSTRAINT sessions_revoked_because_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_revoked_because_check
    CHECK (revoked_because IN ('logout', 'reuse', 'reset', 'removed'));
ALTER TABLE sessions DROP COLUMN device_name;
