-- What patients tell us: tick-offs and symptoms; and what the clinic does about them.

CREATE TABLE outcomes (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    treatment_id uuid NOT NULL,
    task_id uuid NOT NULL,
    item_key text NOT NULL,
    day_index integer NOT NULL,
    seq integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('done', 'skipped', 'undone')),
    reason text,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    open_at timestamptz NOT NULL,
    close_at timestamptz NOT NULL,
    entered_by uuid NOT NULL REFERENCES users (id),
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, treatment_id) REFERENCES treatments (clinic_id, id) ON DELETE CASCADE
);
CREATE INDEX outcomes_by_treatment ON outcomes (clinic_id, treatment_id, recorded_at);
COMMENT ON TABLE outcomes IS 'What the patient did with a task. Append-only: the latest by recorded_at counts.';
COMMENT ON COLUMN outcomes.clinic_id IS 'The clinic.';
COMMENT ON COLUMN outcomes.id IS 'Chosen by the app, so that a replay changes nothing.';
COMMENT ON COLUMN outcomes.treatment_id IS 'The treatment.';
COMMENT ON COLUMN outcomes.task_id IS 'The task: computed from treatment, item, day and sequence.';
COMMENT ON COLUMN outcomes.item_key IS 'The routine.';
COMMENT ON COLUMN outcomes.day_index IS 'Zero-based local day.';
COMMENT ON COLUMN outcomes.seq IS 'Occurrence within the day.';
COMMENT ON COLUMN outcomes.kind IS 'done, skipped or undone (taken back).';
COMMENT ON COLUMN outcomes.reason IS 'Why it was skipped, if the person said.';
COMMENT ON COLUMN outcomes.recorded_at IS 'By the phone''s clock.';
COMMENT ON COLUMN outcomes.received_at IS 'When the server heard of it (care clock).';
COMMENT ON COLUMN outcomes.open_at IS 'Start of the window it was judged by.';
COMMENT ON COLUMN outcomes.close_at IS 'End of the window it was judged by, grace included.';
COMMENT ON COLUMN outcomes.entered_by IS 'The login that entered it: the patient''s own or staff.';

CREATE TABLE check_ins (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    treatment_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    symptoms jsonb NOT NULL,
    note text,
    level text NOT NULL CHECK (level IN ('none', 'routine', 'soon', 'urgent', 'emergency')),
    advice text[] NOT NULL,
    entered_by uuid NOT NULL REFERENCES users (id),
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, treatment_id) REFERENCES treatments (clinic_id, id) ON DELETE CASCADE,
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE
);
CREATE INDEX check_ins_by_treatment ON check_ins (clinic_id, treatment_id, recorded_at);
CREATE INDEX check_ins_by_patient ON check_ins (clinic_id, patient_id, recorded_at);
COMMENT ON TABLE check_ins IS 'Symptom reports.';
COMMENT ON COLUMN check_ins.clinic_id IS 'The clinic.';
COMMENT ON COLUMN check_ins.id IS 'Chosen by the app or the server.';
COMMENT ON COLUMN check_ins.treatment_id IS 'The treatment it is about.';
COMMENT ON COLUMN check_ins.patient_id IS 'Whose report.';
COMMENT ON COLUMN check_ins.recorded_at IS 'By the phone''s clock.';
COMMENT ON COLUMN check_ins.received_at IS 'When the server heard of it (care clock).';
COMMENT ON COLUMN check_ins.symptoms IS 'The form as filled in, validated.';
COMMENT ON COLUMN check_ins.note IS 'In the person''s own words.';
COMMENT ON COLUMN check_ins.level IS 'What triage made of it.';
COMMENT ON COLUMN check_ins.advice IS 'Keys of the advice texts that were shown.';
COMMENT ON COLUMN check_ins.entered_by IS 'The login that entered it: the patient''s own or staff.';

CREATE TABLE flags (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    treatment_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    check_in_id uuid NOT NULL,
    rule text NOT NULL,
    episode integer NOT NULL CHECK (episode >= 1),
    level text NOT NULL CHECK (level IN ('routine', 'soon', 'urgent', 'emergency')),
    status text NOT NULL CHECK (status IN ('open', 'acknowledged', 'resolved')),
    opened_at timestamptz NOT NULL,
    last_reported_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    contacted_at timestamptz,
    resolved_at timestamptz,
    outcome text,
    version integer NOT NULL,
    PRIMARY KEY (clinic_id, id),
    UNIQUE (clinic_id, treatment_id, rule, episode),
    FOREIGN KEY (clinic_id, treatment_id) REFERENCES treatments (clinic_id, id) ON DELETE CASCADE,
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE,
    FOREIGN KEY (clinic_id, check_in_id) REFERENCES check_ins (clinic_id, id) ON DELETE CASCADE,
    CONSTRAINT flags_resolved_at_iff_resolved CHECK ((status = 'resolved') = (resolved_at IS NOT NULL)),
    CONSTRAINT flags_open_is_unseen CHECK (status <> 'open' OR acknowledged_at IS NULL)
);
CREATE INDEX flags_open ON flags (clinic_id, patient_id) WHERE status <> 'resolved';
CREATE INDEX flags_by_age ON flags (clinic_id, opened_at, id);
COMMENT ON TABLE flags IS 'Red flags raised by triage, until the clinic has closed them.';
COMMENT ON COLUMN flags.clinic_id IS 'The clinic.';
COMMENT ON COLUMN flags.id IS 'Chosen by the server.';
COMMENT ON COLUMN flags.treatment_id IS 'The treatment it is about.';
COMMENT ON COLUMN flags.patient_id IS 'Whose it is.';
COMMENT ON COLUMN flags.check_in_id IS 'The report that raised it.';
COMMENT ON COLUMN flags.rule IS 'The triage rule.';
COMMENT ON COLUMN flags.episode IS 'Counts from 1; a rule that fires again after it was resolved opens the next.';
COMMENT ON COLUMN flags.level IS 'The highest level it has reached.';
COMMENT ON COLUMN flags.status IS 'open, acknowledged or resolved.';
COMMENT ON COLUMN flags.opened_at IS 'When it was raised (care clock).';
COMMENT ON COLUMN flags.last_reported_at IS 'When a report last confirmed it (care clock).';
COMMENT ON COLUMN flags.acknowledged_at IS 'When somebody took it on.';
COMMENT ON COLUMN flags.contacted_at IS 'When the patient was last contacted about it.';
COMMENT ON COLUMN flags.resolved_at IS 'When it was closed.';
COMMENT ON COLUMN flags.outcome IS 'How it ended, in the clinic''s words.';
COMMENT ON COLUMN flags.version IS 'Counts changes; the strong ETag.';

CREATE TABLE flag_events (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    flag_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('opened', 'reported', 'raised', 'acknowledged', 'contacted', 'resolved', 'reopened')),
    check_in_id uuid,
    actor_id uuid REFERENCES users (id),
    note text,
    at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, flag_id) REFERENCES flags (clinic_id, id) ON DELETE CASCADE,
    FOREIGN KEY (clinic_id, check_in_id) REFERENCES check_ins (clinic_id, id) ON DELETE CASCADE,
    CONSTRAINT flag_events_by_report_or_person
        CHECK ((kind IN ('opened', 'reported', 'raised')) = (check_in_id IS NOT NULL)
           AND (check_in_id IS NULL) = (actor_id IS NOT NULL))
);
CREATE INDEX flag_events_by_flag ON flag_events (clinic_id, flag_id, at);
CREATE INDEX flag_events_by_check_in ON flag_events (clinic_id, check_in_id) WHERE check_in_id IS NOT NULL;
COMMENT ON TABLE flag_events IS 'Who did what about a flag.';
COMMENT ON COLUMN flag_events.clinic_id IS 'The clinic.';
COMMENT ON COLUMN flag_events.id IS 'Chosen by the server.';
COMMENT ON COLUMN flag_events.flag_id IS 'The flag.';
COMMENT ON COLUMN flag_events.kind IS 'What happened.';
COMMENT ON COLUMN flag_events.check_in_id IS 'The report that did it; absent where a person did.';
COMMENT ON COLUMN flag_events.actor_id IS 'Who did it; absent where a report did.';
COMMENT ON COLUMN flag_events.note IS 'The actor''s note.';
COMMENT ON COLUMN flag_events.at IS 'When (care clock).';
