-- Clinics are the tenants. Identity is global: a login is found before any clinic is known.

CREATE TABLE clinics (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    time_zone text NOT NULL,
    locale text NOT NULL,
    default_protocol text NOT NULL,
    quiet_from time NOT NULL,
    quiet_to time NOT NULL,
    low_compliance_bp integer NOT NULL CHECK (low_compliance_bp BETWEEN 0 AND 10000),
    triage_enabled boolean NOT NULL,
    emergency_line text,
    contact_line text,
    demo boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE clinics IS 'The tenants.';
COMMENT ON COLUMN clinics.id IS 'Chosen by the server.';
COMMENT ON COLUMN clinics.name IS 'As shown to staff and patients inside the app; never in a push.';
COMMENT ON COLUMN clinics.time_zone IS 'IANA zone of the clinic; patients without one of their own get it.';
COMMENT ON COLUMN clinics.locale IS 'Language tag used where neither the request nor the user says otherwise.';
COMMENT ON COLUMN clinics.default_protocol IS 'Key of the protocol that a treatment gets when nobody chooses one.';
COMMENT ON COLUMN clinics.quiet_from IS 'Local time from which patients are left alone, unless they say otherwise.';
COMMENT ON COLUMN clinics.quiet_to IS 'Local time until which patients are left alone.';
COMMENT ON COLUMN clinics.low_compliance_bp IS 'Share of on-time tasks (basis points) below which a patient asks for attention.';
COMMENT ON COLUMN clinics.triage_enabled IS 'Whether check-ins are triaged; off, they are only stored and shown.';
COMMENT ON COLUMN clinics.emergency_line IS 'Whom to call in an emergency, as shown to patients.';
COMMENT ON COLUMN clinics.contact_line IS 'How patients reach the clinic with a question.';
COMMENT ON COLUMN clinics.demo IS 'Made by the demo, which touches no other clinic.';
COMMENT ON COLUMN clinics.version IS 'Counts edits; the strong ETag.';
COMMENT ON COLUMN clinics.created_at IS 'When the clinic was set up (wall clock).';

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    password_hash text NOT NULL,
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    time_zone text NOT NULL,
    locale text NOT NULL,
    tokens_valid_after timestamptz NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE users IS 'Logins, global.';
COMMENT ON COLUMN users.id IS 'Chosen by the server.';
COMMENT ON COLUMN users.email IS 'Lower-cased; the login name.';
COMMENT ON COLUMN users.password_hash IS 'Argon2id, PHC string.';
COMMENT ON COLUMN users.display_name IS 'As the person wants to be called.';
COMMENT ON COLUMN users.time_zone IS 'IANA zone the person calls home.';
COMMENT ON COLUMN users.locale IS 'Preferred language tag.';
COMMENT ON COLUMN users.tokens_valid_after IS 'Access tokens issued before this instant are refused (wall clock).';
COMMENT ON COLUMN users.version IS 'Counts edits; the strong ETag.';
COMMENT ON COLUMN users.created_at IS 'When the login was made (wall clock).';

CREATE TABLE memberships (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id),
    role text NOT NULL CHECK (role IN ('patient', 'clinician', 'administrator')),
    created_at timestamptz NOT NULL,
    removed_at timestamptz,
    PRIMARY KEY (clinic_id, id),
    UNIQUE (clinic_id, user_id)
);
CREATE INDEX memberships_by_user ON memberships (user_id);
COMMENT ON TABLE memberships IS 'A login''s role at one clinic.';
COMMENT ON COLUMN memberships.clinic_id IS 'The clinic.';
COMMENT ON COLUMN memberships.id IS 'Stable name of this membership; staff alerts are addressed to it.';
COMMENT ON COLUMN memberships.user_id IS 'The login.';
COMMENT ON COLUMN memberships.role IS 'patient, clinician or administrator.';
COMMENT ON COLUMN memberships.created_at IS 'When the invitation was accepted (wall clock).';
COMMENT ON COLUMN memberships.removed_at IS 'When the membership ended; the row stays for the record.';

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    clinic_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_because text CHECK (revoked_because IN ('logout', 'reuse', 'reset', 'removed')),
    CHECK ((revoked_at IS NULL) = (revoked_because IS NULL))
);
CREATE INDEX sessions_by_user ON sessions (user_id);
COMMENT ON TABLE sessions IS 'A family of rotating refresh tokens: one login on one app.';
COMMENT ON COLUMN sessions.id IS 'Named in access tokens as sid.';
COMMENT ON COLUMN sessions.user_id IS 'Whose login it is.';
COMMENT ON COLUMN sessions.clinic_id IS 'The membership''s clinic that new access tokens name.';
COMMENT ON COLUMN sessions.created_at IS 'Login (wall clock).';
COMMENT ON COLUMN sessions.last_used_at IS 'Last refresh (wall clock).';
COMMENT ON COLUMN sessions.idle_expires_at IS 'Ends if unused until then: 180 days after the last refresh.';
COMMENT ON COLUMN sessions.expires_at IS 'Ends then in any case: one year after the login.';
COMMENT ON COLUMN sessions.revoked_at IS 'When it was ended early.';
COMMENT ON COLUMN sessions.revoked_because IS 'Why it was ended early.';

CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    parent_hash bytea REFERENCES refresh_tokens (token_hash) ON DELETE SET NULL,
    issued_at timestamptz NOT NULL,
    rotated_at timestamptz
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_by_parent ON refresh_tokens (parent_hash);
COMMENT ON TABLE refresh_tokens IS 'Opaque refresh tokens, hashed. A successor is an HMAC of its parent, so a lost answer can be asked for again.';
COMMENT ON COLUMN refresh_tokens.token_hash IS 'SHA-256 of the token.';
COMMENT ON COLUMN refresh_tokens.session_id IS 'The family it belongs to.';
COMMENT ON COLUMN refresh_tokens.parent_hash IS 'The token it was exchanged for.';
COMMENT ON COLUMN refresh_tokens.issued_at IS 'When it was first issued (wall clock).';
COMMENT ON COLUMN refresh_tokens.rotated_at IS 'When it was exchanged; it may be presented again only until its successor is used.';

CREATE TABLE reset_codes (
    code_hash bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    issued_by uuid REFERENCES users (id),
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX reset_codes_by_user ON reset_codes (user_id);
COMMENT ON TABLE reset_codes IS 'One-time codes that a clinic hands out for a forgotten password.';
COMMENT ON COLUMN reset_codes.code_hash IS 'SHA-256 of the code.';
COMMENT ON COLUMN reset_codes.user_id IS 'Whose password may be set.';
COMMENT ON COLUMN reset_codes.clinic_id IS 'The clinic that issued it.';
COMMENT ON COLUMN reset_codes.issued_by IS 'The administrator who issued it; absent where the server''s operator did.';
COMMENT ON COLUMN reset_codes.issued_at IS 'When (wall clock).';
COMMENT ON COLUMN reset_codes.expires_at IS 'Useless from then on.';
COMMENT ON COLUMN reset_codes.used_at IS 'When it was used.';

CREATE TABLE devices (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id uuid REFERENCES sessions (id) ON DELETE SET NULL,
    provider text NOT NULL CHECK (provider IN ('fcm', 'apns', 'web_push', 'expo')),
    app_id text NOT NULL,
    environment text NOT NULL CHECK (environment IN ('production', 'sandbox')),
    address_kind text NOT NULL CHECK (address_kind IN ('token', 'fid', 'endpoint')),
    address_hash bytea NOT NULL CHECK (octet_length(address_hash) = 32),
    address_sealed bytea NOT NULL,
    locale text NOT NULL,
    time_zone text NOT NULL,
    permission text NOT NULL CHECK (permission IN ('granted', 'denied', 'unknown')),
    registered_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    quarantined_at timestamptz,
    quarantine_reason text,
    CHECK (quarantined_at IS NOT NULL OR quarantine_reason IS NULL),
    UNIQUE (provider, app_id, address_hash)
);
CREATE INDEX devices_by_user ON devices (user_id);
COMMENT ON TABLE devices IS 'Phones and browsers that may be addressed. An address belongs to one login at a time.';
COMMENT ON COLUMN devices.id IS 'Chosen by the app.';
COMMENT ON COLUMN devices.user_id IS 'Who is logged in on it.';
COMMENT ON COLUMN devices.session_id IS 'The login that registered it; ending that login removes the device.';
COMMENT ON COLUMN devices.provider IS 'Who carries its messages.';
COMMENT ON COLUMN devices.app_id IS 'The app at the provider; empty where there is but one.';
COMMENT ON COLUMN devices.environment IS 'APNs environment; production elsewhere.';
COMMENT ON COLUMN devices.address_kind IS 'What the address is: FCM registration token or installation id, else the provider''s token or endpoint.';
COMMENT ON COLUMN devices.address_hash IS 'SHA-256 of the address, so that it can be unique without being readable.';
COMMENT ON COLUMN devices.address_sealed IS 'Address and keys as JSON, AES-256-GCM under the server''s key, bound to the device id.';
COMMENT ON COLUMN devices.locale IS 'Language of the phone.';
COMMENT ON COLUMN devices.time_zone IS 'IANA zone the phone was in when the app was last in the foreground.';
COMMENT ON COLUMN devices.permission IS 'Whether the person lets the app notify.';
COMMENT ON COLUMN devices.registered_at IS 'When this address was last registered (wall clock); dead-address reports older than this are ignored.';
COMMENT ON COLUMN devices.last_seen_at IS 'When the app last told us about itself (wall clock).';
COMMENT ON COLUMN devices.quarantined_at IS 'Since when the address is suspect and left alone until the app registers again.';
COMMENT ON COLUMN devices.quarantine_reason IS 'The provider''s word for it.';

CREATE TABLE notification_preferences (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    quiet_from time,
    quiet_to time,
    preferred_time time,
    categories_off text[] NOT NULL,
    show_details boolean NOT NULL,
    daily_cap integer NOT NULL CHECK (daily_cap BETWEEN 1 AND 24),
    zone_mode text NOT NULL CHECK (zone_mode IN ('device', 'home')),
    paused boolean NOT NULL,
    version integer NOT NULL,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE notification_preferences IS 'What a person wants to be told, and when. No row: the defaults.';
COMMENT ON COLUMN notification_preferences.user_id IS 'Whose wishes.';
COMMENT ON COLUMN notification_preferences.quiet_from IS 'Local time from which to be left alone; the clinic''s where absent.';
COMMENT ON COLUMN notification_preferences.quiet_to IS 'Local time until which to be left alone; the clinic''s where absent.';
COMMENT ON COLUMN notification_preferences.preferred_time IS 'Local time for what has no time of its own; 09:00 where absent.';
COMMENT ON COLUMN notification_preferences.categories_off IS 'Categories of alerts that are not wanted.';
COMMENT ON COLUMN notification_preferences.show_details IS 'The person agreed to details on the lock screen.';
COMMENT ON COLUMN notification_preferences.daily_cap IS 'At most this many reminders a day.';
COMMENT ON COLUMN notification_preferences.zone_mode IS 'device: follow the phone; home: keep the home zone.';
COMMENT ON COLUMN notification_preferences.paused IS 'Nothing at all for now.';
COMMENT ON COLUMN notification_preferences.version IS 'Counts edits; the strong ETag.';
COMMENT ON COLUMN notification_preferences.updated_at IS 'Last edit (wall clock).';
