CREATE OR REPLACE FUNCTION sync_flag() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync_of_flag(NEW.clinic_id, NEW.id);
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;
