//! What has changed since: each thing once, as it is now, in the order of commits; nothing is passed over, and whoever
//! cannot go on is told.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use mendline::db::Connector;
use mendline::domain::role::Role;
use mendline::offline::store::prune;
use serde_json::{Value, json};

use crate::support::{Answer, Staged, TestApp, seed};
use crate::worker_maintenance::count;

struct Case {
    app: TestApp,
    clinician: Staged,
    patient: Staged,
    treatment: String,
}

impl Case {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let clinic = app.stage_clinic().await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), app.care.now()).await;
        Self { app, clinician, patient, treatment }
    }

    async fn ask(&self, query: &str) -> Answer {
        self.app.get(&format!("/v1/sync{query}"), &self.patient.token).await
    }

    /// What has changed since a cursor, as kinds; and where that ends.
    async fn since(&self, cursor: &str) -> (Vec<String>, String) {
        let page = self.ask(&format!("?cursor={cursor}")).await.expect(200);
        assert_eq!(page["more"], false);
        let kinds = page["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap().to_owned());
        (kinds.collect(), cursor_of(&page))
    }

    async fn start(&self) -> String {
        cursor_of(&self.ask("").await.expect(200))
    }

    async fn excuse(&self, date: &str) -> String {
        let path = format!("/v1/treatments/{}/excuses", self.treatment);
        let body = json!({ "from": date, "reason": "Away." });
        let made = self.app.post(&path, &self.clinician.token, body).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    async fn withdraw(&self, excuse: &str) {
        let path = format!("/v1/treatments/{}/excuses/{excuse}", self.treatment);
        self.app.delete(&path, &self.clinician.token).await.expect(204);
    }

    async fn tidy(&self, days: i64) {
        let now = self.app.care.now() + TimeDelta::days(days);
        seed::run(&self.app, async |conn| prune(conn, now, now - TimeDelta::days(90)).await).await;
    }

    async fn connect(&self) -> AsyncPgConnection {
        Connector::new(&self.app.database.url, None).unwrap().open().await.unwrap()
    }

    /// The SQL of another course of the patient's.
    fn course(&self, area: &str) -> String {
        let caller = &self.patient.caller;
        format!(
            "INSERT INTO courses (clinic_id, id, patient_id, status, area, protocol_key, planned_sessions, earlier_sessions,
                 interval_min_days, interval_max_days, version, created_by, created_at)
             VALUES ('{}', gen_random_uuid(), '{}', 'planned', '{area}', 'conservative', 3, 0, 28, 42, 1, '{}', now());",
            caller.clinic_id,
            caller.patient_id.unwrap(),
            caller.user_id
        )
    }
}

fn cursor_of(page: &Value) -> String {
    page["next_cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_changes_is_listed_once_as_its_own_read_shows_it_and_what_is_withdrawn_as_gone() {
    let case = Case::new().await;
    let all = case.ask("").await;
    assert_eq!(all.headers["cache-control"], "no-store");
    let all = all.expect(200);
    let treatment = case.app.get(&format!("/v1/treatments/{}", case.treatment), &case.patient.token).await.expect(200);
    assert_eq!(all["items"], json!([{ "kind": "treatment", "id": case.treatment, "treatment": treatment }]));
    let start = cursor_of(&all);
    assert_eq!(case.since(&start).await.0, [""; 0]);

    let excuse = case.excuse("2026-02-05").await;
    let (kinds, later) = case.since(&start).await;
    assert_eq!(kinds, ["excuse", "treatment"]);
    let body = json!({ "recorded_at": case.app.care.now(), "symptoms": { "pus": "coloured" } });
    let path = format!("/v1/treatments/{}/check-ins", case.treatment);
    let check_in = case.app.post(&path, &case.patient.token, body).await.expect(201);
    let (kinds, told) = case.since(&later).await;
    assert_eq!(kinds, ["check_in", "treatment"]);
    let flag = check_in["triage"]["flags"][0]["id"].as_str().unwrap();
    case.app.post(&format!("/v1/flags/{flag}/acknowledge"), &case.clinician.token, json!({})).await.expect(200);
    let seen = case.ask(&format!("?cursor={told}")).await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["check_in"]["triage"]["flags"][0]["status"], "acknowledged");

    case.withdraw(&excuse).await;
    let gone = case.ask(&format!("?cursor={}", cursor_of(&seen))).await.expect(200);
    assert_eq!(gone["items"][0], json!({ "kind": "gone", "id": excuse, "what": "excuse" }));
    case.app.put("/v1/me/notification-preferences", &case.patient.token, json!({ "daily_cap": 2 })).await.expect(200);
    let (kinds, _) = case.since(&cursor_of(&gone)).await;
    assert_eq!(kinds, ["notification_preferences", "treatment"]);
}

#[tokio::test]
async fn a_walk_in_small_pages_meets_everything_and_staff_and_others_have_none_of_it() {
    let case = Case::new().await;
    for day in 10..20 {
        case.excuse(&format!("2026-02-{day}")).await;
    }
    let whole = case.ask("").await.expect(200);
    let (mut met, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let page = case.ask(&query).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), 1);
        met.extend(items.clone());
        query = format!("?limit=1&cursor={}", cursor_of(&page));
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(json!(met), whole["items"]);
    assert_eq!(case.app.get("/v1/sync", &case.clinician.token).await.problem(403), "forbidden");
    let other = case.app.stage(case.clinician.caller.clinic_id, Role::Patient).await;
    assert_eq!(case.app.get("/v1/sync", &other.token).await.expect(200)["items"], json!([]));
}

/// A number is taken at the very end of a transaction and is nobody else's before that has ended: whoever has read up to a
/// number has read all that has a smaller one.
#[tokio::test]
async fn a_journey_lists_the_check_ins_whose_windows_it_moves() {
    let case = Case::new().await;
    let path = format!("/v1/treatments/{}/check-ins", case.treatment);
    let report = json!({ "recorded_at": case.app.care.now(), "symptoms": { "redness": 1 } });
    case.app.post(&path, &case.patient.token, report).await.expect(201);
    let cursor = case.start().await;
    let phone = json!({
        "provider": "fcm", "address": "phone", "locale": "en", "time_zone": "America/New_York", "permission": "granted",
    });
    let device = format!("/v1/me/devices/{}", uuid::Uuid::new_v4());
    case.app.put(&device, &case.patient.token, phone).await.expect(201);
    let (kinds, _) = case.since(&cursor).await;
    assert!(kinds.contains(&"check_in".to_owned()), "{kinds:?}");
}

/// It holds back what others owe; nothing of it changes when they are planned anew.
#[tokio::test]
async fn a_completed_treatment_with_a_flag_is_listed_for_its_flag_and_not_whenever_something_is_planned() {
    let case = Case::new().await;
    let own = |what: &str| format!("/v1/treatments/{}{what}", case.treatment);
    let body = json!({ "recorded_at": case.app.care.now(), "symptoms": { "pus": "coloured" } });
    let check_in = case.app.post(&own("/check-ins"), &case.patient.token, body).await.expect(201);
    let flag = format!("/v1/flags/{}", check_in["triage"]["flags"][0]["id"].as_str().unwrap());
    case.app.post(&own("/complete"), &case.clinician.token, json!({})).await.expect(200);
    case.app.care.advance(TimeDelta::days(2));
    let other =
        case.app.treat(&case.clinician.token, case.patient.caller.patient_id.unwrap(), case.app.care.now()).await;
    let listed = async |cursor: &str| -> (Vec<String>, String) {
        let page = case.ask(&format!("?cursor={cursor}")).await.expect(200);
        let treatments = page["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "treatment");
        (treatments.map(|item| item["id"].as_str().unwrap().to_owned()).collect(), cursor_of(&page))
    };
    let cap = json!({ "daily_cap": 3 });
    let start = case.start().await;
    case.app.put("/v1/me/notification-preferences", &case.patient.token, cap).await.expect(200);
    let (planned, then) = listed(&start).await;
    assert_eq!(planned, std::slice::from_ref(&other));
    let bundle = case.app.get(&own("/bundle"), &case.patient.token).await.expect(200);
    for act in ["acknowledge", "resolve"] {
        case.app.post(&format!("{flag}/{act}"), &case.clinician.token, json!({})).await.expect(200);
    }
    let (mut resolved, _) = listed(&then).await;
    let mut both = vec![other, case.treatment.clone()];
    resolved.sort();
    both.sort();
    assert_eq!(resolved, both);
    assert_ne!(
        case.app.get(&own("/bundle"), &case.patient.token).await.expect(200),
        bundle,
        "nothing is held any more"
    );
}

#[tokio::test]
async fn an_excuse_that_was_withdrawn_does_not_come_back_with_a_late_request() {
    let case = Case::new().await;
    let path = format!("/v1/treatments/{}/excuses", case.treatment);
    let body = json!({ "id": uuid::Uuid::new_v4(), "from": "2026-02-05", "reason": "Away." });
    let made = case.app.post(&path, &case.clinician.token, body.clone()).await.expect(201);
    case.withdraw(made["id"].as_str().unwrap()).await;
    assert_eq!(case.app.post(&path, &case.clinician.token, body).await.problem(409), "id_taken");
}

#[tokio::test]
async fn what_is_committed_late_is_not_passed_over() {
    let case = Case::new().await;
    let start = case.start().await;
    let (mut early, mut late) = (case.connect().await, case.connect().await);
    // Both change something; the one that began and wrote first ends last.
    late.batch_execute(&format!("BEGIN; {}", case.course("face"))).await.unwrap();
    early.batch_execute(&format!("BEGIN; {} COMMIT;", case.course("neck"))).await.unwrap();
    let (kinds, middle) = case.since(&start).await;
    assert_eq!(kinds, ["course"]);
    late.batch_execute("COMMIT").await.unwrap();
    let (kinds, end) = case.since(&middle).await;
    assert_eq!(kinds, ["course"], "the later commit has the later number");

    // One has taken its number and not ended: the other cannot take the next and become visible before it.
    late.batch_execute(&format!("BEGIN; {} SET CONSTRAINTS ALL IMMEDIATE;", case.course("scalp"))).await.unwrap();
    let overtake = format!("BEGIN; {} COMMIT;", case.course("hands"));
    {
        let overtaking = early.batch_execute(&overtake);
        tokio::pin!(overtaking);
        tokio::select! {
            _ = &mut overtaking => panic!("it took a number while one was taken and not visible"),
            () = case.app.database.someone_waits_for_a_lock() => {}
        }
        assert_eq!(case.since(&end).await.0, [""; 0], "neither is to be seen");
        late.batch_execute("COMMIT").await.unwrap();
        overtaking.await.unwrap();
    }
    let both = case.ask(&format!("?cursor={end}")).await.expect(200);
    let areas: Vec<_> = both["items"].as_array().unwrap().iter().map(|item| &item["course"]["area"]).collect();
    assert_eq!(areas, ["scalp", "hands"]);
}

#[tokio::test]
async fn a_number_that_is_rolled_back_is_nobodys_and_one_transaction_has_one() {
    let case = Case::new().await;
    let start = case.start().await;
    let mut conn = case.connect().await;
    let both = format!("BEGIN; {} {}", case.course("face"), case.course("neck"));
    conn.batch_execute(&format!("{both} SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK;")).await.unwrap();
    assert_eq!(case.since(&start).await.0, [""; 0]);
    conn.batch_execute(&format!("{both} COMMIT;")).await.unwrap();
    assert_eq!(case.since(&start).await.0, ["course", "course"]);
    assert_eq!(count(&case.app, "sync_entries WHERE commit_no = (SELECT max(commit_no) FROM sync_entries)").await, 2);
}

#[tokio::test]
async fn whoever_may_have_missed_that_something_is_gone_must_begin_anew_and_nobody_else() {
    let case = Case::new().await;
    let excuse = case.excuse("2026-02-05").await;
    let kept = case.start().await;
    case.withdraw(&excuse).await;
    let (kinds, told) = case.since(&kept).await;
    assert_eq!(kinds, ["gone", "treatment"]);
    case.tidy(0).await;
    case.tidy(89).await;
    assert_eq!(case.since(&kept).await.0, ["gone", "treatment"], "it is still known that it is gone");
    case.tidy(91).await;
    assert_eq!(case.ask(&format!("?cursor={kept}")).await.problem(410), "resync_required");
    assert_eq!(case.since(&told).await.0, [""; 0], "who was told can go on");

    // Whoever begins now walks on, however small the pages are.
    case.excuse("2026-02-06").await;
    let page = case.ask("?limit=1").await.expect(200);
    assert_eq!(page["more"], true);
    case.since(&cursor_of(&page)).await;
}

#[tokio::test]
async fn a_worker_forgets_what_is_long_gone() {
    let case = Case::new().await;
    let excuse = case.excuse("2026-02-05").await;
    case.withdraw(&excuse).await;
    case.app.sql("UPDATE sync_entries SET gone_at = '2025-11-01T00:00:00Z' WHERE gone").await;
    crate::worker_maintenance::work_until_none(&case.app, "sync_entries WHERE gone").await;
    assert_eq!(count(&case.app, "sync_logs WHERE forgotten_to > 0").await, 1);
}

#[tokio::test]
async fn a_cursor_of_another_history_person_or_shape_is_told_so() {
    let case = Case::new().await;
    let cursor = case.start().await;
    let position: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&cursor).unwrap()).unwrap();
    let with = |field: &str, value: Value| {
        let mut other = position.clone();
        other[field] = value;
        URL_SAFE_NO_PAD.encode(other.to_string())
    };
    let other = case.app.stage(case.clinician.caller.clinic_id, Role::Patient).await;
    for (field, value) in [
        ("h", json!("0123456789ab")),
        ("p", json!(other.caller.patient_id)),
        // As after a backup was restored: the log has not come that far.
        ("n", json!(1_000_000)),
        ("f", json!(7)),
    ] {
        let answer = case.ask(&format!("?cursor={}", with(field, value))).await;
        assert_eq!(answer.problem(410), "resync_required", "{field}");
    }
    let foreign = case.app.get(&format!("/v1/sync?cursor={cursor}"), &other.token).await;
    assert_eq!(foreign.problem(410), "resync_required");
    for bad in ["%21%21", "e30", &with("x", json!(1)), &with("n", json!("one")), &with("k", json!("\0"))] {
        assert_eq!(case.ask(&format!("?cursor={bad}")).await.problem(400), "malformed");
    }
    for limit in ["0", "101", "many"] {
        assert_eq!(case.ask(&format!("?limit={limit}")).await.problem(400), "malformed");
    }
}
