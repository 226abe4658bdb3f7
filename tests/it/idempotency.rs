//! Request keys on a real database: the same answer again, another request refused, one of two carried out.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use mendline::auth::extract::Caller;
use mendline::db::Connector;
use mendline::domain::role::Role;
use mendline::error::ApiError;
use mendline::idempotency::{IdempotencyError, IdempotencyKey, KeyedRequest, prune};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Staged, TestApp, TestDatabase, send};

const CLINIC: Uuid = Uuid::from_u128(1);
/// What a request would make that is not the first.
const OTHER: Uuid = Uuid::from_u128(100);

fn caller(user: u128) -> Caller {
    Caller {
        user_id: Uuid::from_u128(user),
        clinic_id: CLINIC,
        membership_id: Uuid::from_u128(user),
        role: Role::Clinician,
        patient_id: None,
        session_id: Uuid::nil(),
    }
}

fn at() -> DateTime<Utc> {
    "2026-02-02T12:00:00Z".parse().unwrap()
}

/// A database with one clinic and the users 7 and 8.
async fn database() -> TestDatabase {
    let database = TestDatabase::create().await;
    let mut sql = format!(
        "INSERT INTO clinics VALUES ('{CLINIC}', 'C', 'UTC', 'en', 'conservative', '21:00', '08:00', 7000, true, NULL,
         NULL, false, 1, now());"
    );
    for user in [7, 8] {
        let id = Uuid::from_u128(user);
        sql +=
            &format!("INSERT INTO users VALUES ('{id}', 'u{user}@x.example', '', 'U', 'UTC', 'en', now(), 1, now());");
    }
    open(&database).await.batch_execute(&sql).await.unwrap();
    database
}

async fn open(database: &TestDatabase) -> AsyncPgConnection {
    Connector::new(&database.url, None).unwrap().open().await.unwrap()
}

async fn begun(database: &TestDatabase) -> AsyncPgConnection {
    let mut conn = open(database).await;
    conn.batch_execute("BEGIN").await.unwrap();
    conn
}

fn request(user: u128, key: &str, operation: &'static str, body: &str) -> KeyedRequest {
    key.parse::<IdempotencyKey>().unwrap().of(&caller(user), operation, body.as_bytes())
}

/// Carries a request out and commits it.
async fn carried_out(database: &TestDatabase, request: KeyedRequest, made: Uuid) {
    let mut conn = begun(database).await;
    assert_eq!(request.begin(&mut conn, made, at()).await.unwrap(), None);
    conn.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_repeated_request_finds_what_the_first_one_made() {
    let database = database().await;
    let made = Uuid::from_u128(99);
    carried_out(&database, request(7, "k", "create_treatment", "{}"), made).await;
    let mut conn = begun(&database).await;
    let again = request(7, "k", "create_treatment", "{}").begin(&mut conn, OTHER, at()).await.unwrap();
    assert_eq!(again, Some(made));
}

#[tokio::test]
async fn a_key_serves_one_body_of_one_operation_and_one_user() {
    let database = database().await;
    carried_out(&database, request(7, "k", "create_treatment", "{}"), Uuid::from_u128(99)).await;
    let mut conn = begun(&database).await;
    for other in [request(7, "k", "create_treatment", "{ }"), request(7, "k", "create_invitation", "{}")] {
        let error = ApiError::from(other.begin(&mut conn, OTHER, at()).await.unwrap_err());
        assert!(matches!(error, ApiError::IdempotencyMismatch), "{error}");
    }
    for new in [request(8, "k", "create_treatment", "{}"), request(7, "k2", "create_treatment", "{}")] {
        assert_eq!(new.begin(&mut conn, OTHER, at()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn of_two_at_once_one_is_carried_out_and_the_other_is_told_to_come_again() {
    let database = database().await;
    let (mut first, mut second) = (begun(&database).await, begun(&database).await);
    let made = Uuid::from_u128(99);
    let held = request(7, "k", "create_treatment", "{}").begin(&mut first, made, at()).await.unwrap();
    assert_eq!(held, None);
    let refused = request(7, "k", "create_treatment", "{}").begin(&mut second, OTHER, at()).await;
    assert!(matches!(refused, Err(IdempotencyError::InFlight)));
    first.batch_execute("COMMIT").await.unwrap();
    let again = request(7, "k", "create_treatment", "{}").begin(&mut second, OTHER, at()).await.unwrap();
    assert_eq!(again, Some(made));
}

#[tokio::test]
async fn a_request_that_failed_may_be_sent_again_under_its_key() {
    let database = database().await;
    let mut conn = begun(&database).await;
    assert_eq!(request(7, "k", "create_treatment", "{}").begin(&mut conn, OTHER, at()).await.unwrap(), None);
    conn.batch_execute("ROLLBACK").await.unwrap();
    carried_out(&database, request(7, "k", "create_treatment", "{\"corrected\":true}"), Uuid::from_u128(99)).await;
}

/// The first request may commit between the lookup's view of the data and its taking of the lock: here it does so while
/// the second one waits to write the key down.
#[tokio::test]
async fn a_key_recorded_behind_the_lookups_back_undoes_the_second_request() {
    let database = database().await;
    let (mut first, mut late) = (begun(&database).await, begun(&database).await);
    let row = format!(
        "INSERT INTO idempotency_keys SELECT '{CLINIC}', id, 'k', 'create_treatment', sha256('{{}}'), id, now()
           FROM users WHERE id = '{}'",
        Uuid::from_u128(7)
    );
    first.batch_execute(&row).await.unwrap();
    let commit = async {
        database.someone_waits_for_a_lock().await;
        first.batch_execute("COMMIT").await.unwrap();
    };
    let request = request(7, "k", "create_treatment", "{}");
    let (refused, ()) = tokio::join!(request.begin(&mut late, OTHER, at()), commit);
    assert!(matches!(refused, Err(IdempotencyError::InFlight)));
}

#[tokio::test]
async fn keys_are_kept_for_a_day() {
    let database = database().await;
    carried_out(&database, request(7, "k", "create_treatment", "{}"), Uuid::from_u128(99)).await;
    let mut conn = open(&database).await;
    assert_eq!(prune(&mut conn, at() + TimeDelta::hours(24)).await.unwrap(), 0);
    assert_eq!(prune(&mut conn, at() + TimeDelta::hours(24) + TimeDelta::seconds(1)).await.unwrap(), 1);
}

#[tokio::test]
async fn the_fingerprint_is_the_bodys_hash_and_not_the_body() {
    use diesel::prelude::*;
    use diesel_async::RunQueryDsl;
    use mendline::schema::idempotency_keys;
    let database = database().await;
    carried_out(&database, request(7, "k", "create_treatment", "{\"note\":\"x\"}"), Uuid::from_u128(99)).await;
    let mut conn = open(&database).await;
    let stored: Vec<u8> = idempotency_keys::table.select(idempotency_keys::fingerprint).first(&mut conn).await.unwrap();
    assert_eq!(stored, digest(&SHA256, b"{\"note\":\"x\"}").as_ref());
}

/// A clinician, and the body of a treatment of a patient of theirs.
async fn treating(app: &TestApp) -> (Staged, Value) {
    let clinic = app.stage_clinic().await;
    let patient = app.stage(clinic, Role::Patient).await;
    let clinician = app.stage(clinic, Role::Clinician).await;
    let body = json!({"patient_id": patient.caller.patient_id, "performed_at": app.care.now()});
    (clinician, body)
}

async fn treat(app: &TestApp, who: &Staged, key: &str, body: &Value) -> Answer {
    let request = app.request(Method::POST, "/v1/treatments", &who.token);
    send(request.header("idempotency-key", key).json(body)).await
}

async fn treatments(app: &TestApp, who: &Staged) -> usize {
    app.get("/v1/treatments", &who.token).await.expect(200)["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_treatment_sent_twice_under_one_key_is_recorded_once_and_answered_alike() {
    let app = TestApp::start().await;
    let (clinician, body) = treating(&app).await;
    let first = treat(&app, &clinician, "k", &body).await;
    let again = treat(&app, &clinician, "k", &body).await;
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!(again.expect(201), first.expect(201));
    assert_eq!(treatments(&app, &clinician).await, 1);
    let mut other = body.clone();
    other["area"] = json!("scalp");
    assert_eq!(treat(&app, &clinician, "k", &other).await.problem(422), "idempotency_mismatch");
    assert_eq!(treat(&app, &clinician, "two words", &body).await.problem(400), "malformed");
}

#[tokio::test]
async fn of_many_sent_at_once_under_one_key_one_is_recorded_and_no_answer_contradicts_it() {
    let app = TestApp::start().await;
    let (clinician, body) = treating(&app).await;
    let sent = (0..8).map(|_| treat(&app, &clinician, "k", &body));
    let answers = futures_util::future::join_all(sent).await;
    let mut ids = std::collections::BTreeSet::new();
    for answer in answers {
        if answer.status == 409 {
            assert_eq!(answer.problem(409), "in_flight");
        } else {
            ids.insert(answer.expect(201)["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(treatments(&app, &clinician).await, 1);
    let late = treat(&app, &clinician, "k", &body).await.expect(201);
    assert!(ids.contains(late["id"].as_str().unwrap()));
}

#[tokio::test]
async fn a_refused_treatment_may_be_corrected_under_its_key() {
    let app = TestApp::start().await;
    let (clinician, body) = treating(&app).await;
    let mut wrong = body.clone();
    wrong["performed_at"] = json!("2031-01-01T00:00:00Z");
    assert_eq!(treat(&app, &clinician, "k", &wrong).await.problem(422), "invalid");
    treat(&app, &clinician, "k", &body).await.expect(201);
}
