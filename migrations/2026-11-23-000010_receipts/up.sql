-- Providers that only promise: what became of an accepted message is asked for later. A row goes with its answer, or after
-- a day; the moment of the next question is at once the claim of whoever asks and the schedule.

CREATE TABLE receipts (
    clinic_id uuid NOT NULL,
    provider text NOT NULL,
    receipt_id text NOT NULL,
    alert_id uuid NOT NULL,
    device_id uuid NOT NULL,
    claim_no integer NOT NULL,
    accepted_at timestamptz NOT NULL,
    ask_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, provider, receipt_id),
    CHECK (ask_at > accepted_at)
);
CREATE INDEX receipts_due ON receipts (provider, ask_at);
COMMENT ON TABLE receipts IS 'Accepted messages whose fate the provider tells later. Rows live a day at most.';
COMMENT ON COLUMN receipts.clinic_id IS 'The clinic.';
COMMENT ON COLUMN receipts.provider IS 'Whom to ask.';
COMMENT ON COLUMN receipts.receipt_id IS 'What to ask for: the id under which the provider accepted the message.';
COMMENT ON COLUMN receipts.alert_id IS 'The alert.';
COMMENT ON COLUMN receipts.device_id IS 'The device; it may be gone by now.';
COMMENT ON COLUMN receipts.claim_no IS 'The claim under which it was sent.';
COMMENT ON COLUMN receipts.accepted_at IS 'When the provider accepted it (wall clock).';
COMMENT ON COLUMN receipts.ask_at IS 'When to ask next (wall clock); moved ahead by whoever asks, so that nobody else does meanwhile.';
