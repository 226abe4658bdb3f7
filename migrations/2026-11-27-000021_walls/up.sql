-- The second wall. The first are the queries, each of which takes the clinic or the person first; behind them every table
-- shows a role only what the transaction has said that it is about: `mendline.scope` is 'clinic', 'user', 'identity' or
-- 'system', `mendline.clinic_id` and `mendline.user_id` say whose. Unset, there is nothing to see.

CREATE FUNCTION scope_is_system() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_setting('mendline.scope', true) IS NOT DISTINCT FROM 'system'
$$;
CREATE FUNCTION scope_clinic() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE current_setting('mendline.scope', true)
           WHEN 'clinic' THEN nullif(current_setting('mendline.clinic_id', true), '')::uuid END
$$;
CREATE FUNCTION scope_user() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE current_setting('mendline.scope', true)
           WHEN 'user' THEN nullif(current_setting('mendline.user_id', true), '')::uuid END
$$;

-- Builds the wall around a table: `SELECT wall('appointments');` is all that a new one with a clinic_id needs. Workers see
-- everything in the system's scope and nothing in any other; the API sees `whose`, and has no way to the system's scope.
-- Each asks for its settings in a subquery, which is answered once for a statement and not for each row.
CREATE FUNCTION wall(
    name regclass,
    whose text DEFAULT 'clinic_id = (SELECT scope_clinic())',
    api text DEFAULT 'SELECT, INSERT, UPDATE',
    worker text DEFAULT 'SELECT, INSERT, UPDATE, DELETE'
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, mendline_api, mendline_worker', name);
    EXECUTE format('CREATE POLICY everything ON %s TO mendline_worker USING ((SELECT scope_is_system()))', name);
    IF worker <> '' THEN
        EXECUTE format('GRANT %s ON %s TO mendline_worker', worker, name);
    END IF;
    IF api <> '' THEN
        EXECUTE format('CREATE POLICY whose ON %s TO mendline_api USING (%s)', name, whose);
        EXECUTE format('GRANT %s ON %s TO mendline_api', api, name);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION wall(regclass, text, text, text) FROM PUBLIC;

DO $$
BEGIN
    IF NOT has_schema_privilege('mendline_api', 'public', 'USAGE')
       OR NOT has_schema_privilege('mendline_worker', 'public', 'USAGE') THEN
        GRANT USAGE ON SCHEMA public TO mendline_api, mendline_worker;
    END IF;
END
$$;

-- Tables of a clinic. What the API deletes of them stands behind the list.
SELECT wall(c.oid::regclass)
  FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND NOT c.relrowsecurity
   AND c.relname NOT IN ('attempts', 'audit', 'calendar_feeds', 'memberships', 'protocol_versions', 'receipts',
                         'reset_codes', 'sessions')
 ORDER BY c.relname;
GRANT DELETE ON escalations, excuses, mode_spans, protocol_drafts TO mendline_api;

-- What is written once and stays.
SELECT wall('audit', api => 'SELECT, INSERT', worker => 'SELECT, INSERT');
SELECT wall('attempts', api => 'SELECT', worker => 'SELECT, INSERT, DELETE');
SELECT wall(inhrelid::regclass, api => '', worker => '') FROM pg_inherits
 WHERE inhparent IN ('audit'::regclass, 'attempts'::regclass);

-- What only workers know.
SELECT wall('claims', api => '');
SELECT wall('receipts', api => '');
SELECT wall('push_health', whose => 'true', api => 'SELECT');

-- Protocols: a clinic's own are its own; the built-in ones are everybody's, and only the owner writes them.
SELECT wall('protocol_versions', api => 'SELECT, INSERT', worker => 'SELECT');
CREATE POLICY built_in ON protocol_versions FOR SELECT TO mendline_api USING (clinic_id IS NULL);
-- A recall holds the version that it recalls, which takes a right to change it. There is nothing that the right could be used for.
GRANT UPDATE (registered_at) ON protocol_versions TO mendline_api;
CREATE POLICY held ON protocol_versions FOR UPDATE TO mendline_api USING (clinic_id IS NULL) WITH CHECK (false);
SELECT wall('protocol_texts', worker => 'SELECT', whose =>
    'EXISTS (SELECT FROM protocol_versions AS v WHERE v.id = version_id AND v.clinic_id = (SELECT scope_clinic()))');
CREATE POLICY built_in ON protocol_texts FOR SELECT TO mendline_api
    USING (EXISTS (SELECT FROM protocol_versions AS v WHERE v.id = version_id AND v.clinic_id IS NULL));

-- Logins and what hangs on them: a person's own, and those of whoever belongs or belonged to the clinic.
SELECT wall('memberships');
CREATE POLICY mine ON memberships FOR SELECT TO mendline_api USING (user_id = (SELECT scope_user()));
SELECT wall('clinics', whose => 'id = (SELECT scope_clinic())', api => 'SELECT, UPDATE');
CREATE POLICY mine ON clinics FOR SELECT TO mendline_api USING (
    EXISTS (SELECT FROM memberships AS m WHERE m.clinic_id = clinics.id AND m.user_id = (SELECT scope_user())));
CREATE POLICY mine ON audit FOR INSERT TO mendline_api WITH CHECK (
    EXISTS (SELECT FROM memberships AS m WHERE m.clinic_id = audit.clinic_id AND m.user_id = (SELECT scope_user())));
SELECT wall('users', whose => 'id = (SELECT scope_user()) OR EXISTS (SELECT FROM memberships AS m
    WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = users.id)');
SELECT wall(name::regclass, api => 'SELECT, INSERT, UPDATE, DELETE', whose => format(
    'user_id = (SELECT scope_user()) OR EXISTS (SELECT FROM memberships AS m
        WHERE m.clinic_id = (SELECT scope_clinic()) AND m.user_id = %I.user_id)', name))
  FROM unnest(ARRAY['devices', 'notification_preferences', 'reset_codes']) AS name;
REVOKE DELETE ON notification_preferences FROM mendline_api;
SELECT wall('calendar_feeds', api => 'SELECT, INSERT, UPDATE, DELETE',
    whose => 'clinic_id = (SELECT scope_clinic()) OR user_id = (SELECT scope_user())');
SELECT wall('sessions', whose => 'clinic_id = (SELECT scope_clinic()) OR user_id = (SELECT scope_user())');
SELECT wall('refresh_tokens', api => 'SELECT, INSERT, UPDATE, DELETE', whose =>
    'EXISTS (SELECT FROM sessions AS s WHERE s.id = session_id AND s.user_id = (SELECT scope_user()))');
SELECT wall('local_reminders', api => 'SELECT, INSERT, UPDATE, DELETE', whose =>
    'EXISTS (SELECT FROM devices AS d WHERE d.id = device_id)');

-- Doors in the wall, each for one question of whoever is not known yet, and no wider: who holds a key, never what keys there
-- are. They run as the owner, in the system's scope for the length of one query; what follows them runs in the scope of
-- whoever was found.

CREATE FUNCTION enter_system() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before text := coalesce(current_setting('mendline.scope', true), '');
BEGIN
    PERFORM set_config('mendline.scope', 'system', true);
    RETURN before;
END
$$;
CREATE FUNCTION login_of_email(asked text) RETURNS SETOF users
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT * FROM users AS u WHERE u.email = asked;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
CREATE FUNCTION session_of_token(asked bytea) RETURNS TABLE (session_id uuid, user_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT s.id, s.user_id FROM refresh_tokens AS t JOIN sessions AS s ON s.id = t.session_id
                  WHERE t.token_hash = asked;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
CREATE FUNCTION clinic_of_invitation(asked bytea) RETURNS TABLE (clinic_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT i.clinic_id FROM invitations AS i WHERE i.code_hash = asked;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
CREATE FUNCTION login_of_reset_code(asked bytea) RETURNS TABLE (user_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT r.user_id FROM reset_codes AS r WHERE r.code_hash = asked;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
CREATE FUNCTION clinic_of_feed(asked bytea) RETURNS TABLE (clinic_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT f.clinic_id FROM calendar_feeds AS f WHERE f.token_hash = asked;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
CREATE FUNCTION login_of_fetch_token(device uuid, asked bytea) RETURNS TABLE (user_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT d.user_id FROM devices AS d
                  WHERE d.id = device AND asked IN (d.fetch_token_hash, d.fetch_token_before);
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
-- Which records are the caller's own. A policy for it would stand beside the clinic's in every query about patients, and the
-- planner would think that they are few.
CREATE FUNCTION my_records() RETURNS TABLE (clinic_id uuid, patient_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    me uuid := scope_user();
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT p.clinic_id, p.id FROM patients AS p WHERE p.user_id = me;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
-- What every node must know of all logins: whose tokens were called back.
CREATE FUNCTION tokens_called_back(since timestamptz) RETURNS TABLE (id uuid, at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT u.id, u.tokens_valid_after FROM users AS u WHERE u.tokens_valid_after > since
                 UNION ALL SELECT s.id, s.revoked_at FROM sessions AS s WHERE s.revoked_at > since;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
-- One clinic alone must not hand out the key to a login that others know too. How many, and not which.
CREATE FUNCTION count_clinics_of_login(login uuid) RETURNS TABLE (clinics bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT count(*) FROM memberships AS m WHERE m.user_id = login AND m.removed_at IS NULL;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
-- An address that is registered anew is its new holder's, whoever had it.
CREATE FUNCTION vapid_key_of_address(carrier text, app text, hash bytea) RETURNS TABLE (vapid_key_id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    RETURN QUERY SELECT d.vapid_key_id FROM devices AS d
                  WHERE d.provider = carrier AND d.app_id = app AND d.address_hash = hash;
    PERFORM set_config('mendline.scope', scope, true);
END
$$;
CREATE FUNCTION take_address(device uuid, holder uuid, carrier text, app text, hash bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
    is_theirs boolean;
BEGIN
    -- Both rows, in an order of their own: two devices that swap addresses would otherwise each hold what the other needs.
    PERFORM FROM devices AS d
      WHERE d.id = device OR (d.provider = carrier AND d.app_id = app AND d.address_hash = hash)
      ORDER BY d.id FOR UPDATE;
    DELETE FROM devices AS d
     WHERE d.provider = carrier AND d.app_id = app AND d.address_hash = hash AND d.id <> device;
    is_theirs := NOT EXISTS (SELECT FROM devices AS d WHERE d.id = device AND d.user_id <> holder);
    PERFORM set_config('mendline.scope', scope, true);
    RETURN is_theirs;
END
$$;

-- Months come and go by the owner's hand, whoever asks; the audit's not before their time.
CREATE OR REPLACE FUNCTION ensure_month_partitions(parent text, since date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
    rest text := parent || '_rest';
    month date;
    name text;
    starts timestamptz;
    ends timestamptz;
    made integer := 0;
BEGIN
    IF parent NOT IN ('attempts', 'audit') THEN
        RAISE EXCEPTION '% has no months', parent;
    END IF;
    FOR step IN 0 .. months - 1 LOOP
        month := date_trunc('month', since)::date + make_interval(months => step);
        name := parent || to_char(month, '_YYYY_MM');
        starts := month::timestamp AT TIME ZONE 'UTC';
        ends := (month + interval '1 month')::timestamp AT TIME ZONE 'UTC';
        CONTINUE WHEN to_regclass(quote_ident(name)) IS NOT NULL;
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', rest);
        CONTINUE WHEN to_regclass(quote_ident(name)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, parent);
        EXECUTE format('WITH late AS (DELETE FROM %I WHERE at >= %L AND at < %L RETURNING *) INSERT INTO %I TABLE late',
            rest, starts, ends, name);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, name, starts, ends);
        PERFORM wall(name::regclass, api => '', worker => '');
        made := made + 1;
    END LOOP;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN made;
END
$$;
CREATE OR REPLACE FUNCTION drop_month_partitions(parent text, before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
    dropped integer := 0;
BEGIN
    IF parent NOT IN ('attempts', 'audit') OR parent = 'audit' AND before > current_date - interval '6 years' THEN
        RAISE EXCEPTION '% is kept longer', parent;
    END IF;
    FOR name IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = parent::regclass AND c.relname ~ ('^' || parent || '_\d{4}_\d{2}$')
           AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= before
         ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

REVOKE EXECUTE ON FUNCTION login_of_email, session_of_token, clinic_of_invitation, login_of_reset_code, clinic_of_feed,
    login_of_fetch_token, my_records, tokens_called_back, count_clinics_of_login, vapid_key_of_address, take_address,
    ensure_month_partitions, drop_month_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION login_of_email, session_of_token, clinic_of_invitation, login_of_reset_code, clinic_of_feed,
    login_of_fetch_token, my_records, tokens_called_back, count_clinics_of_login, vapid_key_of_address, take_address TO mendline_api;
GRANT EXECUTE ON FUNCTION login_of_email, my_records, ensure_month_partitions, drop_month_partitions TO mendline_worker;
