-- A clinic may have its people spoken to in words that nobody has reviewed: its administrators say so, text by text.

CREATE TABLE accepted_locales (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    id uuid NOT NULL,
    version_id uuid NOT NULL REFERENCES protocol_versions (id),
    locale text NOT NULL,
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    accepted_by uuid NOT NULL REFERENCES users (id),
    accepted_at timestamptz NOT NULL,
    withdrawn_by uuid REFERENCES users (id),
    withdrawn_at timestamptz,
    PRIMARY KEY (clinic_id, id),
    CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL))
);
CREATE UNIQUE INDEX accepted_locales_once ON accepted_locales (clinic_id, version_id, locale) WHERE withdrawn_at IS NULL;
COMMENT ON TABLE accepted_locales IS 'Unreviewed translations that a clinic has accepted, and withdrawn.';
COMMENT ON COLUMN accepted_locales.clinic_id IS 'The clinic.';
COMMENT ON COLUMN accepted_locales.id IS 'What the audit trail calls it.';
COMMENT ON COLUMN accepted_locales.version_id IS 'The protocol version.';
COMMENT ON COLUMN accepted_locales.locale IS 'The language of the texts.';
COMMENT ON COLUMN accepted_locales.content_hash IS 'The texts that were accepted: others in the same language are not.';
COMMENT ON COLUMN accepted_locales.accepted_by IS 'Which administrator accepted them.';
COMMENT ON COLUMN accepted_locales.accepted_at IS 'When (wall clock).';
COMMENT ON COLUMN accepted_locales.withdrawn_by IS 'Which administrator withdrew that.';
COMMENT ON COLUMN accepted_locales.withdrawn_at IS 'When (wall clock); absent while it holds.';
