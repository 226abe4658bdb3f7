DROP FUNCTION names_of_members;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['devices', 'notification_preferences', 'recovery_codes', 'reset_codes', 'second_factors'] LOOP
        EXECUTE format('ALTER POLICY whose ON %1$I USING (user_id = (SELECT scope_user()) OR EXISTS (SELECT FROM memberships AS m
            WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = %1$I.user_id))', name);
    END LOOP;
END
$$;
ALTER POLICY members ON login_deletions USING (EXISTS (SELECT FROM memberships AS m
    WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = login_deletions.user_id));
ALTER POLICY whose ON sessions USING (clinic_id = (SELECT scope_clinic()) OR user_id = (SELECT scope_user()));
ALTER POLICY whose ON users USING (id = (SELECT scope_user()) OR EXISTS (SELECT FROM memberships AS m
    WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = users.id));
