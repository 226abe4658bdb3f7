ALTER TABLE devices DROP COLUMN fetch_token_before, DROP COLUMN fetch_token_hash;
