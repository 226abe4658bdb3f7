//! Patients' records: made once, read by whom they concern, edited on what is there.

use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Staged, TestApp, send};

async fn staffed() -> (TestApp, Staged) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let clinician = app.stage(clinic, Role::Clinician).await;
    (app, clinician)
}

fn ada() -> Value {
    json!({
        "display_name": " Ada Example ", "time_zone": "America/New_York", "locale": "en",
        "reference": "F-17", "phone": "+1 (212) 555-0100"
    })
}

async fn edit(app: &TestApp, token: &str, id: &str, tag: Option<&str>, body: Value) -> crate::support::Answer {
    let request = app.request(Method::PATCH, &format!("/v1/patients/{id}"), token).json(&body);
    send(tag.into_iter().fold(request, |request, tag| request.header("if-match", tag))).await
}

#[tokio::test]
async fn a_record_is_made_and_read_as_it_was_written() {
    let (app, clinician) = staffed().await;
    let made = app.post("/v1/patients", &clinician.token, ada()).await;
    assert_eq!(made.headers["cache-control"], "no-store");
    assert_eq!(made.headers["etag"], "\"1\"");
    let location = made.headers["location"].to_str().unwrap().to_owned();
    let body = made.expect(201);
    assert_eq!(location, format!("/v1/patients/{}", body["id"].as_str().unwrap()));
    assert_eq!(body["display_name"], "Ada Example");
    assert_eq!(body["phone"], "+1 (212) 555-0100");
    assert!(body.get("linked_at").is_none());
    assert_eq!(app.get(&location, &clinician.token).await.expect(200), body);
}

#[tokio::test]
async fn a_record_without_zone_or_language_gets_the_clinics() {
    let (app, clinician) = staffed().await;
    let body = app.post("/v1/patients", &clinician.token, json!({"display_name": "Ada"})).await.expect(201);
    assert_eq!((&body["time_zone"], &body["locale"]), (&json!("Europe/Berlin"), &json!("de")));
}

#[tokio::test]
async fn the_same_record_sent_twice_is_made_once_and_another_one_under_its_id_is_refused() {
    let (app, clinician) = staffed().await;
    let mut body = ada();
    body["id"] = json!(Uuid::new_v4());
    let first = app.post("/v1/patients", &clinician.token, body.clone()).await.expect(201);
    assert_eq!(app.post("/v1/patients", &clinician.token, body.clone()).await.expect(200), first);
    body["display_name"] = json!("Grace Example");
    assert_eq!(app.post("/v1/patients", &clinician.token, body).await.problem(409), "id_taken");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let (app, clinician) = staffed().await;
    let body =
        json!({"display_name": "", "time_zone": "Berlin", "locale": "x", "phone": "none", "reference": "a\u{7}"});
    let answer = app.post("/v1/patients", &clinician.token, body).await.expect(422);
    let pointers: Vec<_> =
        answer["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/display_name", "/time_zone", "/locale", "/reference", "/phone"]);
    let unknown = app.post("/v1/patients", &clinician.token, json!({"display_name": "A", "age": 3})).await;
    assert_eq!(unknown.problem(400), "malformed");
}

#[tokio::test]
async fn another_clinics_patient_is_nobody_and_its_id_is_free_here() {
    let (app, clinician) = staffed().await;
    let elsewhere = app.stage_clinic().await;
    let stranger = app.stage(elsewhere, Role::Administrator).await;
    let mut body = ada();
    body["id"] = json!(Uuid::new_v4());
    let id = body["id"].as_str().unwrap().to_owned();
    app.post("/v1/patients", &clinician.token, body.clone()).await.expect(201);
    assert_eq!(app.get(&format!("/v1/patients/{id}"), &stranger.token).await.problem(404), "not_found");
    let denied = edit(&app, &stranger.token, &id, Some("*"), json!({"display_name": "Eve"})).await;
    assert_eq!(denied.problem(404), "not_found");
    body["display_name"] = json!("Somebody else");
    app.post("/v1/patients", &stranger.token, body).await.expect(201);
    let untouched = app.get(&format!("/v1/patients/{id}"), &clinician.token).await.expect(200);
    assert_eq!(untouched["display_name"], "Ada Example");
}

#[tokio::test]
async fn a_patient_reads_the_own_record_and_no_other_and_edits_none() {
    let (app, clinician) = staffed().await;
    let clinic = clinician.caller.clinic_id;
    let (ada, grace) = (app.stage(clinic, Role::Patient).await, app.stage(clinic, Role::Patient).await);
    let path = |who: &Staged| format!("/v1/patients/{}", who.caller.patient_id.unwrap());
    app.get(&path(&ada), &ada.token).await.expect(200);
    assert_eq!(app.get(&path(&grace), &ada.token).await.problem(404), "not_found");
    assert_eq!(app.post("/v1/patients", &ada.token, json!({"display_name": "A"})).await.problem(403), "forbidden");
    let own = ada.caller.patient_id.unwrap().to_string();
    let denied = edit(&app, &ada.token, &own, Some("*"), json!({"display_name": "A"})).await;
    assert_eq!(denied.problem(403), "forbidden");
    assert_eq!(app.get(&path(&ada), "").await.problem(401), "unauthenticated");
    assert_eq!(app.get("/v1/patients/not-an-id", &clinician.token).await.problem(404), "not_found");
}

#[tokio::test]
async fn an_edit_names_the_version_it_was_made_on() {
    let (app, clinician) = staffed().await;
    let body = app.post("/v1/patients", &clinician.token, ada()).await.expect(201);
    let id = body["id"].as_str().unwrap();
    let change = json!({"reference": "", "phone": "030 1234567"});
    let blind = edit(&app, &clinician.token, id, None, change.clone()).await;
    assert_eq!(blind.problem(428), "precondition_required");
    let edited = edit(&app, &clinician.token, id, Some("\"1\""), change.clone()).await;
    assert_eq!(edited.headers["etag"], "\"2\"");
    let edited = edited.expect(200);
    assert!(edited.get("reference").is_none());
    assert_eq!((&edited["phone"], &edited["display_name"]), (&json!("030 1234567"), &json!("Ada Example")));
    let stale = edit(&app, &clinician.token, id, Some("\"1\""), json!({"display_name": "Old"})).await;
    assert_eq!(stale.problem(412), "precondition_failed");
    let nothing = edit(&app, &clinician.token, id, Some("\"2\""), json!({"phone": "030 1234567"})).await;
    assert_eq!(nothing.headers["etag"], "\"2\"", "an edit that changes nothing is no edit");
}

#[tokio::test]
async fn of_two_edits_of_one_version_one_is_made() {
    let (app, clinician) = staffed().await;
    let body = app.post("/v1/patients", &clinician.token, ada()).await.expect(201);
    let id = body["id"].as_str().unwrap();
    let attempt = |name: &'static str| {
        let body = json!({ "display_name": name });
        edit(&app, &clinician.token, id, Some("\"1\""), body)
    };
    let (one, other) = tokio::join!(attempt("One"), attempt("Other"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

#[tokio::test]
async fn who_has_the_record_is_not_sent_it_again() {
    let (app, clinician) = staffed().await;
    let body = app.post("/v1/patients", &clinician.token, ada()).await.expect(201);
    let path = format!("/v1/patients/{}", body["id"].as_str().unwrap());
    let known = app.request(Method::GET, &path, &clinician.token).header("if-none-match", "\"1\"");
    let answer = send(known).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""));
    assert_eq!(answer.headers["etag"], "\"1\"");
}

/// A planner that waited for another must see what the other wrote, not the view of the data from before the wait.
#[tokio::test]
async fn whoever_waited_for_a_patients_lock_sees_what_was_written_meanwhile() {
    use diesel_async::SimpleAsyncConnection;
    use mendline::db::{Connector, Lock, Scope};
    use mendline::patients::store::{insert_zone, lock_patient};
    use mendline::planning;
    let (app, clinician) = staffed().await;
    let caller = app.stage(clinician.caller.clinic_id, Role::Patient).await.caller;
    let (clinic, patient) = (caller.clinic_id, caller.patient_id.unwrap());
    let connector = Connector::new(&app.database.url, None).unwrap();
    let (mut first, mut second) = (connector.open().await.unwrap(), connector.open().await.unwrap());
    let travels = ["Asia/Tokyo", "Asia/Kathmandu", "America/Lima", "Africa/Cairo", "Asia/Baku", "Europe/Oslo"];
    for (round, zone) in travels.into_iter().enumerate() {
        first.batch_execute("BEGIN").await.unwrap();
        second.batch_execute("BEGIN").await.unwrap();
        lock_patient(&mut first, clinic, patient).await.unwrap();
        let writer = async {
            app.database.someone_waits_for_a_lock().await;
            insert_zone(&mut first, clinic, patient, zone, app.care.now()).await.unwrap();
            first.batch_execute("COMMIT").await.unwrap();
        };
        let waiter = async {
            match round % 3 {
                0 => lock_patient(&mut second, clinic, patient).await.unwrap().zones,
                1 => planning::lock(&mut second, clinic, patient).await.unwrap().zones,
                _ => {
                    let read = async |conn: &mut _| planning::locked(conn, clinic, patient).await;
                    let (scope, lock) = (Scope::Clinic(clinic), Lock::Patient(clinic, patient));
                    app.state.db.scoped_under(scope, lock, read).await.unwrap().zones
                }
            }
        };
        let (seen, ()) = tokio::join!(waiter, writer);
        assert_eq!(seen.last().name(), zone, "round {round}");
        second.batch_execute("COMMIT").await.unwrap();
    }
}
