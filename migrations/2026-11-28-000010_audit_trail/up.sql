-- The audit trail whole: where from, reads beside writes, and a seal for each clinic and day.

ALTER TABLE audit ADD COLUMN address text CONSTRAINT audit_address_check CHECK (address ~ '^[0-9a-f.:]{2,45}$');
COMMENT ON COLUMN audit.address IS 'Where the request came from, as far as proxies can be believed; absent for the operator and the server itself.';

-- A patient's log and an investigation of one person's looks are read by time.
CREATE INDEX audit_by_patient ON audit (clinic_id, patient_id, at, id) WHERE patient_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (clinic_id, actor_id, at, id) WHERE actor_id IS NOT NULL;

-- Reads come in batches of many clinics, and again where nobody knows whether the first time was the last. It adds and does
-- nothing else. Nobody can write through it, into another clinic's trail, that something was changed, or that the operator did it.
CREATE FUNCTION append_reads(noted jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
    written bigint;
BEGIN
    IF EXISTS (SELECT FROM jsonb_to_recordset(noted) AS n(actor_role text, action text)
                WHERE (n.action ~ '^[a-z_]+\.(read|download|explain)$'
                       AND n.actor_role IN ('patient', 'clinician', 'administrator', 'calendar')) IS NOT TRUE) THEN
        RAISE EXCEPTION 'append_reads takes looks, by people and calendars' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO audit (at, id, clinic_id, actor_id, actor_role, action, subject_kind, subject_id, patient_id, request_id, address)
    SELECT n.at, n.id, n.clinic_id, n.actor_id, n.actor_role, n.action, n.subject_kind, n.subject_id, n.patient_id, n.request_id,
           n.address
      FROM jsonb_to_recordset(noted) AS n(at timestamptz, id uuid, clinic_id uuid, actor_id uuid, actor_role text, action text,
           subject_kind text, subject_id uuid, patient_id uuid, request_id uuid, address text)
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN written;
END
$$;
REVOKE EXECUTE ON FUNCTION append_reads FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_reads TO mendline_api;

CREATE TABLE audit_seals (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    day date NOT NULL,
    entries bigint NOT NULL CHECK (entries >= 0),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    previous bytea CHECK (octet_length(previous) = 32),
    seal bytea NOT NULL CHECK (octet_length(seal) = 32),
    sealed_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, day)
);
COMMENT ON TABLE audit_seals IS 'What a clinic''s audit trail held of a day once the day was over: a chain, each link under the server''s key.';
COMMENT ON COLUMN audit_seals.clinic_id IS 'The clinic.';
COMMENT ON COLUMN audit_seals.day IS 'The day, in UTC.';
COMMENT ON COLUMN audit_seals.entries IS 'How many entries there were.';
COMMENT ON COLUMN audit_seals.digest IS 'SHA-256 over all of them, in order of time and id.';
COMMENT ON COLUMN audit_seals.previous IS 'The seal of the day before; absent on a clinic''s first.';
COMMENT ON COLUMN audit_seals.seal IS 'HMAC-SHA-256 over all of the above and the moment, under a key derived from the secret key.';
COMMENT ON COLUMN audit_seals.sealed_at IS 'When it was made (wall clock).';
SELECT wall('audit_seals', api => '', worker => 'SELECT, INSERT');
