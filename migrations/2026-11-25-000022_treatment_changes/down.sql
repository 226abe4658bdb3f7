DROP TABLE treatment_changes;
DROP INDEX treatments_by_version;
ALTER TABLE treatments DROP COLUMN changes;
