-- A code that a login asked for by mail stands beside one that somebody hands out: whoever knows an address can ask for the
-- former, and must not make the latter void.
ALTER TABLE reset_codes ADD COLUMN by_mail boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN reset_codes.by_mail IS 'It was asked for at the login''s address and sent there; otherwise somebody hands it out.';
