COMMENT ON COLUMN patients.purge_at IS 'When the record and all of it goes, once it is detached (wall clock): set when the person asked for the end of the login and was told so.';
COMMENT ON COLUMN patients.detached_at IS 'When the person erased the login behind the record, which is read-only since (wall clock).';
UPDATE patients SET purge_at = NULL WHERE unlinked_at IS NOT NULL AND detached_at IS NULL;
ALTER TABLE patients DROP COLUMN unlinked_at;
