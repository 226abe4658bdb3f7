-- Clinics write protocols of their own: drafts, and published versions beside the built-in ones.

ALTER TABLE protocol_versions
    ADD COLUMN clinic_id uuid REFERENCES clinics (id),
    ADD COLUMN published_by uuid REFERENCES users (id);
COMMENT ON COLUMN protocol_versions.clinic_id IS 'Whose it is; absent for built-ins, which are everybody''s.';
COMMENT ON COLUMN protocol_versions.published_by IS 'Who published it; absent for built-ins.';

-- A clinic's names and numbers are its own affair. They begin apart from those of built-ins, so that none which a later
-- release brings can be taken already.
ALTER TABLE protocol_versions DROP CONSTRAINT protocol_versions_key_version_key;
ALTER TABLE protocol_versions ADD CONSTRAINT protocol_versions_name UNIQUE NULLS NOT DISTINCT (clinic_id, key, version);
ALTER TABLE protocol_versions
    ADD CONSTRAINT protocol_versions_own_name CHECK (clinic_id IS NULL OR key LIKE 'own-%'),
    ADD CONSTRAINT protocol_versions_by_somebody CHECK ((clinic_id IS NULL) = (published_by IS NULL));

-- What was published stays as it was published, whoever holds the connection.
CREATE FUNCTION refuse_change_of_protocol_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'protocol % version % is published: it never changes', OLD.key, OLD.version;
END
$$;
CREATE TRIGGER protocol_versions_never_change BEFORE UPDATE OR DELETE ON protocol_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_protocol_version();

-- The base texts belong to the version. Translations may be corrected.
CREATE FUNCTION refuse_change_of_base_texts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.locale = (SELECT base_locale FROM protocol_versions WHERE id = OLD.version_id) THEN
        RAISE EXCEPTION 'the base texts of protocol version % are published: they never change', OLD.version_id;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER protocol_texts_base_never_changes BEFORE UPDATE OR DELETE ON protocol_texts
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_base_texts();

CREATE TABLE protocol_drafts (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    id uuid NOT NULL,
    key text,
    number integer,
    structure text NOT NULL,
    locales text[] NOT NULL,
    texts text[] NOT NULL,
    version integer NOT NULL,
    created_by uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL,
    updated_by uuid NOT NULL REFERENCES users (id),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, id),
    CHECK (cardinality(locales) = cardinality(texts)),
    CHECK (octet_length(structure) + octet_length(array_to_string(texts, '')) <= 1000000)
);
COMMENT ON TABLE protocol_drafts IS 'Protocols that a clinic is writing; gone once published.';
COMMENT ON COLUMN protocol_drafts.clinic_id IS 'The clinic.';
COMMENT ON COLUMN protocol_drafts.id IS 'The id that the version gets once it is published.';
COMMENT ON COLUMN protocol_drafts.key IS 'What protocol.toml calls itself, where it says so.';
COMMENT ON COLUMN protocol_drafts.number IS 'Which version it calls itself, where it says so.';
COMMENT ON COLUMN protocol_drafts.structure IS 'protocol.toml as written, faults included.';
COMMENT ON COLUMN protocol_drafts.locales IS 'Language tags of the texts.';
COMMENT ON COLUMN protocol_drafts.texts IS 'The texts file of each of them as written.';
COMMENT ON COLUMN protocol_drafts.version IS 'Counts edits; the strong ETag.';
COMMENT ON COLUMN protocol_drafts.created_by IS 'Who began it.';
COMMENT ON COLUMN protocol_drafts.created_at IS 'When (wall clock).';
COMMENT ON COLUMN protocol_drafts.updated_by IS 'Who edited it last.';
COMMENT ON COLUMN protocol_drafts.updated_at IS 'When (wall clock).';
