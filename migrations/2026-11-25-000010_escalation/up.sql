-- Who is told of an urgent flag when nobody acknowledges it, and when. A row lives from the moment a flag is opened until
-- somebody has seen it: what is to come of it is worked out when its moment has come, by the staff of that moment.

CREATE TABLE escalations (
    clinic_id uuid NOT NULL,
    flag_id uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    step text NOT NULL CHECK (step IN ('treating', 'clinicians', 'administrators')),
    told_at timestamptz NOT NULL,
    wake_at timestamptz,
    unreached_at timestamptz,
    PRIMARY KEY (clinic_id, flag_id),
    FOREIGN KEY (clinic_id, flag_id) REFERENCES flags (clinic_id, id) ON DELETE CASCADE
);
CREATE INDEX escalations_due ON escalations (wake_at) WHERE wake_at IS NOT NULL;
COMMENT ON TABLE escalations IS 'Urgent flags that nobody has seen yet: who was told last, and when it is looked at again.';
COMMENT ON COLUMN escalations.clinic_id IS 'The clinic.';
COMMENT ON COLUMN escalations.flag_id IS 'The flag; of several that one report raised, the most pressing one.';
COMMENT ON COLUMN escalations.opened_at IS 'Since when it waits: raised or opened again (care clock).';
COMMENT ON COLUMN escalations.step IS 'Who was told last: treating, clinicians or administrators.';
COMMENT ON COLUMN escalations.told_at IS 'When they were told (care clock).';
COMMENT ON COLUMN escalations.wake_at IS 'When it is looked at again (care clock); absent where nobody is left to be told.';
COMMENT ON COLUMN escalations.unreached_at IS 'Since when it is known that nobody can be reached (care clock).';

ALTER TABLE clinics
    ADD COLUMN escalate_clinicians_minutes integer NOT NULL DEFAULT 15,
    ADD COLUMN escalate_administrators_minutes integer NOT NULL DEFAULT 60,
    ADD COLUMN out_of_hours_text text,
    ADD CONSTRAINT clinics_escalation_in_order CHECK (escalate_clinicians_minutes >= 0
        AND escalate_administrators_minutes BETWEEN escalate_clinicians_minutes AND 1440);
COMMENT ON COLUMN clinics.escalate_clinicians_minutes IS 'How long an urgent flag waits before all clinicians are told.';
COMMENT ON COLUMN clinics.escalate_administrators_minutes IS 'How long it waits before the administrators are told.';
COMMENT ON COLUMN clinics.out_of_hours_text IS 'Whom patients turn to while the clinic is closed, in its own words.';

-- The version before this one opens flags as well, and never for the second time under another number.
ALTER TABLE flags ADD COLUMN opening integer NOT NULL DEFAULT 1 CHECK (opening >= 1);
COMMENT ON COLUMN flags.opening IS 'Counts from 1; raising its level or opening it again begins the next: staff are told once in each.';

ALTER TABLE flag_events
    ADD COLUMN step text,
    DROP CONSTRAINT flag_events_kind_check,
    ADD CONSTRAINT flag_events_kind_check CHECK (kind IN ('opened', 'reported', 'raised', 'acknowledged', 'contacted',
        'resolved', 'reopened', 'escalated', 'unreached')),
    DROP CONSTRAINT flag_events_by_report_or_person,
    ADD CONSTRAINT flag_events_by_report_or_person
        CHECK ((kind IN ('opened', 'reported', 'raised')) = (check_in_id IS NOT NULL)
           AND (kind IN ('acknowledged', 'contacted', 'resolved', 'reopened')) = (actor_id IS NOT NULL)),
    ADD CONSTRAINT flag_events_step_iff_escalated CHECK ((kind = 'escalated') = (step IS NOT NULL));
COMMENT ON COLUMN flag_events.step IS 'Who was told when it was escalated: clinicians, administrators.';
COMMENT ON COLUMN flag_events.check_in_id IS 'The report that did it; absent where a person or time did.';
COMMENT ON COLUMN flag_events.actor_id IS 'Who did it; absent where a report or time did.';
