//! Reminders that people keep switched on, over HTTP and through the worker: told together, put off, asked for, rung for by
//! the phone itself, kept out of the night when a push service was down.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::domain::alert::PushOutcome;
use mendline::schema::patients;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::people::{Clinic, Person};
use crate::support::treatments::{entry, utc};
use crate::support::{TestApp, seed};
use crate::worker_maintenance::count;

/// A patient with a phone and a treatment that ended at noon (UTC, so 13:00 in Berlin) on 2 February.
struct Treated {
    app: TestApp,
    clinic: Clinic,
    ada: Person,
    phone: Uuid,
    treatment: String,
}

fn phone() -> Value {
    json!({ "provider": "fcm", "address": "phone", "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted" })
}

async fn treated() -> Treated {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let ada = app.patient_of(&clinic).await;
    let device = Uuid::new_v4();
    app.put(&format!("/v1/me/devices/{device}"), &ada.token, phone()).await.expect(201);
    let treatment = app.treat(&clinic.admin.token, ada.patient(), app.care.now()).await;
    Treated { app, clinic, ada, phone: device, treatment }
}

impl Treated {
    async fn reminders(&self) -> Vec<Value> {
        let list = self.app.get("/v1/me/reminders", &self.ada.token).await.expect(200);
        list["items"].as_array().unwrap().clone()
    }

    /// The next reminder of a category.
    async fn next(&self, category: &str) -> Value {
        self.reminders().await.into_iter().find(|reminder| reminder["category"] == category).unwrap()
    }

    /// Moves the clock to a moment and works off what is due then.
    async fn go_to(&self, at: DateTime<Utc>) {
        self.app.advance(at - self.app.care.now()).await;
    }

    async fn state_of(&self, alert: &Value) -> String {
        let path = format!("/v1/alerts/{}", id(alert));
        let alert = self.app.get(&path, &self.ada.token).await.expect(200);
        alert["state"].as_str().unwrap().to_owned()
    }

    async fn snooze(&self, alert: &Value, minutes: i64) -> crate::support::Answer {
        let path = format!("/v1/alerts/{}/snooze", id(alert));
        self.app.post(&path, &self.ada.token, json!({ "minutes": minutes })).await
    }

    fn pushes(&self) -> Vec<Uuid> {
        self.app.fcm.sent().iter().filter(|push| push.outcome == accepted()).map(|push| push.target.device_id).collect()
    }

    /// Promises that the phone rings for these by itself.
    async fn promise(&self, reminders: &[&Value], device: Uuid) -> Value {
        let rings: Vec<_> =
            reminders.iter().map(|alert| json!({ "alert_id": alert["id"], "due_at": alert["due_at"] })).collect();
        let body = json!({ "reminders": rings, "until": self.app.care.now() + TimeDelta::days(7) });
        self.app.put(&format!("/v1/me/devices/{device}/local-reminders"), &self.ada.token, body).await.expect(200)
    }
}

fn accepted() -> PushOutcome {
    PushOutcome::Accepted { provider_id: None }
}

fn id(alert: &Value) -> &str {
    alert["id"].as_str().unwrap()
}

fn due(alert: &Value) -> DateTime<Utc> {
    utc(alert["due_at"].as_str().unwrap())
}

#[tokio::test]
async fn what_is_due_close_together_is_one_push_that_tells_of_both() {
    let t = treated().await;
    let digest = t.reminders().await.into_iter().find(|reminder| reminder["with"].is_array()).unwrap();
    assert_eq!(digest["category"], "milestone");
    let with = &digest["with"].as_array().unwrap()[0];
    assert_eq!(with["category"], "routine");
    assert!(!with["title"].as_str().unwrap().is_empty() && with["link"].as_str().unwrap().ends_with("/tasks"));
    let before = t.pushes().len();
    // What is told before it is told at its moment: whatever a worker comes late for would be told with it.
    for earlier in t.reminders().await.iter().filter(|reminder| due(reminder) < due(&digest)) {
        t.go_to(due(earlier)).await;
    }
    t.go_to(due(&digest)).await;
    let told = t.app.get(&format!("/v1/alerts/{}", id(&digest)), &t.ada.token).await.expect(200);
    assert_eq!((told["state"].as_str(), told["with"][0]["id"] == with["id"]), (Some("sent"), true));
    assert_eq!(t.state_of(with).await, "merged");
    let on_the_way = t.pushes().len() - before;
    let earlier = seed::alerts(&t.app).await.into_iter().filter(|row| row.state == "sent").count();
    assert_eq!(on_the_way, earlier, "one push for each alert that was sent, none for what it told besides");
    let inbox = t.app.get("/v1/alerts", &t.ada.token).await.expect(200);
    assert!(inbox["items"].as_array().unwrap().iter().all(|alert| alert["id"] != with["id"]));

    // The sunscreen is on: the milestone goes on alone, another day's digest is the milestone's without it.
    let tomorrow = t.reminders().await.into_iter().find(|reminder| reminder["with"].is_array()).unwrap();
    let day = tomorrow["due_at"].as_str().unwrap()[..10].to_owned();
    t.go_to(due(&tomorrow) - TimeDelta::hours(1)).await;
    let tasks = t.app.tasks(&t.treatment, &t.ada.token, &day, &day).await;
    let sunscreen = tasks.iter().find(|task| task["item_key"] == "sunscreen").unwrap();
    t.app.report(&t.treatment, &t.ada.token, json!([entry(sunscreen, "done", t.app.care.now())])).await;
    let alone = t.reminders().await.into_iter().find(|reminder| reminder["id"] == tomorrow["id"]).unwrap();
    assert!(alone["with"].is_null(), "{alone}");
}

#[tokio::test]
async fn nobody_is_told_more_often_a_day_than_they_wish() {
    let t = treated().await;
    let path = "/v1/me/notification-preferences";
    t.app.put(path, &t.ada.token, json!({ "daily_cap": 1, "minimum_gap_minutes": 120 })).await.expect(200);
    let mut days: Vec<String> =
        t.reminders().await.iter().map(|r| r["due_at"].as_str().unwrap()[..10].to_owned()).collect();
    let all = days.len();
    days.dedup();
    assert_eq!(days.len(), all, "one a day: {days:?}");
    let unsaid = seed::alerts(&t.app).await.into_iter().filter(|row| row.reason.as_deref() == Some("daily_cap"));
    assert!(unsaid.filter(|row| row.state == "suppressed").count() > 0);
}

#[tokio::test]
async fn a_snoozed_reminder_rings_again_and_not_once_its_task_is_done() {
    let t = treated().await;
    let rung = t.next("check_in").await;
    t.go_to(due(&rung)).await;
    assert_eq!(t.state_of(&rung).await, "sent");
    let again = t.snooze(&rung, 20).await.expect(200);
    assert_ne!(again["id"], rung["id"]);
    assert_eq!((again["state"].as_str(), due(&again)), (Some("scheduled"), t.app.care.now() + TimeDelta::minutes(20)));
    assert_eq!((&again["title"], &again["body"]), (&rung["title"], &rung["body"]));
    // Whatever else is planned meanwhile leaves it alone.
    t.app
        .put("/v1/me/notification-preferences", &t.ada.token, json!({ "categories_off": ["session"] }))
        .await
        .expect(200);
    let before = t.pushes().len();
    t.app.advance(TimeDelta::minutes(20)).await;
    assert_eq!((t.state_of(&again).await.as_str(), t.pushes().len()), ("sent", before + 1));

    let third = t.snooze(&again, 30).await.expect(200);
    let symptoms = json!({ "recorded_at": t.app.care.now(), "symptoms": { "redness": 1 } });
    t.app.post(&format!("/v1/treatments/{}/check-ins", t.treatment), &t.ada.token, symptoms).await.expect(201);
    assert_eq!(t.state_of(&third).await, "cancelled");
    assert_eq!(t.snooze(&again, 30).await.problem(409), "conflict");
}

#[tokio::test]
async fn a_reminder_can_be_put_off_before_it_rings_but_neither_beyond_its_end_nor_without_limits() {
    let t = treated().await;
    let ahead = t.next("check_in").await;
    t.go_to(due(&ahead) - TimeDelta::minutes(30)).await;
    assert_eq!(t.snooze(&ahead, 20).await.problem(409), "conflict", "it comes later anyway");
    t.go_to(due(&ahead) - TimeDelta::minutes(5)).await;
    let later = t.snooze(&ahead, 60).await.expect(200);
    assert_eq!((&later["id"], due(&later)), (&ahead["id"], t.app.care.now() + TimeDelta::minutes(60)));
    assert_eq!(t.snooze(&ahead, 24 * 60).await.problem(409), "conflict", "its day is over by then");
    for minutes in [4, 24 * 60 + 1] {
        assert_eq!(t.snooze(&ahead, minutes).await.expect(422)["errors"][0]["pointer"], "/minutes");
    }
    for _ in 0..9 {
        t.snooze(&ahead, 10).await.expect(200);
    }
    let refused = t.snooze(&ahead, 10).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("10 times"), "{refused}");
    assert_eq!(
        t.app
            .post(&format!("/v1/alerts/{}/snooze", Uuid::new_v4()), &t.ada.token, json!({ "minutes": 10 }))
            .await
            .problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn a_test_of_the_phone_is_there_and_cannot_be_put_off() {
    let t = treated().await;
    let test = t.app.post(&format!("/v1/me/devices/{}/test", t.phone), &t.ada.token, json!({})).await.expect(202);
    let test = json!({ "id": test["alert_id"] });
    assert_eq!(t.state_of(&test).await, "scheduled");
    let refused = t.snooze(&test, 20).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("no test"), "{refused}");
    t.app.drain_worker().await;
    assert_eq!(t.state_of(&test).await, "sent");
    let other = t.app.patient_of(&t.clinic).await;
    let path = format!("/v1/alerts/{}/snooze", id(&test));
    let answer = t.app.post(&path, &other.token, json!({ "minutes": 20 })).await;
    assert_eq!(answer.problem(404), "not_found", "nobody else's");
}

#[tokio::test]
async fn outdoors_brings_its_prompts_and_its_tasks_for_as_long_as_it_is_on() {
    let t = treated().await;
    t.go_to(utc("2026-02-04T08:30:00Z")).await;
    let off = t.app.get("/v1/me/outdoors", &t.ada.token).await.expect(200);
    assert_eq!(off, json!({ "on": false }));
    let before: Vec<_> = t.reminders().await.iter().map(|reminder| reminder["id"].clone()).collect();
    let on = t.app.put("/v1/me/outdoors", &t.ada.token, json!({ "until": "2026-02-04T14:00:00Z" })).await.expect(200);
    assert_eq!(on, json!({ "on": true, "from": "2026-02-04T08:30:00Z", "until": "2026-02-04T14:00:00Z" }));
    assert_eq!(t.app.get("/v1/me/outdoors", &t.ada.token).await.expect(200), on);
    let after = t.reminders().await;
    let prompts: Vec<_> = after.iter().filter(|reminder| !before.contains(&reminder["id"])).map(due).collect();
    assert_eq!(prompts.len(), 3, "at ten, noon and two o'clock: {prompts:?}");
    assert!(
        before.iter().all(|known| after.iter().any(|reminder| reminder["id"] == *known)),
        "they take nobody's place"
    );
    let outdoors = |tasks: Vec<Value>| {
        tasks.into_iter().filter(|task| task["item_key"] == "sunscreen_outdoors").collect::<Vec<_>>()
    };
    let tasks = outdoors(t.app.tasks(&t.treatment, &t.ada.token, "2026-02-04", "2026-02-04").await);
    assert_eq!(tasks.len(), 3);
    t.go_to(utc("2026-02-04T09:15:00Z")).await;
    let done = t.app.report(&t.treatment, &t.ada.token, json!([entry(&tasks[0], "done", t.app.care.now())])).await;
    assert_eq!(done[0]["status"], "accepted");

    t.go_to(utc("2026-02-04T10:30:00Z")).await;
    t.app.delete("/v1/me/outdoors", &t.ada.token).await;
    assert_eq!(t.app.get("/v1/me/outdoors", &t.ada.token).await.expect(200)["on"], false);
    let left: Vec<_> = t.reminders().await.iter().map(|reminder| reminder["id"].clone()).collect();
    assert!(left.iter().all(|id| before.contains(id)), "nothing is prompted any more");
    for until in ["2026-02-04T10:00:00Z", "2026-02-06T10:00:00Z"] {
        let refused = t.app.put("/v1/me/outdoors", &t.ada.token, json!({ "until": until })).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/until");
    }
    let today = t.app.put("/v1/me/outdoors", &t.ada.token, json!({})).await.expect(200);
    assert_eq!(today["until"], "2026-02-04T23:00:00Z", "until the patient's midnight");
}

#[tokio::test]
async fn a_phone_that_rings_by_itself_is_pushed_to_only_if_it_stays_silent() {
    let t = treated().await;
    let ahead = t.reminders().await;
    let (shown, silent) = (&ahead[0], &ahead[1]);
    let held = t.promise(&[shown, silent], t.phone).await;
    assert_eq!((held["held"].as_array().unwrap().len(), held["outdated"].as_array().unwrap().len()), (2, 0));

    t.go_to(due(shown)).await;
    assert_eq!((t.state_of(shown).await.as_str(), t.pushes().len()), ("scheduled", 0), "the phone has its time");
    let path = format!("/v1/me/devices/{}/local-reminders/shown", t.phone);
    let said = t.app.post(&path, &t.ada.token, json!({ "alert_ids": [shown["id"]] })).await;
    assert_eq!(said.status, 204);
    t.app.advance(TimeDelta::minutes(15)).await;
    assert_eq!((t.state_of(shown).await.as_str(), t.pushes().len()), ("sent", 0), "told, and not twice");

    t.go_to(due(silent)).await;
    assert_eq!((t.state_of(silent).await.as_str(), t.pushes().len()), ("scheduled", 0));
    t.app.advance(TimeDelta::minutes(9)).await;
    assert_eq!(t.pushes().len(), 0);
    t.app.advance(TimeDelta::minutes(4)).await;
    assert_eq!((t.state_of(silent).await.as_str(), t.pushes().len()), ("sent", 1), "the push is the backstop");
}

#[tokio::test]
async fn opening_a_reminder_says_that_it_was_shown_and_the_other_phone_is_pushed_to_at_once() {
    let t = treated().await;
    let other = Uuid::new_v4();
    let second = json!({
        "provider": "fcm", "address": "other", "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted"
    });
    t.app.put(&format!("/v1/me/devices/{other}"), &t.ada.token, second).await.expect(201);
    let next = t.reminders().await.remove(0);
    t.promise(&[&next], t.phone).await;
    t.go_to(due(&next)).await;
    assert_eq!(t.pushes(), [other]);
    t.app.post(&format!("/v1/alerts/{}/opened", id(&next)), &t.ada.token, json!({})).await.expect(200);
    t.app.advance(TimeDelta::minutes(15)).await;
    assert_eq!((t.state_of(&next).await.as_str(), t.pushes()), ("sent", vec![other]));
}

#[tokio::test]
async fn a_promise_for_another_moment_holds_nothing_back_and_the_phone_is_told_so() {
    let t = treated().await;
    let next = t.reminders().await.remove(0);
    let moved = json!({ "id": next["id"], "due_at": due(&next) + TimeDelta::hours(1) });
    let gone = json!({ "id": Uuid::new_v4(), "due_at": next["due_at"] });
    let answer = t.promise(&[&moved, &gone], t.phone).await;
    assert_eq!((answer["held"].as_array().unwrap().len(), &answer["outdated"]), (0, &json!([moved["id"], gone["id"]])));
    t.go_to(due(&next)).await;
    assert_eq!(t.pushes().len(), 1);

    let path = format!("/v1/me/devices/{}/local-reminders", t.phone);
    let twice = json!({ "alert_id": next["id"], "due_at": next["due_at"] });
    let body = json!({ "reminders": [twice, twice], "until": t.app.care.now() + TimeDelta::days(15) });
    let refused = t.app.put(&path, &t.ada.token, body).await.expect(422);
    let pointers: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/reminders/1/alert_id", "/until"]);
    let neighbour = t.app.patient_of(&t.clinic).await;
    let body = json!({ "reminders": [], "until": t.app.care.now() + TimeDelta::days(1) });
    assert_eq!(t.app.put(&path, &neighbour.token, body).await.problem(404), "not_found");
}

#[tokio::test]
async fn what_was_shown_for_one_moment_was_not_shown_for_another() {
    let t = treated().await;
    let before = t.reminders().await;
    t.promise(&before.iter().collect::<Vec<_>>(), t.phone).await;
    let ids: Vec<_> = before.iter().map(|alert| alert["id"].clone()).collect();
    let shown = format!("/v1/me/devices/{}/local-reminders/shown", t.phone);
    assert_eq!(t.app.post(&shown, &t.ada.token, json!({ "alert_ids": ids })).await.status, 204);
    let later = json!({ "preferred_time": "19:00" });
    t.app.put("/v1/me/notification-preferences", &t.ada.token, later).await.expect(200);
    let comes_later = |alert: &Value| before.iter().any(|early| early["id"] == alert["id"] && due(alert) > due(early));
    let moved = t.reminders().await.into_iter().find(comes_later).unwrap();
    t.promise(&[&moved], t.phone).await;
    // What is told before it is told at its moment: whatever a worker comes late for would be told with it.
    for earlier in t.reminders().await.iter().filter(|alert| due(alert) < due(&moved)) {
        t.go_to(due(earlier)).await;
    }
    t.go_to(due(&moved)).await;
    t.app.advance(TimeDelta::minutes(14)).await;
    assert_eq!(t.state_of(&moved).await, "sent");
    let of_it = t.app.fcm.sent().iter().filter(|push| json!(push.message.payload.alert_id) == moved["id"]).count();
    assert_eq!(of_it, 1, "the phone stayed silent at the moment that counts");
}

#[tokio::test]
async fn a_phone_of_two_clinics_keeps_what_it_promised_for_the_other() {
    let t = treated().await;
    let ahead = t.reminders().await;
    t.promise(&[&ahead[0]], t.phone).await;
    let other = t.app.clinic().await;
    let code = t.app.invite(&other, &json!({ "role": "patient", "patient": { "display_name": "Ada" } })).await;
    t.app.post("/v1/invitations/accept", &t.ada.token, json!({ "invitation_code": code })).await.expect(201);
    let answer = t.app.post("/v1/auth/switch", &t.ada.token, json!({ "clinic_id": other.id })).await.expect(200);
    let there = Person::from_answer(&answer);
    t.app.treat(&other.admin.token, there.patient(), t.app.care.now()).await;
    let list = t.app.get("/v1/me/reminders", &there.token).await.expect(200);
    let first = &list["items"][0];
    let until = t.app.care.now() + TimeDelta::days(7);
    let path = format!("/v1/me/devices/{}/local-reminders", t.phone);
    let promise = async |rings: Value| {
        t.app.put(&path, &there.token, json!({ "reminders": rings, "until": until })).await.expect(200)
    };
    let held = promise(json!([{ "alert_id": first["id"], "due_at": first["due_at"] }])).await;
    assert_eq!(held["held"], json!([first["id"]]));
    assert_eq!(count(&t.app, "local_reminders").await, 2);
    promise(json!([])).await;
    let left = format!("local_reminders WHERE alert_id = '{}'", id(&ahead[0]));
    assert_eq!((count(&t.app, "local_reminders").await, count(&t.app, &left).await), (1, 1));
}

#[tokio::test]
async fn what_an_outage_left_over_comes_as_one() {
    let t = treated().await;
    t.go_to(utc("2026-02-05T04:00:00Z")).await;
    let today: Vec<Value> =
        t.reminders().await.into_iter().filter(|reminder| due(reminder) < utc("2026-02-05T16:00:00Z")).collect();
    assert_eq!(today.len(), 2, "a milestone in the morning, make-up at noon: {today:#?}");
    let before = t.pushes().len();
    // No worker all day.
    t.go_to(utc("2026-02-05T16:00:00Z")).await;
    assert_eq!(t.pushes().len(), before + 1);
    let states = [t.state_of(&today[0]).await, t.state_of(&today[1]).await];
    assert_eq!(states, ["merged", "sent"], "the one that is worth telling longest speaks");
    let told = t.app.get(&format!("/v1/alerts/{}", id(&today[1])), &t.ada.token).await.expect(200);
    assert_eq!(told["with"][0]["id"], today[0]["id"]);
}

#[tokio::test]
async fn a_retry_that_would_ring_at_night_waits_for_the_morning() {
    let t = treated().await;
    // Registered in the evening: the four hours without washing end at 00:30 in Berlin, told at 08:00.
    let late = t.app.patient_of(&t.clinic).await;
    let device = Uuid::new_v4();
    let body = json!({ "provider": "fcm", "address": "late", "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted" });
    t.app.put(&format!("/v1/me/devices/{device}"), &late.token, body).await.expect(201);
    let treatment = t.app.treat(&t.clinic.admin.token, late.patient(), utc("2026-02-02T11:56:00Z")).await;
    assert!(!treatment.is_empty());
    // Its make-up is told three days later at 12:56 in Berlin and is worth telling for a day.
    let told_at = utc("2026-02-05T11:56:00Z");
    t.go_to(told_at - TimeDelta::minutes(1)).await;
    let list = t.app.get("/v1/me/reminders", &late.token).await.expect(200);
    let make_up = list["items"].as_array().unwrap().iter().find(|r| r["category"] == "restriction").unwrap().clone();
    assert_eq!(due(&make_up), told_at);
    // The worker was down from then until half past nine in the evening.
    let before = t.pushes().iter().filter(|to| **to == device).count();
    t.go_to(utc("2026-02-05T20:30:00Z")).await;
    let pushed = |t: &Treated| t.pushes().iter().filter(|to| **to == device).count() - before;
    assert_eq!(pushed(&t), 0, "nobody is woken");
    let found = t.app.get(&format!("/v1/alerts/{}", id(&make_up)), &late.token).await.expect(200);
    assert_eq!((found["state"].as_str(), due(&found)), (Some("scheduled"), utc("2026-02-06T07:00:00Z")));
    t.go_to(utc("2026-02-06T07:00:00Z")).await;
    assert_eq!(pushed(&t), 1);
    let found = t.app.get(&format!("/v1/alerts/{}", id(&make_up)), &late.token).await.expect(200);
    assert_eq!(found["state"], "sent");
}

#[tokio::test]
async fn a_clinics_new_quiet_hours_hold_for_treatments_that_run_and_for_nobody_who_chose_their_own() {
    let t = treated().await;
    let owl = t.app.patient_of(&t.clinic).await;
    let own = json!({ "quiet_hours": { "from": "23:00", "to": "07:00" } });
    t.app.put("/v1/me/notification-preferences", &owl.token, own).await.expect(200);
    t.app.treat(&t.clinic.admin.token, owl.patient(), t.app.care.now()).await;
    let revision = async |person: &Person| -> i32 {
        let row = patients::table.filter(patients::id.eq(person.patient())).select(patients::plan_revision);
        seed::run(&t.app, async |conn| row.get_result(conn).await).await
    };
    let (before, owls) = (revision(&t.ada).await, revision(&owl).await);
    let minute_of_day = |reminder: &Value| {
        let local = due(reminder).with_timezone(&chrono_tz::Europe::Berlin);
        local.hour() * 60 + local.minute()
    };
    assert!(t.reminders().await.iter().any(|reminder| minute_of_day(reminder) < 11 * 60), "mornings are busy");

    let late = json!({ "quiet_from": "20:00", "quiet_to": "11:00" });
    t.app.patch("/v1/clinic", &t.clinic.admin.token, late.clone()).await.expect(200);
    // A change of nothing and a change of something else ask for nothing.
    t.app.patch("/v1/clinic", &t.clinic.admin.token, late).await.expect(200);
    t.app.patch("/v1/clinic", &t.clinic.admin.token, json!({ "name": "Skin" })).await.expect(200);
    t.app.drain_worker().await;
    assert_eq!((revision(&t.ada).await, revision(&owl).await), (before + 1, owls), "once, and not the owl");
    let reminders = t.reminders().await;
    assert!(!reminders.is_empty());
    for reminder in &reminders {
        assert!((11 * 60..20 * 60).contains(&minute_of_day(reminder)), "{reminder:#}");
    }
    t.app.drain_worker().await;
    assert_eq!(revision(&t.ada).await, before + 1, "what was asked for is answered");
}
