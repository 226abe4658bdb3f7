-- A person's login goes when the person says so: marked at once, erased once it can no longer be taken back. What a clinic has
-- to keep of its patient stays without the login, read-only, until its time is over.

CREATE TABLE login_deletions (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    requested_at timestamptz NOT NULL,
    erase_at timestamptz NOT NULL,
    CHECK (erase_at > requested_at)
);
CREATE INDEX login_deletions_due ON login_deletions (erase_at);
COMMENT ON TABLE login_deletions IS 'Logins whose deletion was asked for and can still be taken back.';
COMMENT ON COLUMN login_deletions.user_id IS 'The login.';
COMMENT ON COLUMN login_deletions.requested_at IS 'When its person asked for it (wall clock).';
COMMENT ON COLUMN login_deletions.erase_at IS 'When it is final: a worker erases the login then (wall clock).';

-- A person's own; the clinics that they belong to see it, since these plan nothing for who is about to leave.
SELECT wall('login_deletions', api => 'SELECT, INSERT, DELETE', whose => 'user_id = (SELECT scope_user())');
CREATE POLICY members ON login_deletions FOR SELECT TO mendline_api USING (
    EXISTS (SELECT FROM memberships AS m WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = login_deletions.user_id));

ALTER TABLE patients
    ADD COLUMN detached_at timestamptz,
    ADD COLUMN purge_at timestamptz,
    ADD CONSTRAINT patients_purged_once_detached CHECK ((detached_at IS NULL) = (purge_at IS NULL)),
    ADD CONSTRAINT patients_detached_without_login CHECK (detached_at IS NULL OR user_id IS NULL);
CREATE INDEX patients_to_purge ON patients (purge_at) WHERE purge_at IS NOT NULL;
COMMENT ON COLUMN patients.detached_at IS 'When the person erased the login behind the record, which is read-only since (wall clock).';
COMMENT ON COLUMN patients.purge_at IS 'When the detached record and all of it goes (wall clock): said to the person before it left.';

ALTER TABLE clinics ADD COLUMN retention_years integer NOT NULL DEFAULT 10 CHECK (retention_years BETWEEN 1 AND 30);
COMMENT ON COLUMN clinics.retention_years IS 'For how many years the clinic has to keep the record of a patient who left.';

ALTER TABLE sessions DROP CONSTRAINT sessions_revoked_because_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_revoked_because_check
    CHECK (revoked_because IN ('logout', 'reuse', 'reset', 'removed', 'elsewhere', 'password', 'second_factor', 'clinic', 'deletion'));

-- Who did something is an id that outlives the login, as in the audit trail: it says nothing of a person who is gone. A key to
-- users would hold the login back, or have each of these tables read from end to end when one goes.
ALTER TABLE memberships DROP CONSTRAINT memberships_user_id_fkey;
ALTER TABLE reset_codes DROP CONSTRAINT reset_codes_issued_by_fkey;
ALTER TABLE patients DROP CONSTRAINT patients_created_by_fkey;
ALTER TABLE invitations DROP CONSTRAINT invitations_created_by_fkey, DROP CONSTRAINT invitations_accepted_by_fkey;
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_user_id_fkey;
ALTER TABLE treatments DROP CONSTRAINT treatments_created_by_fkey;
ALTER TABLE treatment_changes DROP CONSTRAINT treatment_changes_changed_by_fkey;
ALTER TABLE outcomes DROP CONSTRAINT outcomes_entered_by_fkey;
ALTER TABLE check_ins DROP CONSTRAINT check_ins_entered_by_fkey;
ALTER TABLE flag_events DROP CONSTRAINT flag_events_actor_id_fkey;
ALTER TABLE protocol_versions DROP CONSTRAINT protocol_versions_published_by_fkey;
ALTER TABLE protocol_drafts DROP CONSTRAINT protocol_drafts_created_by_fkey, DROP CONSTRAINT protocol_drafts_updated_by_fkey;
ALTER TABLE accepted_locales DROP CONSTRAINT accepted_locales_accepted_by_fkey, DROP CONSTRAINT accepted_locales_withdrawn_by_fkey;
ALTER TABLE protocol_withdrawals DROP CONSTRAINT protocol_withdrawals_retired_by_fkey, DROP CONSTRAINT protocol_withdrawals_recalled_by_fkey;
ALTER TABLE courses DROP CONSTRAINT courses_created_by_fkey;
ALTER TABLE condition_decisions DROP CONSTRAINT condition_decisions_decided_by_fkey;
ALTER TABLE appointments DROP CONSTRAINT appointments_created_by_fkey;
ALTER TABLE excuses DROP CONSTRAINT excuses_excused_by_fkey;
ALTER TABLE nudges DROP CONSTRAINT nudges_ended_by_fkey;
