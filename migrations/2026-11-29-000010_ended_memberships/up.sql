-- A clinic that ends a patient's membership keeps the record for as long as it keeps any: from then on, and from every later visit
-- anew. Records that were left so before have no such date: nobody knows any more when that was.
ALTER TABLE patients ADD COLUMN unlinked_at timestamptz;
COMMENT ON COLUMN patients.unlinked_at IS 'When the clinic ended the membership of whoever stood behind the record, until somebody does again (wall clock).';
COMMENT ON COLUMN patients.detached_at IS 'When the person erased the login behind the record, or its time was over: it is read-only since (wall clock).';
COMMENT ON COLUMN patients.purge_at IS 'When the record and all of it goes, once nobody stands behind it (wall clock): set when the person asked for the end of the login and was told so, or when the clinic ended the membership.';
