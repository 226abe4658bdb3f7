-- A running treatment may be put under another protocol version. What was closed by then stays as it was judged.

ALTER TABLE treatments ADD COLUMN changes integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN treatments.changes IS 'How often what it follows was changed.';
-- Who is treated by a version: asked when it is recalled.
CREATE INDEX treatments_by_version ON treatments (clinic_id, protocol_version_id, id)
    WHERE status IN ('unconfirmed', 'active');

CREATE TABLE treatment_changes (
    clinic_id uuid NOT NULL,
    treatment_id uuid NOT NULL,
    id uuid NOT NULL,
    from_version_id uuid NOT NULL REFERENCES protocol_versions (id),
    to_version_id uuid NOT NULL REFERENCES protocol_versions (id),
    changed_at timestamptz NOT NULL,
    kept uuid[] NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    changed_by uuid NOT NULL REFERENCES users (id),
    PRIMARY KEY (clinic_id, treatment_id, id),
    FOREIGN KEY (clinic_id, treatment_id) REFERENCES treatments (clinic_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE treatment_changes IS 'What a treatment followed before, and what it has followed since.';
COMMENT ON COLUMN treatment_changes.clinic_id IS 'The clinic.';
COMMENT ON COLUMN treatment_changes.treatment_id IS 'The treatment.';
COMMENT ON COLUMN treatment_changes.id IS 'Of two at one moment the later is larger.';
COMMENT ON COLUMN treatment_changes.from_version_id IS 'What it pinned before.';
COMMENT ON COLUMN treatment_changes.to_version_id IS 'What it pinned from then on.';
COMMENT ON COLUMN treatment_changes.changed_at IS 'When (care clock). Tasks whose window was over by then stay as they were.';
COMMENT ON COLUMN treatment_changes.kept IS 'Tasks that stay as they were although their window was open: those that were done or skipped.';
COMMENT ON COLUMN treatment_changes.reason IS 'Why, in the words of whoever did it.';
COMMENT ON COLUMN treatment_changes.changed_by IS 'Who did it.';
