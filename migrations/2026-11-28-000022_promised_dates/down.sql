COMMENT ON COLUMN patients.purge_at IS 'When the detached record and all of it goes (wall clock): said to the person before it left.';
UPDATE patients SET purge_at = NULL WHERE detached_at IS NULL AND purge_at IS NOT NULL;
ALTER TABLE patients
    DROP CONSTRAINT patients_detached_until,
    ADD CONSTRAINT patients_purged_once_detached CHECK ((detached_at IS NULL) = (purge_at IS NULL));
