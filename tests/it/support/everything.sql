-- A row of everything that a clinic can have. All ids are the clinic's own: what is whose shows at a glance.
INSERT INTO clinics (id, name, time_zone, locale, default_protocol, quiet_from, quiet_to, low_compliance_bp, triage_enabled,
    demo, version, created_at)
VALUES ('{id}', 'C', 'UTC', 'en', 'conservative', '21:00', '08:00', 6000, true, false, 1, now());
INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
VALUES ('{id}', '{id}@example.org', 'x', 'U', 'UTC', 'en', now(), 1, now());
INSERT INTO memberships (clinic_id, id, user_id, role, created_at) VALUES ('{id}', '{id}', '{id}', 'patient', now());
INSERT INTO patients (clinic_id, id, user_id, linked_at, display_name, time_zone, locale, plan_revision, version, created_at)
VALUES ('{id}', '{id}', '{id}', now(), 'P', 'UTC', 'en', 0, 1, now());
INSERT INTO patient_zones VALUES ('{id}', '{id}', now(), 'UTC');
INSERT INTO sessions (id, user_id, clinic_id, created_at, last_used_at, idle_expires_at, expires_at)
VALUES ('{id}', '{id}', '{id}', now(), now(), now(), now());
INSERT INTO refresh_tokens (token_hash, session_id, issued_at) VALUES (sha256('{id}'), '{id}', now());
INSERT INTO reset_codes (code_hash, user_id, clinic_id, issued_at, expires_at)
VALUES (sha256('{id}'), '{id}', '{id}', now(), now() + interval '1 day');
INSERT INTO invitations (clinic_id, id, code_hash, role, created_at, expires_at)
VALUES ('{id}', '{id}', sha256('{id}'), 'clinician', now(), now());
INSERT INTO idempotency_keys VALUES ('{id}', '{id}', 'k', 'o', sha256('{id}'), '{id}', now());
INSERT INTO devices (id, user_id, session_id, provider, app_id, environment, address_kind, address_hash, address_sealed, locale,
    time_zone, permission, registered_at, last_seen_at, fetch_token_hash)
VALUES ('{id}', '{id}', '{id}', 'fcm', '', 'production', 'token', sha256('{id}'), '', 'en', 'UTC', 'granted', now(), now(),
    sha256('{id}'));
INSERT INTO notification_preferences (user_id, categories_off, show_details, daily_cap, zone_mode, paused, version, updated_at)
VALUES ('{id}', '{}', false, 4, 'device', false, 1, now());
INSERT INTO calendar_feeds (clinic_id, id, patient_id, user_id, token_hash, created_at)
VALUES ('{id}', '{id}', '{id}', '{id}', sha256('{id}'), now());

INSERT INTO protocol_versions (id, key, version, content_hash, structure, base_locale, registered_at, clinic_id, published_by)
VALUES ('{id}', 'own-plan', 1, sha256('{id}'), '', 'en', now(), '{id}', '{id}');
INSERT INTO protocol_texts VALUES ('{id}', 'en', sha256('{id}'), '', true, now());
INSERT INTO protocol_drafts (clinic_id, id, structure, locales, texts, version, created_by, created_at, updated_by, updated_at)
VALUES ('{id}', '{id}', '', '{}', '{}', 1, '{id}', now(), '{id}', now());
INSERT INTO accepted_locales (clinic_id, id, version_id, locale, content_hash, accepted_by, accepted_at)
VALUES ('{id}', '{id}', '{id}', 'es', sha256('{id}'), '{id}', now());
INSERT INTO protocol_withdrawals (clinic_id, version_id, retired_at, retired_by, retired_because)
VALUES ('{id}', '{id}', now(), '{id}', 'so');

INSERT INTO courses (clinic_id, id, patient_id, status, area, protocol_key, planned_sessions, earlier_sessions,
    interval_min_days, interval_max_days, version, created_by, created_at)
VALUES ('{id}', '{id}', '{id}', 'running', 'face', 'own-plan', 3, 0, 28, 42, 1, '{id}', now());
INSERT INTO appointments (clinic_id, id, patient_id, kind, status, starts_at, minutes, time_zone, announced_no, announced_at,
    version, created_by, created_at)
VALUES ('{id}', '{id}', '{id}', 'follow_up', 'set', now(), 30, 'UTC', 1, now(), 1, '{id}', now());
INSERT INTO treatments (clinic_id, id, patient_id, status, performed_at, anchor_on, counts_from, protocol_version_id, area,
    modality, products, version, plan_revision, activity, done_w, on_time_w, created_by, created_at)
VALUES ('{id}', '{id}', '{id}', 'active', now(), current_date, now(), '{id}', 'face', 'pen', '{}', 1, 1, 1, 0, 0, '{id}', now());
INSERT INTO treatment_changes (clinic_id, treatment_id, id, from_version_id, to_version_id, changed_at, kept, reason,
    changed_by, item_key)
VALUES ('{id}', '{id}', '{id}', '{id}', '{id}', now(), '{}', 'so', '{id}', 'make_up');
INSERT INTO condition_decisions VALUES ('{id}', '{id}', '{id}', 'flaking_ended', true, 'so', '{id}', now());
INSERT INTO excuses (clinic_id, id, treatment_id, from_on, to_on, reason, excused_by, excused_at)
VALUES ('{id}', '{id}', '{id}', current_date, current_date, 'so', '{id}', now());
INSERT INTO outcomes (clinic_id, id, treatment_id, task_id, item_key, day_index, seq, kind, recorded_at, received_at, open_at,
    close_at, entered_by)
VALUES ('{id}', '{id}', '{id}', '{id}', 'spf', 1, 0, 'done', now(), now(), now(), now(), '{id}');
INSERT INTO check_ins (clinic_id, id, treatment_id, patient_id, recorded_at, received_at, symptoms, level, advice, entered_by)
VALUES ('{id}', '{id}', '{id}', '{id}', now(), now(), '{}', 'none', '{}', '{id}');
INSERT INTO flags (clinic_id, id, treatment_id, patient_id, check_in_id, rule, episode, level, status, opened_at,
    last_reported_at, version)
VALUES ('{id}', '{id}', '{id}', '{id}', '{id}', 'spreading', 1, 'urgent', 'open', now(), now(), 1);
INSERT INTO flag_events (clinic_id, id, flag_id, kind, check_in_id, at) VALUES ('{id}', '{id}', '{id}', 'opened', '{id}', now());
INSERT INTO escalations (clinic_id, flag_id, opened_at, step, told_at) VALUES ('{id}', '{id}', now(), 'treating', now());
INSERT INTO nudges (clinic_id, id, patient_id, treatment_id, raised_at, completion_bp, below_bp, days, closed_tasks)
VALUES ('{id}', '{id}', '{id}', '{id}', now(), 1000, 5000, 7, 20);
INSERT INTO nudge_rounds (clinic_id, due_at) VALUES ('{id}', now());

-- The alert's place in the queue comes by itself.
INSERT INTO alerts (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, treatment_id, due_at,
    next_attempt_at, expires_at, state, plan_revision, superseded, claim_no, tries)
VALUES ('{id}', '{id}', 'patient', '{id}', 'x', 'milestone', false, '{id}', now(), now(), now() + interval '1 day', 'scheduled',
    1, false, 0, 0);
INSERT INTO claims (worker, lease_until, clinic_ids, alert_ids, claim_nos) VALUES (1, now(), '{{id}}', '{{id}}', '{1}');
INSERT INTO attempts (at, clinic_id, alert_id, device_id, claim_no, provider, outcome, duration_ms)
VALUES (now(), '{id}', '{id}', '{id}', 1, 'fcm', 'accepted', 1);
INSERT INTO receipts VALUES ('{id}', 'expo', 'r', '{id}', '{id}', 1, now(), now() + interval '1 minute');
INSERT INTO snoozes VALUES ('{id}', '{id}', 'x', 1, now());
INSERT INTO mode_spans VALUES ('{id}', '{id}', 'outdoors', now(), now() + interval '1 hour');
INSERT INTO local_reminders (device_id, alert_id, due_at, until_at) VALUES ('{id}', '{id}', now(), now());
INSERT INTO replans VALUES ('{id}', '{id}', 1);
INSERT INTO audit (at, id, clinic_id, actor_role, action, subject_kind, subject_id)
VALUES (now(), '{id}', '{id}', 'operator', 'clinic.create', 'clinic', '{id}');
INSERT INTO audit_seals VALUES ('{id}', current_date, 0, sha256('{id}'), NULL, sha256('{id}'), now());
INSERT INTO second_factors (user_id, secret_sealed, created_at, failures) VALUES ('{id}', '', now(), 0);
INSERT INTO recovery_codes (code_hash, user_id, created_at) VALUES (sha256('{id}'), '{id}', now());
INSERT INTO restores VALUES ('{id}', now(), now());
INSERT INTO login_deletions (user_id, requested_at, erase_at) VALUES ('{id}', now(), now() + interval '14 days');
INSERT INTO consents (user_id, id, kind, version, given_at) VALUES ('{id}', '{id}', 'terms', '1', now());
