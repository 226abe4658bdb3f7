//! Running treatments under another protocol version: previewed, explicit, audited; versions that are retired or recalled.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::check_ins::phone;
use crate::support::treatments::{entry, utc};
use crate::support::{Answer, Staged, TestApp};

const MAKE_UP: &str = "key = \"make_up\"";
/// The careful protocol's evening and morning cleanse, as its file says it.
const CLEANSE: &str = "key = \"cleanse_and_moisturise\"";

struct Scene {
    app: TestApp,
    admin: Staged,
    clinician: Staged,
    patient: Staged,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let clinic = app.stage_clinic().await;
        let (admin, clinician) =
            (app.stage(clinic, Role::Administrator).await, app.stage(clinic, Role::Clinician).await);
        let patient = app.stage(clinic, Role::Patient).await;
        Self { app, admin, clinician, patient }
    }

    /// A version of the clinic's own in which make-up waits six days.
    async fn gentle(&self) {
        let draft = self.app.draft(&self.admin.token, "own-gentle").await;
        let structure = draft["structure"].as_str().unwrap();
        let from = structure.find(MAKE_UP).unwrap();
        let window = from + structure[from..].find("to = \"").unwrap();
        let end = window + structure[window..].find('}').unwrap();
        let longer = format!("{}to = \"P6D\" {}", &structure[..window], &structure[end..]);
        assert!(longer.contains(CLEANSE));
        let draft = self.app.edit_draft(&self.clinician.token, &draft, &longer).await;
        self.app.publish(&self.admin.token, &draft).await.expect(201);
    }

    /// A version of the clinic's own that begins with cleansing later and ends with it sooner.
    async fn short(&self) {
        let (usual, short) = ("from_day = 3, to_day = 13", "from_day = 5, to_day = 9");
        self.app.published(&self.admin.token, "own-short", usual, short).await;
    }

    async fn treated(&self, ago: TimeDelta) -> String {
        let patient = self.patient.caller.patient_id.unwrap();
        self.app.treat(&self.clinician.token, patient, self.app.care.now() - ago).await
    }

    async fn transfer(&self, treatment: &str, version: &Value, to: &str) -> Answer {
        let path = format!("/v1/treatments/{treatment}/transfers");
        let body = json!({ "to": to, "reason": "Her skin reacts strongly." });
        self.app.on_seen(Method::POST, &path, &self.clinician.token, version, body).await
    }

    async fn all_tasks(&self, treatment: &str) -> Vec<Value> {
        let path = format!("/v1/treatments/{treatment}/tasks");
        self.app.get(&path, &self.patient.token).await.expect(200)["items"].as_array().unwrap().clone()
    }

    async fn make_up_closes(&self, treatment: &str) -> DateTime<Utc> {
        let timeline =
            self.app.get(&format!("/v1/treatments/{treatment}/timeline"), &self.patient.token).await.expect(200);
        let items = timeline["items"].as_array().unwrap();
        utc(items.iter().find(|item| item["key"] == "make_up").unwrap()["close_at"].as_str().unwrap())
    }

    /// How much the patient is still to be told.
    async fn ahead(&self) -> usize {
        let until = (self.app.care.now() + TimeDelta::days(60)).to_rfc3339_opts(SecondsFormat::Secs, true);
        let path = format!("/v1/me/reminders?to={until}");
        self.app.get(&path, &self.patient.token).await.expect(200)["items"].as_array().unwrap().len()
    }

    async fn withdraw(&self, what: &str, version: &str) -> Answer {
        let path = format!("/v1/protocols/{version}/{what}");
        self.app.post(&path, &self.admin.token, json!({ "reason": "Too short a wait." })).await
    }
}

#[tokio::test]
async fn a_transfer_is_previewed_then_made_and_what_was_closed_stays() {
    let scene = Scene::new().await;
    scene.gentle().await;
    let performed_at = scene.app.care.now() - TimeDelta::days(5);
    let treatment = scene.treated(TimeDelta::days(5)).await;
    scene.app.care.advance(TimeDelta::days(3));
    let now = scene.app.care.now();
    let before = scene.all_tasks(&treatment).await;
    let open = before.iter().find(|task| task["state"] == "open" && task["counts"] == true);
    let closed: Vec<&Value> = before.iter().filter(|task| utc(task["close_at"].as_str().unwrap()) <= now).collect();
    assert!(!closed.is_empty());
    let mut done =
        vec![entry(closed[closed.len() - 1], "done", utc(closed[closed.len() - 1]["open_at"].as_str().unwrap()))];
    done.extend(open.map(|task| entry(task, "done", now)));
    let results = scene.app.report(&treatment, &scene.patient.token, json!(done)).await;
    assert!(results.iter().all(|result| result["status"] == "accepted"), "{results:?}");
    let judged =
        scene.app.get(&format!("/v1/treatments/{treatment}/compliance"), &scene.clinician.token).await.expect(200);

    let preview = format!("/v1/treatments/{treatment}/transfers/preview?to=own-gentle@1");
    let shown = scene.app.get(&preview, &scene.clinician.token).await.expect(200);
    let changes = shown["items"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!((&changes[0]["key"], &changes[0]["fate"]), (&json!("make_up"), &json!("changed")));
    assert_eq!(utc(changes[0]["after"]["close_at"].as_str().unwrap()), performed_at + TimeDelta::days(6));
    assert_eq!(utc(changes[0]["before"]["close_at"].as_str().unwrap()), scene.make_up_closes(&treatment).await);
    assert_eq!(shown["tasks"]["kept"].as_u64().unwrap(), closed.len() as u64);
    assert!(
        shown["diff"]["items"].as_array().unwrap().iter().any(|item| item["key"] == "make_up"),
        "{}",
        shown["diff"]
    );
    assert_eq!(scene.make_up_closes(&treatment).await, performed_at + TimeDelta::days(3), "nothing was written");

    let kept = scene.transfer(&treatment, &shown["version"], "own-gentle@1").await.expect(200);
    assert_eq!(kept["protocol"], json!({ "key": "own-gentle", "version": 1 }));
    assert_eq!(kept["version"], json!(shown["version"].as_i64().unwrap() + 1));
    assert_eq!(scene.make_up_closes(&treatment).await, performed_at + TimeDelta::days(6));
    // The same tasks in another order: what was closed, or done, with the window it was judged by.
    let after = scene.all_tasks(&treatment).await;
    for task in before.iter().filter(|task| task["state"] != "ahead" && task["state"] != "open") {
        assert!(after.contains(task), "{task}");
    }
    let again =
        scene.app.get(&format!("/v1/treatments/{treatment}/compliance"), &scene.clinician.token).await.expect(200);
    assert_eq!(again["counts"], judged["counts"]);
    let worklist = scene.app.get("/v1/patients", &scene.clinician.token).await.expect(200);
    assert_eq!(worklist["items"][0]["compliance"]["closed_w"], again["closed_w"], "{worklist}");
    // Over the whole clinic, each version's tasks are its own.
    scene.app.care.advance(TimeDelta::days(2));
    let clinic = scene.app.get("/v1/clinic/compliance", &scene.clinician.token).await.expect(200);
    let closed_of = |key: &str| -> i64 {
        let items = clinic["by_item"].as_array().unwrap().iter().filter(|item| item["protocol_key"] == key);
        items.map(|item| item["counts"]["closed"].as_i64().unwrap()).sum()
    };
    let later =
        scene.app.get(&format!("/v1/treatments/{treatment}/compliance"), &scene.clinician.token).await.expect(200);
    assert_eq!(closed_of("conservative"), judged["counts"]["closed"].as_i64().unwrap());
    assert_eq!(closed_of("conservative") + closed_of("own-gentle"), later["counts"]["closed"].as_i64().unwrap());
    assert!(closed_of("own-gentle") > 0);

    // Whoever read it before is told so; the same once more changes nothing; both are on record.
    assert_eq!(scene.transfer(&treatment, &shown["version"], "day-by-day@1").await.problem(412), "precondition_failed");
    let same = scene.transfer(&treatment, &kept["version"], "own-gentle@1").await.expect(200);
    assert_eq!(same["version"], kept["version"]);
    let record =
        scene.app.get(&format!("/v1/treatments/{treatment}/transfers"), &scene.clinician.token).await.expect(200);
    let items = record["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0]["reason"], &items[0]["transferred_by"]),
        (&json!("Her skin reacts strongly."), &json!(scene.clinician.caller.user_id))
    );
    assert_eq!(items[0]["from"], json!({ "key": "conservative", "version": 2 }));
}

#[tokio::test]
async fn tasks_that_the_other_version_does_not_have_stay_where_they_were_closed_and_go_where_they_were_not() {
    let scene = Scene::new().await;
    let treatment = scene.treated(TimeDelta::zero()).await;
    scene.app.care.advance(TimeDelta::days(6));
    let before = scene.all_tasks(&treatment).await;
    let version = json!(1);
    scene.short().await;
    scene.transfer(&treatment, &version, "own-short@1").await.expect(200);
    let after = scene.all_tasks(&treatment).await;
    let now = scene.app.care.now();
    let over = |task: &&Value| utc(task["close_at"].as_str().unwrap()) <= now;
    assert!(after.iter().all(|task| task["title"] != ""), "what stays is called what it was");
    let (was, is): (Vec<_>, Vec<_>) = (before.iter().filter(over).collect(), after.iter().filter(over).collect());
    assert!(was.len() > 5, "{}", was.len());
    assert_eq!(was, is, "what is over is what was asked, not what the other version would have asked");
    let ids = |tasks: &[Value]| tasks.iter().map(|task| task["id"].clone()).collect::<Vec<_>>();
    assert_ne!(ids(&before), ids(&after), "these versions differ in what they ask");

    // And back: what was closed under both stays.
    scene.app.care.advance(TimeDelta::days(2));
    let between = scene.all_tasks(&treatment).await;
    scene.transfer(&treatment, &json!(2), "conservative@2").await.expect(200);
    let last = scene.all_tasks(&treatment).await;
    let now = scene.app.care.now();
    let over = |task: &&Value| utc(task["close_at"].as_str().unwrap()) <= now;
    // What opens and closes with something else may be listed before or after it.
    let closed =
        |tasks: &[Value]| tasks.iter().filter(over).map(|task| (task["id"].to_string(), task.clone())).collect();
    let (was, is): (BTreeMap<String, Value>, BTreeMap<String, Value>) = (closed(&between), closed(&last));
    assert_eq!(was, is);
    let shares =
        scene.app.get(&format!("/v1/treatments/{treatment}/compliance"), &scene.clinician.token).await.expect(200);
    let worklist = scene.app.get("/v1/patients", &scene.clinician.token).await.expect(200);
    assert_eq!(worklist["items"][0]["compliance"]["closed_w"], shares["closed_w"]);
}

#[tokio::test]
async fn a_transfer_that_makes_no_sense_is_refused() {
    let scene = Scene::new().await;
    let treatment = scene.treated(TimeDelta::hours(1)).await;
    let path = format!("/v1/treatments/{treatment}/transfers");
    for (body, pointer) in [
        (json!({ "to": "own-gentle@1", "reason": "so" }), "/to"),
        (json!({ "to": "conservative", "reason": "so" }), "/to"),
        (json!({ "to": "day-by-day@1", "reason": "  " }), "/reason"),
    ] {
        let refused = scene.app.on_seen(Method::POST, &path, &scene.clinician.token, &json!(1), body.clone()).await;
        assert_eq!(refused.expect(422)["errors"][0]["pointer"], pointer, "{body}");
    }
    let body = json!({ "to": "day-by-day@1", "reason": "so" });
    assert_eq!(scene.app.post(&path, &scene.clinician.token, body).await.problem(428), "precondition_required");
    let preview = format!("/v1/treatments/{treatment}/transfers/preview?to=own-gentle@1");
    assert_eq!(scene.app.get(&preview, &scene.clinician.token).await.problem(422), "invalid");

    scene.withdraw("retire", "day-by-day/versions/1").await.expect(200);
    let refused = scene.transfer(&treatment, &json!(1), "day-by-day@1").await.expect(422);
    assert_eq!(refused["errors"][0]["detail"], "the clinic has withdrawn this version");
    let preview = format!("/v1/treatments/{treatment}/transfers/preview?to=day-by-day@1");
    let shown = scene.app.get(&preview, &scene.clinician.token).await.expect(200);
    assert_eq!(shown["refused_because"], "the clinic has withdrawn this version");

    scene
        .app
        .post(&format!("/v1/treatments/{treatment}/complete"), &scene.clinician.token, json!({}))
        .await
        .expect(200);
    assert_eq!(scene.transfer(&treatment, &json!(2), "hour-by-hour@1").await.problem(409), "conflict");
}

#[tokio::test]
async fn a_retired_version_goes_on_where_it_runs_and_is_given_to_nobody_else() {
    let scene = Scene::new().await;
    scene.gentle().await;
    let treat = async |days: i64| {
        let performed_at = scene.app.care.now() - TimeDelta::days(days);
        let body = json!({ "patient_id": scene.patient.caller.patient_id, "performed_at": performed_at, "protocol": "own-gentle" });
        scene.app.post("/v1/treatments", &scene.clinician.token, body).await
    };
    treat(0).await.expect(201);
    let owed = scene.ahead().await;
    assert!(owed > 3, "{owed}");
    let retired = scene.withdraw("retire", "own-gentle/versions/1").await.expect(200);
    assert_eq!(retired["retired_by"], json!(scene.admin.caller.user_id));
    assert_eq!(scene.withdraw("retire", "own-gentle/versions/1").await.expect(200), retired);
    assert_eq!(treat(3).await.expect(422)["errors"][0]["pointer"], "/protocol");
    assert_eq!(scene.ahead().await, owed);
    let list = scene.app.get("/v1/protocols", &scene.clinician.token).await.expect(200);
    let own = list["items"].as_array().unwrap().iter().find(|item| item["key"] == "own-gentle").unwrap().clone();
    assert_eq!((&own["current"], &own["withdrawn"]), (&json!(false), &retired));

    // The next version takes its place; the one before comes back if that is retired, too.
    let next =
        scene.app.post("/v1/protocol-drafts", &scene.admin.token, json!({ "from": "own-gentle@1" })).await.expect(201);
    scene.app.publish(&scene.admin.token, &next).await.expect(201);
    assert_eq!(treat(5).await.expect(201)["protocol"]["version"], json!(2));

    // The clinic's default must not vanish.
    assert_eq!(scene.withdraw("retire", "conservative/versions/2").await.problem(409), "conflict");
    let other = json!({ "default_protocol": "day-by-day" });
    scene.app.patch("/v1/clinic", &scene.admin.token, other).await.expect(200);
    scene.withdraw("retire", "conservative/versions/2").await.expect(200);
    let gone = json!({ "default_protocol": "conservative" });
    let refused = scene.app.patch("/v1/clinic", &scene.admin.token, gone).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/default_protocol");
    // Another clinic goes on as before.
    let rival_clinic = scene.app.stage_clinic().await;
    let rival = scene.app.stage(rival_clinic, Role::Administrator).await;
    let theirs = scene.app.get("/v1/protocols", &rival.token).await.expect(200);
    assert_eq!((&theirs["items"][0]["current"], theirs["items"][0].get("withdrawn")), (&json!(true), None));
}

#[tokio::test]
async fn a_recall_silences_a_version_and_everybody_is_moved_page_by_page() {
    let scene = Scene::new().await;
    scene.gentle().await;
    let mut people = Vec::new();
    for _ in 0..5 {
        let patient = scene.app.stage(scene.admin.caller.clinic_id, Role::Patient).await;
        phone(&scene.app, &patient).await;
        let body = json!({ "patient_id": patient.caller.patient_id, "performed_at": scene.app.care.now(), "protocol": "own-gentle" });
        let made = scene.app.post("/v1/treatments", &scene.clinician.token, body).await.expect(201);
        people.push((patient, made["id"].as_str().unwrap().to_owned()));
    }
    let alerts = async |state: &str| scene.app.count_alerts(state).await;
    let owed = alerts("scheduled").await;
    assert!(owed > 20, "{owed}");

    let recalled = scene.withdraw("recall", "own-gentle/versions/1").await.expect(200);
    assert_eq!(
        (&recalled["patients"], recalled["withdrawal"]["recalled_by"] == json!(scene.admin.caller.user_id)),
        (&json!(5), true)
    );
    assert!(recalled["alerts"].as_i64().unwrap() >= owed, "{recalled}");
    assert_eq!(alerts("scheduled").await, 0);
    assert_eq!(scene.withdraw("recall", "own-gentle/versions/1").await.expect(200)["alerts"], json!(0));
    // Nothing that is planned anew brings it back.
    let (patient, treatment) = &people[0];
    scene
        .app
        .put("/v1/me/notification-preferences", &patient.token, json!({ "preferred_time": "10:00" }))
        .await
        .expect(200);
    assert_eq!(alerts("scheduled").await, 0);
    scene.app.advance(TimeDelta::hours(5)).await;
    assert!(scene.app.fcm.sent().is_empty(), "the first rinse would have been due");

    // Whom it concerns, in pages.
    let mut met = Vec::new();
    let mut path = "/v1/protocols/own-gentle/versions/1/treatments?limit=2".to_owned();
    loop {
        let page = scene.app.get(&path, &scene.clinician.token).await.expect(200);
        met.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["treatment_id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/protocols/own-gentle/versions/1/treatments?limit=2&cursor={cursor}");
    }
    let mut all: Vec<String> = people.iter().map(|(_, treatment)| treatment.clone()).collect();
    all.sort();
    assert_eq!(met, all);

    // One of them was not treated as any other version asks: it stays, with the reason.
    scene.app.sql(&format!("UPDATE treatments SET area = 'scalp' WHERE id = '{treatment}'")).await;
    let move_on = async |body: Value| {
        scene.app.post("/v1/protocols/own-gentle/versions/1/transfers", &scene.admin.token, body).await
    };
    let back = move_on(json!({ "to": "own-gentle@1", "reason": "so", "limit": 2 })).await.expect(200);
    assert!(back["results"].as_array().unwrap().iter().all(|result| result["status"] == "transferred"), "{back}");
    let mut results = Vec::new();
    let mut body = json!({ "to": "conservative@2", "reason": "Recalled.", "limit": 2 });
    loop {
        let answer = move_on(body.clone()).await.expect(200);
        results.extend(answer["results"].as_array().unwrap().clone());
        let Some(cursor) = answer.get("next_cursor") else { break };
        body["cursor"] = cursor.clone();
    }
    assert_eq!(results.len(), 5);
    for result in &results {
        let expected = if result["treatment_id"] == json!(treatment) { "rejected" } else { "transferred" };
        assert_eq!(result["status"], expected, "{result}");
        assert_eq!(result.get("problem").is_some(), expected == "rejected");
    }
    assert!(alerts("scheduled").await > 15);
    // Beginning again finds only who is left.
    let again = move_on(json!({ "to": "conservative@2", "reason": "Recalled." })).await.expect(200);
    assert_eq!(again["results"].as_array().unwrap().len(), 1);
    let left =
        scene.app.get("/v1/protocols/own-gentle/versions/1/treatments", &scene.clinician.token).await.expect(200);
    assert_eq!(left["items"][0]["treatment_id"], json!(treatment));
}
