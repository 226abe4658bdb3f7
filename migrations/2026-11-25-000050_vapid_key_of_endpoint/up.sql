-- Which providers' addresses are subscriptions is the server's to say: each of them is made with one of our keys.
ALTER TABLE devices
    DROP CONSTRAINT devices_check1,
    ADD CONSTRAINT devices_vapid_key_id_check CHECK (vapid_key_id IS NULL OR address_kind = 'endpoint');
COMMENT ON COLUMN devices.vapid_key_id IS 'Which of the server''s keys a subscription was made with; absent elsewhere and where the device never told.';
