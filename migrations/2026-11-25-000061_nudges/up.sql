-- Who keeps to little of what was asked: the treating clinician is told once, until somebody has seen it or it has passed.

ALTER TABLE clinics
    ADD COLUMN nudge_enabled boolean NOT NULL DEFAULT true,
    ADD COLUMN nudge_below_bp integer NOT NULL DEFAULT 5000 CHECK (nudge_below_bp BETWEEN 1 AND 10000),
    ADD COLUMN nudge_days integer NOT NULL DEFAULT 7 CHECK (nudge_days BETWEEN 2 AND 28),
    ADD COLUMN nudge_min_tasks integer NOT NULL DEFAULT 15 CHECK (nudge_min_tasks BETWEEN 1 AND 500);
COMMENT ON COLUMN clinics.nudge_enabled IS 'Whether staff are told of patients who keep to little.';
COMMENT ON COLUMN clinics.nudge_below_bp IS 'Below this share done at all (basis points) they are told.';
COMMENT ON COLUMN clinics.nudge_days IS 'Over how many of the patient''s last days, today included.';
COMMENT ON COLUMN clinics.nudge_min_tasks IS 'So many tasks must have closed on them: fewer say nothing.';

CREATE TABLE nudges (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    treatment_id uuid NOT NULL,
    raised_at timestamptz NOT NULL,
    completion_bp integer NOT NULL CHECK (completion_bp BETWEEN 0 AND 10000),
    below_bp integer NOT NULL,
    days integer NOT NULL,
    closed_tasks bigint NOT NULL,
    ended_at timestamptz,
    ended_as text CHECK (ended_as IN ('acknowledged', 'recovered', 'over')),
    ended_by uuid REFERENCES users (id),
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE,
    FOREIGN KEY (clinic_id, treatment_id) REFERENCES treatments (clinic_id, id) ON DELETE CASCADE,
    CONSTRAINT nudges_end_is_whole CHECK ((ended_at IS NULL) = (ended_as IS NULL)),
    CONSTRAINT nudges_seen_by_somebody CHECK ((ended_as IS NOT DISTINCT FROM 'acknowledged') = (ended_by IS NOT NULL))
);
CREATE UNIQUE INDEX nudges_live ON nudges (clinic_id, patient_id) WHERE ended_at IS NULL;
CREATE INDEX nudges_by_patient ON nudges (clinic_id, patient_id, raised_at DESC);
CREATE INDEX nudges_by_time ON nudges (clinic_id, raised_at DESC, id DESC);
COMMENT ON TABLE nudges IS 'Patients who kept to little of what was asked, as staff were told. At most one per patient is live.';
COMMENT ON COLUMN nudges.clinic_id IS 'The clinic.';
COMMENT ON COLUMN nudges.id IS 'Chosen by the server.';
COMMENT ON COLUMN nudges.patient_id IS 'Who.';
COMMENT ON COLUMN nudges.treatment_id IS 'The treatment they were recovering from.';
COMMENT ON COLUMN nudges.raised_at IS 'When staff were told (care clock).';
COMMENT ON COLUMN nudges.completion_bp IS 'Share done at all then, in basis points.';
COMMENT ON COLUMN nudges.below_bp IS 'The clinic''s threshold then.';
COMMENT ON COLUMN nudges.days IS 'Over how many days, then.';
COMMENT ON COLUMN nudges.closed_tasks IS 'How many tasks had closed on them.';
COMMENT ON COLUMN nudges.ended_at IS 'Until then it was live (care clock).';
COMMENT ON COLUMN nudges.ended_as IS 'acknowledged, recovered (the share has risen), or over (the treatment ended, or the clinic switched it off).';
COMMENT ON COLUMN nudges.ended_by IS 'Who acknowledged it.';

CREATE TABLE nudge_rounds (
    clinic_id uuid PRIMARY KEY REFERENCES clinics (id) ON DELETE CASCADE,
    due_at timestamptz NOT NULL,
    after_patient uuid
);
CREATE INDEX nudge_rounds_due ON nudge_rounds (due_at);
COMMENT ON TABLE nudge_rounds IS 'When a worker next goes through a clinic''s patients, and how far it has come.';
COMMENT ON COLUMN nudge_rounds.clinic_id IS 'The clinic.';
COMMENT ON COLUMN nudge_rounds.due_at IS 'The end of the clinic''s quiet hours, once a day (care clock).';
COMMENT ON COLUMN nudge_rounds.after_patient IS 'The last patient looked at; absent between rounds.';

-- What is stored keeps to the narrower list that this one replaces: nothing needs to be looked at again.
ALTER TABLE alerts
    DROP CONSTRAINT alerts_category_check,
    ADD CONSTRAINT alerts_category_check CHECK (category IN ('milestone', 'restriction', 'routine', 'check_in', 'follow_up',
        'session', 'flag', 'nudge', 'service', 'test')) NOT VALID;
