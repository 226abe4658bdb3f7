ALTER TABLE audit_seals
    ADD CONSTRAINT audit_seals_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id);
CREATE OR REPLACE FUNCTION refuse_change_of_protocol_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'protocol % version % is published: it never changes', OLD.key, OLD.version;
END
$$;
ALTER TABLE protocol_texts
    DROP CONSTRAINT protocol_texts_version_id_fkey,
    ADD CONSTRAINT protocol_texts_version_id_fkey FOREIGN KEY (version_id) REFERENCES protocol_versions (id);
ALTER TABLE protocol_versions
    DROP CONSTRAINT protocol_versions_clinic_id_fkey,
    ADD CONSTRAINT protocol_versions_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id);
ALTER TABLE clinics DROP COLUMN closed_at, DROP COLUMN erase_at;
