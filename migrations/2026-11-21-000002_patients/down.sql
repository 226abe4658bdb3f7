DROP FUNCTION ensure_month_partitions(text, date, integer);
DROP TABLE audit;
DROP TABLE idempotency_keys;
DROP TABLE invitations;
DROP TABLE patient_zones;
DROP TABLE patients;
