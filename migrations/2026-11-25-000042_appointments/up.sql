-- Dates that a clinic sets with a patient: the next session of a course, or a look at the recovery.

CREATE TABLE appointments (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    course_id uuid,
    kind text NOT NULL CHECK (kind IN ('session', 'follow_up')),
    status text NOT NULL CHECK (status IN ('set', 'cancelled')),
    starts_at timestamptz NOT NULL,
    minutes integer NOT NULL CHECK (minutes BETWEEN 5 AND 480),
    time_zone text NOT NULL,
    note text,
    announced_no integer NOT NULL CHECK (announced_no >= 1),
    announced_at timestamptz NOT NULL,
    version integer NOT NULL,
    created_by uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE,
    FOREIGN KEY (clinic_id, course_id) REFERENCES courses (clinic_id, id)
);
CREATE INDEX appointments_by_time ON appointments (clinic_id, starts_at, id);
CREATE INDEX appointments_by_patient ON appointments (clinic_id, patient_id, starts_at);
COMMENT ON TABLE appointments IS 'Dates that a clinic has set with its patients.';
COMMENT ON COLUMN appointments.clinic_id IS 'The clinic.';
COMMENT ON COLUMN appointments.id IS 'Chosen by the caller or the server.';
COMMENT ON COLUMN appointments.patient_id IS 'With whom.';
COMMENT ON COLUMN appointments.course_id IS 'The course that a session belongs to.';
COMMENT ON COLUMN appointments.kind IS 'session: the next treatment; follow_up: a look at the recovery.';
COMMENT ON COLUMN appointments.status IS 'set or cancelled.';
COMMENT ON COLUMN appointments.starts_at IS 'When it begins.';
COMMENT ON COLUMN appointments.minutes IS 'How long it takes.';
COMMENT ON COLUMN appointments.time_zone IS 'IANA zone of the clinic when the date was set: its times are told in it.';
COMMENT ON COLUMN appointments.note IS 'What the patient should know.';
COMMENT ON COLUMN appointments.announced_no IS 'Counts what the patient is to be told of it: set, moved, cancelled. Reminders carry it, so that those of another date are others.';
COMMENT ON COLUMN appointments.announced_at IS 'When it was last set, moved or cancelled (care clock).';
COMMENT ON COLUMN appointments.version IS 'Counts edits; the strong ETag.';
COMMENT ON COLUMN appointments.created_by IS 'Who set it.';
COMMENT ON COLUMN appointments.created_at IS 'When (care clock).';
