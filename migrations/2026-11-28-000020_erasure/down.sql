-- Fails once a login was erased whose id somebody's record still names: there is no way back from an erasure.
ALTER TABLE nudges ADD CONSTRAINT nudges_ended_by_fkey FOREIGN KEY (ended_by) REFERENCES users (id);
ALTER TABLE excuses ADD CONSTRAINT excuses_excused_by_fkey FOREIGN KEY (excused_by) REFERENCES users (id);
ALTER TABLE appointments ADD CONSTRAINT appointments_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id);
ALTER TABLE condition_decisions ADD CONSTRAINT condition_decisions_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES users (id);
ALTER TABLE courses ADD CONSTRAINT courses_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id);
ALTER TABLE protocol_withdrawals
    ADD CONSTRAINT protocol_withdrawals_retired_by_fkey FOREIGN KEY (retired_by) REFERENCES users (id),
    ADD CONSTRAINT protocol_withdrawals_recalled_by_fkey FOREIGN KEY (recalled_by) REFERENCES users (id);
ALTER TABLE accepted_locales
    ADD CONSTRAINT accepted_locales_accepted_by_fkey FOREIGN KEY (accepted_by) REFERENCES users (id),
    ADD CONSTRAINT accepted_locales_withdrawn_by_fkey FOREIGN KEY (withdrawn_by) REFERENCES users (id);
ALTER TABLE protocol_drafts
    ADD CONSTRAINT protocol_drafts_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    ADD CONSTRAINT protocol_drafts_updated_by_fkey FOREIGN KEY (updated_by) REFERENCES users (id);
ALTER TABLE protocol_versions ADD CONSTRAINT protocol_versions_published_by_fkey FOREIGN KEY (published_by) REFERENCES users (id);
ALTER TABLE flag_events ADD CONSTRAINT flag_events_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES users (id);
ALTER TABLE check_ins ADD CONSTRAINT check_ins_entered_by_fkey FOREIGN KEY (entered_by) REFERENCES users (id);
ALTER TABLE outcomes ADD CONSTRAINT outcomes_entered_by_fkey FOREIGN KEY (entered_by) REFERENCES users (id);
ALTER TABLE treatment_changes ADD CONSTRAINT treatment_changes_changed_by_fkey FOREIGN KEY (changed_by) REFERENCES users (id);
ALTER TABLE treatments ADD CONSTRAINT treatments_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id);
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);
ALTER TABLE invitations
    ADD CONSTRAINT invitations_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    ADD CONSTRAINT invitations_accepted_by_fkey FOREIGN KEY (accepted_by) REFERENCES users (id);
ALTER TABLE patients ADD CONSTRAINT patients_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id);
ALTER TABLE reset_codes ADD CONSTRAINT reset_codes_issued_by_fkey FOREIGN KEY (issued_by) REFERENCES users (id);
ALTER TABLE memberships ADD CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);

UPDATE sessions SET revoked_because = 'logout' WHERE revoked_because = 'deletion';
ALTER TABLE sessions DROP CONSTRAINT sessions_revoked_because_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_revoked_because_check
    CHECK (revoked_because IN ('logout', 'reuse', 'reset', 'removed', 'elsewhere', 'password', 'second_factor', 'clinic'));
ALTER TABLE clinics DROP COLUMN retention_years;
DROP INDEX patients_to_purge;
ALTER TABLE patients DROP COLUMN purge_at, DROP COLUMN detached_at;
DROP TABLE login_deletions;
