-- What a phone's notification extension shows at GET /v1/alerts/{id}: a token of the device that can do nothing else, so
-- that no extension ever touches the rotating refresh token.

ALTER TABLE devices
    ADD COLUMN fetch_token_hash bytea CHECK (octet_length(fetch_token_hash) = 32),
    ADD COLUMN fetch_token_before bytea CHECK (octet_length(fetch_token_before) = 32);
COMMENT ON COLUMN devices.fetch_token_hash IS 'SHA-256 of the secret part of the token that the last registration was answered with. Good for 90 days after it.';
COMMENT ON COLUMN devices.fetch_token_before IS 'Likewise of the registration before: still good, since an app may not have got the last answer.';
