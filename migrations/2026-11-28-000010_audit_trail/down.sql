DROP TABLE audit_seals;
DROP FUNCTION append_reads;
DROP INDEX audit_by_actor;
DROP INDEX audit_by_patient;
ALTER TABLE audit DROP COLUMN address;
