-- A course: one patient's sequence of sessions of one area, with its own interval. Treatments join it.

CREATE TABLE courses (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('planned', 'running', 'completed', 'cancelled')),
    area text NOT NULL,
    protocol_key text NOT NULL,
    planned_sessions integer NOT NULL CHECK (planned_sessions BETWEEN 3 AND 12),
    earlier_sessions integer NOT NULL CHECK (earlier_sessions >= 0),
    interval_min_days integer NOT NULL CHECK (interval_min_days >= 1),
    interval_max_days integer NOT NULL,
    notes text,
    version integer NOT NULL,
    created_by uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE,
    CHECK (earlier_sessions < planned_sessions),
    CHECK (interval_max_days > interval_min_days),
    CHECK ((status IN ('completed', 'cancelled')) = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX courses_one_open ON courses (clinic_id, patient_id, area) WHERE ended_at IS NULL;
CREATE INDEX courses_by_age ON courses (clinic_id, created_at, id);
CREATE INDEX courses_by_patient ON courses (clinic_id, patient_id);
COMMENT ON TABLE courses IS 'Sequences of sessions, one open one per patient and area.';
COMMENT ON COLUMN courses.clinic_id IS 'The clinic.';
COMMENT ON COLUMN courses.id IS 'Chosen by the caller or the server.';
COMMENT ON COLUMN courses.patient_id IS 'Whose it is.';
COMMENT ON COLUMN courses.status IS 'planned (no session yet), running, completed or cancelled.';
COMMENT ON COLUMN courses.area IS 'Treated area: treatments of it join.';
COMMENT ON COLUMN courses.protocol_key IS 'The protocol that its sessions get unless staff choose another.';
COMMENT ON COLUMN courses.planned_sessions IS 'How many sessions it is to have, earlier ones included.';
COMMENT ON COLUMN courses.earlier_sessions IS 'How many of them took place before anything was recorded here.';
COMMENT ON COLUMN courses.interval_min_days IS 'Days from one session until the next is due.';
COMMENT ON COLUMN courses.interval_max_days IS 'Days from one session until the next is overdue.';
COMMENT ON COLUMN courses.notes IS 'The clinic''s notes.';
COMMENT ON COLUMN courses.version IS 'Counts edits; the strong ETag.';
COMMENT ON COLUMN courses.created_by IS 'Who planned it.';
COMMENT ON COLUMN courses.created_at IS 'When (care clock).';
COMMENT ON COLUMN courses.ended_at IS 'When it was completed or cancelled (care clock).';

ALTER TABLE treatments
    ADD COLUMN course_id uuid,
    ADD CONSTRAINT treatments_course FOREIGN KEY (clinic_id, course_id) REFERENCES courses (clinic_id, id);
CREATE INDEX treatments_by_course ON treatments (clinic_id, course_id) WHERE course_id IS NOT NULL;
COMMENT ON COLUMN treatments.course_id IS 'The course it is a session of; session_number follows from it then.';
