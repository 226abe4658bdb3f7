-- How much a day bears, what was put off, who is outdoors, what phones ring for by themselves.

-- Rows planned by the version before have no slot: they are sent whenever they can be, as before, until they are planned
-- anew.
ALTER TABLE alerts
    ADD COLUMN slot_ends_at timestamptz,
    ADD COLUMN merged_into uuid,
    ADD CONSTRAINT alerts_merged_into_one CHECK ((state = 'merged') = (merged_into IS NOT NULL)) NOT VALID;
ALTER TABLE alerts VALIDATE CONSTRAINT alerts_merged_into_one;
COMMENT ON COLUMN alerts.slot_ends_at IS 'If it was not sent by then, it is planned anew instead (care clock); none: it is sent whenever it can be.';
COMMENT ON COLUMN alerts.merged_into IS 'The alert that tells it.';

ALTER TABLE notification_preferences
    ADD COLUMN minimum_gap_minutes integer NOT NULL DEFAULT 30 CHECK (minimum_gap_minutes BETWEEN 0 AND 240);
COMMENT ON COLUMN notification_preferences.minimum_gap_minutes IS 'At least this long between two reminders.';

CREATE TABLE snoozes (
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    dedupe_key text NOT NULL,
    times integer NOT NULL CHECK (times > 0),
    until_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, patient_id, dedupe_key),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE snoozes IS 'Alerts that patients asked to hear later.';
COMMENT ON COLUMN snoozes.clinic_id IS 'The clinic.';
COMMENT ON COLUMN snoozes.patient_id IS 'Who asked.';
COMMENT ON COLUMN snoozes.dedupe_key IS 'The alert, as the plan owes it.';
COMMENT ON COLUMN snoozes.times IS 'How often it was put off.';
COMMENT ON COLUMN snoozes.until_at IS 'Not before this (care clock).';

CREATE TABLE mode_spans (
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    mode text NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL CHECK (to_at > from_at),
    PRIMARY KEY (clinic_id, patient_id, mode, from_at),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE mode_spans IS 'When patients had a mode of their protocols switched on, such as outdoors.';
COMMENT ON COLUMN mode_spans.clinic_id IS 'The clinic.';
COMMENT ON COLUMN mode_spans.patient_id IS 'Who switched it on.';
COMMENT ON COLUMN mode_spans.mode IS 'The mode''s name in the protocol.';
COMMENT ON COLUMN mode_spans.from_at IS 'Switched on (care clock).';
COMMENT ON COLUMN mode_spans.to_at IS 'Switched off, or over by itself (care clock).';

CREATE TABLE local_reminders (
    device_id uuid NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    alert_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    shown_at timestamptz,
    PRIMARY KEY (device_id, alert_id)
);
COMMENT ON TABLE local_reminders IS 'What a phone rings for by itself: its push waits, and is not sent if the phone says that it has shown it.';
COMMENT ON COLUMN local_reminders.device_id IS 'The phone.';
COMMENT ON COLUMN local_reminders.alert_id IS 'The alert.';
COMMENT ON COLUMN local_reminders.due_at IS 'When the phone rings. An alert that is due at another moment by now is pushed as if nothing had been said.';
COMMENT ON COLUMN local_reminders.until_at IS 'The promise holds until then (care clock).';
COMMENT ON COLUMN local_reminders.shown_at IS 'When the app said that the person has seen it (care clock).';
