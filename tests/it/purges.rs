//! Records that go: those whose membership the clinic ended, years later, and all others whatever becomes of one that cannot.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use mendline::clinics::removal;
use mendline::db::{Connector, DbError, Scope};
use mendline::erasure::{self, erase_due, purge_due};
use mendline::journal::{Erased, Journal};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::people::{Clinic, PASSWORD, Person};
use crate::support::treatments::utc;
use crate::worker_maintenance::count;

const YEAR: TimeDelta = TimeDelta::days(365);

/// A clinic that keeps records for three years, years in which anything may happen, and the journal of what went.
struct Case {
    app: TestApp,
    clinic: Clinic,
    journal: tempfile::TempDir,
}

async fn case() -> Case {
    let journal = tempfile::tempdir().unwrap();
    let app = TestApp::start_stepped(&[("MENDLINE_ERASURE_JOURNAL", journal.path().to_str().unwrap())]).await;
    let clinic = app.clinic().await;
    app.patch("/v1/clinic", &clinic.admin.token, json!({ "retention_years": 3 })).await.expect(200);
    app.pass(TimeDelta::seconds(1));
    Case { app, clinic, journal }
}

impl Case {
    /// The administrator, whose tokens do not last for years.
    async fn admin(&self) -> String {
        self.app.log_in(&self.clinic.admin).await.token
    }

    async fn end_membership(&self, person: &Person) {
        let path = format!("/v1/members/{}", person.membership_id);
        self.app.delete(&path, &self.admin().await).await.expect(204);
    }

    async fn record(&self, person: &Person) -> Value {
        self.app.get(&format!("/v1/patients/{}", person.patient()), &self.admin().await).await.expect(200)
    }

    async fn purge(&self) -> usize {
        let state = &self.app.state;
        purge_due(&state.worker_db, &state.clocks, &state.journal).await.unwrap()
    }

    /// Whose records have gone, as the journal has it.
    fn gone(&self) -> Vec<Erased> {
        Journal::read(self.journal.path()).unwrap().entries.into_iter().map(|entry| entry.erased).collect()
    }

    fn line(&self, person: &Person) -> Erased {
        Erased::Patient { clinic_id: self.clinic.id, id: person.patient() }
    }
}

fn purge_at(record: &Value) -> DateTime<Utc> {
    utc(record["purge_at"].as_str().unwrap())
}

#[tokio::test]
async fn a_record_whose_membership_the_clinic_ended_goes_years_after_that_or_after_its_last_visit() {
    let case = case().await;
    let app = &case.app;
    let (idle, treated) = (app.patient_of(&case.clinic).await, app.patient_of(&case.clinic).await);
    let began = app.care.now();
    app.treat(&case.clinic.admin.token, idle.patient(), began).await;
    assert!(case.record(&idle).await.get("purge_at").is_none());
    for person in [&idle, &treated] {
        case.end_membership(person).await;
        let record = case.record(person).await;
        assert!(record.get("detached_at").is_none(), "the clinic may go on with it");
        assert_eq!(purge_at(&record), utc("2029-02-02T12:00:01Z"));
    }
    // Its figure of later holds for what comes later.
    app.pass(YEAR);
    app.patch("/v1/clinic", &case.admin().await, json!({ "retention_years": 5 })).await.expect(200);
    app.treat(&case.admin().await, treated.patient(), app.care.now()).await;
    app.pass(YEAR + YEAR);
    assert_eq!(case.purge().await, 0);
    app.pass(TimeDelta::days(2));
    assert_eq!(case.purge().await, 1);
    assert_eq!(case.gone(), [case.line(&idle)]);
    let of_idle =
        format!("audit WHERE patient_id = '{}' AND action IN ('patient.detach', 'patient.purge')", idle.patient());
    assert_eq!(count(app, &of_idle).await, 2);

    let record = case.record(&treated).await;
    assert_eq!(purge_at(&record), utc("2032-02-02T12:00:01Z"), "five years from the visit");
    assert!(record.get("detached_at").is_none());
    app.pass(YEAR * 3);
    assert_eq!(case.purge().await, 1);
    assert_eq!(case.gone().len(), 2);
}

#[tokio::test]
async fn a_set_appointment_holds_a_record_and_a_cancelled_one_does_not() {
    let case = case().await;
    let app = &case.app;
    let (expected, called_off) = (app.patient_of(&case.clinic).await, app.patient_of(&case.clinic).await);
    for person in [&expected, &called_off] {
        case.end_membership(person).await;
    }
    app.pass(YEAR * 3);
    let admin = case.admin().await;
    let set = async |person: &Person| {
        let appointment =
            json!({ "patient_id": person.patient(), "kind": "follow_up", "date": "2029-02-10", "time": "10:30" });
        app.post("/v1/appointments", &admin, appointment).await.expect(201)["id"].as_str().unwrap().to_owned()
    };
    set(&expected).await;
    let cancelled = set(&called_off).await;
    app.delete(&format!("/v1/appointments/{cancelled}"), &admin).await.expect(204);
    app.pass(TimeDelta::days(2));
    assert_eq!(case.purge().await, 1);
    assert_eq!(case.gone(), [case.line(&called_off)]);
    assert_eq!(purge_at(&case.record(&expected).await), utc("2032-02-10T09:30:00Z"));
}

#[tokio::test]
async fn a_record_stays_while_somebody_may_accept_an_invitation_to_it_and_none_comes_too_late() {
    let case = case().await;
    let app = &case.app;
    let [invited, taken_back, left] =
        [app.patient_of(&case.clinic).await, app.patient_of(&case.clinic).await, app.patient_of(&case.clinic).await];
    for person in [&invited, &taken_back, &left] {
        case.end_membership(person).await;
    }
    app.pass(YEAR * 3);
    let admin = case.admin().await;
    let invite = async |person: &Person| {
        let invitation = json!({ "role": "patient", "patient_id": person.patient(), "email": person.email });
        app.post("/v1/invitations", &admin, invitation).await
    };
    let made = invite(&invited).await.expect(201);
    let other = invite(&taken_back).await.expect(201);
    app.delete(&format!("/v1/invitations/{}", other["id"].as_str().unwrap()), &admin).await.expect(204);

    // Whoever invites while a record's end is being decided waits for that.
    let mut worker = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let detach = format!("BEGIN; UPDATE patients SET detached_at = purge_at WHERE id = '{}'", left.patient());
    worker.batch_execute(&detach).await.unwrap();
    let (refused, ()) = tokio::join!(invite(&left), async {
        app.until_waiting(1).await;
        worker.batch_execute("COMMIT").await.unwrap();
    });
    assert_eq!(refused.problem(409), "record_detached");

    app.pass(TimeDelta::days(2));
    assert_eq!(case.purge().await, 2);
    assert!(!case.gone().contains(&case.line(&invited)));
    let until = purge_at(&case.record(&invited).await);
    assert_eq!(until, utc(made["expires_at"].as_str().unwrap()));
    // It has run out, and so has the record; what comes next finds it detached.
    app.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
         CREATE TRIGGER refuse BEFORE DELETE ON patients FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    app.pass(TimeDelta::days(6));
    assert_eq!(case.purge().await, 0);
    assert!(case.record(&invited).await.get("detached_at").is_some());
    let told = format!("invitations WHERE patient_id = '{}' AND email IS NOT NULL", invited.patient());
    assert_eq!(count(app, &told).await, 0, "a detached record keeps no address");
    app.sql("DROP TRIGGER refuse ON patients").await;
    assert_eq!(case.purge().await, 1);
}

#[tokio::test]
async fn a_date_that_a_server_of_the_version_before_left_with_a_linked_record_is_none() {
    let case = case().await;
    let app = &case.app;
    let [ended, leaving, erased] =
        [app.patient_of(&case.clinic).await, app.patient_of(&case.clinic).await, app.patient_of(&case.clinic).await];
    // It linked their records again.
    let stale = app.state.clocks.wall.now() + YEAR;
    app.sql(&format!(
        "UPDATE patients SET unlinked_at = timestamptz '{stale}' - interval '3 years', purge_at = '{stale}'
          WHERE id IN ('{}', '{}', '{}')",
        ended.patient(),
        leaving.patient(),
        erased.patient()
    ))
    .await;
    assert_eq!(case.purge().await, 0);
    case.end_membership(&ended).await;
    assert_eq!(purge_at(&case.record(&ended).await), utc("2029-02-02T12:00:01Z"));

    let asked = json!({ "current_password": PASSWORD });
    let told = app.post("/v1/me/deletion", &leaving.token, asked).await.expect(202);
    let marked = format!("patients WHERE id = '{}' AND unlinked_at IS NULL", leaving.patient());
    assert_eq!(count(app, &marked).await, 1);
    case.end_membership(&leaving).await;
    assert_eq!(case.record(&leaving).await["purge_at"], told["clinics"][0]["purge_at"]);

    let state = &app.state;
    let erase = async |conn: &mut AsyncPgConnection| {
        Ok::<_, DbError>(erasure::erase(conn, &state.clocks, erased.user_id).await?)
    };
    assert!(state.worker_db.scoped(Scope::System, erase).await.unwrap());
    assert_eq!(purge_at(&case.record(&erased).await), utc("2029-02-02T12:00:01Z"));
}

#[tokio::test]
async fn whoever_is_invited_back_has_a_record_without_an_end_and_whoever_was_told_a_date_keeps_it() {
    let case = case().await;
    let app = &case.app;
    let (back, leaving) = (app.patient_of(&case.clinic).await, app.patient_of(&case.clinic).await);
    case.end_membership(&back).await;
    let invitation = json!({ "role": "patient", "patient_id": back.patient() });
    let code = app.invite(&case.clinic, &invitation).await;
    let login = json!({ "email": back.email, "password": PASSWORD, "invitation_code": code });
    app.post("/v1/auth/login", "", login).await.expect(200);
    assert!(case.record(&back).await.get("purge_at").is_none());

    let told = app.post("/v1/me/deletion", &leaving.token, json!({ "current_password": PASSWORD })).await.expect(202);
    assert!(case.record(&leaving).await.get("purge_at").is_none(), "they may take it back");
    app.patch("/v1/clinic", &case.admin().await, json!({ "retention_years": 30 })).await.expect(200);
    case.end_membership(&leaving).await;
    assert_eq!(case.record(&leaving).await["purge_at"], told["clinics"][0]["purge_at"]);
    let state = &app.state;
    app.pass(TimeDelta::days(14));
    assert_eq!(erase_due(&state.worker_db, &state.clocks, &state.journal).await.unwrap(), 1);
    app.pass(YEAR * 3);
    assert_eq!(case.purge().await, 0);
    app.pass(TimeDelta::days(2));
    assert_eq!(case.purge().await, 1);
    assert_eq!(case.gone(), [Erased::Login { id: leaving.user_id }, case.line(&leaving)]);
    app.pass(YEAR * 30);
    assert_eq!(case.purge().await, 0, "nobody who is there is purged");
}

#[tokio::test]
async fn what_cannot_be_erased_is_tried_once_in_a_run_and_holds_up_nothing_else() {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    // More than are read at once, all of them before the one that can go; whatever was tried is counted, also what was undone.
    let refuse = |table: &str, name: &str| {
        format!(
            "CREATE TRIGGER refuse BEFORE DELETE ON {table} FOR EACH ROW WHEN (OLD.{name} = 'stuck') EXECUTE FUNCTION refuse();"
        )
    };
    app.sql(&format!(
        "CREATE SEQUENCE tries; GRANT USAGE ON SEQUENCE tries TO PUBLIC;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM nextval('tries'); RAISE 'not today'; END $$; {} {} {}
         CREATE TABLE many AS SELECT i, CASE WHEN i <= 101 THEN 'stuck' ELSE 'free' END AS name,
                ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid AS id FROM generate_series(1, 102) AS i;
         INSERT INTO patients (clinic_id, id, display_name, time_zone, locale, plan_revision, version, created_at, detached_at,
                purge_at)
         SELECT '{clinic}', id, name, 'UTC', 'en', 0, 1, now(), now(), now() - interval '1 day' FROM many;
         INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
         SELECT id, id || '@example.org', '', name, 'UTC', 'en', now(), 1, now() FROM many;
         INSERT INTO login_deletions SELECT id, now() - interval '15 days', now() - interval '1 day' FROM many;
         INSERT INTO clinics (id, name, time_zone, locale, default_protocol, quiet_from, quiet_to, low_compliance_bp,
                triage_enabled, demo, version, created_at, closed_at, erase_at)
         SELECT id, name, 'UTC', 'en', 'conservative', '21:00', '08:00', 6000, true, false, 1, now(),
                now() - interval '31 days', now() - interval '1 day' FROM many WHERE i > 100;
         DROP TABLE many",
        refuse("patients", "display_name"),
        refuse("users", "display_name"),
        refuse("clinics", "name"),
    ))
    .await;
    let tries = async || app.count("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tries").await;
    let (db, clocks) = (&app.state.worker_db, &app.state.clocks);
    let journal = Journal::default();
    assert_eq!(purge_due(db, clocks, &journal).await.unwrap(), 1);
    assert_eq!(tries().await, 101);
    assert_eq!(erase_due(db, clocks, &journal).await.unwrap(), 1);
    assert_eq!(tries().await, 202);
    assert_eq!(removal::erase_due(db, clocks, &journal).await.unwrap(), 1);
    assert_eq!(tries().await, 203);
    for (table, name) in [("patients", "display_name"), ("users", "display_name"), ("clinics", "name")] {
        assert_eq!(count(&app, &format!("{table} WHERE {name} = 'free'")).await, 0, "{table}");
        assert!(count(&app, &format!("{table} WHERE {name} = 'stuck'")).await > 0, "{table}");
    }
}
