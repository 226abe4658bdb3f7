DROP TABLE local_reminders, mode_spans, snoozes;
ALTER TABLE notification_preferences DROP COLUMN minimum_gap_minutes;
-- The version before knows nobody who tells these.
UPDATE alerts SET state = 'cancelled', reason = 'left_the_plan', merged_into = NULL WHERE state = 'merged';
ALTER TABLE alerts DROP CONSTRAINT alerts_merged_into_one, DROP COLUMN merged_into, DROP COLUMN slot_ends_at;
