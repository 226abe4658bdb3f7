-- Whose plans are to be made anew because something changed that is not theirs alone, such as the clinic's quiet hours.
CREATE TABLE replans (
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    times integer NOT NULL CHECK (times > 0),
    PRIMARY KEY (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE replans IS 'Patients whom a worker plans for anew: something changed that is not theirs alone.';
COMMENT ON COLUMN replans.clinic_id IS 'The clinic.';
COMMENT ON COLUMN replans.patient_id IS 'Who is planned for.';
COMMENT ON COLUMN replans.times IS 'How often it was asked for: a plan answers only what was asked before it was made.';
