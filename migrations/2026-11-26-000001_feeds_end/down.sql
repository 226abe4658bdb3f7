DROP INDEX calendar_feeds_by_user;
ALTER TABLE calendar_feeds ADD COLUMN revoked_at timestamptz;
COMMENT ON COLUMN calendar_feeds.revoked_at IS 'When it was revoked (wall clock): nothing is read there from then on.';
