//! Treatments over HTTP: registering, reading, editing, ending, and what each does to the alerts that are owed.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::wire::CountingProxy;
use crate::support::{Answer, TestApp, TestDatabase, people::Person, seed, send};

fn body(app: &TestApp, patient: &Person) -> Value {
    json!({ "patient_id": patient.patient(), "performed_at": app.care.now() })
}

async fn register(app: &TestApp, staff: &Person, patient: &Person) -> Value {
    app.post("/v1/treatments", &staff.token, body(app, patient)).await.expect(201)
}

async fn patch(app: &TestApp, token: &str, treatment: &Value, body: Value) -> Answer {
    let path = format!("/v1/treatments/{}", treatment["id"].as_str().unwrap());
    let version = treatment["version"].as_i64().unwrap();
    send(app.request(Method::PATCH, &path, token).header("if-match", format!("\"{version}\"")).json(&body)).await
}

async fn scheduled(app: &TestApp) -> Vec<seed::AlertRow> {
    seed::alerts(app).await.into_iter().filter(|row| row.state == "scheduled").collect()
}

#[tokio::test]
async fn a_treatment_and_everything_it_owes_are_there_at_once() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let answer = app.post("/v1/treatments", &clinic.admin.token, body(&app, &patient)).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(answer.headers["etag"], "\"1\"");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let treatment = answer.expect(201);
    assert_eq!(treatment["status"], "active");
    assert_eq!(treatment["protocol"], json!({ "key": "conservative", "version": 2 }));
    assert_eq!(app.get(&location, &patient.token).await.expect(200)["id"], treatment["id"]);

    let alerts = scheduled(&app).await;
    assert!((35..=60).contains(&alerts.len()), "{} alerts", alerts.len());
    assert!(alerts.iter().all(|alert| alert.due_at >= app.care.now()));
}

#[tokio::test]
async fn what_the_patients_app_registers_waits_for_the_clinic_and_then_is_the_clinics() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let own = json!({ "performed_at": app.care.now() });
    let treatment = app.post("/v1/treatments", &patient.token, own).await.expect(201);
    assert_eq!(treatment["status"], "unconfirmed");
    assert!(!scheduled(&app).await.is_empty(), "the plan runs at once");
    let moved = json!({ "performed_at": app.care.now() - TimeDelta::hours(1) });
    let treatment = patch(&app, &patient.token, &treatment, moved).await.expect(200);

    let confirm = format!("/v1/treatments/{}/confirm", treatment["id"].as_str().unwrap());
    assert_eq!(app.post(&confirm, &patient.token, json!({})).await.problem(403), "forbidden");
    let confirmed = app.post(&confirm, &clinic.admin.token, json!({})).await.expect(200);
    assert_eq!(confirmed["status"], "active");
    let refused = patch(&app, &patient.token, &confirmed, json!({ "area": "neck" })).await;
    assert_eq!(refused.problem(409), "conflict");
}

#[tokio::test]
async fn a_patients_app_chooses_neither_protocol_nor_patient() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let (patient, other) = (app.patient_of(&clinic).await, app.patient_of(&clinic).await);
    let chosen = json!({ "performed_at": app.care.now(), "protocol": "conservative", "notes": "x" });
    let answer = app.post("/v1/treatments", &patient.token, chosen).await.expect(422);
    let pointers: Vec<&str> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/protocol", "/notes"]);
    assert_eq!(app.post("/v1/treatments", &patient.token, body(&app, &other)).await.problem(404), "not_found");
}

#[tokio::test]
async fn moving_a_treatment_moves_its_alerts_and_doubles_none() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let treatment = register(&app, &clinic.admin, &patient).await;
    let before = scheduled(&app).await;

    let earlier = app.care.now() - TimeDelta::minutes(20);
    let moved = patch(&app, &clinic.admin.token, &treatment, json!({ "performed_at": earlier })).await.expect(200);
    assert_eq!(moved["version"], 2);
    assert_eq!(moved["performed_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), earlier);
    let after = scheduled(&app).await;
    let keys = |rows: &[seed::AlertRow]| rows.iter().map(|row| row.dedupe_key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&before), keys(&after), "same day, same alerts");
    let elapsed = |rows: &[seed::AlertRow]| rows.iter().map(|row| row.due_at).min().unwrap();
    assert!(elapsed(&after) <= elapsed(&before));
}

#[tokio::test]
async fn an_edit_names_what_it_saw() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let treatment = register(&app, &clinic.admin, &patient).await;
    let path = format!("/v1/treatments/{}", treatment["id"].as_str().unwrap());
    let edit = json!({ "needle_depth_mm": 0.5 });
    assert_eq!(app.patch(&path, &clinic.admin.token, edit.clone()).await.problem(428), "precondition_required");
    let edited = patch(&app, &clinic.admin.token, &treatment, edit.clone()).await.expect(200);
    assert_eq!(edited["needle_depth_mm"], 0.5);
    assert_eq!(patch(&app, &clinic.admin.token, &treatment, edit).await.problem(412), "precondition_failed");
}

#[tokio::test]
async fn cancelling_and_completing_stop_the_alerts_and_can_be_said_twice() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let (one, other) = (app.patient_of(&clinic).await, app.patient_of(&clinic).await);
    for (patient, complete) in [(&one, false), (&other, true)] {
        let treatment = register(&app, &clinic.admin, patient).await;
        let path = format!("/v1/treatments/{}", treatment["id"].as_str().unwrap());
        for _ in 0..2 {
            if complete {
                let ended = app.post(&format!("{path}/complete"), &clinic.admin.token, json!({})).await.expect(200);
                assert_eq!((&ended["status"], &ended["version"]), (&json!("completed"), &json!(2)));
            } else {
                app.delete(&path, &clinic.admin.token).await.expect(204);
            }
        }
    }
    assert!(scheduled(&app).await.is_empty());
}

#[tokio::test]
async fn the_same_area_twice_within_a_day_must_be_meant() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    register(&app, &clinic.admin, &patient).await;
    let again = app.post("/v1/treatments", &clinic.admin.token, body(&app, &patient)).await;
    assert_eq!(again.problem(409), "duplicate_treatment");
    let mut meant = body(&app, &patient);
    meant["allow_duplicate"] = json!(true);
    app.post("/v1/treatments", &clinic.admin.token, meant).await.expect(201);
}

#[tokio::test]
async fn a_request_sent_again_is_answered_again() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let body = body(&app, &patient);
    let post = async || {
        let request = app.request(Method::POST, "/v1/treatments", &clinic.admin.token);
        send(request.header("idempotency-key", "k1").json(&body)).await.expect(201)
    };
    let (first, second) = (post().await, post().await);
    assert_eq!(first["id"], second["id"]);

    let mut with_id = body.clone();
    with_id["id"] = json!(Uuid::new_v4());
    with_id["allow_duplicate"] = json!(true);
    let first = app.post("/v1/treatments", &clinic.admin.token, with_id.clone()).await.expect(201);
    let again = app.post("/v1/treatments", &clinic.admin.token, with_id.clone()).await.expect(201);
    assert_eq!(first["id"], again["id"]);
    let other = app.patient_of(&clinic).await;
    with_id["patient_id"] = json!(other.patient());
    assert_eq!(app.post("/v1/treatments", &clinic.admin.token, with_id).await.problem(409), "id_taken");
}

#[tokio::test]
async fn bad_values_are_named_all_at_once() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let bad = json!({
        "patient_id": patient.patient(), "performed_at": app.care.now() + TimeDelta::hours(1),
        "needle_depth_mm": 77.0, "session_number": 0, "area": "", "products": [" "],
    });
    let answer = app.post("/v1/treatments", &clinic.admin.token, bad).await.expect(422);
    let pointers: Vec<&str> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/performed_at", "/area", "/needle_depth_mm", "/products/0", "/session_number"]);

    let token = &clinic.admin.token;
    let unfit = json!({ "patient_id": patient.patient(), "performed_at": app.care.now(), "area": "scalp" });
    let answer = app.post("/v1/treatments", token, unfit.clone()).await.expect(422);
    assert_eq!(answer["errors"][0]["pointer"], "/area");
    let mut reasoned = unfit;
    reasoned["protocol_reason"] = json!("Hair loss; same course of recovery expected.");
    app.post("/v1/treatments", token, reasoned).await.expect(201);
    let owed = seed::alerts(&app).await.len();

    let stranger = json!({ "patient_id": Uuid::new_v4(), "performed_at": app.care.now() });
    assert_eq!(app.post("/v1/treatments", token, stranger).await.problem(404), "not_found");
    let mut foreign = body(&app, &patient);
    foreign["clinician_id"] = json!(Uuid::new_v4());
    foreign["allow_duplicate"] = json!(true);
    assert_eq!(app.post("/v1/treatments", token, foreign).await.expect(422)["errors"][0]["pointer"], "/clinician_id");
    assert_eq!(seed::alerts(&app).await.len(), owed, "a refused request leaves nothing");
}

#[tokio::test]
async fn an_edit_keeps_the_rules_of_registering() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let now = app.care.now();
    app.treat(&clinic.admin.token, patient.patient(), now - TimeDelta::days(10)).await;
    let id = app.treat(&clinic.admin.token, patient.patient(), now).await;
    let edit = async |token: &str, body: Value| {
        let request = app.request(Method::PATCH, &format!("/v1/treatments/{id}"), token).header("if-match", "*");
        send(request.json(&body)).await
    };
    let token = &clinic.admin.token;
    let unfit = json!({ "area": "scalp", "modality": "radiofrequency" });
    assert_eq!(edit(token, unfit.clone()).await.expect(422)["errors"][0]["pointer"], "/area");
    let onto = json!({ "performed_at": now - TimeDelta::days(10) + TimeDelta::hours(2) });
    assert_eq!(edit(token, onto.clone()).await.problem(409), "duplicate_treatment");
    let reserved = json!({ "protocol_reason": "Why not." });
    let own = app.post("/v1/treatments", &patient.token, json!({ "performed_at": now - TimeDelta::days(3) })).await;
    let own = own.expect(201)["id"].as_str().unwrap().to_owned();
    let request = app.request(Method::PATCH, &format!("/v1/treatments/{own}"), &patient.token).header("if-match", "*");
    assert_eq!(send(request.json(&reserved)).await.expect(422)["errors"][0]["pointer"], "/protocol_reason");
    let mut meant = unfit;
    meant["protocol_reason"] = json!("Hair loss; the same course of recovery is expected.");
    let edited = edit(token, meant).await.expect(200);
    assert_eq!(edited["protocol_reason"], "Hair loss; the same course of recovery is expected.");
    let read = app.get(&format!("/v1/treatments/{id}"), &patient.token).await.expect(200);
    assert!(read.get("protocol_reason").is_none(), "what staff note is for staff");
    let mut both = onto;
    both["area"] = json!("face");
    both["allow_duplicate"] = json!(true);
    edit(token, both).await.expect(200);
}

#[tokio::test]
async fn a_backdated_treatment_owes_nothing_of_the_past() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let now = app.care.now();
    let backdated = json!({ "patient_id": patient.patient(), "performed_at": now - TimeDelta::days(10) });
    app.post("/v1/treatments", &clinic.admin.token, backdated).await.expect(201);
    let alerts = seed::alerts(&app).await;
    assert!(!alerts.is_empty() && alerts.iter().all(|alert| alert.due_at >= now));
    let ancient = json!({ "patient_id": patient.patient(), "performed_at": now - TimeDelta::days(181) });
    assert_eq!(app.post("/v1/treatments", &clinic.admin.token, ancient).await.problem(422), "invalid");
}

#[tokio::test]
async fn the_list_is_paged_newest_first_and_a_patient_sees_only_their_own() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let (patient, other) = (app.patient_of(&clinic).await, app.patient_of(&clinic).await);
    for days in [1, 40, 80] {
        let at = app.care.now() - TimeDelta::days(days);
        let body = json!({ "patient_id": patient.patient(), "performed_at": at });
        app.post("/v1/treatments", &clinic.admin.token, body).await.expect(201);
    }
    register(&app, &clinic.admin, &other).await;

    let page = app.get("/v1/treatments?limit=3", &clinic.admin.token).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/v1/treatments?limit=3&cursor={cursor}"), &clinic.admin.token).await.expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert!(rest.get("next_cursor").is_none());

    let own = app.get("/v1/treatments", &other.token).await.expect(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    let id = page["items"][1]["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/v1/treatments/{id}"), &other.token).await.problem(404), "not_found");
}

#[tokio::test]
async fn registering_a_treatment_costs_at_most_eight_round_trips() {
    let database = TestDatabase::create().await;
    let proxy = CountingProxy::before(&database.url);
    let app = TestApp::start_at(database.clone(), &proxy.url, &[("MENDLINE_DATABASE_POOL", "2")]).await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    // Every statement has been prepared on every connection once some requests have gone through.
    // Whatever runs in the background may add round trips of its own and takes none away: the least is the request's.
    let mut least = None;
    for days in 0..10 {
        let at = app.care.now() - TimeDelta::days(2 * days);
        let body = json!({ "patient_id": patient.patient(), "performed_at": at });
        let request = app.request(Method::POST, "/v1/treatments", &clinic.admin.token);
        let request = request.header("idempotency-key", format!("k{days}")).json(&body);
        proxy.counts.reset();
        send(request).await.expect(201);
        if proxy.counts.parses() == 0 {
            let counted = proxy.counts.round_trips();
            least = Some(least.map_or(counted, |least: usize| least.min(counted)));
        }
    }
    assert!(least.is_some_and(|least| least <= 8), "{least:?} round trips");
}
