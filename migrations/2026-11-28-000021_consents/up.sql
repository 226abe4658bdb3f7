-- What people have agreed to, in which version of the words, and when they took it back.

CREATE TABLE consents (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('terms', 'privacy', 'lock_screen_details')),
    version text NOT NULL CHECK (length(version) BETWEEN 1 AND 100),
    given_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    PRIMARY KEY (user_id, id),
    CHECK (withdrawn_at >= given_at)
);
CREATE UNIQUE INDEX consents_standing ON consents (user_id, kind) WHERE withdrawn_at IS NULL;
COMMENT ON TABLE consents IS 'What people agreed to; a row for each time. One of a kind stands at most.';
COMMENT ON COLUMN consents.user_id IS 'Who.';
COMMENT ON COLUMN consents.id IS 'Tells the times apart, in their order.';
COMMENT ON COLUMN consents.kind IS 'To what.';
COMMENT ON COLUMN consents.version IS 'In which version of the words.';
COMMENT ON COLUMN consents.given_at IS 'When (wall clock).';
COMMENT ON COLUMN consents.withdrawn_at IS 'When it was taken back, or given to another version instead (wall clock).';
SELECT wall('consents', whose => 'user_id = (SELECT scope_user())');

-- Who has details on the lock screen has agreed to them.
INSERT INTO consents (user_id, id, kind, version, given_at)
SELECT user_id, gen_random_uuid(), 'lock_screen_details', '1', updated_at FROM notification_preferences WHERE show_details;
