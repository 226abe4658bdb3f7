LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE;
DROP INDEX alerts_by_due;
CREATE INDEX alerts_ended ON alerts (clinic_id, due_at) WHERE finalized_at IS NOT NULL;
CREATE INDEX alerts_claim ON alerts (next_attempt_at, id) WHERE finalized_at IS NULL;
DROP TRIGGER alerts_planned ON alerts;
DROP TRIGGER alerts_rescheduled ON alerts;
DROP FUNCTION enqueue_alert();
DROP TABLE alert_queue;
