-- Whoever asks for the end of a login is told until when each clinic keeps their record. That date is written down then and kept,
-- whatever the clinic's figure is by the time that the record is detached.
ALTER TABLE patients
    DROP CONSTRAINT patients_purged_once_detached,
    ADD CONSTRAINT patients_detached_until CHECK (detached_at IS NULL OR purge_at IS NOT NULL);
COMMENT ON COLUMN patients.purge_at IS 'When the record and all of it goes, once it is detached (wall clock): set when the person asked for the end of the login and was told so.';
