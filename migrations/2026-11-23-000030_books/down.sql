COMMENT ON COLUMN devices.address_sealed IS 'Address and keys as JSON, AES-256-GCM under the server''s key, bound to the device id.';
COMMENT ON COLUMN devices.last_seen_at IS 'When the app last told us about itself (wall clock).';
COMMENT ON COLUMN devices.quarantined_at IS 'Since when the address is suspect and left alone until the app registers again.';
COMMENT ON COLUMN devices.quarantine_reason IS 'The provider''s word for it.';
DROP FUNCTION drop_month_partitions(text, date);
DROP INDEX devices_by_session;
DROP INDEX attempts_by_time;
DROP INDEX alerts_ended;
DROP INDEX alerts_unsent;
