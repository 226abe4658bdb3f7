//! What could not be sent: listed with the providers' words, owed again where that still means something, counted.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::domain::alert::PushOutcome;
use mendline::domain::role::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::check_ins::{Scene, phone};
use crate::support::{Answer, Staged, send};
use crate::worker_maintenance::count;

/// A treated patient with a phone, and the clinic's administrator.
struct Desk {
    scene: Scene,
    admin: Staged,
    phone: Uuid,
}

/// How a message is refused for good.
fn rejected() -> PushOutcome {
    PushOutcome::Rejected { reason: "PayloadTooLarge".into() }
}

impl Desk {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let admin = scene.app.stage(scene.clinic, Role::Administrator).await;
        let phone = phone(&scene.app, &scene.patient).await;
        Self { scene, admin, phone }
    }

    /// Lets the care clock run and refuses everything when it is due.
    async fn refuse_all(&self, by: TimeDelta) {
        let end = self.now() + by;
        while self.now() < end {
            self.refuse_within(TimeDelta::minutes(10).min(end - self.now())).await;
        }
    }

    async fn refuse_within(&self, by: TimeDelta) {
        let then = self.now() + by;
        let due = format!(
            "alerts WHERE recipient_kind = 'patient' AND state = 'scheduled' AND next_attempt_at <= '{then}'
                AND expires_at >= '{then}'::timestamptz + interval '5 s'"
        );
        for _ in 0..count(&self.scene.app, &due).await {
            self.scene.app.fcm.answer_next_of(self.phone, rejected());
        }
        self.scene.app.advance(by).await;
    }

    async fn failed(&self, query: &str) -> Vec<Value> {
        let path = format!("/v1/alerts/failed{query}");
        self.scene.app.get(&path, &self.admin.token).await.expect(200)["items"].as_array().unwrap().clone()
    }

    async fn of_category(&self, category: &str) -> Value {
        let mut found = self.failed(&format!("?category={category}")).await;
        assert!(!found.is_empty(), "no {category} failed");
        found.remove(0)
    }

    async fn replay(&self, alert: &Value) -> Answer {
        let path = format!("/v1/alerts/{}/replay", alert["id"].as_str().unwrap());
        send(self.scene.app.request(reqwest::Method::POST, &path, &self.admin.token)).await
    }

    async fn replay_all(&self, body: Value) -> Value {
        self.scene.app.post("/v1/alerts/failed/replay", &self.admin.token, body).await.expect(200)
    }

    fn now(&self) -> DateTime<Utc> {
        self.scene.app.care.now()
    }

    fn pushes_of(&self, alert: &Value) -> usize {
        let sent = self.scene.app.fcm.sent();
        sent.iter().filter(|sent| json!(sent.message.payload.alert_id) == alert["id"]).count()
    }
}

#[tokio::test]
async fn what_failed_is_listed_with_the_providers_word_and_no_text() {
    let desk = Desk::new().await;
    desk.refuse_all(TimeDelta::hours(4)).await;
    let all = desk.failed("").await;
    assert!(all.len() >= 2 && all.is_sorted_by(|a, b| a["due_at"].as_str() >= b["due_at"].as_str()), "{all:#?}");
    let wash = desk.of_category("restriction").await;
    assert_eq!(
        (&wash["state"], &wash["reason"], &wash["providers"], &wash["attempts"], &wash["tries"]),
        (&json!("failed"), &json!("PayloadTooLarge"), &json!(["fcm"]), &json!(1), &json!(1))
    );
    assert_eq!(wash["recipient"], json!({ "kind": "patient", "id": desk.scene.patient.caller.patient_id }));
    assert!(wash.get("title").is_none() && wash.get("item_key").is_none());

    for (query, found) in [
        ("?reason=PayloadTooLarge", all.len()),
        ("?reason=timeout", 0),
        ("?provider=fcm&state=failed", all.len()),
        ("?provider=apns", 0),
        ("?state=expired", 0),
        ("?to=2026-02-02T12:00:00Z", 0),
        ("?from=2026-02-02T12:00:00Z", all.len()),
    ] {
        assert_eq!(desk.failed(query).await.len(), found, "{query}");
    }
    let mut paged = Vec::new();
    let mut path = "/v1/alerts/failed?limit=2".to_owned();
    loop {
        let page = desk.scene.app.get(&path, &desk.admin.token).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/alerts/failed?limit=2&cursor={cursor}");
    }
    assert_eq!(paged, all);
    for query in ["?state=sent", "?category=mood", "?provider=sms", "?from=today"] {
        let answer = desk.scene.app.get(&format!("/v1/alerts/failed{query}"), &desk.admin.token).await;
        assert_eq!(answer.problem(422), "invalid", "{query}");
    }
    let elsewhere = desk.scene.app.stage_clinic().await;
    let stranger = desk.scene.app.stage(elsewhere, Role::Administrator).await;
    let theirs = desk.scene.app.get("/v1/alerts/failed", &stranger.token).await.expect(200);
    assert_eq!(theirs, json!({ "items": [] }));
}

#[tokio::test]
async fn every_try_is_told_device_by_device_and_no_address() {
    let desk = Desk::new().await;
    let other = phone(&desk.scene.app, &desk.scene.patient).await;
    desk.scene.app.advance(TimeDelta::hours(3)).await;
    let unavailable = || PushOutcome::Unavailable { retry_after: None, reason: "http_503".into() };
    desk.scene.app.fcm.answer_next_of(other, unavailable());
    desk.scene.app.advance(TimeDelta::hours(1)).await;
    desk.scene.app.advance(TimeDelta::seconds(12)).await;
    let pushed = desk.scene.pushed(desk.phone).last().unwrap().payload.alert_id;
    let path = format!("/v1/alerts/{pushed}/attempts");
    let tries = desk.scene.app.get(&path, &desk.admin.token).await.expect(200)["items"].as_array().unwrap().clone();
    let told: Vec<_> =
        tries.iter().map(|row| (row["claim"].clone(), row["device_id"].clone(), row["outcome"].clone())).collect();
    for expected in [(1, desk.phone, "accepted"), (1, other, "unavailable"), (2, other, "accepted")] {
        let (claim, device, outcome) = expected;
        assert!(told.contains(&(json!(claim), json!(device), json!(outcome))), "{expected:?}: {told:?}");
    }
    assert_eq!(told.len(), 3, "the first phone was left alone after it had accepted: {told:?}");
    let text = serde_json::to_string(&tries).unwrap();
    assert!(!text.contains("address") && !text.contains("token"), "{text}");
    let page = desk.scene.app.get(&format!("{path}?limit=2"), &desk.admin.token).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = desk.scene.app.get(&format!("{path}?limit=2&cursor={cursor}"), &desk.admin.token).await.expect(200);
    assert_eq!(rest["items"], json!([tries[2]]));
}

#[tokio::test]
async fn an_alert_replayed_by_hand_has_another_day_and_reaches_the_phone() {
    let desk = Desk::new().await;
    desk.refuse_all(TimeDelta::hours(4)).await;
    let wash = desk.of_category("restriction").await;
    let before = desk.pushes_of(&wash);
    desk.scene.app.care.advance(TimeDelta::hours(20));
    let answer = desk.replay(&wash).await.expect(200);
    let end = desk.now() + TimeDelta::hours(24);
    assert_eq!(
        (&answer["state"], &answer["tries"], &answer["expires_at"]),
        (&json!("scheduled"), &json!(0), &json!(end))
    );
    assert!(answer.get("reason").is_none() && answer.get("ended_at").is_none());
    assert_eq!(desk.replay(&wash).await.problem(409), "conflict", "it is under way");
    desk.scene.app.drain_worker().await;
    assert_eq!(desk.pushes_of(&wash), before + 1);
    let refused = desk.replay(&wash).await;
    assert!(refused.text.contains("nothing is sent twice"), "{}", refused.text);
    assert_eq!(refused.problem(409), "conflict");
    let nobody = json!({ "id": Uuid::new_v4() });
    assert_eq!(desk.replay(&nobody).await.problem(404), "not_found");
}

#[tokio::test]
async fn what_used_up_its_tries_has_all_of_them_again_once_it_is_replayed() {
    let desk = Desk::new().await;
    desk.refuse_all(TimeDelta::hours(4)).await;
    let wash = desk.of_category("restriction").await;
    let before = desk.pushes_of(&wash);
    // As eight tries leave it that found the service down.
    let (alert, phone) = (wash["id"].as_str().unwrap(), desk.phone);
    let tries = format!(
        "UPDATE alerts SET claim_no = 8, tries = 8, reason = 'http_503' WHERE id = '{alert}';
         INSERT INTO attempts (at, clinic_id, alert_id, device_id, claim_no, provider, outcome, reason, duration_ms)
         SELECT clock_timestamp() - n * interval '1 minute', clinic_id, id, '{phone}', n, 'fcm', 'unavailable', 'http_503', 9
           FROM alerts, generate_series(1, 8) AS n WHERE id = '{alert}'"
    );
    desk.scene.app.sql(&tries).await;
    desk.replay(&wash).await.expect(200);
    desk.scene.app.drain_worker().await;
    assert_eq!(desk.pushes_of(&wash), before + 1);
    assert_eq!(count(&desk.scene.app, &format!("alerts WHERE id = '{alert}' AND state = 'sent'")).await, 1);
}

#[tokio::test]
async fn a_replay_that_is_sent_twice_under_its_key_is_one() {
    let desk = Desk::new().await;
    desk.refuse_all(TimeDelta::hours(4)).await;
    let wash = desk.of_category("restriction").await;
    let path = format!("/v1/alerts/{}/replay", wash["id"].as_str().unwrap());
    let keyed = || {
        let request = desk.scene.app.request(reqwest::Method::POST, &path, &desk.admin.token);
        send(request.header("idempotency-key", "again-1"))
    };
    assert_eq!(keyed().await.expect(200)["state"], "scheduled");
    desk.scene.app.drain_worker().await;
    assert_eq!(keyed().await.expect(200)["state"], "sent", "as it is now, and not owed once more");
    let audited = count(&desk.scene.app, "audit WHERE action = 'alert.replay'").await;
    assert_eq!(audited, 1);
}

#[tokio::test]
async fn what_the_plan_no_longer_owes_is_not_owed_again() {
    let desk = Desk::new().await;
    desk.refuse_all(TimeDelta::hours(4)).await;
    let (wash, milestone) = (desk.of_category("restriction").await, desk.of_category("milestone").await);
    let off = json!({ "categories_off": ["milestone"] });
    desk.scene.app.put("/v1/me/notification-preferences", &desk.scene.patient.token, off).await.expect(200);
    let refused = desk.replay(&milestone).await;
    assert!(refused.text.contains("The plan does not owe it any more"), "{}", refused.text);
    let path = format!("/v1/treatments/{}", desk.scene.treatment);
    send(desk.scene.app.request(reqwest::Method::DELETE, &path, &desk.scene.clinician.token).header("if-match", "*"))
        .await
        .expect(204);
    assert_eq!(desk.replay(&wash).await.problem(409), "conflict");
    let came = desk.replay_all(json!({})).await;
    assert_eq!(came["replayed"], json!([]));
    let skipped = came["skipped"].as_array().unwrap();
    assert!(skipped.iter().all(|skipped| skipped["reason"] == "left_the_plan"), "{skipped:?}");
}

#[tokio::test]
async fn after_an_outage_what_still_means_something_goes_out_and_yesterdays_does_not() {
    let desk = Desk::new().await;
    desk.refuse_all(TimeDelta::hours(4)).await;
    let all = desk.failed("").await;
    let (wash, milestone) = (desk.of_category("restriction").await, desk.of_category("milestone").await);
    // 11:00 on the next day, by the patient's clock.
    desk.scene.app.care.advance(TimeDelta::hours(18));
    let filter = json!({ "state": "failed", "to": all[0]["due_at"].as_str().unwrap().replace("16:", "17:") });
    let dry = desk.replay_all(json!({ "filter": filter, "dry_run": true, "limit": 100 })).await;
    assert_eq!((&dry["dry_run"], &dry["matched"]), (&json!(true), &json!(all.len())));
    assert!(dry["replayed"].as_array().unwrap().contains(&wash["id"]), "{dry:#}");
    let skipped = dry["skipped"].as_array().unwrap().clone();
    assert!(skipped.contains(&json!({ "id": milestone["id"], "reason": "day_over" })), "{dry:#}");
    assert_eq!(desk.failed("").await, all, "a dry run changes nothing");

    let came = desk.replay_all(json!({ "filter": filter, "limit": 100 })).await;
    assert_eq!((&came["replayed"], &came["skipped"]), (&dry["replayed"], &dry["skipped"]));
    let before = desk.pushes_of(&wash);
    desk.scene.app.drain_worker().await;
    assert_eq!((desk.pushes_of(&wash), desk.pushes_of(&milestone)), (before + 1, 1));
    let again = desk.replay_all(json!({ "filter": filter })).await;
    assert_eq!((&again["replayed"], &again["skipped"]), (&json!([]), &dry["skipped"]), "repeating does no harm");
    let answer =
        desk.scene.app.post("/v1/alerts/failed/replay", &desk.admin.token, json!({ "filter": { "state": "sent" } }));
    let wrong = answer.await;
    assert!(wrong.text.contains("/filter/state"), "{}", wrong.text);
    assert_eq!(wrong.problem(422), "invalid");
}

#[tokio::test]
async fn a_replay_at_night_waits_for_the_morning_and_an_urgent_one_does_not() {
    let desk = Desk::new().await;
    let clinicians_phone = phone(&desk.scene.app, &desk.scene.clinician).await;
    desk.refuse_all(TimeDelta::hours(4)).await;
    let wash = desk.of_category("restriction").await;
    // 22:00 by the patient's clock.
    desk.scene.app.care.advance(TimeDelta::hours(5));
    assert_eq!(desk.replay(&wash).await.expect(200)["next_attempt_at"], "2026-02-03T07:00:00Z");
    desk.scene.app.fcm.answer_next_of(clinicians_phone, rejected());
    let report = desk.scene.report(json!({ "pus": "coloured" })).await;
    desk.scene.app.drain_worker().await;
    let flag = desk.of_category("flag").await;
    assert_eq!(desk.replay(&flag).await.expect(200)["next_attempt_at"], json!(desk.now()));
    desk.scene.app.fcm.answer_next_of(clinicians_phone, rejected());
    desk.scene.app.drain_worker().await;
    assert_eq!(desk.pushes_of(&flag), 2);
    desk.scene.act(&report["triage"]["flags"][0], "acknowledge", json!({})).await.expect(200);
    let seen = desk.replay(&flag).await;
    assert!(seen.text.contains("Somebody has seen"), "{}", seen.text);
    assert_eq!(seen.problem(409), "conflict");
    desk.scene.app.advance(TimeDelta::hours(10)).await;
    assert_eq!(desk.pushes_of(&wash), 2);
}

#[tokio::test]
async fn a_device_that_accepted_is_never_addressed_again() {
    let desk = Desk::new().await;
    desk.refuse_all(TimeDelta::hours(4)).await;
    let wash = desk.of_category("restriction").await;
    let clinic = desk.scene.clinic;
    // As a claim leaves it whose worker was cut off after the provider's answer.
    desk.scene
        .app
        .sql(&format!(
            "INSERT INTO attempts (at, clinic_id, alert_id, device_id, claim_no, provider, outcome, duration_ms)
             VALUES (clock_timestamp(), '{clinic}', {}, '{}', 1, 'fcm', 'accepted', 1) ON CONFLICT DO NOTHING",
            wash["id"].to_string().replace('"', "'"),
            desk.phone
        ))
        .await;
    desk.replay(&wash).await.expect(200);
    desk.scene.app.drain_worker().await;
    assert_eq!(desk.pushes_of(&wash), 1);
}

#[tokio::test]
async fn figures_say_how_it_went() {
    let desk = Desk::new().await;
    let unavailable = PushOutcome::Unavailable { retry_after: None, reason: "http_503".into() };
    desk.scene.app.fcm.answer_next_of(desk.phone, unavailable);
    // One is late by a retry, the rest of the first hours is sent when due.
    for _ in 0..16 {
        desk.scene.app.advance(TimeDelta::minutes(15)).await;
    }
    desk.refuse_all(TimeDelta::hours(17)).await;
    desk.scene
        .app
        .sql(
            "INSERT INTO alerts (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, due_at,
                 next_attempt_at, expires_at, state, reason, plan_revision, superseded, claim_no, tries, finalized_at)
             SELECT clinic_id, gen_random_uuid(), recipient_kind, recipient_id, 'm:x', category, false, due_at, due_at,
                    expires_at, 'suppressed', 'quiet_hours', 1, false, 0, 0, due_at
               FROM alerts WHERE state = 'sent' LIMIT 1",
        )
        .await;
    let inbox = desk.scene.app.get("/v1/alerts", &desk.scene.patient.token).await.expect(200);
    let all = inbox["items"].as_array().unwrap();
    let sent: Vec<&Value> = all.iter().filter(|alert| alert["state"] == "sent").collect();
    let opened = format!("/v1/alerts/{}/opened", sent[0]["id"].as_str().unwrap());
    desk.scene.app.post(&opened, &desk.scene.patient.token, json!({})).await.expect(200);

    let path = "/v1/alerts/statistics?from=2026-02-02&to=2026-02-03";
    let figures = desk.scene.app.get(path, &desk.admin.token).await.expect(200);
    let total = &figures["total"];
    let failed = all.iter().filter(|alert| alert["state"] == "failed").count();
    let expired = all.iter().filter(|alert| alert["state"] == "expired").count();
    assert_eq!((&total["owed"], &total["sent"]), (&json!(all.len()), &json!(sent.len())), "{figures:#}");
    assert_eq!((&total["failed"], &total["expired"]), (&json!(failed), &json!(expired)));
    assert_eq!((&total["opened"], &total["waiting"]), (&json!(1), &json!(0)));
    assert_eq!((failed > 0, &total["suppressed"]), (true, &json!(1)), "{total:#}");
    let mut late: Vec<i64> = sent
        .iter()
        .map(|alert| {
            let at = |name: &str| alert[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
            (at("sent_at") - at("due_at")).num_milliseconds()
        })
        .collect();
    late.sort_unstable();
    assert_eq!(total["lateness_ms"]["p50"], json!(late[late.len().div_ceil(2) - 1]));
    assert_eq!(total["lateness_ms"]["p95"], json!(late[(late.len() * 19).div_ceil(20) - 1]));

    let sum = |lines: &Value, field: &str| {
        lines.as_array().unwrap().iter().map(|line| line["figures"][field].as_i64().unwrap()).sum::<i64>()
    };
    for lines in ["categories", "hours"] {
        for field in ["owed", "sent", "failed", "opened", "suppressed"] {
            assert_eq!(json!(sum(&figures[lines], field)), total[field], "{lines} {field}");
        }
    }
    let fcm = &figures["providers"][0];
    assert_eq!((&fcm["provider"], &fcm["accepted"]), (&json!("fcm"), &json!(sent.len())));
    let unavailable = json!({ "outcome": "unavailable", "reason": "http_503", "attempts": 1 });
    assert!(fcm["outcomes"].as_array().unwrap().contains(&unavailable), "{fcm:#}");
    let refused = json!({ "state": "failed", "reason": "PayloadTooLarge", "alerts": failed });
    assert!(figures["unsent"].as_array().unwrap().contains(&refused), "{figures:#}");

    let today = desk.scene.app.get("/v1/alerts/statistics", &desk.admin.token).await.expect(200);
    assert_eq!(
        (&today["from"], &today["to"], &today["time_zone"]),
        (&json!("2026-01-28"), &json!("2026-02-03"), &json!("Europe/Berlin"))
    );
    assert_eq!(today["total"], figures["total"]);
    let quiet = desk.scene.app.get("/v1/alerts/statistics?to=2026-02-01", &desk.admin.token).await.expect(200);
    assert_eq!((&quiet["total"]["owed"], &quiet["hours"]), (&json!(0), &json!([])));
    for query in ["?from=2026-02-03&to=2026-02-02", "?from=2026-01-02", "?from=2025-10-01&to=2025-10-02"] {
        let answer = desk.scene.app.get(&format!("/v1/alerts/statistics{query}"), &desk.admin.token).await;
        assert_eq!(answer.problem(422), "invalid", "{query}");
    }
}
