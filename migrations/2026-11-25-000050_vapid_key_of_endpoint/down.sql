UPDATE devices SET vapid_key_id = NULL WHERE provider <> 'web_push' AND vapid_key_id IS NOT NULL;
ALTER TABLE devices
    DROP CONSTRAINT devices_vapid_key_id_check,
    ADD CONSTRAINT devices_check1 CHECK (vapid_key_id IS NULL OR provider = 'web_push');
COMMENT ON COLUMN devices.vapid_key_id IS 'Which of the server''s keys a Web Push subscription was made with; absent elsewhere and where the device never told.';
