-- What an operator followed up: a database that came back from a backup. A later restore of an earlier backup loses its rows
-- with everything else, and is followed up anew.

CREATE TABLE restores (
    id uuid PRIMARY KEY,
    restored_to timestamptz NOT NULL,
    followed_up_at timestamptz NOT NULL CHECK (followed_up_at >= restored_to)
);
COMMENT ON TABLE restores IS 'Restores from a backup that somebody has followed up.';
COMMENT ON COLUMN restores.id IS 'Chosen by the server.';
COMMENT ON COLUMN restores.restored_to IS 'The last moment that the backup knew of, or the one that the operator named (wall clock).';
COMMENT ON COLUMN restores.followed_up_at IS 'When that was done (wall clock): what happens later happened to the restored database.';
SELECT wall('restores', api => '', worker => 'SELECT, INSERT');

-- Staff are told again of what nobody had seen: neither a report nor a person did that.
ALTER TABLE flag_events
    DROP CONSTRAINT flag_events_kind_check,
    ADD CONSTRAINT flag_events_kind_check CHECK (kind IN ('opened', 'reported', 'raised', 'acknowledged', 'contacted',
        'resolved', 'reopened', 'escalated', 'unreached', 'told_again'));
