-- Patients are records of a clinic, with or without a login behind them. Every table from here on carries the clinic.

CREATE TABLE patients (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    id uuid NOT NULL,
    user_id uuid REFERENCES users (id),
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    time_zone text NOT NULL,
    locale text NOT NULL,
    reference text,
    phone text,
    linked_at timestamptz,
    plan_revision integer NOT NULL,
    version integer NOT NULL,
    created_by uuid REFERENCES users (id),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, id),
    UNIQUE (clinic_id, user_id),
    CHECK ((user_id IS NULL) = (linked_at IS NULL))
);
COMMENT ON TABLE patients IS 'The clinic''s records of people.';
COMMENT ON COLUMN patients.clinic_id IS 'The clinic.';
COMMENT ON COLUMN patients.id IS 'Chosen by the caller or the server.';
COMMENT ON COLUMN patients.user_id IS 'The login behind the record, once an invitation was accepted.';
COMMENT ON COLUMN patients.display_name IS 'The person''s name as the clinic writes it.';
COMMENT ON COLUMN patients.time_zone IS 'IANA home zone.';
COMMENT ON COLUMN patients.locale IS 'Language tag for what the person reads.';
COMMENT ON COLUMN patients.reference IS 'The clinic''s own file number.';
COMMENT ON COLUMN patients.phone IS 'How the clinic reaches the person.';
COMMENT ON COLUMN patients.linked_at IS 'When the invitation was accepted (care clock); tasks count from then at the earliest.';
COMMENT ON COLUMN patients.plan_revision IS 'Counts replans of everything this person is owed.';
COMMENT ON COLUMN patients.version IS 'Counts edits; the strong ETag.';
COMMENT ON COLUMN patients.created_by IS 'Who made the record; absent where the server''s operator did.';
COMMENT ON COLUMN patients.created_at IS 'When (care clock).';

CREATE TABLE patient_zones (
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    valid_from timestamptz NOT NULL,
    zone text NOT NULL,
    PRIMARY KEY (clinic_id, patient_id, valid_from),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE patient_zones IS 'Where the person was, and since when. Windows already closed are never judged anew.';
COMMENT ON COLUMN patient_zones.clinic_id IS 'The clinic.';
COMMENT ON COLUMN patient_zones.patient_id IS 'The patient.';
COMMENT ON COLUMN patient_zones.valid_from IS 'From this instant on (care clock).';
COMMENT ON COLUMN patient_zones.zone IS 'IANA zone.';

CREATE TABLE invitations (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    id uuid NOT NULL,
    code_hash bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
    role text NOT NULL CHECK (role IN ('patient', 'clinician', 'administrator')),
    patient_id uuid,
    email text CHECK (email = lower(email)),
    created_by uuid REFERENCES users (id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by uuid REFERENCES users (id),
    revoked_at timestamptz,
    PRIMARY KEY (clinic_id, id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE,
    CHECK ((role = 'patient') = (patient_id IS NOT NULL)),
    CHECK ((accepted_at IS NULL) = (accepted_by IS NULL))
);
CREATE INDEX invitations_by_patient ON invitations (clinic_id, patient_id);
COMMENT ON TABLE invitations IS 'One-time codes through which people join a clinic.';
COMMENT ON COLUMN invitations.clinic_id IS 'The clinic.';
COMMENT ON COLUMN invitations.id IS 'Chosen by the server.';
COMMENT ON COLUMN invitations.code_hash IS 'SHA-256 of the code, which is shown once.';
COMMENT ON COLUMN invitations.role IS 'What the person becomes.';
COMMENT ON COLUMN invitations.patient_id IS 'The record that a patient''s login will be linked to.';
COMMENT ON COLUMN invitations.email IS 'If given, only this address may accept.';
COMMENT ON COLUMN invitations.created_by IS 'Who invited; absent where the server''s operator did.';
COMMENT ON COLUMN invitations.created_at IS 'When (wall clock).';
COMMENT ON COLUMN invitations.expires_at IS 'Useless from then on.';
COMMENT ON COLUMN invitations.accepted_at IS 'When it was used (wall clock).';
COMMENT ON COLUMN invitations.accepted_by IS 'The login that used it.';
COMMENT ON COLUMN invitations.revoked_at IS 'When the clinic took it back.';

CREATE TABLE idempotency_keys (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    user_id uuid NOT NULL REFERENCES users (id),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    operation text NOT NULL,
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    resource_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, user_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
COMMENT ON TABLE idempotency_keys IS 'Requests already answered, kept for 24 hours.';
COMMENT ON COLUMN idempotency_keys.clinic_id IS 'The clinic.';
COMMENT ON COLUMN idempotency_keys.user_id IS 'Whose key it is.';
COMMENT ON COLUMN idempotency_keys.key IS 'The Idempotency-Key header.';
COMMENT ON COLUMN idempotency_keys.operation IS 'The operation it was used for.';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 of the request body.';
COMMENT ON COLUMN idempotency_keys.resource_id IS 'What was made; the answer is rendered from it anew.';
COMMENT ON COLUMN idempotency_keys.created_at IS 'When (wall clock).';

CREATE TABLE audit (
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    clinic_id uuid NOT NULL,
    actor_id uuid,
    actor_role text NOT NULL,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    patient_id uuid,
    request_id uuid,
    PRIMARY KEY (clinic_id, at, id)
) PARTITION BY RANGE (at);
CREATE TABLE audit_rest PARTITION OF audit DEFAULT;
COMMENT ON TABLE audit IS 'Who did what to whose record. Append-only, a partition a month.';
COMMENT ON COLUMN audit.at IS 'When (wall clock).';
COMMENT ON COLUMN audit.id IS 'Tells entries of one instant apart.';
COMMENT ON COLUMN audit.clinic_id IS 'The clinic.';
COMMENT ON COLUMN audit.actor_id IS 'The login that acted; absent for the server itself.';
COMMENT ON COLUMN audit.actor_role IS 'Its role then, or operator.';
COMMENT ON COLUMN audit.action IS 'What was done, as resource.verb.';
COMMENT ON COLUMN audit.subject_kind IS 'What kind of thing it was done to.';
COMMENT ON COLUMN audit.subject_id IS 'Which one.';
COMMENT ON COLUMN audit.patient_id IS 'Whose record was touched.';
COMMENT ON COLUMN audit.request_id IS 'The request, as in the log.';

-- Makes the month partitions of an append-only table from the month of `since` on, if they are missing.
CREATE FUNCTION ensure_month_partitions(parent text, since date, months integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    month date;
    made integer := 0;
BEGIN
    FOR step IN 0 .. months - 1 LOOP
        month := date_trunc('month', since)::date + make_interval(months => step);
        IF to_regclass(format('%I', parent || to_char(month, '_YYYY_MM'))) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                parent || to_char(month, '_YYYY_MM'), parent,
                month::timestamp AT TIME ZONE 'UTC',
                (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;
