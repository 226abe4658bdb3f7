-- A clinic leaves: closed at once, erased once that can no longer be taken back.

ALTER TABLE clinics
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN erase_at timestamptz,
    ADD CONSTRAINT clinics_erased_once_closed CHECK ((closed_at IS NULL) = (erase_at IS NULL) AND erase_at > closed_at);
CREATE INDEX clinics_to_erase ON clinics (erase_at) WHERE erase_at IS NOT NULL;
COMMENT ON COLUMN clinics.closed_at IS 'When the operator closed it: nobody belongs to it since (wall clock).';
COMMENT ON COLUMN clinics.erase_at IS 'When it is final: a worker erases the clinic then (wall clock).';

-- What was published never changes, and goes with its clinic alone: when the clinic's row is gone, and not a moment before.
ALTER TABLE protocol_versions
    DROP CONSTRAINT protocol_versions_clinic_id_fkey,
    ADD CONSTRAINT protocol_versions_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id) ON DELETE CASCADE;
ALTER TABLE protocol_texts
    DROP CONSTRAINT protocol_texts_version_id_fkey,
    ADD CONSTRAINT protocol_texts_version_id_fkey FOREIGN KEY (version_id) REFERENCES protocol_versions (id) ON DELETE CASCADE;
CREATE OR REPLACE FUNCTION refuse_change_of_protocol_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.clinic_id IS NOT NULL AND NOT EXISTS (SELECT FROM clinics WHERE id = OLD.clinic_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'protocol % version % is published: it never changes', OLD.key, OLD.version;
END
$$;

-- The audit trail of a clinic that is gone stays its years, and so do its seals.
ALTER TABLE audit_seals DROP CONSTRAINT audit_seals_clinic_id_fkey;
