-- What the clinic asks of nobody: days or single tasks of a treatment that leave compliance, and why.

CREATE TABLE excuses (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    treatment_id uuid NOT NULL,
    item_key text,
    seq integer CHECK (seq >= 0),
    from_on date NOT NULL,
    to_on date NOT NULL,
    reason text NOT NULL,
    excused_by uuid NOT NULL REFERENCES users (id),
    excused_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, treatment_id) REFERENCES treatments (clinic_id, id) ON DELETE CASCADE,
    CONSTRAINT excuses_in_order CHECK (from_on <= to_on),
    CONSTRAINT excuses_seq_of_an_item CHECK (seq IS NULL OR item_key IS NOT NULL)
);
CREATE INDEX excuses_by_treatment ON excuses (clinic_id, treatment_id, from_on);
COMMENT ON TABLE excuses IS 'Tasks that the clinic excuses: they leave compliance, and nobody is reminded of them. Removed when withdrawn; the audit trail keeps both.';
COMMENT ON COLUMN excuses.clinic_id IS 'The clinic.';
COMMENT ON COLUMN excuses.id IS 'Chosen by the caller or the server.';
COMMENT ON COLUMN excuses.treatment_id IS 'The treatment.';
COMMENT ON COLUMN excuses.item_key IS 'Only this item; absent: all.';
COMMENT ON COLUMN excuses.seq IS 'Only this position within the day; absent: all.';
COMMENT ON COLUMN excuses.from_on IS 'First local date.';
COMMENT ON COLUMN excuses.to_on IS 'Last local date, included.';
COMMENT ON COLUMN excuses.reason IS 'Why, in the clinic''s words; for staff.';
COMMENT ON COLUMN excuses.excused_by IS 'Who excused it.';
COMMENT ON COLUMN excuses.excused_at IS 'When (care clock).';
