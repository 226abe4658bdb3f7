-- What changed of a patient's own since an app last asked: of every thing its latest commit, and what is gone. Triggers
-- write it when a transaction commits, whoever made the change. Alerts are not part of it: their states change with every
-- delivery.

CREATE TABLE sync_logs (
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    commits bigint NOT NULL CHECK (commits >= 0),
    forgotten_to bigint NOT NULL CHECK (forgotten_to BETWEEN 0 AND commits),
    PRIMARY KEY (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patients (clinic_id, id) ON DELETE CASCADE
) WITH (fillfactor = 80);
COMMENT ON TABLE sync_logs IS 'How many transactions have changed something that a patient''s app keeps.';
COMMENT ON COLUMN sync_logs.clinic_id IS 'The clinic.';
COMMENT ON COLUMN sync_logs.patient_id IS 'Whose app.';
COMMENT ON COLUMN sync_logs.commits IS 'Counts those transactions: each takes its number as the last thing that it does, and nobody takes the next before it has ended.';
COMMENT ON COLUMN sync_logs.forgotten_to IS 'What went with this number or an earlier one may be forgotten.';

CREATE TABLE sync_entries (
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('treatment', 'outcome', 'check_in', 'excuse', 'appointment', 'course', 'notification_preferences')),
    entity_id uuid NOT NULL,
    commit_no bigint NOT NULL CHECK (commit_no >= 0),
    gone boolean NOT NULL,
    gone_at timestamptz,
    PRIMARY KEY (clinic_id, patient_id, kind, entity_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES sync_logs (clinic_id, patient_id) ON DELETE CASCADE,
    CONSTRAINT sync_entries_gone_at_if_gone CHECK (gone OR gone_at IS NULL)
) WITH (fillfactor = 80);
CREATE INDEX sync_entries_in_order ON sync_entries (clinic_id, patient_id, commit_no, kind, entity_id);
CREATE INDEX sync_entries_gone ON sync_entries (gone_at) WHERE gone;
COMMENT ON TABLE sync_entries IS 'Each thing that a patient''s app keeps, and the latest transaction that changed it.';
COMMENT ON COLUMN sync_entries.clinic_id IS 'The clinic.';
COMMENT ON COLUMN sync_entries.patient_id IS 'Whose app.';
COMMENT ON COLUMN sync_entries.kind IS 'What it is.';
COMMENT ON COLUMN sync_entries.entity_id IS 'Which one; of preferences, whose login.';
COMMENT ON COLUMN sync_entries.commit_no IS 'Number of the latest transaction that changed it; 0: before numbers were given.';
COMMENT ON COLUMN sync_entries.gone IS 'It was removed.';
COMMENT ON COLUMN sync_entries.gone_at IS 'When a worker first saw that it is gone (care clock); forgotten some time after.';
SELECT wall('sync_logs', api => 'SELECT');
SELECT wall('sync_entries', api => 'SELECT');

-- Notes that this transaction changed something of a patient. All that one transaction changes has one number. Whoever
-- takes a number holds the log's row until it ends: so numbers become visible in their order.
CREATE FUNCTION note_sync(clinic uuid, patient uuid, what text, which uuid, is_gone boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    log text := clinic || '/' || patient || '/';
    taken text := coalesce(current_setting('mendline.sync_commit', true), '');
    number bigint;
BEGIN
    IF starts_with(taken, log) THEN
        number := substr(taken, length(log) + 1)::bigint;
    ELSE
        UPDATE sync_logs SET commits = commits + 1 WHERE clinic_id = clinic AND patient_id = patient
        RETURNING commits INTO number;
        IF NOT FOUND THEN
            -- The patient's record is gone, and all of it with it.
            RETURN;
        END IF;
        PERFORM set_config('mendline.sync_commit', log || number, true);
    END IF;
    INSERT INTO sync_entries AS e (clinic_id, patient_id, kind, entity_id, commit_no, gone)
    VALUES (clinic, patient, what, which, number, is_gone)
    ON CONFLICT (clinic_id, patient_id, kind, entity_id)
        DO UPDATE SET commit_no = excluded.commit_no, gone = excluded.gone, gone_at = NULL
        WHERE (e.commit_no, e.gone) IS DISTINCT FROM (excluded.commit_no, excluded.gone);
END
$$;

-- Check-ins show how far the clinic is with the flags that they raised or confirmed.
CREATE FUNCTION note_sync_of_flag(clinic uuid, flag uuid) RETURNS void LANGUAGE sql AS $$
    SELECT note_sync(r.clinic_id, r.patient_id, 'check_in', r.id, false)
      FROM (SELECT DISTINCT c.clinic_id, c.patient_id, c.id
              FROM flag_events AS e
              JOIN check_ins AS c ON c.clinic_id = e.clinic_id AND c.id = e.check_in_id
             WHERE e.clinic_id = clinic AND e.flag_id = flag) AS r
$$;

-- Triggers run in whatever scope a transaction is in by then, which may not show whose log it is: hence as the owner, in the
-- system's scope.

CREATE FUNCTION sync_patient() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    INSERT INTO sync_logs (clinic_id, patient_id, commits, forgotten_to) VALUES (NEW.clinic_id, NEW.id, 0, 0);
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

-- A row that names its patient; its kind is the argument.
CREATE FUNCTION sync_own() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync(NEW.clinic_id, NEW.patient_id, TG_ARGV[0], NEW.id, false);
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

-- A row that names a treatment.
CREATE FUNCTION sync_of_treatment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
    it record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        it := OLD;
    ELSE
        it := NEW;
    END IF;
    PERFORM note_sync(t.clinic_id, t.patient_id, TG_ARGV[0], it.id, TG_OP = 'DELETE')
       FROM treatments AS t WHERE t.clinic_id = it.clinic_id AND t.id = it.treatment_id;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

-- Courses count their sessions; check-ins say when they were expected.
CREATE FUNCTION sync_treatment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync(NEW.clinic_id, NEW.patient_id, 'treatment', NEW.id, false);
    IF TG_OP = 'INSERT' THEN
        PERFORM note_sync(NEW.clinic_id, NEW.patient_id, 'course', NEW.course_id, false) WHERE NEW.course_id IS NOT NULL;
        PERFORM set_config('mendline.scope', scope, true);
        RETURN NULL;
    END IF;
    IF (OLD.course_id, OLD.status, OLD.anchor_on) IS DISTINCT FROM (NEW.course_id, NEW.status, NEW.anchor_on) THEN
        PERFORM note_sync(NEW.clinic_id, NEW.patient_id, 'course', c.id, false)
           FROM unnest(ARRAY[OLD.course_id, NEW.course_id]) AS c (id) WHERE c.id IS NOT NULL;
    END IF;
    IF (OLD.performed_at, OLD.protocol_version_id, OLD.changes, OLD.status)
        IS DISTINCT FROM (NEW.performed_at, NEW.protocol_version_id, NEW.changes, NEW.status) THEN
        PERFORM note_sync(c.clinic_id, c.patient_id, 'check_in', c.id, false)
           FROM check_ins AS c WHERE c.clinic_id = NEW.clinic_id AND c.treatment_id = NEW.id;
    END IF;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

-- An open course names the appointment that is next.
CREATE FUNCTION sync_appointment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync(NEW.clinic_id, NEW.patient_id, 'appointment', NEW.id, false);
    PERFORM note_sync(c.clinic_id, c.patient_id, 'course', c.id, false)
       FROM courses AS c WHERE c.clinic_id = NEW.clinic_id AND c.patient_id = NEW.patient_id AND c.ended_at IS NULL;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

-- Where somebody is decides when check-ins were expected.
CREATE FUNCTION sync_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync(c.clinic_id, c.patient_id, 'check_in', c.id, false)
       FROM check_ins AS c WHERE c.clinic_id = NEW.clinic_id AND c.patient_id = NEW.patient_id;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

CREATE FUNCTION sync_flag() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync_of_flag(NEW.clinic_id, NEW.id);
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

CREATE FUNCTION sync_escalation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM note_sync_of_flag(OLD.clinic_id, OLD.flag_id);
    ELSE
        PERFORM note_sync_of_flag(NEW.clinic_id, NEW.flag_id);
    END IF;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

-- Preferences are a login's: they belong to each of its records.
CREATE FUNCTION sync_preferences() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync(p.clinic_id, p.id, 'notification_preferences', NEW.user_id, false)
       FROM (SELECT clinic_id, id FROM patients WHERE user_id = NEW.user_id ORDER BY clinic_id, id) AS p;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

-- A record that gets a login gets its preferences, and its tasks and check-ins count from another moment.
CREATE FUNCTION sync_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope text := enter_system();
BEGIN
    PERFORM note_sync(NEW.clinic_id, NEW.id, 'notification_preferences', NEW.user_id, false);
    PERFORM note_sync(c.clinic_id, c.patient_id, 'check_in', c.id, false)
       FROM check_ins AS c WHERE c.clinic_id = NEW.clinic_id AND c.patient_id = NEW.id;
    PERFORM set_config('mendline.scope', scope, true);
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION sync_patient, sync_own, sync_of_treatment, sync_treatment, sync_appointment, sync_flag, sync_escalation,
    sync_place, sync_preferences, sync_link FROM PUBLIC;

CREATE TRIGGER patients_have_a_sync_log AFTER INSERT ON patients FOR EACH ROW EXECUTE FUNCTION sync_patient();

-- All others wait for the commit: the log's row is then the last one that a transaction locks, and it waits for nobody
-- while it holds it.
CREATE CONSTRAINT TRIGGER patients_sync AFTER UPDATE ON patients DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.user_id IS NOT NULL AND OLD.user_id IS DISTINCT FROM NEW.user_id)
    EXECUTE FUNCTION sync_link();
CREATE CONSTRAINT TRIGGER treatments_sync_new AFTER INSERT ON treatments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sync_treatment();
-- What the worklist counts is nobody's to see.
CREATE CONSTRAINT TRIGGER treatments_sync AFTER UPDATE ON treatments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((OLD.version, OLD.plan_revision, OLD.activity, OLD.changes, OLD.session_number, OLD.status)
        IS DISTINCT FROM (NEW.version, NEW.plan_revision, NEW.activity, NEW.changes, NEW.session_number, NEW.status))
    EXECUTE FUNCTION sync_treatment();
CREATE CONSTRAINT TRIGGER outcomes_sync AFTER INSERT ON outcomes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sync_of_treatment('outcome');
CREATE CONSTRAINT TRIGGER check_ins_sync AFTER INSERT ON check_ins DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sync_own('check_in');
CREATE CONSTRAINT TRIGGER flags_sync AFTER UPDATE ON flags DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sync_flag();
CREATE CONSTRAINT TRIGGER escalations_sync_new AFTER INSERT ON escalations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.unreached_at IS NOT NULL) EXECUTE FUNCTION sync_escalation();
CREATE CONSTRAINT TRIGGER escalations_sync AFTER UPDATE ON escalations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.unreached_at IS DISTINCT FROM NEW.unreached_at) EXECUTE FUNCTION sync_escalation();
CREATE CONSTRAINT TRIGGER escalations_sync_gone AFTER DELETE ON escalations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.unreached_at IS NOT NULL) EXECUTE FUNCTION sync_escalation();
CREATE CONSTRAINT TRIGGER excuses_sync AFTER INSERT OR UPDATE OR DELETE ON excuses DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sync_of_treatment('excuse');
CREATE CONSTRAINT TRIGGER appointments_sync AFTER INSERT OR UPDATE ON appointments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sync_appointment();
CREATE CONSTRAINT TRIGGER courses_sync AFTER INSERT OR UPDATE ON courses DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sync_own('course');
CREATE CONSTRAINT TRIGGER notification_preferences_sync AFTER INSERT OR UPDATE ON notification_preferences
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sync_preferences();
CREATE CONSTRAINT TRIGGER patient_zones_sync AFTER INSERT OR UPDATE ON patient_zones DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sync_place();

-- What is there already: once the triggers are, so that nothing falls between.
INSERT INTO sync_logs (clinic_id, patient_id, commits, forgotten_to) SELECT clinic_id, id, 0, 0 FROM patients
ON CONFLICT DO NOTHING;
INSERT INTO sync_entries (clinic_id, patient_id, kind, entity_id, commit_no, gone)
SELECT clinic_id, patient_id, 'treatment', id, 0, false FROM treatments
UNION ALL SELECT clinic_id, patient_id, 'check_in', id, 0, false FROM check_ins
UNION ALL SELECT clinic_id, patient_id, 'appointment', id, 0, false FROM appointments
UNION ALL SELECT clinic_id, patient_id, 'course', id, 0, false FROM courses
UNION ALL SELECT clinic_id, id, 'notification_preferences', user_id, 0, false FROM patients WHERE user_id IS NOT NULL
UNION ALL SELECT t.clinic_id, t.patient_id, 'outcome', o.id, 0, false
            FROM outcomes AS o JOIN treatments AS t ON t.clinic_id = o.clinic_id AND t.id = o.treatment_id
UNION ALL SELECT t.clinic_id, t.patient_id, 'excuse', e.id, 0, false
            FROM excuses AS e JOIN treatments AS t ON t.clinic_id = e.clinic_id AND t.id = e.treatment_id
ON CONFLICT DO NOTHING;
