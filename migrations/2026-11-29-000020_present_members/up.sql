-- A clinic reaches the logins of whoever belongs to it, and of nobody who did once: addresses, passwords' hashes, devices and
-- second factors of former members are their own business, or another clinic's. What the clinic still needs of them is what they
-- are called, for what they did there; that has a door of its own.

ALTER POLICY whose ON users USING (id = (SELECT scope_user()) OR EXISTS (SELECT FROM memberships AS m
    WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = users.id AND m.removed_at IS NULL));
ALTER POLICY whose ON sessions USING (user_id = (SELECT scope_user())
    OR clinic_id = (SELECT scope_clinic()) AND EXISTS (SELECT FROM memberships AS m
        WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = sessions.user_id AND m.removed_at IS NULL));
ALTER POLICY members ON login_deletions USING (EXISTS (SELECT FROM memberships AS m
    WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = login_deletions.user_id AND m.removed_at IS NULL));
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['devices', 'notification_preferences', 'recovery_codes', 'reset_codes', 'second_factors'] LOOP
        EXECUTE format('ALTER POLICY whose ON %1$I USING (user_id = (SELECT scope_user()) OR EXISTS (SELECT FROM memberships AS m
            WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = %1$I.user_id AND m.removed_at IS NULL))', name);
    END LOOP;
END
$$;

-- What those of these logins are called today who belong, or ever belonged, to the clinic that asks.
CREATE FUNCTION names_of_members(asked uuid[]) RETURNS TABLE (user_id uuid, display_name text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    here uuid := scope_clinic();
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT u.id, u.display_name FROM users AS u
                  WHERE u.id = ANY (asked)
                    AND EXISTS (SELECT FROM memberships AS m WHERE m.clinic_id = here AND m.user_id = u.id);
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
REVOKE EXECUTE ON FUNCTION names_of_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION names_of_members TO mendline_api;
