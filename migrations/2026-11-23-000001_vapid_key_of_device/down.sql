ALTER TABLE devices DROP COLUMN vapid_key_id;
