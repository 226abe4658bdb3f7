//! Tasks and what people say they did with them: batches, replays, clocks, and what follows for the plan.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::seed;
use crate::support::treatments::{entry, utc};
use crate::support::wire::CountingProxy;
use crate::support::{Staged, TestApp, TestDatabase, send};

struct Case {
    app: TestApp,
    clinician: Staged,
    patient: Staged,
    treatment: String,
}

impl Case {
    /// Treated at `now`; the patient lives in `zone`.
    async fn at(now: &str, zone: &str) -> Self {
        let app = TestApp::start().await;
        app.care.set(utc(now));
        let clinic = app.stage_clinic().await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        app.sql(&format!("UPDATE patient_zones SET zone = '{zone}'")).await;
        let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), utc(now)).await;
        Self { app, clinician, patient, treatment }
    }

    /// Treated on Monday at 13:00 in Berlin, looked at on the morning after.
    async fn morning_after() -> Self {
        let case = Self::at("2026-02-02T12:00:00Z", "Europe/Berlin").await;
        case.app.care.set(utc("2026-02-03T08:00:00Z"));
        case
    }

    async fn tasks(&self, date: &str) -> Vec<Value> {
        self.app.tasks(&self.treatment, &self.patient.token, date, date).await
    }

    async fn task(&self, date: &str, item: &str) -> Value {
        self.tasks(date).await.into_iter().find(|task| task["item_key"] == item).unwrap()
    }

    async fn report(&self, entries: &[Value]) -> Vec<Value> {
        self.app.report(&self.treatment, &self.patient.token, json!(entries)).await
    }

    async fn read(&self) -> Value {
        self.app.get(&format!("/v1/treatments/{}", self.treatment), &self.patient.token).await.expect(200)
    }

    fn now(&self) -> DateTime<Utc> {
        self.app.care.now()
    }
}

fn statuses(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["status"].as_str().unwrap()).collect()
}

const DAY_1: &str = "2026-02-03";

#[tokio::test]
async fn tasks_are_listed_by_local_date_in_order_of_time() {
    let case = Case::morning_after().await;
    let tasks = case.tasks(DAY_1).await;
    let seen: Vec<_> =
        tasks.iter().map(|task| (task["item_key"].as_str().unwrap(), task["state"].as_str().unwrap())).collect();
    assert_eq!(
        seen,
        [
            ("hydrating_serum", "open"),
            ("sunscreen", "open"),
            ("hydrating_serum", "ahead"),
            ("kept_it", "ahead"),
            ("hydrating_serum", "ahead"),
        ]
    );
    let sunscreen = &tasks[1];
    assert_eq!(
        (&sunscreen["open_at"], &sunscreen["close_at"]),
        (&json!("2026-02-03T05:00:00Z"), &json!("2026-02-03T11:00:00Z"))
    );
    assert_eq!(sunscreen["local_date"], DAY_1);
    assert!(!sunscreen["title"].as_str().unwrap().is_empty());
    let path = format!("/v1/treatments/{}/tasks", case.treatment);
    let all = case.app.get(&path, &case.patient.token).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 13 * 5 + 11 * 2);
}

#[tokio::test]
async fn dates_that_are_none_are_refused_with_pointers() {
    let case = Case::morning_after().await;
    for (query, pointers) in [
        ("from=today&to=2026-02-30", &["from", "to"][..]),
        ("from=2026-02-05&to=2026-02-04", &["to"]),
        ("to=", &["to"]),
    ] {
        let answer =
            case.app.get(&format!("/v1/treatments/{}/tasks?{query}", case.treatment), &case.patient.token).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
        let found: Vec<_> = answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
        assert_eq!(found, pointers, "{query}");
    }
}

#[tokio::test]
async fn days_follow_the_patients_clock_across_the_change_to_summer_time() {
    let case = Case::at("2026-03-07T18:00:00Z", "America/New_York").await;
    let kept = case.task("2026-03-08", "kept_it").await;
    assert_eq!((&kept["open_at"], &kept["close_at"]), (&json!("2026-03-08T21:00:00Z"), &json!("2026-03-09T04:00:00Z")));
    let sunscreen = case.task("2026-03-08", "sunscreen").await;
    assert_eq!(sunscreen["open_at"], "2026-03-08T10:00:00Z");
}

#[tokio::test]
async fn a_task_is_done_skipped_done_late_or_taken_back() {
    let case = Case::morning_after().await;
    let (serum, sunscreen) = (case.task(DAY_1, "hydrating_serum").await, case.task(DAY_1, "sunscreen").await);
    let mut skipped = entry(&serum, "skipped", case.now());
    skipped["reason"] = json!("No serum left");
    let results = case.report(&[entry(&sunscreen, "done", case.now()), skipped]).await;
    assert_eq!(statuses(&results), ["accepted", "accepted"]);
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "done");
    assert_eq!(case.task(DAY_1, "hydrating_serum").await["state"], "skipped");

    case.report(&[entry(&sunscreen, "undone", case.now() + TimeDelta::minutes(1))]).await;
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "open");
    case.app.care.set(utc("2026-02-03T11:30:00Z"));
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "open", "there is grace");
    case.report(&[entry(&sunscreen, "done", case.now())]).await;
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "done_late");
}

#[tokio::test]
async fn what_was_ticked_off_without_a_network_counts_when_it_arrives_days_later() {
    let case = Case::morning_after().await;
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    let ticked = entry(&sunscreen, "done", case.now());
    case.app.care.advance(TimeDelta::days(5));
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "unreported");
    assert_eq!(statuses(&case.report(&[ticked]).await), ["accepted"]);
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "done");
}

#[tokio::test]
async fn the_latest_by_the_phones_clock_wins_whatever_arrives_first() {
    let case = Case::morning_after().await;
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    case.report(&[entry(&sunscreen, "undone", case.now() - TimeDelta::minutes(10))]).await;
    case.report(&[entry(&sunscreen, "done", case.now() - TimeDelta::minutes(20))]).await;
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "open");
    case.report(&[entry(&sunscreen, "done", case.now() - TimeDelta::minutes(5))]).await;
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "done");
}

#[tokio::test]
async fn a_batch_sent_again_changes_nothing() {
    let case = Case::morning_after().await;
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    let batch = [entry(&sunscreen, "done", case.now())];
    assert_eq!(statuses(&case.report(&batch).await), ["accepted"]);
    let before = case.read().await;
    assert_eq!(before["activity"], 1);
    assert_eq!(statuses(&case.report(&batch).await), ["duplicate"]);
    assert_eq!(case.read().await, before);
    let twice = [batch[0].clone(), batch[0].clone()];
    assert_eq!(statuses(&case.report(&twice).await), ["duplicate", "duplicate"]);
}

#[tokio::test]
async fn two_phones_that_send_the_same_batch_at_once_write_it_once() {
    let case = Case::morning_after().await;
    let tasks = case.tasks(DAY_1).await;
    let batch: Vec<Value> = tasks[..2].iter().map(|task| entry(task, "done", case.now())).collect();
    let (one, other) = tokio::join!(case.report(&batch), case.report(&batch));
    let mut both = [statuses(&one), statuses(&other)].concat();
    both.sort_unstable();
    assert_eq!(both, ["accepted", "accepted", "duplicate", "duplicate"]);
    assert_eq!(case.read().await["activity"], 1);
}

#[tokio::test]
async fn one_bad_entry_fails_alone_and_says_why() {
    let case = Case::morning_after().await;
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    let (tomorrow, now) = (case.task("2026-02-04", "sunscreen").await, case.now());
    let good = entry(&sunscreen, "done", now);
    let mut same_id = entry(&sunscreen, "skipped", now);
    same_id["id"] = good["id"].clone();
    let mut no_kind = entry(&sunscreen, "done", now);
    no_kind["kind"] = json!("eaten");
    let batch = json!([
        good,
        same_id,
        no_kind,
        entry(&json!({ "id": Uuid::new_v4() }), "done", now),
        entry(&sunscreen, "done", now + TimeDelta::minutes(6)),
        entry(&sunscreen, "done", utc("2026-02-02T11:00:00Z")),
        entry(&tomorrow, "done", now),
        "nothing",
        entry(&sunscreen, "done", now + TimeDelta::minutes(4)),
        { "id": "x", "task_id": [], "kind": "done", "recorded_at": "2026-02-03T08:00:00Z" },
    ]);
    let results = case.app.report(&case.treatment, &case.patient.token, batch).await;
    let why = |index: usize| {
        let problem = &results[index]["problem"];
        let slug = problem["type"].as_str().unwrap().rsplit(':').next().unwrap();
        (slug.to_owned(), problem["errors"][0]["pointer"].as_str().unwrap_or("").to_owned())
    };
    let expected = [
        "accepted", "rejected", "rejected", "rejected", "rejected", "rejected", "rejected", "rejected", "accepted",
        "rejected",
    ];
    assert_eq!(statuses(&results), expected);
    let pair = |slug: &str, pointer: &str| (slug.to_owned(), pointer.to_owned());
    assert_eq!(why(1), pair("id_taken", ""));
    assert_eq!(why(2), pair("malformed", "/kind"));
    assert_eq!(why(3), pair("invalid", "/task_id"));
    for index in 4..7 {
        assert_eq!(why(index), pair("invalid", "/recorded_at"), "{index}");
    }
    assert_eq!(results[0]["id"], good["id"]);
    assert!(results[7].get("id").is_none());
    assert_eq!(case.read().await["activity"], 1);
}

#[tokio::test]
async fn a_task_of_another_treatment_and_any_of_a_cancelled_one_are_refused_entry_by_entry() {
    let case = Case::morning_after().await;
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    let before = case.now() - TimeDelta::days(20);
    let other = case.app.treat(&case.clinician.token, case.patient.caller.patient_id.unwrap(), before).await;
    let tasks = case.app.tasks(&other, &case.patient.token, "2026-01-15", "2026-01-15").await;
    let (done, foreign) = (entry(&sunscreen, "done", case.now()), entry(&tasks[0], "done", case.now()));
    assert_eq!(statuses(&case.report(&[foreign, done.clone()]).await), ["rejected", "accepted"]);
    let path = format!("/v1/treatments/{}", case.treatment);
    case.app.delete(&path, &case.clinician.token).await.expect(204);
    let results = case.report(&[done, entry(&sunscreen, "undone", case.now())]).await;
    assert_eq!(statuses(&results), ["duplicate", "rejected"], "what was taken stays taken");
    assert!(results[1]["problem"]["type"].as_str().unwrap().ends_with(":conflict"));
    assert_eq!(
        statuses(&case.app.report(&other, &case.patient.token, json!([entry(&tasks[0], "done", case.now())])).await),
        ["accepted"]
    );
}

#[tokio::test]
async fn a_batch_that_is_none_or_too_large_is_refused_whole() {
    let case = Case::morning_after().await;
    let path = format!("/v1/treatments/{}/outcomes", case.treatment);
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    let many: Vec<Value> = (0..101).map(|_| entry(&sunscreen, "done", case.now())).collect();
    let answer = case.app.post(&path, &case.patient.token, json!({ "outcomes": many })).await;
    assert_eq!(answer.body["errors"][0]["pointer"], "/outcomes");
    assert_eq!(answer.problem(422), "invalid");
    for body in [json!({ "outcomes": 7 }), json!([]), json!({}), json!({ "outcomes": [], "more": 1 })] {
        assert_eq!(case.app.post(&path, &case.patient.token, body).await.problem(400), "malformed");
    }
    assert_eq!(case.report(&[]).await, Vec::<Value>::new());
    assert_eq!(case.report(&many[..100]).await.len(), 100);
    assert_eq!(case.read().await["activity"], 1);
}

#[tokio::test]
async fn staff_may_enter_what_a_patient_says_on_the_phone_and_nobody_else() {
    let case = Case::morning_after().await;
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    let batch = json!({ "outcomes": [entry(&sunscreen, "done", case.now())] });
    let path = format!("/v1/treatments/{}/outcomes", case.treatment);
    let neighbour = case.app.stage(case.clinician.caller.clinic_id, Role::Patient).await;
    let elsewhere = case.app.stage_clinic().await;
    let stranger = case.app.stage(elsewhere, Role::Clinician).await;
    for token in [&neighbour.token, &stranger.token] {
        assert_eq!(case.app.post(&path, token, batch.clone()).await.problem(404), "not_found");
        assert_eq!(
            case.app.get(&format!("/v1/treatments/{}/tasks", case.treatment), token).await.problem(404),
            "not_found"
        );
    }
    assert_eq!(case.read().await["activity"], 0);
    case.app.post(&path, &case.clinician.token, batch).await.expect(200);
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "done");
}

#[tokio::test]
async fn an_entry_id_of_another_patient_is_taken() {
    let case = Case::morning_after().await;
    let neighbour = case.app.stage(case.clinician.caller.clinic_id, Role::Patient).await;
    let other =
        case.app.treat(&case.clinician.token, neighbour.caller.patient_id.unwrap(), utc("2026-02-02T12:00:00Z")).await;
    let first = entry(&case.task(DAY_1, "sunscreen").await, "done", case.now());
    case.report(std::slice::from_ref(&first)).await;
    let theirs = case.app.tasks(&other, &neighbour.token, DAY_1, DAY_1).await;
    let mut second = entry(&theirs[0], "done", case.now());
    second["id"] = first["id"].clone();
    let results = case.app.report(&other, &neighbour.token, json!([second])).await;
    assert_eq!(results[0]["problem"]["type"], "urn:problem:mendline:id_taken");
}

#[tokio::test]
async fn the_reminder_of_a_done_task_leaves_the_plan_and_comes_back_with_the_task() {
    let case = Case::at("2026-02-02T12:00:00Z", "Europe/Berlin").await;
    let key = format!("t:{}:sunscreen:1:0", case.treatment);
    assert_eq!(seed::state(&case.app, &key).await, "merged");
    case.app.care.set(utc("2026-02-03T06:00:00Z"));
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    case.report(&[entry(&sunscreen, "done", case.now())]).await;
    assert_eq!(seed::state(&case.app, &key).await, "cancelled");
    case.report(&[entry(&sunscreen, "undone", case.now() + TimeDelta::minutes(1))]).await;
    assert_eq!(seed::state(&case.app, &key).await, "merged");
    case.report(&[entry(&sunscreen, "skipped", case.now() + TimeDelta::minutes(2))]).await;
    assert_eq!(seed::state(&case.app, &key).await, "cancelled");
}

#[tokio::test]
async fn a_rescheduled_treatment_keeps_its_tasks_ids_and_tick_offs() {
    let case = Case::morning_after().await;
    let before = case.tasks(DAY_1).await;
    case.report(&[entry(&case.task(DAY_1, "sunscreen").await, "done", case.now())]).await;
    let path = format!("/v1/treatments/{}", case.treatment);
    let edit = case.app.request(Method::PATCH, &path, &case.clinician.token).header("if-match", "\"1\"");
    send(edit.json(&json!({ "performed_at": "2026-02-02T10:00:00Z" }))).await.expect(200);
    let after = case.tasks(DAY_1).await;
    let ids = |tasks: &[Value]| tasks.iter().map(|task| task["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before));
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "done");
}

impl Case {
    async fn move_to(&self, performed_at: &str) {
        let path = format!("/v1/treatments/{}", self.treatment);
        let seen = format!("\"{}\"", self.read().await["version"]);
        let edit = self.app.request(Method::PATCH, &path, &self.clinician.token).header("if-match", seen);
        send(edit.json(&json!({ "performed_at": performed_at }))).await.expect(200);
    }

    async fn counts(&self) -> Value {
        let path = format!("/v1/treatments/{}/compliance", self.treatment);
        self.app.get(&path, &self.patient.token).await.expect(200)["counts"].clone()
    }
}

#[tokio::test]
async fn a_treatment_moved_back_holds_nobody_to_days_they_were_never_shown() {
    let case = Case::morning_after().await;
    case.report(&[entry(&case.task(DAY_1, "sunscreen").await, "done", case.now())]).await;
    // It was a week earlier: days 1 to 7 have passed, and nobody had heard of them.
    case.move_to("2026-01-26T12:00:00Z").await;
    let counts = case.counts().await;
    assert_eq!((&counts["unreported"], &counts["closed"]), (&json!(0), &json!(0)), "{counts}");
    // From here on it counts as ever.
    case.app.care.advance(TimeDelta::days(2));
    assert!(case.counts().await["unreported"].as_i64().unwrap() > 0);
}

#[tokio::test]
async fn a_treatment_moved_ahead_asks_anew_for_what_was_ticked_off_of_other_days() {
    let case = Case::morning_after().await;
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    case.report(&[entry(&sunscreen, "done", case.now())]).await;
    let ticked_offline = entry(&sunscreen, "done", case.now());
    case.app.care.advance(TimeDelta::hours(2));
    // It took place on Tuesday: what was Tuesday's task is Wednesday's now.
    case.move_to("2026-02-03T07:00:00Z").await;
    let moved = case.task("2026-02-04", "sunscreen").await;
    assert_eq!((&moved["id"], &moved["state"]), (&sunscreen["id"], &json!("ahead")));
    let results = case.report(&[ticked_offline]).await;
    assert_eq!(results[0]["problem"]["errors"][0]["pointer"], "/recorded_at", "{results:?}");
    let key = format!("t:{}:sunscreen:1:0", case.treatment);
    assert_eq!(seed::state(&case.app, &key).await, "merged", "owed again, told with that morning's milestone");
    case.app.care.set(utc("2026-02-04T08:00:00Z"));
    case.report(&[entry(&moved, "done", case.now())]).await;
    assert_eq!(case.task("2026-02-04", "sunscreen").await["state"], "done");
}

#[tokio::test]
async fn an_ended_treatment_asks_for_nothing_more_and_takes_what_comes_late() {
    let case = Case::morning_after().await;
    let sunscreen = case.task(DAY_1, "sunscreen").await;
    let late = entry(&sunscreen, "done", case.now());
    let path = format!("/v1/treatments/{}", case.treatment);
    case.app.post(&format!("{path}/complete"), &case.clinician.token, json!({})).await.expect(200);
    case.app.care.advance(TimeDelta::days(3));
    assert_eq!(case.tasks("2026-02-05").await, Vec::<Value>::new());
    assert_eq!(statuses(&case.report(&[late]).await), ["accepted"]);
    assert_eq!(case.task(DAY_1, "sunscreen").await["state"], "done");
    // The worklist adds up what the treatment's own page counts one by one.
    let row = case.app.get("/v1/patients", &case.clinician.token).await.expect(200)["items"][0]["compliance"].clone();
    let path = format!("/v1/treatments/{}/compliance", case.treatment);
    let page = case.app.get(&path, &case.patient.token).await.expect(200);
    for weight in ["done_w", "on_time_w", "closed_w"] {
        assert_eq!(row[weight], page[weight], "{weight}: {row} {page}");
    }
}

#[tokio::test]
async fn any_batch_costs_at_most_six_round_trips() {
    let database = TestDatabase::create().await;
    let proxy = CountingProxy::before(&database.url);
    let app = TestApp::start_at(database.clone(), &proxy.url, &[("MENDLINE_DATABASE_POOL", "2")]).await;
    let clinic = app.stage_clinic().await;
    let clinician = app.stage(clinic, Role::Clinician).await;
    let patient = app.stage(clinic, Role::Patient).await;
    let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), app.care.now()).await;
    app.care.advance(TimeDelta::days(12));
    let path = format!("/v1/treatments/{treatment}/tasks");
    let tasks = app.get(&path, &patient.token).await.expect(200)["items"].as_array().unwrap().clone();
    // What was looked at is written before anything is counted.
    app.state.reads.flush().await.unwrap();
    let mut most = 0;
    for round in 0..6 {
        // A hundred entries, one alone, one beside a bad one; each sent again.
        let entries: Vec<Value> = match round % 3 {
            0 => tasks[..50]
                .iter()
                .flat_map(|task| ["done", "undone"].map(|kind| entry(task, kind, app.care.now())))
                .collect(),
            1 => vec![entry(&tasks[round], "done", app.care.now())],
            _ => vec![entry(&tasks[round], "skipped", app.care.now()), json!(7)],
        };
        for _ in 0..2 {
            proxy.counts.reset();
            app.report(&treatment, &patient.token, json!(entries)).await;
            if proxy.counts.parses() == 0 {
                most = most.max(proxy.counts.round_trips());
            }
        }
    }
    assert!((1..=6).contains(&most), "{most} round trips");
}
