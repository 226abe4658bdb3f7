-- A claim must cost as little as can be: it changes columns that no index knows of, so that Postgres writes the new row
-- beside the old one and leaves the indexes alone (a heap-only tuple). Hence no index names the state: what is live has
-- not ended, and who is looking for what is due steps over the few rows that are being sent. What each claim took is
-- written down once, in one row, and that is where the claims of the dead are found.

CREATE TABLE claims (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    worker integer NOT NULL,
    lease_until timestamptz NOT NULL,
    clinic_ids uuid[] NOT NULL,
    alert_ids uuid[] NOT NULL,
    claim_nos integer[] NOT NULL
);
-- Random bytes do not compress.
ALTER TABLE claims ALTER COLUMN alert_ids SET STORAGE EXTERNAL;
COMMENT ON TABLE claims IS 'What each claim took, until its lease is over or its worker gone: then what is left of it is put back.';
COMMENT ON COLUMN claims.id IS 'Random.';
COMMENT ON COLUMN claims.worker IS 'The worker that claimed.';
COMMENT ON COLUMN claims.lease_until IS 'When the claim ends by itself (database clock).';
COMMENT ON COLUMN claims.clinic_ids IS 'The alerts'' clinics,';
COMMENT ON COLUMN claims.alert_ids IS 'their ids,';
COMMENT ON COLUMN claims.claim_nos IS 'and the number that each of them had with this claim.';

-- What is being sent while this migration runs belongs to workers that are told to stop first; whatever they leave behind
-- is found all the same.
INSERT INTO claims (worker, lease_until, clinic_ids, alert_ids, claim_nos)
SELECT claimed_by, max(lease_until), array_agg(clinic_id), array_agg(id), array_agg(claim_no)
  FROM alerts WHERE state = 'sending' GROUP BY claimed_by;

DROP INDEX alerts_claim, alerts_in_flight, alerts_unsent;
ALTER TABLE alerts DROP COLUMN lease_until;
CREATE INDEX alerts_claim ON alerts (next_attempt_at, id) WHERE finalized_at IS NULL;
CREATE INDEX alerts_unsent ON alerts (clinic_id, due_at, id) WHERE finalized_at IS NOT NULL AND sent_at IS NULL;

-- Room on each page for what is claimed of it at the same time: of a plan's alerts, which lie together and are due on
-- different days, it is mostly one. (Measured: a claim and a settle cost 15 % less than on full pages; more room than this
-- brings nothing.)
ALTER TABLE alerts SET (fillfactor = 90);

-- An idle worker asks little.
COMMENT ON TABLE push_health IS 'What each worker knows of push services: written when something changes and every twenty seconds.';
