DROP TABLE protocol_drafts;
DROP TRIGGER protocol_texts_base_never_changes ON protocol_texts;
DROP TRIGGER protocol_versions_never_change ON protocol_versions;
DROP FUNCTION refuse_change_of_base_texts;
DROP FUNCTION refuse_change_of_protocol_version;
ALTER TABLE protocol_versions
    DROP CONSTRAINT protocol_versions_by_somebody,
    DROP CONSTRAINT protocol_versions_own_name,
    DROP CONSTRAINT protocol_versions_name,
    DROP COLUMN published_by,
    DROP COLUMN clinic_id;
ALTER TABLE protocol_versions ADD CONSTRAINT protocol_versions_key_version_key UNIQUE (key, version);
