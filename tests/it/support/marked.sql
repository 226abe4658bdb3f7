-- Words of one person in everything that takes words: the login's, which go when it is erased, and the record's, which the clinic
-- keeps until it is purged.
UPDATE users SET email = 'of-the-login@example.org', display_name = 'Name of-the-login', password_hash = 'of-the-login'
 WHERE id = '{id}';
UPDATE sessions SET device_name = 'Phone of-the-login' WHERE user_id = '{id}';
UPDATE devices SET app_id = 'of-the-login' WHERE user_id = '{id}';
UPDATE calendar_feeds SET label = 'of-the-login' WHERE user_id = '{id}';
UPDATE idempotency_keys SET key = 'of-the-login' WHERE user_id = '{id}';
UPDATE invitations SET email = 'of-the-login@example.org', accepted_at = now(), accepted_by = '{id}' WHERE clinic_id = '{id}';
INSERT INTO invitations (clinic_id, id, code_hash, role, patient_id, email, created_at, expires_at)
VALUES ('{id}', gen_random_uuid(), sha256('of-the-login'), 'patient', '{id}', 'of-the-login@example.org', now(),
    now() + interval '1 day');
UPDATE patients SET display_name = 'Name of-the-record', reference = 'of-the-record', phone = 'of-the-record' WHERE clinic_id = '{id}';
UPDATE treatments SET notes = 'of-the-record', device = 'of-the-record', protocol_reason = 'of-the-record',
    products = '{of-the-record}' WHERE clinic_id = '{id}';
UPDATE courses SET notes = 'of-the-record' WHERE clinic_id = '{id}';
UPDATE appointments SET note = 'of-the-record' WHERE clinic_id = '{id}';
UPDATE check_ins SET note = 'of-the-record', symptoms = '{"other": "of-the-record"}' WHERE clinic_id = '{id}';
UPDATE flags SET status = 'resolved', acknowledged_at = now(), resolved_at = now(), outcome = 'of-the-record' WHERE clinic_id = '{id}';
UPDATE condition_decisions SET reason = 'of-the-record' WHERE clinic_id = '{id}';
UPDATE excuses SET reason = 'of-the-record' WHERE clinic_id = '{id}';
UPDATE treatment_changes SET reason = 'of-the-record', change = '{"of": "of-the-record"}' WHERE clinic_id = '{id}';
UPDATE outcomes SET kind = 'skipped', reason = 'other' WHERE clinic_id = '{id}';
UPDATE attempts SET reason = 'of-the-record', provider_message_id = 'of-the-record' WHERE clinic_id = '{id}';
INSERT INTO flag_events (clinic_id, id, flag_id, kind, actor_id, note, at)
VALUES ('{id}', gen_random_uuid(), '{id}', 'acknowledged', '{id}', 'of-the-record', now());
