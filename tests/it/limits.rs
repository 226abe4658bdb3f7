//! How much there may be of what one person can make: the last that fits is taken, the next one is refused and says why.

use chrono::TimeDelta;
use mendline::domain::role::Role;
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

#[tokio::test]
async fn a_patient_has_a_hundred_courses() {
    let scene = Scene::new().await;
    let patient = scene.patient.caller.patient_id.unwrap();
    let plan = async |area: &str| {
        let body = json!({ "patient_id": patient, "area": area });
        scene.app.post("/v1/courses", &scene.clinician.token, body).await
    };
    plan("face").await.expect(201);
    scene.app.sql(&copies("courses", patient, 98)).await;
    plan("neck").await.expect(201);
    refused(plan("scalp").await, "100 courses");
}

#[tokio::test]
async fn two_thousand_invitations_of_a_clinic_are_open_and_old_ones_do_not_count() {
    let scene = Scene::new().await;
    let admin = scene.app.stage(scene.clinic, Role::Administrator).await;
    let now = scene.app.state.clocks.wall.now();
    let many = |count: i32, expires: &str| {
        format!(
            "INSERT INTO invitations (clinic_id, id, code_hash, role, created_at, expires_at)
             SELECT '{}', gen_random_uuid(), decode(md5(n::text || '{expires}') || md5('x' || n::text), 'hex'), 'clinician',
                    '{now}'::timestamptz - interval '8 days', '{now}'::timestamptz + interval '{expires}'
               FROM generate_series(1, {count}) AS n",
            scene.clinic
        )
    };
    scene.app.sql(&many(100, "-1 day")).await;
    scene.app.sql(&many(1999, "1 day")).await;
    let invite = async || {
        let body = json!({ "role": "clinician" });
        scene.app.post("/v1/invitations", &admin.token, body).await
    };
    invite().await.expect(201);
    refused(invite().await, "2000 invitations");
}

#[tokio::test]
async fn a_treatment_has_a_hundred_excuses() {
    let scene = Scene::new().await;
    let many = format!(
        "INSERT INTO excuses (clinic_id, id, treatment_id, from_on, to_on, reason, excused_by, excused_at)
         SELECT '{}', gen_random_uuid(), '{}', '2026-02-03', '2026-02-03', 'Ill.', '{}', '2026-02-02T12:00:00Z'
           FROM generate_series(1, 99)",
        scene.clinic, scene.treatment, scene.clinician.caller.user_id
    );
    scene.app.sql(&many).await;
    let excuse = async |day: &str| {
        let body = json!({ "from": day, "reason": "Travelling." });
        scene.app.post(&format!("/v1/treatments/{}/excuses", scene.treatment), &scene.clinician.token, body).await
    };
    excuse("2026-02-04").await.expect(201);
    refused(excuse("2026-02-05").await, "100");
}

#[tokio::test]
async fn a_clinic_writes_on_twenty_drafts() {
    let scene = Scene::new().await;
    let begin = async |number: u32| {
        let body = json!({ "from": "conservative@2", "key": format!("own-plan-{number}") });
        scene.app.post("/v1/protocol-drafts", &scene.clinician.token, body).await
    };
    for number in 1..=20 {
        begin(number).await.expect(201);
    }
    refused(begin(21).await, "20 drafts");
}

#[tokio::test]
async fn a_patient_has_ten_feeds() {
    let scene = Scene::new().await;
    let make = async || scene.app.post("/v1/me/calendar-feeds", &scene.patient.token, json!({})).await;
    for _ in 0..10 {
        make().await.expect(201);
    }
    refused(make().await, "10 feeds");
}
