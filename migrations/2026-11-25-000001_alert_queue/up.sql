-- What is claimed and scheduled meanwhile must find its entry.
LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE;

-- The queue apart from what is queued, so that neither a claim nor a settle writes into any index of alerts: an alert that
-- ends has no index to leave. Planning writes an entry, claiming removes it. An entry whose alert has moved on means
-- nothing, so whoever cancels or replans need not look for it; workers sweep it away when its moment has come.

CREATE TABLE alert_queue (
    at timestamptz NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    clinic_id uuid NOT NULL,
    alert_id uuid NOT NULL,
    PRIMARY KEY (at, id)
);
ALTER TABLE alert_queue SET (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_limit = 2000,
    autovacuum_analyze_scale_factor = 0.02
);
COMMENT ON TABLE alert_queue IS 'When which alert is to be tried. An entry counts while its alert is scheduled for that very moment.';
COMMENT ON COLUMN alert_queue.at IS 'The alert''s next_attempt_at.';
COMMENT ON COLUMN alert_queue.id IS 'First come, first served.';
COMMENT ON COLUMN alert_queue.clinic_id IS 'The alert''s clinic.';
COMMENT ON COLUMN alert_queue.alert_id IS 'The alert.';

INSERT INTO alert_queue (at, clinic_id, alert_id)
SELECT next_attempt_at, clinic_id, id FROM alerts WHERE state = 'scheduled' ORDER BY next_attempt_at, id;
ANALYZE alert_queue;

-- Nobody who schedules an alert can forget the queue.
CREATE FUNCTION enqueue_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO alert_queue (at, clinic_id, alert_id) VALUES (NEW.next_attempt_at, NEW.clinic_id, NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER alerts_planned AFTER INSERT ON alerts
    FOR EACH ROW WHEN (NEW.state = 'scheduled') EXECUTE FUNCTION enqueue_alert();
CREATE TRIGGER alerts_rescheduled AFTER UPDATE ON alerts
    FOR EACH ROW WHEN (NEW.state = 'scheduled'
        AND (OLD.state <> 'scheduled' OR OLD.next_attempt_at <> NEW.next_attempt_at))
    EXECUTE FUNCTION enqueue_alert();

DROP INDEX alerts_claim, alerts_ended;
CREATE INDEX alerts_by_due ON alerts (clinic_id, due_at);
-- An alert is written three times in its life: planned, claimed, settled. With room for that on its page no index hears of
-- it, however many of a page are due together. (Measured, where all of a page are: claim and settle cost two fifths less
-- than on pages that are nine tenths full, and write half as much; where they are due apart there is no difference.)
ALTER TABLE alerts SET (fillfactor = 50);

-- An idle worker asks little.
COMMENT ON TABLE push_health IS 'What each worker knows of push services: written when something changes and every thirty seconds.';
