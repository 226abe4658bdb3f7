//! The end of a login: what it would mean, the mark, taking it back, the erasure, and what a clinic keeps until when.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::domain::role::Role;
use mendline::erasure::{erase_due, purge_due};
use mendline::journal::{Erased, Journal};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::people::{Clinic, PASSWORD, Person};
use crate::support::treatments::utc;
use crate::support::{Answer, TestApp, send};
use crate::worker_maintenance::{count, work_until_none};

const PATH: &str = "/v1/me/deletion";

/// A clinic, one of its clinicians, and a patient with a phone and a running treatment; both clocks are the test's.
struct Case {
    app: TestApp,
    clinic: Clinic,
    patient: Person,
    treatment: String,
}

async fn case() -> Case {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    register_phone(&app, &patient).await;
    let treatment = app.treat(&clinic.admin.token, patient.patient(), app.care.now() - TimeDelta::days(1)).await;
    // A token is called back that was issued before, not one that is issued in the same moment.
    app.pass(TimeDelta::seconds(1));
    Case { app, clinic, patient, treatment }
}

async fn register_phone(app: &TestApp, person: &Person) {
    let phone = Uuid::new_v4();
    let body = json!({
        "provider": "fcm", "address": format!("token-{phone}"), "locale": "de", "time_zone": "Europe/Berlin",
        "permission": "granted",
    });
    app.put(&format!("/v1/me/devices/{phone}"), &person.token, body).await.expect(201);
}

fn proof() -> Value {
    json!({ "current_password": PASSWORD })
}

fn credentials(person: &Person) -> Value {
    json!({ "email": person.email, "password": PASSWORD })
}

fn at(value: &Value) -> DateTime<Utc> {
    utc(value.as_str().unwrap())
}

impl Case {
    async fn delete(&self) -> Value {
        self.app.post(PATH, &self.patient.token, proof()).await.expect(202)
    }

    async fn log_in(&self) -> Answer {
        self.app.post("/v1/auth/login", "", credentials(&self.patient)).await
    }

    /// How many alerts of the patient are in a state.
    async fn alerts(&self, state: &str) -> i64 {
        let patient = self.patient.patient();
        count(&self.app, &format!("alerts WHERE recipient_id = '{patient}' AND state = '{state}'")).await
    }

    /// Lets the time for taking it back pass, and a worker erase the login.
    async fn erase(&self) {
        self.app.pass(TimeDelta::days(14));
        work_until_none(&self.app, &format!("users WHERE id = '{}'", self.patient.user_id)).await;
    }

    /// The administrator, whose tokens do not last two weeks.
    async fn administrator(&self) -> Person {
        self.app.log_in(&self.clinic.admin).await
    }
}

#[tokio::test]
async fn a_person_is_told_what_the_end_means_and_then_it_is_the_end_at_once() {
    let case = case().await;
    let Case { app, patient, clinic, .. } = &case;
    app.post("/v1/me/calendar-feeds", &patient.token, json!({})).await.expect(201);
    let before = app.get(PATH, &patient.token).await.expect(200);
    let now = app.state.clocks.wall.now();
    assert_eq!((&before["possible"], at(&before["erase_at"])), (&json!(true), now + TimeDelta::days(14)));
    assert_eq!(before["clinics"][0]["clinic_id"], json!(clinic.id));
    assert_eq!(
        (&before["clinics"][0]["keeps_record"], &before["clinics"][0]["retention_years"]),
        (&json!(true), &json!(10))
    );
    assert!(before.get("requested_at").is_none());
    let wrong = app.post(PATH, &patient.token, json!({ "current_password": "not the one that it is" })).await;
    assert_eq!(wrong.expect(422)["errors"][0]["pointer"], "/current_password");
    assert!(case.alerts("scheduled").await > 10);

    let mut told = case.delete().await;
    assert_eq!(at(&told.as_object_mut().unwrap().remove("requested_at").unwrap()), now);
    assert_eq!(told, before, "what it says is what was said before");
    for path in ["/v1/me", PATH, "/v1/alerts"] {
        assert_eq!(app.get(path, &patient.token).await.problem(401), "unauthenticated", "{path}");
    }
    let refresh = json!({ "refresh_token": patient.refresh_token });
    assert_eq!(app.post("/v1/auth/refresh", "", refresh).await.problem(401), "unauthenticated");
    for gone in ["devices", "calendar_feeds", "alerts WHERE state IN ('scheduled', 'suppressed', 'merged')"] {
        assert_eq!(count(app, gone).await, 0, "{gone}");
    }
    assert_eq!(app.count("SELECT count(*) FROM audit WHERE action = 'login.delete'").await, 1);
}

#[tokio::test]
async fn a_pending_deletion_is_told_to_whoever_has_the_right_password_alone() {
    let case = case().await;
    let told = case.delete().await;
    let refused = case.log_in().await;
    assert_eq!(refused.body["erase_at"], told["erase_at"]);
    assert_eq!(refused.problem(403), "deletion_pending");
    let nobody = json!({ "email": "nobody@example.org", "password": "not the one that it is" });
    let guessed = json!({ "email": case.patient.email, "password": "not the one that it is" });
    for path in ["/v1/auth/login", "/v1/auth/cancel-deletion"] {
        let mut answers = Vec::new();
        for body in [&nobody, &guessed] {
            let mut answer = case.app.post(path, "", body.clone()).await.expect(401);
            answer.as_object_mut().unwrap().remove("instance");
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1], "{path}");
    }
    for _ in 0..8 {
        case.app.post("/v1/auth/cancel-deletion", "", guessed.clone()).await.expect(401);
    }
    assert_eq!(case.app.post("/v1/auth/cancel-deletion", "", guessed).await.problem(429), "too_many_requests");
}

#[tokio::test]
async fn taken_back_the_login_is_there_again_and_what_is_owed_is_owed_again() {
    let case = case().await;
    let Case { app, patient, clinic, treatment } = &case;
    let owed = case.alerts("scheduled").await;
    case.delete().await;
    // The clinic goes on with the record meanwhile; nothing is planned for who is leaving.
    let moved = json!({ "performed_at": app.care.now() - TimeDelta::hours(23) });
    let path = format!("/v1/treatments/{treatment}");
    let request = app.request(Method::PATCH, &path, &clinic.admin.token).header("if-match", "*").json(&moved);
    send(request).await.expect(200);
    assert_eq!(case.alerts("scheduled").await, 0);
    app.pass(TimeDelta::hours(1));
    assert_eq!(app.drain_worker().await.claimed, 0);

    let back = app.post("/v1/auth/cancel-deletion", "", credentials(patient)).await.expect(200);
    let back = Person::from_answer(&back);
    assert_eq!(back.patient_id, patient.patient_id);
    app.get("/v1/me", &back.token).await.expect(200);
    app.get(&format!("/v1/treatments/{treatment}"), &back.token).await.expect(200);
    let again = case.alerts("scheduled").await;
    assert!((again - owed).abs() <= 3 && again > 10, "{again} where {owed} were owed before");
    app.log_in(patient).await;
    assert_eq!(app.post("/v1/auth/cancel-deletion", "", credentials(patient)).await.problem(409), "conflict");
    app.pass(TimeDelta::days(15));
    assert_eq!(erase_due(&app.state.worker_db, &app.state.clocks, &app.state.journal).await.unwrap(), 0);
    assert_eq!(count(app, &format!("users WHERE id = '{}'", patient.user_id)).await, 1, "nothing is left of the mark");
}

#[tokio::test]
async fn with_a_second_factor_it_takes_a_code_there_and_back() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let person = app.clinician_of(&clinic).await;
    let (phone, _) = app.enrol(&person).await;
    let code = || {
        app.pass(TimeDelta::seconds(30));
        phone.code(app.state.clocks.wall.now())
    };
    assert_eq!(app.post(PATH, &person.token, proof()).await.expect(422)["errors"][0]["pointer"], "/code");
    let mut with = proof();
    with["code"] = json!(code());
    app.post(PATH, &person.token, with).await.expect(202);
    let back = app.post("/v1/auth/cancel-deletion", "", credentials(&person)).await;
    assert_eq!(back.problem(401), "second_factor_required");
    let mut with = credentials(&person);
    with["code"] = json!(code());
    app.post("/v1/auth/cancel-deletion", "", with).await.expect(200);
}

#[tokio::test]
async fn the_last_administrator_names_another_one_first_and_of_two_one_may_go() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let first = &clinic.admin;
    let outlook = app.get(PATH, &first.token).await.expect(200);
    assert_eq!((&outlook["possible"], &outlook["clinics"][0]["last_administrator"]), (&json!(false), &json!(true)));
    assert_eq!(app.post(PATH, &first.token, proof()).await.problem(409), "conflict");
    app.get("/v1/me", &first.token).await.expect(200);
    let second = app.member_of(&clinic, Role::Administrator).await;
    // Both at once: one of them stays.
    let (one, other) = tokio::join!(app.post(PATH, &first.token, proof()), app.post(PATH, &second.token, proof()));
    let mut both = [one.status.as_u16(), other.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [202, 409]);
    // And who stays cannot be removed while the other is about to go.
    let stays = if one.status.as_u16() == 409 { first } else { &second };
    let path = format!("/v1/members/{}", stays.membership_id);
    app.delete(&path, &stays.token).await.expect(409);
}

#[tokio::test]
async fn when_its_time_is_over_a_worker_erases_the_login_and_the_clinic_keeps_a_record_that_it_cannot_change() {
    let case = case().await;
    let Case { app, patient, treatment, .. } = &case;
    let told = case.delete().await;
    // What the clinic wants by then is not what the person was told.
    app.patch("/v1/clinic", &case.clinic.admin.token, json!({ "retention_years": 20 })).await.expect(200);
    app.pass(TimeDelta::days(13));
    assert_eq!(case.log_in().await.problem(403), "deletion_pending");
    app.pass(TimeDelta::days(-13));
    case.erase().await;
    assert_eq!(case.log_in().await.problem(401), "unauthenticated");

    let admin = case.administrator().await;
    let record = format!("/v1/patients/{}", patient.patient());
    let kept = app.get(&record, &admin.token).await.expect(200);
    assert_eq!(kept["display_name"], "Pat Ient");
    assert!(kept["detached_at"].is_string() && kept.get("linked_at").is_none());
    assert_eq!(kept["purge_at"], told["clinics"][0]["purge_at"], "the person was told this date");
    app.get(&format!("/v1/treatments/{treatment}/timeline"), &admin.token).await.expect(200);

    let treat = json!({ "patient_id": patient.patient(), "performed_at": app.care.now() });
    let course = json!({ "patient_id": patient.patient(), "area": "neck" });
    let excuse = json!({ "from": "2026-02-04", "reason": "Travelling." });
    let invite = json!({ "role": "patient", "patient_id": patient.patient() });
    let check_in = json!({ "recorded_at": app.care.now(), "symptoms": { "spreading": true } });
    for (method, path, body) in [
        (Method::PATCH, record, json!({ "display_name": "Ada" })),
        (Method::POST, "/v1/treatments".to_owned(), treat),
        (Method::DELETE, format!("/v1/treatments/{treatment}"), json!({})),
        (Method::POST, format!("/v1/treatments/{treatment}/complete"), json!({})),
        (Method::POST, format!("/v1/treatments/{treatment}/excuses"), excuse),
        (Method::POST, format!("/v1/treatments/{treatment}/check-ins"), check_in),
        (Method::POST, "/v1/courses".to_owned(), course),
        (Method::POST, "/v1/invitations".to_owned(), invite),
    ] {
        let request = app.request(method.clone(), &path, &admin.token).header("if-match", "*");
        let request = request.header("idempotency-key", Uuid::new_v4().to_string()).json(&body);
        assert_eq!(send(request).await.problem(409), "record_detached", "{method} {path}");
    }
    let listed = |answer: Value| answer["items"].as_array().unwrap().len();
    assert_eq!(listed(app.get("/v1/patients", &admin.token).await.expect(200)), 0);
    assert_eq!(listed(app.get("/v1/patients?detached=true", &admin.token).await.expect(200)), 1);
    assert_eq!(count(app, "alerts WHERE state = 'scheduled'").await, 0);
    // The address is free again, and whoever has it now is somebody else.
    let code = app.invite(&Clinic { id: admin.clinic_id, admin: admin.clone() }, &json!({ "role": "clinician" })).await;
    assert_ne!(app.register(&code, &patient.email).await.user_id, patient.user_id);
}

#[tokio::test]
async fn a_flag_of_somebody_who_left_can_still_be_closed() {
    let case = case().await;
    let Case { app, patient, treatment, clinic } = &case;
    let clinician = app.clinician_of(clinic).await;
    let body = json!({ "recorded_at": app.care.now(), "symptoms": { "spreading": true } });
    let reported = app.post(&format!("/v1/treatments/{treatment}/check-ins"), &patient.token, body).await.expect(201);
    let flag = format!("/v1/flags/{}", reported["triage"]["flags"][0]["id"].as_str().unwrap());
    app.post(&format!("{flag}/acknowledge"), &clinician.token, json!({})).await.expect(200);
    case.delete().await;
    app.post(PATH, &clinician.token, proof()).await.expect(202);
    case.erase().await;
    work_until_none(app, &format!("users WHERE id = '{}'", clinician.user_id)).await;
    let admin = case.administrator().await;
    let resolved = app.post(&format!("{flag}/resolve"), &admin.token, json!({ "outcome": "no_action" })).await;
    assert!(resolved.status.is_success(), "{}", resolved.text);
    let history = app.get(&flag, &admin.token).await.expect(200);
    let events = history["events"].as_array().unwrap();
    let by = |kind: &str| &events.iter().find(|event| event["kind"] == kind).unwrap()["actor"]["display_name"];
    assert_eq!((by("acknowledged"), by("resolved")), (&json!("A former member"), &json!("Some Body")));
}

#[tokio::test]
async fn a_record_goes_with_all_of_it_when_its_clinic_need_not_keep_it_any_longer() {
    let case = case().await;
    let Case { app, patient, clinic, .. } = &case;
    let wrong = app.patch("/v1/clinic", &clinic.admin.token, json!({ "retention_years": 31 })).await.expect(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/retention_years");
    app.patch("/v1/clinic", &clinic.admin.token, json!({ "retention_years": 3 })).await.expect(200);
    case.delete().await;
    case.erase().await;
    let purged = format!("patients WHERE id = '{}'", patient.patient());
    app.pass(TimeDelta::days(3 * 365 - 1));
    assert_eq!(purge_due(&app.state.worker_db, &app.state.clocks, &app.state.journal).await.unwrap(), 0);
    assert_eq!(count(app, &purged).await, 1);
    app.pass(TimeDelta::days(3));
    work_until_none(app, &purged).await;
    for left in ["treatments", "alerts", "attempts", "alert_queue", "patient_zones", "sync_logs"] {
        assert_eq!(count(app, left).await, 0, "{left}");
    }
    let of_patient =
        format!("audit WHERE patient_id = '{}' AND action IN ('patient.detach', 'patient.purge')", patient.patient());
    assert_eq!(count(app, &of_patient).await, 2, "the trail stays");
}

#[tokio::test]
async fn without_a_window_an_hour_is_left() {
    let app = TestApp::start_stepped(&[("MENDLINE_ERASURE_WINDOW_DAYS", "0")]).await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let told = app.post(PATH, &patient.token, proof()).await.expect(202);
    assert_eq!(at(&told["erase_at"]), app.state.clocks.wall.now() + TimeDelta::hours(1));
}

#[tokio::test]
async fn what_is_erased_is_written_down_first_and_what_cannot_be_written_down_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("journal");
    std::fs::create_dir(&place).unwrap();
    let app = TestApp::start_stepped(&[("MENDLINE_ERASURE_JOURNAL", place.to_str().unwrap())]).await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    app.pass(TimeDelta::seconds(1));
    app.post(PATH, &patient.token, proof()).await.expect(202);
    app.pass(TimeDelta::days(14));
    let (db, clocks, journal) = (&app.state.worker_db, &app.state.clocks, &app.state.journal);
    std::fs::remove_dir(&place).unwrap();
    assert_eq!(erase_due(db, clocks, journal).await.unwrap(), 0);
    // Nothing of it has happened, and it is as final as it was.
    assert_eq!(count(&app, &format!("users WHERE id = '{}'", patient.user_id)).await, 1);
    assert_eq!(count(&app, "patients WHERE detached_at IS NOT NULL").await, 0);
    app.post("/v1/auth/cancel-deletion", "", credentials(&patient)).await.expect(409);
    std::fs::create_dir(&place).unwrap();
    assert_eq!(erase_due(db, clocks, journal).await.unwrap(), 1);
    app.pass(TimeDelta::days(3653));
    assert_eq!(purge_due(db, clocks, journal).await.unwrap(), 1);
    let written: Vec<Erased> = Journal::read(&place).unwrap().entries.into_iter().map(|entry| entry.erased).collect();
    let record = Erased::Patient { clinic_id: clinic.id, id: patient.patient() };
    assert_eq!(written, [Erased::Login { id: patient.user_id }, record]);
}

#[tokio::test]
async fn once_it_is_final_nobody_takes_it_back_whether_or_not_a_worker_has_come_to_it() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let mut patients = Vec::new();
    for _ in 0..5 {
        patients.push(app.patient_of(&clinic).await);
    }
    app.pass(TimeDelta::seconds(1));
    for patient in &patients {
        app.post(PATH, &patient.token, proof()).await.expect(202);
    }
    app.pass(TimeDelta::days(14));
    let state = &app.state;
    let cancelling = patients.iter().map(|patient| app.post("/v1/auth/cancel-deletion", "", credentials(patient)));
    let (answers, erased) = tokio::join!(
        futures_util::future::join_all(cancelling),
        erase_due(&state.worker_db, &state.clocks, &state.journal),
    );
    for (patient, back) in patients.iter().zip(answers) {
        let left = count(&app, &format!("users WHERE id = '{}'", patient.user_id)).await;
        let record = format!("patients WHERE id = '{}' AND detached_at IS NOT NULL", patient.patient());
        let detached = count(&app, &record).await;
        assert_eq!((left, detached), (0, 1));
        assert!([401, 409].contains(&back.status.as_u16()), "{}: {}", back.status, back.text);
    }
    assert_eq!(erased.unwrap(), patients.len());
}
