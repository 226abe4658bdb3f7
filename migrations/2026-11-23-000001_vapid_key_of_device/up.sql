-- The key that a subscription was made with is the only one that its push service takes. Older rows hold nothing: there
-- was one key when they were written.
ALTER TABLE devices ADD COLUMN vapid_key_id text CHECK (vapid_key_id IS NULL OR provider = 'web_push');

-- Which providers there are is the server's to say: a further one needs no migration.
ALTER TABLE devices DROP CONSTRAINT devices_provider_check;
ALTER TABLE devices ADD CONSTRAINT devices_provider_check CHECK (provider ~ '^[a-z_]{1,20}$');

COMMENT ON COLUMN devices.vapid_key_id IS 'Which of the server''s keys a Web Push subscription was made with; absent elsewhere and where the device never told.';
