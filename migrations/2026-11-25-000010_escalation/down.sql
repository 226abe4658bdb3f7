DELETE FROM flag_events WHERE kind IN ('escalated', 'unreached');
ALTER TABLE flag_events
    DROP COLUMN step,
    DROP CONSTRAINT flag_events_kind_check,
    ADD CONSTRAINT flag_events_kind_check CHECK (kind IN ('opened', 'reported', 'raised', 'acknowledged', 'contacted',
        'resolved', 'reopened')),
    DROP CONSTRAINT flag_events_by_report_or_person,
    ADD CONSTRAINT flag_events_by_report_or_person
        CHECK ((kind IN ('opened', 'reported', 'raised')) = (check_in_id IS NOT NULL)
           AND (check_in_id IS NULL) = (actor_id IS NOT NULL));
COMMENT ON COLUMN flag_events.check_in_id IS 'The report that did it; absent where a person did.';
COMMENT ON COLUMN flag_events.actor_id IS 'Who did it; absent where a report did.';
ALTER TABLE flags DROP COLUMN opening;
ALTER TABLE clinics
    DROP COLUMN escalate_clinicians_minutes,
    DROP COLUMN escalate_administrators_minutes,
    DROP COLUMN out_of_hours_text;
DROP TABLE escalations;
