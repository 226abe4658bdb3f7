-- What operators and administrators ask of the books: what could not be sent, how it went, what is past its retention.
-- Both indexes hold finished alerts only: planning and claiming do not touch them, and what was sent enters one of them,
-- once, when it is settled.
CREATE INDEX alerts_unsent ON alerts (clinic_id, due_at, id) WHERE state IN ('failed', 'expired', 'no_device');
CREATE INDEX alerts_ended ON alerts (clinic_id, due_at) WHERE finalized_at IS NOT NULL;

-- Attempts lie in the order in which they were made, so that a summary of each stretch is enough to find the oldest.
CREATE INDEX attempts_by_time ON attempts USING brin (at);

-- Whoever opens an alert has the phone in their hand.
CREATE INDEX devices_by_session ON devices (session_id);

-- Months that ended before a date go as a whole: no row of them is touched.
CREATE FUNCTION drop_month_partitions(parent text, before date) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    name text;
    dropped integer := 0;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = parent::regclass AND c.relname ~ ('^' || parent || '_\d{4}_\d{2}$')
           AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= before
         ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

COMMENT ON COLUMN devices.address_sealed IS 'Address and keys as JSON, AES-256-GCM under the server''s key, bound to the device id; empty once the device was retired.';
COMMENT ON COLUMN devices.last_seen_at IS 'When the app last registered, or said that an alert was opened (wall clock).';
COMMENT ON COLUMN devices.quarantined_at IS 'Since when nothing is sent to it until the app registers again.';
COMMENT ON COLUMN devices.quarantine_reason IS 'The provider''s word for it; stale: nobody heard of it for so long that its address was removed.';
