REVOKE DELETE ON protocol_versions, protocol_texts FROM mendline_worker;
ALTER TABLE clinics DROP COLUMN closed_at, DROP COLUMN erase_at;
