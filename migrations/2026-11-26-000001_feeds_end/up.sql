-- A feed that was revoked is gone: the audit says when it was made and by whom it was ended, and nobody who makes and revokes
-- them without end leaves rows behind. One whose login is no longer the patient's, or was reset, ends with that.

DELETE FROM calendar_feeds AS f
 WHERE f.revoked_at IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM patients AS p
                    WHERE p.clinic_id = f.clinic_id AND p.id = f.patient_id AND p.user_id = f.user_id);
ALTER TABLE calendar_feeds DROP COLUMN revoked_at;
CREATE INDEX calendar_feeds_by_user ON calendar_feeds (user_id);
