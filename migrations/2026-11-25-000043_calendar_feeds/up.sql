-- Feeds that a patient's calendar reads: an address with a secret in it, of which only the hash is kept.

CREATE TABLE calendar_feeds (
    clinic_id uuid NOT NULL,
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    label text,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE
);
CREATE INDEX calendar_feeds_by_patient ON calendar_feeds (clinic_id, patient_id);
COMMENT ON TABLE calendar_feeds IS 'Addresses at which a patient''s calendar reads what is ahead.';
COMMENT ON COLUMN calendar_feeds.clinic_id IS 'The clinic.';
COMMENT ON COLUMN calendar_feeds.id IS 'Chosen by the server.';
COMMENT ON COLUMN calendar_feeds.patient_id IS 'Whose recovery it shows.';
COMMENT ON COLUMN calendar_feeds.user_id IS 'The login that made it: its language and wishes apply.';
COMMENT ON COLUMN calendar_feeds.token_hash IS 'SHA-256 of the secret in the address.';
COMMENT ON COLUMN calendar_feeds.label IS 'What the person calls it, to tell several apart.';
COMMENT ON COLUMN calendar_feeds.created_at IS 'When it was made (wall clock).';
COMMENT ON COLUMN calendar_feeds.revoked_at IS 'When it was revoked (wall clock): nothing is read there from then on.';
