//! Escalation: who is told of an urgent flag and who next, whatever happens to workers and staff meanwhile; and the patient,
//! where nobody can be.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::db::{Connector, DbError, Scope};
use mendline::domain::alert::PushOutcome;
use mendline::domain::role::Role;
use mendline::escalation;
use mendline::schema::escalations;
use mendline::worker::Worker;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::check_ins::{Scene, phone};
use crate::support::{Staged, seed};

fn minutes(n: i64) -> TimeDelta {
    TimeDelta::minutes(n)
}

/// A clinic with two clinicians and an administrator, each with a phone. The first one treated the patient.
struct Clinic {
    scene: Scene,
    other: Staged,
    admin: Staged,
    /// The treating clinician's, the other one's, the administrator's.
    phones: [Uuid; 3],
}

impl Clinic {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let other = scene.app.stage(scene.clinic, Role::Clinician).await;
        let admin = scene.app.stage(scene.clinic, Role::Administrator).await;
        let app = &scene.app;
        let phones = [phone(app, &scene.clinician).await, phone(app, &other).await, phone(app, &admin).await];
        Self { scene, other, admin, phones }
    }

    /// The patient reports what needs somebody now.
    async fn alarm(&self) -> Value {
        let report = self.scene.report(json!({ "pus": "coloured" })).await;
        self.scene.app.drain_worker().await;
        report["triage"]["flags"][0].clone()
    }

    /// How many messages each of the three phones got.
    fn pushed(&self) -> [usize; 3] {
        self.phones.map(|phone| self.scene.pushed(phone).len())
    }

    async fn history(&self, flag: &Value) -> Vec<String> {
        let path = format!("/v1/flags/{}", flag["id"].as_str().unwrap());
        let flag = self.scene.app.get(&path, &self.scene.clinician.token).await.expect(200);
        let word = |event: &Value| {
            let step = event["step"].as_str().map(|step| format!(" {step}")).unwrap_or_default();
            format!("{}{step}", event["kind"].as_str().unwrap())
        };
        flag["events"].as_array().unwrap().iter().map(word).collect()
    }
}

#[tokio::test]
async fn an_urgent_flag_goes_from_the_treating_clinician_to_all_and_then_to_the_administrators() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    // At night: urgent messages know no quiet hours.
    app.advance(TimeDelta::hours(10)).await;
    let flag = clinic.alarm().await;
    assert_eq!(clinic.pushed(), [1, 0, 0]);
    app.advance(minutes(15) - TimeDelta::seconds(1)).await;
    assert_eq!(clinic.pushed(), [1, 0, 0]);
    app.advance(TimeDelta::seconds(1)).await;
    assert_eq!(clinic.pushed(), [2, 1, 0], "whoever did not answer is asked again");
    app.advance(minutes(45) - TimeDelta::seconds(1)).await;
    assert_eq!(clinic.pushed(), [2, 1, 0]);
    app.advance(TimeDelta::seconds(1)).await;
    assert_eq!(clinic.pushed(), [2, 1, 1]);
    app.advance(TimeDelta::days(2)).await;
    assert_eq!(clinic.pushed(), [2, 1, 1], "nobody is left to be told");

    assert_eq!(clinic.history(&flag).await, ["opened", "escalated clinicians", "escalated administrators"]);
    let push = &clinic.scene.pushed(clinic.phones[2])[0];
    assert_eq!((push.text.title.as_str(), push.urgency.as_str()), ("Someone needs your review.", "high"));
    let inbox = app.get("/v1/alerts", &clinic.admin.token).await.expect(200);
    assert_eq!(inbox["items"][0]["body"], "Somebody was asked to call the clinic now.");
    assert!(clinic.scene.alerts("f:").await.iter().all(|row| !row.dedupe_key.ends_with("unreached")));
}

#[tokio::test]
async fn whoever_acknowledges_ends_it_and_whoever_opens_the_flag_again_begins_anew() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    let flag = clinic.alarm().await;
    app.advance(minutes(14)).await;
    clinic.scene.act(&flag, "acknowledge", json!({})).await.expect(200);
    app.advance(TimeDelta::hours(3)).await;
    assert_eq!(clinic.pushed(), [1, 0, 0]);

    clinic.scene.act(&flag, "reopen", json!({})).await.expect(200);
    app.drain_worker().await;
    assert_eq!(clinic.pushed(), [2, 0, 0]);
    app.advance(minutes(15)).await;
    assert_eq!(clinic.pushed(), [3, 1, 0]);
    clinic.scene.act(&flag, "contacted", json!({ "note": "Called." })).await.expect(200);
    clinic.scene.act(&flag, "resolve", json!({ "outcome": "Fine" })).await.expect(200);
    app.advance(TimeDelta::hours(3)).await;
    assert_eq!(clinic.pushed(), [3, 1, 0], "whoever talked to the patient has seen it");
    clinic.scene.act(&flag, "reopen", json!({})).await.expect(200);
    app.advance(minutes(60)).await;
    assert_eq!(clinic.pushed(), [5, 2, 1], "a worker that comes late takes at once what was due meanwhile");
}

#[tokio::test]
async fn what_can_wait_is_told_once() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    app.advance(TimeDelta::hours(30)).await;
    clinic.scene.report(json!({ "pain": 2 })).await;
    for _ in 0..8 {
        app.advance(minutes(15)).await;
    }
    assert_eq!(clinic.pushed(), [1, 0, 0]);
}

#[tokio::test]
async fn of_several_urgent_flags_all_must_be_seen_and_of_others_none() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    let report = clinic.scene.report(json!({ "pus": "coloured", "swollen_glands": true, "blisters": true })).await;
    let flags = report["triage"]["flags"].as_array().unwrap();
    assert_eq!(
        flags.iter().map(|flag| flag["level"].as_str().unwrap()).collect::<Vec<_>>(),
        ["urgent", "urgent", "soon"]
    );
    clinic.scene.act(&flags[0], "acknowledge", json!({})).await.expect(200);
    app.advance(minutes(15)).await;
    assert_eq!(clinic.pushed(), [2, 1, 0], "one was not seen");
    clinic.scene.act(&flags[1], "acknowledge", json!({})).await.expect(200);
    app.advance(minutes(60)).await;
    assert_eq!(clinic.pushed(), [2, 1, 0]);
}

#[tokio::test]
async fn a_clinic_has_figures_of_its_own_in_their_order() {
    let clinic = Clinic::new().await;
    let (app, token) = (&clinic.scene.app, &clinic.admin.token);
    let change = async |body: Value| app.patch("/v1/clinic", token, body).await;
    let text = "Evenings and weekends: the medical on-call service, 116117.";
    let figures =
        json!({ "escalate_clinicians_minutes": 3, "escalate_administrators_minutes": 7, "out_of_hours_text": text });
    let changed = change(figures).await.expect(200);
    assert_eq!((&changed["escalate_clinicians_minutes"], &changed["out_of_hours_text"]), (&json!(3), &json!(text)));
    for (wrong, pointers) in [
        (json!({ "escalate_clinicians_minutes": 8 }), vec!["/escalate_administrators_minutes"]),
        (json!({ "escalate_administrators_minutes": 1441 }), vec!["/escalate_administrators_minutes"]),
        (
            json!({ "escalate_clinicians_minutes": -1, "escalate_administrators_minutes": -2 }),
            vec![
                "/escalate_clinicians_minutes",
                "/escalate_administrators_minutes",
                "/escalate_administrators_minutes",
            ],
        ),
        (json!({ "out_of_hours_text": "x".repeat(1001) }), vec!["/out_of_hours_text"]),
    ] {
        let refused = change(wrong).await.expect(422);
        let found: Vec<&str> =
            refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers);
    }
    let report = clinic.scene.report(json!({ "spreading": true })).await;
    assert_eq!(report["triage"]["out_of_hours_text"], text);
    app.drain_worker().await;
    app.advance(minutes(3)).await;
    assert_eq!(clinic.pushed(), [2, 1, 0]);
    // What is changed now holds for what is still to come.
    change(json!({ "escalate_administrators_minutes": 5 })).await.expect(200);
    app.advance(minutes(2)).await;
    assert_eq!(clinic.pushed(), [2, 1, 1]);
    change(json!({ "escalate_clinicians_minutes": 0, "escalate_administrators_minutes": 0 })).await.expect(200);
    clinic.scene.report(json!({ "swollen_glands": true })).await;
    app.drain_worker().await;
    assert_eq!(clinic.pushed(), [3, 2, 2], "everybody at once, each one once");
}

#[tokio::test]
async fn a_step_tells_the_staff_of_its_own_moment() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    clinic.alarm().await;
    app.advance(minutes(10)).await;
    let leaver = format!("/v1/members/{}", clinic.other.caller.membership_id);
    app.delete(&leaver, &clinic.admin.token).await.expect(204);
    let newcomer = app.stage(clinic.scene.clinic, Role::Clinician).await;
    let newcomers_phone = phone(app, &newcomer).await;
    let promoted = app.stage(clinic.scene.clinic, Role::Clinician).await;
    let promoteds_phone = phone(app, &promoted).await;
    let path = format!("/v1/members/{}", promoted.caller.membership_id);
    app.patch(&path, &clinic.admin.token, json!({ "role": "administrator" })).await.expect(200);

    app.advance(minutes(5)).await;
    assert_eq!((clinic.pushed(), clinic.scene.pushed(newcomers_phone).len()), ([2, 0, 0], 1));
    app.advance(minutes(45)).await;
    assert_eq!((clinic.pushed(), clinic.scene.pushed(promoteds_phone).len()), ([2, 0, 1], 1));
}

#[tokio::test]
async fn with_nobody_in_reach_the_patient_is_told_whom_to_call_once() {
    let scene = Scene::new().await;
    let app = &scene.app;
    app.sql("UPDATE clinics SET out_of_hours_text = 'At night: 116117'").await;
    let admin = app.stage(scene.clinic, Role::Administrator).await;
    // A phone whose owner switched notifications off is none.
    let body = json!({
        "provider": "fcm", "address": "switched-off", "locale": "en", "time_zone": "Europe/Berlin", "permission": "denied",
    });
    app.put(&format!("/v1/me/devices/{}", Uuid::new_v4()), &admin.token, body).await.expect(201);
    let patients_phone = phone(app, &scene.patient).await;
    let details = json!({ "show_details": true });
    app.put("/v1/me/notification-preferences", &scene.patient.token, details).await.expect(200);

    let report = scene.report(json!({ "pus": "coloured" })).await;
    let notice = report["triage"]["nobody_reached"]["body"].as_str().unwrap();
    for line in ["030 555 0100", "At night: 116117", "112"] {
        assert!(notice.contains(line), "{notice}");
    }
    app.drain_worker().await;
    let pushed = scene.pushed(patients_phone);
    assert_eq!(pushed.len(), 1);
    assert_eq!(
        (pushed[0].text.title.as_str(), &pushed[0].text.body),
        ("You have a new message.", &None),
        "in any case"
    );
    let inbox = app.get("/v1/alerts", &scene.patient.token).await.expect(200);
    assert_eq!(inbox["items"][0]["body"], notice);

    // Everybody was owed a message all the same, and finds it in the inbox.
    let inbox = app.get("/v1/alerts", &admin.token).await.expect(200);
    assert_eq!(inbox["items"][0]["category"], "flag");

    let told = async || {
        let inbox = app.get("/v1/alerts", &scene.patient.token).await.expect(200);
        let items = inbox["items"].as_array().unwrap().clone();
        let titles = items.iter().filter(|item| item["category"] == "service").map(|item| item["title"].clone());
        let rows = scene.alerts("f:").await.into_iter().filter(|row| row.dedupe_key.ends_with("unreached"));
        (titles.collect::<Vec<_>>(), rows.map(|row| (row.claim_no, row.state)).collect::<Vec<_>>())
    };
    let (unseen, seen) = ("Nobody has seen this yet", "Your clinic has seen your check-in");
    let once = (1, "sent".to_owned());
    let flag = report["triage"]["flags"][0].clone();
    scene.report(json!({ "pus": "coloured" })).await;
    app.advance(TimeDelta::hours(2)).await;
    assert_eq!(told().await, (vec![json!(unseen)], vec![once.clone()]), "once in an episode");
    scene.act(&flag, "acknowledge", json!({})).await.expect(200);
    assert_eq!(told().await.0, [json!(seen)], "what was true when it was sent is not what is true now");
    scene.act(&flag, "reopen", json!({})).await.expect(200);
    app.advance(TimeDelta::hours(2)).await;
    let twice = vec![once.clone(); 2];
    assert_eq!(told().await, (vec![json!(unseen); 2], twice.clone()), "they were told the opposite meanwhile");
    let listed = app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert!(listed["items"][0]["triage"].get("nobody_reached").is_some(), "it is shown again");
    scene.act(&flag, "acknowledge", json!({})).await.expect(200);
    scene.act(&flag, "resolve", json!({})).await.expect(200);
    scene.report(json!({ "pus": "coloured" })).await;
    app.drain_worker().await;
    assert_eq!(told().await, (vec![json!(unseen), json!(seen), json!(seen)], vec![once; 3]), "the next episode");
}

#[tokio::test]
async fn where_every_phone_fails_the_next_are_told_sooner_and_then_the_patient() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    let patients_phone = phone(app, &clinic.scene.patient).await;
    for phone in clinic.phones {
        for _ in 0..20 {
            app.fcm.answer_next_of(phone, PushOutcome::Rejected { reason: "INVALID_ARGUMENT".into() });
        }
    }
    let flag = clinic.alarm().await;
    app.advance(minutes(5) - TimeDelta::seconds(1)).await;
    assert_eq!(clinic.pushed(), [1, 0, 0]);
    app.advance(TimeDelta::seconds(1)).await;
    assert_eq!(clinic.pushed(), [2, 1, 0], "nobody has accepted anything for five minutes");
    app.advance(minutes(5)).await;
    assert_eq!(clinic.pushed(), [2, 1, 1]);
    assert!(clinic.scene.pushed(patients_phone).is_empty());
    let shown = app.get(&clinic.scene.path(), &clinic.scene.patient.token).await.expect(200);
    assert!(shown["items"][0]["triage"].get("nobody_reached").is_none());
    app.advance(minutes(5)).await;
    assert_eq!(clinic.scene.pushed(patients_phone).len(), 1);
    let shown = app.get(&clinic.scene.path(), &clinic.scene.patient.token).await.expect(200);
    assert_eq!(shown["items"][0]["triage"]["nobody_reached"]["title"], "Nobody has seen this yet");
    let history = clinic.history(&flag).await;
    assert_eq!(history, ["opened", "escalated clinicians", "escalated administrators", "unreached"]);
}

#[tokio::test]
async fn a_phone_that_answers_at_last_counts_as_reached() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    for _ in 0..3 {
        app.fcm.answer_next(PushOutcome::Unavailable { retry_after: None, reason: "http_503".into() });
    }
    clinic.alarm().await;
    for seconds in [20, 60, 200] {
        app.advance(TimeDelta::seconds(seconds)).await;
    }
    let accepted = clinic.pushed();
    assert_eq!(accepted, [4, 0, 0], "the fourth try");
    app.advance(minutes(10)).await;
    assert_eq!(clinic.pushed(), [4, 0, 0], "so nobody is told sooner than the clinic wishes");
    app.advance(minutes(5)).await;
    assert_eq!(clinic.pushed(), [5, 1, 0]);
}

/// Lets a worker run, as operators run it, until a phone has got so many messages, and stops it.
async fn work_until(clinic: &Clinic, phone: usize, messages: usize) {
    let (stop, worker) = (CancellationToken::new(), Worker::new(clinic.scene.app.worker_parts()));
    let story = async {
        let arrived = async {
            while clinic.pushed()[phone] < messages {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), arrived).await.expect("a message");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker.run(stop.clone()), story);
    ended.unwrap();
}

#[tokio::test]
async fn a_worker_that_is_started_between_two_steps_takes_the_next_one() {
    let clinic = Clinic::new().await;
    clinic.scene.report(json!({ "pus": "coloured" })).await;
    work_until(&clinic, 0, 1).await;
    clinic.scene.app.care.advance(minutes(15));
    work_until(&clinic, 1, 1).await;
    clinic.scene.app.care.advance(minutes(45));
    work_until(&clinic, 2, 1).await;
    assert_eq!(clinic.pushed(), [2, 1, 1]);
}

#[tokio::test]
async fn two_workers_take_a_step_once() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    clinic.alarm().await;
    let second = Worker::new(app.worker_parts());
    app.care.advance(minutes(15));
    let (_, round) = tokio::join!(app.drain_worker(), second.drain());
    round.unwrap();
    app.drain_worker().await;
    assert_eq!(clinic.pushed(), [2, 1, 0]);
    assert_eq!(clinic.scene.alerts("f:").await.len(), 3);
}

async fn connection(clinic: &Clinic) -> AsyncPgConnection {
    Connector::new(&clinic.scene.app.database.url, None).unwrap().open().await.unwrap()
}

/// Returns once somebody waits for a lock.
async fn somebody_waits(clinic: &Clinic) {
    #[derive(QueryableByName)]
    struct Waiting {
        #[diesel(sql_type = diesel::sql_types::Int8)]
        waiting: i64,
    }
    let sql = "SELECT count(*) AS waiting FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut conn = connection(clinic).await;
    let waits = async {
        while diesel::sql_query(sql).get_result::<Waiting>(&mut conn).await.unwrap().waiting == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waits).await.expect("somebody who waits");
}

#[tokio::test]
async fn a_step_that_is_being_taken_while_somebody_acknowledges_is_withdrawn() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    let flag = clinic.alarm().await;
    app.care.advance(minutes(15));
    let now: DateTime<Utc> = app.care.now();
    let (taken, proceed) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let step = app.state.worker_db.scoped(Scope::System, async |conn| {
        assert!(escalation::step(conn, &app.state.clocks, now).await?);
        taken.notify_one();
        proceed.notified().await;
        Ok::<_, DbError>(())
    });
    let acknowledge = async {
        taken.notified().await;
        let act = clinic.scene.act(&flag, "acknowledge", json!({}));
        let release = async {
            somebody_waits(&clinic).await;
            proceed.notify_one();
        };
        let (answer, ()) = tokio::join!(act, release);
        answer.expect(200);
    };
    let (step, ()) = tokio::join!(step, acknowledge);
    step.unwrap();
    let owed: Vec<_> = clinic.scene.alerts("f:").await.into_iter().filter(|row| row.state != "sent").collect();
    assert_eq!(owed.len(), 2, "both clinicians were owed a message");
    assert!(
        owed.iter().all(|row| (row.state.as_str(), row.reason.as_deref()) == ("cancelled", Some("seen"))),
        "{owed:?}"
    );
    app.advance(TimeDelta::hours(2)).await;
    assert_eq!(clinic.pushed(), [1, 0, 0]);
}

#[tokio::test]
async fn a_step_waits_for_nobody_who_is_just_acknowledging() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    let flag = clinic.alarm().await;
    app.care.advance(minutes(15));
    let mut other = connection(&clinic).await;
    other.batch_execute("BEGIN; SELECT 1 FROM escalations FOR UPDATE").await.unwrap();
    app.drain_worker().await;
    assert_eq!(clinic.pushed(), [1, 0, 0]);
    other.batch_execute("ROLLBACK").await.unwrap();
    clinic.scene.act(&flag, "acknowledge", json!({})).await.expect(200);
    app.advance(TimeDelta::hours(2)).await;
    assert_eq!(clinic.pushed(), [1, 0, 0]);
    let left = seed::run(app, async |conn| escalations::table.count().get_result::<i64>(conn).await).await;
    assert_eq!(left, 0);
}

/// In this order whoever leaves locks the same: the login, and then what waits at its clinics.
#[tokio::test]
async fn an_edit_of_the_clinic_that_waits_for_a_login_holds_no_step() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    clinic.alarm().await;
    let mut leaver = connection(&clinic).await;
    let login = clinic.other.caller.user_id;
    let lock = format!("BEGIN; SELECT 1 FROM users WHERE id = '{login}' FOR NO KEY UPDATE");
    leaver.batch_execute(&lock).await.unwrap();
    let edit = app.patch("/v1/clinic", &clinic.admin.token, json!({ "require_second_factor": true }));
    let leave = async {
        somebody_waits(&clinic).await;
        leaver.batch_execute("SELECT 1 FROM escalations FOR UPDATE NOWAIT; COMMIT").await.unwrap();
    };
    let (edit, ()) = tokio::join!(edit, leave);
    assert_eq!(edit.expect(200)["require_second_factor"], true);
}

#[tokio::test]
async fn a_development_servers_clock_that_is_put_forward_stops_at_every_step() {
    let clinic = Clinic::new().await;
    let app = &clinic.scene.app;
    clinic.scene.report(json!({ "pus": "coloured" })).await;
    let (stop, worker) = (CancellationToken::new(), Worker::new(app.worker_parts()));
    let story = async {
        app.post("/v1/dev/clock", &clinic.admin.token, json!({ "advance": "PT2H" })).await.expect(200);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker.run(stop.clone()), story);
    ended.unwrap();
    assert_eq!(clinic.pushed(), [2, 1, 1]);
    let told: Vec<_> = clinic.scene.alerts("f:").await.iter().map(|row| row.due_at).collect();
    assert_eq!(told.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{told:?}");
}
