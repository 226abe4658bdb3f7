-- What clinicians decide about conditions such as the end of flaking. What check-ins say of them stands in check_ins.

CREATE TABLE condition_decisions (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    treatment_id uuid NOT NULL,
    condition_key text NOT NULL,
    ended boolean NOT NULL,
    reason text NOT NULL,
    decided_by uuid NOT NULL REFERENCES users (id),
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, treatment_id) REFERENCES treatments (clinic_id, id) ON DELETE CASCADE
);
CREATE INDEX condition_decisions_by_treatment ON condition_decisions (clinic_id, treatment_id, decided_at);
COMMENT ON TABLE condition_decisions IS 'Clinicians'' word on what a patient''s waiting times wait for. Append-only: the latest word of anybody counts.';
COMMENT ON COLUMN condition_decisions.clinic_id IS 'The clinic.';
COMMENT ON COLUMN condition_decisions.id IS 'Chosen by the caller or the server.';
COMMENT ON COLUMN condition_decisions.treatment_id IS 'The treatment.';
COMMENT ON COLUMN condition_decisions.condition_key IS 'The condition, as the pinned protocol version names it.';
COMMENT ON COLUMN condition_decisions.ended IS 'Whether it has ended, or goes on although a check-in said otherwise.';
COMMENT ON COLUMN condition_decisions.reason IS 'Why, in the clinician''s words; for staff.';
COMMENT ON COLUMN condition_decisions.decided_by IS 'Whose word it is.';
COMMENT ON COLUMN condition_decisions.decided_at IS 'When (care clock).';
