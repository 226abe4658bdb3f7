DELETE FROM reset_codes WHERE by_mail;
ALTER TABLE reset_codes DROP COLUMN by_mail;
