-- A flag that is resolved or opened again releases or holds what its treatment restricts. A running treatment is planned anew
-- and listed for that; one that was completed is not, and is listed for the flag itself.
CREATE OR REPLACE FUNCTION sync_flag() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync_of_flag(NEW.clinic_id, NEW.id);
    IF NEW.resolved_at IS DISTINCT FROM OLD.resolved_at THEN
        PERFORM note_sync(NEW.clinic_id, NEW.patient_id, 'treatment', NEW.treatment_id, false);
    END IF;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;
