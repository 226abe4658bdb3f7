//! How much there may be of what one person can make: the last that fits is taken, the next one is refused and says why.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::check_ins::Scene;
use crate::support::Answer;

fn refused(answer: Answer, number: &str) {
    assert!(answer.text.contains(number), "{}", answer.text);
    assert_eq!(answer.problem(409), "conflict");
}

#[tokio::test]
async fn a_treatment_takes_a_thousand_check_ins() {
    let scene = Scene::new().await;
    let report = async |id: Uuid| {
        let body = json!({ "id": id, "recorded_at": "2026-02-02T12:00:00Z", "symptoms": { "redness": 1 } });
        let path = format!("/v1/treatments/{}/check-ins", scene.treatment);
        scene.app.post(&path, &scene.patient.token, body).await
    };
    report(Uuid::new_v4()).await.expect(201);
    scene.app.sql(&copies("check_ins", scene.patient.caller.patient_id.unwrap(), 998)).await;
    let last = Uuid::new_v4();
    report(last).await.expect(201);
    refused(report(Uuid::new_v4()).await, "1000 check-ins");
    report(last).await.expect(201);
}

#[tokio::test]
async fn a_treatment_is_decided_on_a_hundred_times() {
    let scene = Scene::new().await;
    let many = format!(
        "INSERT INTO condition_decisions (clinic_id, id, treatment_id, condition_key, ended, reason, decided_by, decided_at)
         SELECT '{}', gen_random_uuid(), '{}', 'flaking_ended', true, 'Seen', '{}', '2026-02-02T12:00:00Z'
           FROM generate_series(1, 99)",
        scene.clinic, scene.treatment, scene.clinician.caller.user_id
    );
    scene.app.sql(&many).await;
    let path = format!("/v1/treatments/{}/conditions/flaking_ended", scene.treatment);
    let decide = async || {
        let body = json!({ "ended": false, "reason": "Seen at the visit." });
        scene.app.post(&path, &scene.clinician.token, body).await
    };
    assert_eq!(decide().await.status, 204);
    refused(decide().await, "100 decisions");
}

/// As many rows like the patient's own one of a table, cancelled.
fn copies(table: &str, patient: Uuid, many: i32) -> String {
    format!(
        "DO $$ BEGIN EXECUTE (
             SELECT format('INSERT INTO {table} (%s) SELECT %s FROM (SELECT * FROM {table} WHERE patient_id = %L LIMIT 1) AS one, \
                 generate_series(1, {many})',
                 string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position),
                 string_agg(CASE column_name WHEN 'id' THEN 'gen_random_uuid()' WHEN 'status' THEN quote_literal('cancelled')
                     WHEN 'ended_at' THEN 'created_at'
                     ELSE quote_ident(column_name) END, ', ' ORDER BY ordinal_position), '{patient}')
               FROM information_schema.columns
              WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'); END $$"
    )
}

#[tokio::test]
async fn a_patient_has_five_hundred_appointments_and_as_many_treatments() {
    let scene = Scene::new().await;
    let patient = scene.patient.caller.patient_id.unwrap();
    let set = async |days: i64| {
        let on = (scene.app.care.now() + TimeDelta::days(days)).date_naive();
        let body = json!({ "patient_id": patient, "kind": "follow_up", "date": on, "time": "10:00", "minutes": 15 });
        scene.app.post("/v1/appointments", &scene.clinician.token, body).await
    };
    set(3).await.expect(201);
    scene.app.sql(&copies("appointments", patient, 498)).await;
    set(4).await.expect(201);
    refused(set(5).await, "500 appointments");

    scene.app.sql(&copies("treatments", patient, 498)).await;
    let treat = async |days: i64| {
        let at = scene.app.care.now() - TimeDelta::days(days);
        let body: Value = json!({ "patient_id": patient, "performed_at": at });
        scene.app.post("/v1/treatments", &scene.clinician.token, body).await
    };
    treat(30).await.expect(201);
    refused(treat(60).await, "500 treatments");
}

#[tokio::test]
async fn outdoors_is_switched_on_fifty_times_a_day() {
    let scene = Scene::new().await;
    let (clinic, patient) = (scene.clinic, scene.patient.caller.patient_id.unwrap());
    let now = scene.app.care.now();
    let many = format!(
        "INSERT INTO mode_spans (clinic_id, patient_id, mode, from_at, to_at)
         SELECT '{clinic}', '{patient}', 'outdoors', '{now}'::timestamptz - n * interval '10 min',
                '{now}'::timestamptz - n * interval '10 min' + interval '1 min' FROM generate_series(1, 49) AS n"
    );
    scene.app.sql(&many).await;
    let on = async || scene.app.put("/v1/me/outdoors", &scene.patient.token, json!({})).await;
    on().await.expect(200);
    on().await.expect(200);
    scene.app.care.advance(TimeDelta::minutes(1));
    assert_eq!(scene.app.delete("/v1/me/outdoors", &scene.patient.token).await.status, 204);
    refused(on().await, "50 times");
    scene.app.care.advance(TimeDelta::hours(24));
    on().await.expect(200);
}
