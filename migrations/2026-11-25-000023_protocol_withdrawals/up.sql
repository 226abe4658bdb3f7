-- A clinic withdraws a version, its own or a built-in one, for itself: retired for new treatments, recalled for all.

CREATE TABLE protocol_withdrawals (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    version_id uuid NOT NULL REFERENCES protocol_versions (id),
    retired_at timestamptz NOT NULL,
    retired_by uuid NOT NULL REFERENCES users (id),
    retired_because text NOT NULL CHECK (length(retired_because) BETWEEN 1 AND 500),
    recalled_at timestamptz,
    recalled_by uuid REFERENCES users (id),
    recalled_because text CHECK (length(recalled_because) BETWEEN 1 AND 500),
    PRIMARY KEY (clinic_id, version_id),
    CHECK ((recalled_at IS NULL) = (recalled_by IS NULL) AND (recalled_at IS NULL) = (recalled_because IS NULL))
);
COMMENT ON TABLE protocol_withdrawals IS 'Protocol versions that a clinic no longer uses.';
COMMENT ON COLUMN protocol_withdrawals.clinic_id IS 'The clinic.';
COMMENT ON COLUMN protocol_withdrawals.version_id IS 'The version.';
COMMENT ON COLUMN protocol_withdrawals.retired_at IS 'From when no new treatment gets it (wall clock).';
COMMENT ON COLUMN protocol_withdrawals.retired_by IS 'Which administrator said so.';
COMMENT ON COLUMN protocol_withdrawals.retired_because IS 'Why.';
COMMENT ON COLUMN protocol_withdrawals.recalled_at IS 'From when nothing more is told by it (wall clock); absent where it is only retired.';
COMMENT ON COLUMN protocol_withdrawals.recalled_by IS 'Which administrator said so.';
COMMENT ON COLUMN protocol_withdrawals.recalled_because IS 'Why.';
