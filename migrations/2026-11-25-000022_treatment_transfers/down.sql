DROP TABLE treatment_transfers;
DROP INDEX treatments_by_version;
ALTER TABLE treatments DROP COLUMN changes;
