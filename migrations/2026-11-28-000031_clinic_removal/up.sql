-- A clinic leaves: closed at once, erased once that can no longer be taken back.

ALTER TABLE clinics
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN erase_at timestamptz,
    ADD CONSTRAINT clinics_erased_once_closed CHECK ((closed_at IS NULL) = (erase_at IS NULL) AND erase_at > closed_at);
CREATE INDEX clinics_to_erase ON clinics (erase_at) WHERE erase_at IS NOT NULL;
COMMENT ON COLUMN clinics.closed_at IS 'When the operator closed it: nobody belongs to it since (wall clock).';
COMMENT ON COLUMN clinics.erase_at IS 'When it is final: a worker erases the clinic then (wall clock).';

-- A clinic's own protocols go with it.
GRANT DELETE ON protocol_versions, protocol_texts TO mendline_worker;
