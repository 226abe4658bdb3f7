//! What a clinician changes of a plan for one treatment: shown with the reason, followed by alerts, lifted again.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::schema::{audit, treatments};
use reqwest::Method;
use serde_json::{Value, json};

use crate::check_ins::{Scene, phone};
use crate::support::treatments::{entry, utc};
use crate::support::{Answer, seed};

const WHY: &str = "The skin reacts strongly.";

impl Scene {
    async fn override_item(&self, key: &str, change: Value) -> Answer {
        let mut body = json!({ "reason": WHY });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let path = format!("/v1/treatments/{}/overrides/{key}", self.treatment);
        self.app.put(&path, &self.clinician.token, body).await
    }

    async fn lift(&self, key: &str) -> Answer {
        self.app.delete(&format!("/v1/treatments/{}/overrides/{key}", self.treatment), &self.clinician.token).await
    }

    async fn overrides(&self) -> Value {
        let path = format!("/v1/treatments/{}/overrides", self.treatment);
        self.app.get(&path, &self.clinician.token).await.expect(200)["items"].clone()
    }

    async fn shown(&self, what: &str) -> Value {
        self.app.get(&format!("/v1/treatments/{}/{what}", self.treatment), &self.patient.token).await.expect(200)
    }

    /// An item as the patient's timeline shows it.
    async fn item(&self, key: &str) -> Value {
        let timeline = self.shown("timeline").await;
        let items = timeline["items"].as_array().unwrap();
        items.iter().find(|item| item["key"] == key).cloned().unwrap_or_default()
    }

    async fn all_tasks(&self) -> Vec<Value> {
        self.shown("tasks").await["items"].as_array().unwrap().clone()
    }

    /// When the patient is told that the wait for make-up is over.
    async fn told_of_make_up(&self) -> Vec<DateTime<Utc>> {
        let alerts = self.alerts(&format!("t:{}:make_up:", self.treatment)).await;
        alerts.into_iter().filter(|row| row.state == "scheduled").map(|row| row.due_at).collect()
    }

    async fn plan_revision(&self) -> i32 {
        let treatment = treatments::table.filter(treatments::id.eq(self.treatment)).select(treatments::plan_revision);
        seed::run(&self.app, async |conn| treatment.first(conn).await).await
    }

    /// What the worklist and the treatment itself say of the patient's compliance is the same.
    async fn shares(&self) -> Value {
        let shares = self.shown("compliance").await;
        let listed = self.app.get("/v1/patients", &self.clinician.token).await.expect(200);
        for weight in ["closed_w", "done_w", "on_time_w"] {
            assert_eq!(listed["items"][0]["compliance"][weight], shares[weight], "{weight}");
        }
        assert!(shares["closed_w"].as_i64() > Some(0), "{shares}");
        json!([shares["counts"], shares["closed_w"], shares["done_w"], shares["on_time_w"]])
    }
}

fn closes(item: &Value) -> DateTime<Utc> {
    utc(item["close_at"].as_str().unwrap())
}

#[tokio::test]
async fn a_longer_wait_is_shown_with_its_reason_and_told_when_it_is_over() {
    let scene = Scene::new().await;
    let performed_at = scene.app.care.now();
    let planned = performed_at + TimeDelta::hours(72);
    assert_eq!(scene.told_of_make_up().await, [planned]);
    let before = scene.plan_revision().await;
    scene.app.care.advance(TimeDelta::hours(30));
    let made = scene.override_item("make_up", json!({ "window": { "to": "PT96H" } })).await.expect(200);
    assert_eq!((&made["item_key"], &made["window"]), (&json!("make_up"), &json!({ "to": "P4D" })));
    assert_eq!(made["was"], json!({ "from": "PT0S", "to": "PT72H", "soft_to": "P7D" }));
    assert_eq!(made["by"], json!(scene.clinician.caller.user_id));
    assert_eq!(utc(made["at"].as_str().unwrap()), scene.app.care.now());
    assert_eq!(scene.plan_revision().await, before + 1);

    let until = performed_at + TimeDelta::hours(96);
    let item = scene.item("make_up").await;
    assert_eq!(closes(&item), until);
    assert_eq!((&item["overridden"]["reason"], &item["overridden"]["was"]), (&json!(WHY), &made["was"]));
    assert!(scene.item("make_up_heavy").await.get("overridden").is_none());
    let guidance = scene.shown("guidance?topic=make_up").await;
    let waits = guidance["not_yet"].as_array().unwrap();
    let make_up = waits.iter().find(|entry| entry["key"] == "make_up").unwrap();
    assert_eq!((utc(make_up["until"].as_str().unwrap()), &make_up["overridden"]["reason"]), (until, &json!(WHY)));
    assert_eq!(scene.told_of_make_up().await, [until]);

    // The same once more changes nothing; another bound takes its place.
    scene.app.care.advance(TimeDelta::minutes(5));
    let again = scene.override_item("make_up", json!({ "window": { "to": "PT96H" } })).await.expect(200);
    assert_eq!((&again, scene.plan_revision().await), (&made, before + 1));
    assert_eq!(scene.overrides().await, json!([made]));
    let longer = scene.override_item("make_up", json!({ "window": { "to": "P5D" } })).await.expect(200);
    assert_eq!((&longer["window"], &longer["was"]), (&json!({ "to": "P5D" }), &made["was"]));
    assert_eq!(scene.overrides().await, json!([longer]));

    assert_eq!(scene.lift("make_up").await.status, 204);
    assert_eq!((closes(&scene.item("make_up").await), scene.overrides().await), (planned, json!([])));
    assert_eq!(scene.told_of_make_up().await, [planned]);
    assert_eq!(scene.lift("make_up").await.problem(404), "not_found");
    let deeds = audit::table.filter(audit::action.eq_any(["treatment.override_item", "treatment.lift_override"]));
    let deeds: i64 = seed::run(&scene.app, async |conn| deeds.count().get_result(conn).await).await;
    assert_eq!(deeds, 3);
}

#[tokio::test]
async fn a_wait_that_was_told_to_be_over_and_is_made_longer_is_told_once_more() {
    let scene = Scene::new().await;
    phone(&scene.app, &scene.patient).await;
    let performed_at = scene.app.care.now();
    scene.app.advance(TimeDelta::hours(73)).await;
    let told = async || scene.alerts(&format!("t:{}:make_up:", scene.treatment)).await;
    assert_eq!(told().await.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), ["sent"]);

    scene.override_item("make_up", json!({ "window": { "to": "P6D" } })).await.expect(200);
    let until = performed_at + TimeDelta::days(6);
    assert_eq!(scene.told_of_make_up().await, [until]);
    scene.override_item("make_up", json!({ "window": { "to": "P7D" } })).await.expect(200);
    assert_eq!(scene.told_of_make_up().await, [until + TimeDelta::days(1)], "once, whatever the clinic thought before");
    scene.app.advance(TimeDelta::hours(7 * 24 - 73)).await;
    assert!(scene.told_of_make_up().await.is_empty());
    let sent = told().await.into_iter().filter(|row| row.state == "sent").count();
    assert_eq!(sent, 2);
    // A bound that lies before what was told last tells nothing.
    let shorter = json!({ "window": { "to": "P6D" }, "acknowledge_shorter": true });
    scene.override_item("make_up", shorter).await.expect(200);
    assert!(scene.told_of_make_up().await.is_empty());
}

#[tokio::test]
async fn a_shorter_wait_is_made_only_by_somebody_who_says_that_it_is_meant() {
    let scene = Scene::new().await;
    for change in
        [json!({ "window": { "to": "PT24H" } }), json!({ "off": true }), json!({ "window": { "from": "PT2H" } })]
    {
        let refused = scene.override_item("make_up", change).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/acknowledge_shorter", "{refused}");
    }
    assert_eq!(scene.overrides().await, json!([]));
    let off = scene.override_item("make_up", json!({ "off": true, "acknowledge_shorter": true })).await.expect(200);
    assert_eq!(off["off"], true);
    let timeline = scene.shown("timeline").await;
    assert!(timeline["items"].as_array().unwrap().iter().all(|item| item["key"] != "make_up"));
    let gone = &timeline["switched_off"][0];
    assert_eq!((&gone["key"], &gone["overridden"]["reason"]), (&json!("make_up"), &json!(WHY)));
    assert_ne!(gone["title"], "");
    assert!(scene.told_of_make_up().await.is_empty());
    assert_eq!(scene.lift("make_up").await.status, 204);
    assert_eq!(scene.told_of_make_up().await.len(), 1);
    assert!(scene.shown("timeline").await.get("switched_off").is_none());
}

#[tokio::test]
async fn tasks_that_were_closed_keep_the_window_that_they_were_judged_by() {
    let scene = Scene::new().await;
    scene.app.care.advance(TimeDelta::days(5));
    let now = scene.app.care.now();
    let over = |task: &&Value| closes(task) <= now;
    let before = scene.all_tasks().await;
    let judged = before.iter().filter(over).rfind(|task| task["item_key"] == "sunscreen").unwrap();
    let done = json!([entry(judged, "done", utc(judged["open_at"].as_str().unwrap()))]);
    scene.app.report(&scene.treatment.to_string(), &scene.patient.token, done).await;
    let before = scene.all_tasks().await;
    let shares = scene.shares().await;
    assert!(shares[2].as_i64() > Some(0), "{shares}");

    let later = json!({ "window": { "from_time": "07:00", "to_time": "15:00" } });
    scene.override_item("sunscreen", later).await.expect(200);
    scene.override_item("hydrating_serum", json!({ "off": true })).await.expect(200);
    let after = scene.all_tasks().await;
    let closed = |tasks: &[Value]| {
        let mut closed: Vec<Value> = tasks.iter().filter(over).cloned().collect();
        closed.sort_by_key(|task| task["id"].to_string());
        closed
    };
    assert_eq!(closed(&before), closed(&after), "what was closed stays as it was");
    let ahead: Vec<&Value> = after.iter().filter(|task| !over(task) && task["item_key"] == "sunscreen").collect();
    assert!(ahead.len() > 3, "{ahead:?}");
    for task in &ahead {
        assert_eq!(task["overridden"]["was"]["to_time"], "12:00", "{task}");
        assert_eq!(closes(task) - utc(task["open_at"].as_str().unwrap()), TimeDelta::hours(8), "{task}");
    }
    assert!(after.iter().filter(|task| !over(task)).all(|task| task["item_key"] != "hydrating_serum"));
    assert_eq!(scene.shares().await, shares);

    // A day later that day was judged by the other window, and goes on being when the change is lifted.
    scene.app.care.advance(TimeDelta::days(1));
    let now = scene.app.care.now();
    let windows = |tasks: &[Value]| {
        let over = tasks.iter().filter(|task| closes(task) <= now);
        let mut windows: Vec<String> =
            over.map(|task| format!("{} {} {}", task["id"], task["open_at"], task["close_at"])).collect();
        windows.sort();
        windows
    };
    let between = windows(&scene.all_tasks().await);
    for key in ["sunscreen", "hydrating_serum"] {
        assert_eq!(scene.lift(key).await.status, 204);
    }
    let last = scene.all_tasks().await;
    assert_eq!(between, windows(&last));
    assert!(between.len() > closed(&before).len());
    assert!(last.iter().all(|task| task.get("overridden").is_none()), "nothing is changed any more");
    let asked_again = |task: &Value| closes(task) > now && task["item_key"] == "hydrating_serum";
    assert!(last.iter().any(asked_again));
    scene.shares().await;
}

#[tokio::test]
async fn a_change_goes_on_when_the_treatment_is_moved_and_under_another_version_where_it_fits() {
    let scene = Scene::after(TimeDelta::days(3)).await;
    scene.override_item("make_up", json!({ "window": { "to": "PT96H" } })).await.expect(200);
    scene.override_item("week_three", json!({ "off": true })).await.expect(200);
    let path = format!("/v1/treatments/{}", scene.treatment);
    let version = scene.app.get(&path, &scene.clinician.token).await.expect(200)["version"].clone();
    let performed_at = scene.app.care.now() - TimeDelta::days(1);
    let moved = json!({ "performed_at": performed_at });
    let moved = scene.app.on_seen(Method::PATCH, &path, &scene.clinician.token, &version, moved).await.expect(200);
    let until = performed_at + TimeDelta::hours(96);
    assert_eq!(closes(&scene.item("make_up").await), until);
    assert_eq!(scene.told_of_make_up().await, [until]);
    assert_eq!(scene.overrides().await.as_array().unwrap().len(), 2);

    let preview = scene.app.get(&format!("{path}/transfers/preview?to=day-by-day@1"), &scene.clinician.token).await;
    let preview = preview.expect(200);
    assert_eq!(preview["overrides"]["kept"], json!(["make_up"]));
    let lifted = preview["overrides"]["lifted"].as_array().unwrap();
    assert_eq!((lifted.len(), &lifted[0]["item_key"]), (1, &json!("week_three")));
    scene.app.advance(TimeDelta::days(2)).await;
    let report = format!("{path}/compliance");
    let closed = async || scene.app.get(&report, &scene.clinician.token).await.expect(200)["counts"].clone();
    let before = closed().await;
    assert!(before["unreported"].as_i64().unwrap() > 0, "{before}");
    let body = json!({ "to": "day-by-day@1", "reason": "A shorter plan will do." });
    let to = format!("{path}/transfers");
    scene.app.on_seen(Method::POST, &to, &scene.clinician.token, &moved["version"], body).await.expect(200);
    assert_eq!(closed().await, before, "what was closed stays as it was, although a change was lifted");
    let standing = scene.overrides().await;
    assert_eq!((standing.as_array().unwrap().len(), &standing[0]["item_key"]), (1, &json!("make_up")));
    assert_eq!(standing[0]["was"]["to"], "PT48H", "what the version says that is followed now");
    assert_eq!(closes(&scene.item("make_up").await), until);
    assert_eq!(scene.told_of_make_up().await, [until]);
    let record = scene.app.get(&to, &scene.clinician.token).await.expect(200);
    assert_eq!(record["items"].as_array().unwrap().len(), 1, "changes of items are no transfers");
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused_with_its_reason() {
    let scene = Scene::new().await;
    for (key, change, pointer) in [
        ("make_up", json!({}), "/window"),
        ("make_up", json!({ "window": {} }), "/window"),
        ("make_up", json!({ "off": true, "window": { "to": "PT96H" } }), "/window"),
        ("make_up", json!({ "window": { "to": "tomorrow" } }), "/window/to"),
        ("make_up", json!({ "window": { "from": "PT80H", "to": "PT75H" }, "acknowledge_shorter": true }), "/window"),
        ("make_up", json!({ "window": { "from_day": 3 } }), "/window/from_day"),
        ("make_up", json!({ "window": { "to": "PT96H" }, "reason": "  " }), "/reason"),
        ("retinoids", json!({ "window": { "minimum": "P20D" } }), "/window"),
        ("flag_pus", json!({ "off": true, "acknowledge_shorter": true }), ""),
        ("first_wash", json!({ "window": { "to": "P6D" } }), "/window"),
    ] {
        let refused = scene.override_item(key, change.clone()).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{key} {change}: {refused}");
    }
    assert_eq!(scene.override_item("make_up", json!({ "window": { "until": 3 } })).await.problem(400), "malformed");
    assert_eq!(scene.override_item("no_such_item", json!({ "off": true })).await.problem(404), "not_found");
    assert_eq!(scene.overrides().await, json!([]));

    // One that fits only beside another keeps that from being lifted.
    scene.override_item("cleanse_and_moisturise", json!({ "window": { "from_day": 8 } })).await.expect(200);
    scene.override_item("first_wash", json!({ "window": { "to": "P6D" } })).await.expect(200);
    let held = scene.lift("cleanse_and_moisturise").await.expect(422);
    assert!(held["errors"][0]["detail"].as_str().unwrap().contains("`first_wash`"), "{held}");
    assert_eq!(scene.lift("first_wash").await.status, 204);
    assert_eq!(scene.lift("cleanse_and_moisturise").await.status, 204);

    let complete = format!("/v1/treatments/{}/complete", scene.treatment);
    scene.app.post(&complete, &scene.clinician.token, json!({})).await.expect(200);
    assert_eq!(scene.override_item("make_up", json!({ "off": true })).await.problem(409), "conflict");
}
