-- Who touches the tables besides their owner: what answers requests, and what works through everybody's alerts. Nobody logs
-- in as these; the operator's own logins are their members. Roles belong to the whole server: another database may have
-- made them, or may be making them now. The owner belongs to both, since row-level security binds it too.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['mendline_api', 'mendline_worker'] LOOP
        IF to_regrole(name) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(name, 'USAGE') THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', name, current_user);
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END
$$;
