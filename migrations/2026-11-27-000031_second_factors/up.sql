-- Second factors of logins: codes of an authenticator app (RFC 6238), and one-time codes for when it is lost.

CREATE TABLE second_factors (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    last_step bigint,
    failures integer NOT NULL CHECK (failures >= 0),
    failed_at timestamptz,
    CHECK ((confirmed_at IS NULL) = (last_step IS NULL)),
    CHECK ((failures = 0) = (failed_at IS NULL))
);
COMMENT ON TABLE second_factors IS 'Authenticator apps of logins, at most one each.';
COMMENT ON COLUMN second_factors.user_id IS 'Whose login it guards.';
COMMENT ON COLUMN second_factors.secret_sealed IS 'The shared secret, AES-256-GCM under the server''s key, bound to the login.';
COMMENT ON COLUMN second_factors.created_at IS 'When the secret was made (wall clock).';
COMMENT ON COLUMN second_factors.confirmed_at IS 'When a first code proved that the app has the secret (wall clock); asked for only from then on.';
COMMENT ON COLUMN second_factors.last_step IS 'The time step of the last code used: it and earlier ones are void.';
COMMENT ON COLUMN second_factors.failures IS 'Wrong codes since the last right one.';
COMMENT ON COLUMN second_factors.failed_at IS 'When the last wrong one came (wall clock).';

CREATE TABLE recovery_codes (
    code_hash bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    user_id uuid NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL
);
CREATE INDEX recovery_codes_by_user ON recovery_codes (user_id);
COMMENT ON TABLE recovery_codes IS 'One-time codes that stand in for an authenticator app. A used one is gone.';
COMMENT ON COLUMN recovery_codes.code_hash IS 'SHA-256 of the code.';
COMMENT ON COLUMN recovery_codes.user_id IS 'Whose login it opens, together with the password.';
COMMENT ON COLUMN recovery_codes.created_at IS 'When it was made (wall clock).';

-- A person's own, and for the clinics that they belong to, whose administrators may take a lost one away.
SELECT wall(name::regclass, api => 'SELECT, INSERT, UPDATE, DELETE', whose => format(
    'user_id = (SELECT scope_user()) OR EXISTS (SELECT FROM memberships AS m
        WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = %I.user_id)', name))
  FROM unnest(ARRAY['second_factors', 'recovery_codes']) AS name;

ALTER TABLE clinics ADD COLUMN require_second_factor boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN clinics.require_second_factor IS 'Whether staff do nothing here without a second factor.';
