-- A clinic signs its people out wherever their sessions act at the moment: a session that acts at another clinic can be switched
-- to this one, and holds a phone that is told of both. The clinic sees nothing of such sessions but how many ended. Whose end is
-- said by whoever has locked the logins: who joins meanwhile is not among them.

CREATE FUNCTION end_sessions_of_members(locked uuid[], kept uuid, moment timestamptz) RETURNS TABLE (session_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    here uuid := scope_clinic();
    scope text := enter_system();
    ended uuid[];
BEGIN
    WITH gone AS (
        UPDATE sessions AS s SET revoked_at = moment, revoked_because = 'clinic'
          FROM memberships AS m
         WHERE m.clinic_id = here AND m.removed_at IS NULL AND s.user_id = m.user_id
           AND s.user_id = ANY (locked) AND s.id <> kept AND s.revoked_at IS NULL
        RETURNING s.id
    )
    SELECT array_agg(gone.id) INTO ended FROM gone;
    DELETE FROM devices AS d WHERE d.session_id = ANY (ended);
    PERFORM set_config('mendline.scope', scope, true);
    RETURN QUERY SELECT unnest(ended);
END
$$;
REVOKE EXECUTE ON FUNCTION end_sessions_of_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_sessions_of_members TO mendline_api;
