ALTER TABLE devices DROP CONSTRAINT devices_provider_check;
ALTER TABLE devices ADD CONSTRAINT devices_provider_check CHECK (provider IN ('fcm', 'apns', 'web_push', 'expo'));
ALTER TABLE devices DROP COLUMN vapid_key_id;
