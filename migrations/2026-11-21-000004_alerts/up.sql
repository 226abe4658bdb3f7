-- One row per message owed to one person at one time. Only src/alerts/queue.rs writes states.

CREATE TABLE alerts (
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    id uuid NOT NULL,
    recipient_kind text NOT NULL CHECK (recipient_kind IN ('patient', 'member')),
    recipient_id uuid NOT NULL,
    dedupe_key text NOT NULL CHECK (length(dedupe_key) BETWEEN 1 AND 200),
    category text NOT NULL CHECK (category IN
        ('milestone', 'restriction', 'routine', 'check_in', 'follow_up', 'session', 'flag', 'service', 'test')),
    urgent boolean NOT NULL,
    treatment_id uuid,
    flag_id uuid,
    device_id uuid,
    protocol_version_id uuid REFERENCES protocol_versions (id),
    item_key text,
    day_index integer,
    seq integer,
    due_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('scheduled', 'sending', 'sent', 'failed', 'expired', 'cancelled',
        'suppressed', 'merged', 'no_device')),
    reason text,
    plan_revision integer NOT NULL,
    superseded boolean NOT NULL,
    claim_no integer NOT NULL,
    tries integer NOT NULL,
    claimed_by integer,
    lease_until timestamptz,
    sent_at timestamptz,
    opened_at timestamptz,
    finalized_at timestamptz,
    PRIMARY KEY (clinic_id, id),
    UNIQUE (clinic_id, recipient_id, dedupe_key),
    FOREIGN KEY (clinic_id, treatment_id) REFERENCES treatments (clinic_id, id) ON DELETE CASCADE,
    CHECK (expires_at > due_at),
    CHECK (next_attempt_at >= due_at),
    CONSTRAINT alerts_lease_iff_sending CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
    CONSTRAINT alerts_claimed_iff_sending CHECK ((state = 'sending') = (claimed_by IS NOT NULL)),
    CONSTRAINT alerts_final_iff_terminal CHECK ((state IN ('scheduled', 'sending')) = (finalized_at IS NULL)),
    CONSTRAINT alerts_superseded_only_sending CHECK (NOT superseded OR state = 'sending'),
    CONSTRAINT alerts_sent_at_iff_sent CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX alerts_claim ON alerts (next_attempt_at, id) WHERE state = 'scheduled';
CREATE INDEX alerts_in_flight ON alerts (claimed_by, lease_until) WHERE state = 'sending';
COMMENT ON TABLE alerts IS 'One message owed to one person at one time: the queue, the inbox and the record.';
COMMENT ON COLUMN alerts.clinic_id IS 'The clinic.';
COMMENT ON COLUMN alerts.id IS 'Computed from clinic, recipient and dedupe key.';
COMMENT ON COLUMN alerts.recipient_kind IS 'patient: a patient record; member: a staff membership.';
COMMENT ON COLUMN alerts.recipient_id IS 'The patient record or membership.';
COMMENT ON COLUMN alerts.dedupe_key IS 'What is owed, so that planning twice owes it once.';
COMMENT ON COLUMN alerts.category IS 'What the person can switch off.';
COMMENT ON COLUMN alerts.urgent IS 'Ignores quiet hours; sent with high urgency.';
COMMENT ON COLUMN alerts.treatment_id IS 'The treatment it is about.';
COMMENT ON COLUMN alerts.flag_id IS 'The flag it is about.';
COMMENT ON COLUMN alerts.device_id IS 'Only this device (a test push); otherwise all of the recipient''s.';
COMMENT ON COLUMN alerts.protocol_version_id IS 'Where the text comes from.';
COMMENT ON COLUMN alerts.item_key IS 'Which item of the protocol it announces.';
COMMENT ON COLUMN alerts.day_index IS 'Zero-based local day of the occurrence, where it has one.';
COMMENT ON COLUMN alerts.seq IS 'Which of the item''s alerts of that day, where it has several.';
COMMENT ON COLUMN alerts.due_at IS 'The moment from which it is owed (care clock).';
COMMENT ON COLUMN alerts.next_attempt_at IS 'The moment from which it may be claimed: due_at, or later after a failed try.';
COMMENT ON COLUMN alerts.expires_at IS 'The moment from which it is worth nothing.';
COMMENT ON COLUMN alerts.state IS 'scheduled and sending are live, all others are final.';
COMMENT ON COLUMN alerts.reason IS 'Why it ended as it did.';
COMMENT ON COLUMN alerts.plan_revision IS 'The replan that last changed it.';
COMMENT ON COLUMN alerts.superseded IS 'It left the plan while being sent: do not try again.';
COMMENT ON COLUMN alerts.claim_no IS 'Counts claims and never falls: the fence against late writers.';
COMMENT ON COLUMN alerts.tries IS 'Tries that count against the limit.';
COMMENT ON COLUMN alerts.claimed_by IS 'The worker that is sending it.';
COMMENT ON COLUMN alerts.lease_until IS 'When the claim ends by itself (database clock).';
COMMENT ON COLUMN alerts.sent_at IS 'When a provider accepted it (care clock).';
COMMENT ON COLUMN alerts.opened_at IS 'When the app said that the person opened it (care clock).';
COMMENT ON COLUMN alerts.finalized_at IS 'When it reached a final state (care clock).';

CREATE TABLE attempts (
    at timestamptz NOT NULL,
    clinic_id uuid NOT NULL,
    alert_id uuid NOT NULL,
    device_id uuid NOT NULL,
    claim_no integer NOT NULL,
    provider text NOT NULL,
    outcome text NOT NULL,
    reason text,
    provider_message_id text,
    duration_ms integer NOT NULL,
    PRIMARY KEY (clinic_id, alert_id, device_id, claim_no, at)
) PARTITION BY RANGE (at);
CREATE TABLE attempts_rest PARTITION OF attempts DEFAULT;
COMMENT ON TABLE attempts IS 'Each try to hand an alert to one device''s provider. Append-only, a partition a month.';
COMMENT ON COLUMN attempts.at IS 'When the answer came (wall clock).';
COMMENT ON COLUMN attempts.clinic_id IS 'The clinic.';
COMMENT ON COLUMN attempts.alert_id IS 'The alert.';
COMMENT ON COLUMN attempts.device_id IS 'The device; it may be gone by now.';
COMMENT ON COLUMN attempts.claim_no IS 'The claim under which it was sent.';
COMMENT ON COLUMN attempts.provider IS 'Who carried it.';
COMMENT ON COLUMN attempts.outcome IS 'What the provider''s answer means.';
COMMENT ON COLUMN attempts.reason IS 'The provider''s own word for it.';
COMMENT ON COLUMN attempts.provider_message_id IS 'The provider''s id of the message.';
COMMENT ON COLUMN attempts.duration_ms IS 'From handing over to the answer, in milliseconds.';
