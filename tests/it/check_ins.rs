//! Check-ins: symptoms in, level and advice out at once, flags raised once, staff told at the right moment.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::domain::role::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Staged, TestApp, seed};

/// A clinic with a clinician and a patient who was treated.
pub struct Scene {
    pub app: TestApp,
    pub clinic: Uuid,
    pub clinician: Staged,
    pub patient: Staged,
    pub treatment: Uuid,
}

impl Scene {
    /// The patient was treated just now, by the clinician.
    pub async fn new() -> Self {
        Self::after(TimeDelta::zero()).await
    }

    /// The patient was treated so long ago.
    pub async fn after(elapsed: TimeDelta) -> Self {
        let app = TestApp::start().await;
        let clinic = app.stage_clinic().await;
        app.sql("UPDATE clinics SET contact_line = '030 555 0100', emergency_line = '112'").await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        let treatment = treated(&app, &clinician, &patient, app.care.now() - elapsed).await;
        Self { app, clinic, clinician, patient, treatment }
    }

    pub fn path(&self) -> String {
        format!("/v1/treatments/{}/check-ins", self.treatment)
    }

    /// A check-in by the patient's app, recorded now.
    pub async fn report(&self, symptoms: Value) -> Value {
        let body = json!({ "recorded_at": self.app.care.now(), "symptoms": symptoms });
        self.app.post(&self.path(), &self.patient.token, body).await.expect(201)
    }

    /// What a member of the staff does about a flag.
    pub async fn act(&self, flag: &Value, act: &str, body: Value) -> Answer {
        let id = flag["id"].as_str().unwrap();
        self.app.post(&format!("/v1/flags/{id}/{act}"), &self.clinician.token, body).await
    }

    /// All alerts of a category: key, state and when due.
    pub async fn alerts(&self, prefix: &str) -> Vec<seed::AlertRow> {
        let rows = seed::alerts(&self.app).await;
        rows.into_iter().filter(|row| row.dedupe_key.starts_with(prefix)).collect()
    }

    /// What was pushed to a phone so far.
    pub fn pushed(&self, phone: Uuid) -> Vec<mendline::push::PushMessage> {
        let sent = self.app.fcm.sent();
        sent.into_iter().filter(|sent| sent.target.device_id == phone).map(|sent| sent.message).collect()
    }
}

pub async fn treated(app: &TestApp, by: &Staged, patient: &Staged, at: DateTime<Utc>) -> Uuid {
    let body = json!({ "patient_id": patient.caller.patient_id, "performed_at": at });
    let made = app.post("/v1/treatments", &by.token, body).await.expect(201);
    made["id"].as_str().unwrap().parse().unwrap()
}

/// A phone of somebody's, reached through the recorded FCM.
pub async fn phone(app: &TestApp, of: &Staged) -> Uuid {
    let id = Uuid::new_v4();
    let body = json!({
        "provider": "fcm", "address": format!("token-{id}"), "locale": "en", "time_zone": "Europe/Berlin",
        "permission": "granted",
    });
    app.put(&format!("/v1/me/devices/{id}"), &of.token, body).await.expect(201);
    id
}

fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}

fn words(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
}

fn pointers(answer: &Value) -> Vec<String> {
    words(&answer["errors"], "pointer")
}

#[tokio::test]
async fn every_level_comes_with_its_advice_and_whom_to_call() {
    let cases = [
        (1, json!({ "redness": 2, "warmth": 2, "swelling": 1 }), "none", "none", 0),
        (8 * 24, json!({ "dryness": 2 }), "routine", "mention_it", 1),
        (25, json!({ "pain": 2 }), "soon", "contact_soon", 1),
        (2, json!({ "pus": "coloured" }), "urgent", "call_today", 1),
        (2, json!({ "temperature": { "value": 100.4, "unit": "fahrenheit" } }), "urgent", "call_today", 1),
        (3, json!({ "breathing_trouble": true, "pus": "clear" }), "emergency", "call_emergency", 2),
    ];
    for (elapsed, symptoms, level, advice, flags) in cases {
        let scene = Scene::after(hours(elapsed)).await;
        let body = json!({ "recorded_at": scene.app.care.now(), "symptoms": symptoms, "note": " Since noon. " });
        let answer = scene.app.post(&scene.path(), &scene.patient.token, body).await;
        assert_eq!(answer.headers["content-language"], "en");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let answer = answer.expect(201);
        let triage = &answer["triage"];
        assert_eq!((&triage["level"], &triage["advice"][0]["key"]), (&json!(level), &json!(advice)), "{symptoms}");
        assert!(!triage["advice"][0]["title"].as_str().unwrap().is_empty());
        assert!(!triage["advice"][0]["body"].as_str().unwrap().is_empty());
        assert_eq!((&triage["contact_line"], &triage["emergency_line"]), (&json!("030 555 0100"), &json!("112")));
        assert_eq!(triage["flags"].as_array().unwrap().len(), flags, "{symptoms}");
        assert_eq!((&answer["note"], &answer["entered_by"]), (&json!("Since noon."), &json!("patient")));
        assert!(triage["flags"].as_array().unwrap().iter().all(|flag| flag.get("rule").is_none()), "no rule's name");

        let listed = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
        assert_eq!(listed["items"], json!([answer]), "the list says what the answer said");
    }
}

#[tokio::test]
async fn the_clinician_is_pushed_one_neutral_sentence_and_nothing_else() {
    let scene = Scene::new().await;
    let other = scene.app.stage(scene.clinic, Role::Clinician).await;
    let (phone_of_clinician, phone_of_other) =
        (phone(&scene.app, &scene.clinician).await, phone(&scene.app, &other).await);
    scene.report(json!({ "pus": "coloured", "swollen_glands": true, "pain": 3 })).await;
    scene.app.drain_worker().await;

    let pushed = scene.pushed(phone_of_clinician);
    assert_eq!(pushed.len(), 1, "one message however many rules it met");
    assert_eq!((pushed[0].text.title.as_str(), &pushed[0].text.body), ("Someone needs your review.", &None));
    let ttl = pushed[0].ttl_seconds(scene.app.care.now());
    assert_eq!((pushed[0].urgency.as_str(), ttl), ("high", Ok(86_400)));
    let payload = serde_json::to_string(&pushed[0].payload).unwrap();
    assert!(!payload.contains("Somebody") && !payload.contains("pus") && !payload.contains("flag"), "{payload}");
    assert!(scene.pushed(phone_of_other).is_empty(), "the treating clinician is told first");
}

#[tokio::test]
async fn without_a_treating_clinician_all_are_told_and_without_any_the_administrators() {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let admin = app.stage(clinic, Role::Administrator).await;
    let patient = app.stage(clinic, Role::Patient).await;
    let told = async |treatment: Uuid| {
        let body = json!({ "recorded_at": app.care.now(), "symptoms": { "spreading": true } });
        app.post(&format!("/v1/treatments/{treatment}/check-ins"), &patient.token, body).await.expect(201);
        app.drain_worker().await;
    };
    let admins_phone = phone(&app, &admin).await;
    told(treated(&app, &admin, &patient, app.care.now() - TimeDelta::days(3)).await).await;
    let pushes = |phone| app.fcm.sent().iter().filter(|sent| sent.target.device_id == phone).count();
    assert_eq!(pushes(admins_phone), 1, "nobody else is there");

    let phones = [
        phone(&app, &app.stage(clinic, Role::Clinician).await).await,
        phone(&app, &app.stage(clinic, Role::Clinician).await).await,
    ];
    told(treated(&app, &admin, &patient, app.care.now()).await).await;
    assert_eq!((pushes(admins_phone), pushes(phones[0]), pushes(phones[1])), (1, 1, 1));
}

#[tokio::test]
async fn quiet_hours_hold_what_can_wait_and_nothing_that_is_urgent() {
    // Treated at 13:00 in Berlin; the clinic is quiet from 21:00 to 08:00.
    let scene = Scene::after(hours(30)).await;
    let clinicians_phone = phone(&scene.app, &scene.clinician).await;
    scene.app.advance(hours(10)).await;
    scene.report(json!({ "pain": 2 })).await;
    scene.app.drain_worker().await;
    assert!(scene.pushed(clinicians_phone).is_empty(), "23:00: soon waits");

    let urgent = scene.report(json!({ "pain": 2, "spreading": true })).await;
    scene.app.drain_worker().await;
    assert_eq!(scene.pushed(clinicians_phone).len(), 1, "23:00: urgent does not wait");
    scene.act(&urgent["triage"]["flags"][0], "acknowledge", json!({})).await.expect(200);

    scene.app.advance(hours(9) - TimeDelta::seconds(1)).await;
    assert_eq!(scene.pushed(clinicians_phone).len(), 1);
    scene.app.advance(TimeDelta::seconds(1)).await;
    assert_eq!(scene.pushed(clinicians_phone).len(), 2, "08:00: what waited arrives");
}

#[tokio::test]
async fn a_check_in_sent_again_changes_nothing_and_another_one_under_its_id_is_refused() {
    let scene = Scene::after(hours(30)).await;
    let body = json!({ "id": Uuid::new_v4(), "recorded_at": scene.app.care.now(), "symptoms": { "pain": 2 } });
    let post = async |body: &Value| scene.app.post(&scene.path(), &scene.patient.token, body.clone()).await;
    let first = post(&body).await.expect(201);
    assert_eq!(first["id"], body["id"]);
    let treatment = format!("/v1/treatments/{}", scene.treatment);
    let activity = async || scene.app.get(&treatment, &scene.clinician.token).await.expect(200)["activity"].clone();
    assert_eq!(activity().await, 1);
    scene.app.advance(TimeDelta::minutes(1)).await;
    assert_eq!(post(&body).await.expect(201), first);
    assert_eq!(activity().await, 1);
    assert_eq!(scene.alerts("f:").await.len(), 1);
    let id = first["triage"]["flags"][0]["id"].as_str().unwrap();
    let flag = scene.app.get(&format!("/v1/flags/{id}"), &scene.clinician.token).await.expect(200);
    assert_eq!(flag["events"].as_array().unwrap().len(), 1);

    for (field, value) in
        [("symptoms", json!({ "pain": 3 })), ("note", json!("Now.")), ("recorded_at", json!(scene.app.care.now()))]
    {
        let mut other = body.clone();
        other[field] = value;
        assert_eq!(post(&other).await.problem(409), "id_taken");
    }
    let somebody = scene.app.stage(scene.clinic, Role::Patient).await;
    let elsewhere = treated(&scene.app, &scene.clinician, &somebody, scene.app.care.now() - hours(30)).await;
    let path = format!("/v1/treatments/{elsewhere}/check-ins");
    assert_eq!(scene.app.post(&path, &somebody.token, body.clone()).await.problem(409), "id_taken");
}

#[tokio::test]
async fn of_one_check_in_sent_many_times_at_once_one_is_kept() {
    let scene = Scene::after(hours(30)).await;
    let body = json!({ "id": Uuid::new_v4(), "recorded_at": scene.app.care.now(), "symptoms": { "pain": 2 } });
    let path = scene.path();
    let post = || scene.app.post(&path, &scene.patient.token, body.clone());
    let (a, b, c) = tokio::join!(post(), post(), post());
    let (a, b, c) = (a.expect(201), b.expect(201), c.expect(201));
    assert!(a == b && b == c);
    let listed = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(scene.alerts("f:").await.len(), 1);
}

#[tokio::test]
async fn what_rises_is_judged_against_the_check_in_before() {
    let scene = Scene::after(hours(30)).await;
    let first = scene.report(json!({ "redness": 1 })).await;
    assert_eq!(first["triage"]["level"], "none");
    scene.app.advance(hours(2)).await;
    let second = scene.report(json!({ "redness": 2 })).await;
    assert_eq!(second["triage"]["level"], "soon");
    // One that was recorded in between and arrives late is judged by what came before it, not after.
    let late = json!({ "recorded_at": scene.app.care.now() - hours(1), "symptoms": { "redness": 1 } });
    let late = scene.app.post(&scene.path(), &scene.patient.token, late).await.expect(201);
    assert_eq!(late["triage"]["level"], "none");
    let listed = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert_eq!(
        words(&listed["items"], "id"),
        [&second, &late, &first].map(|one| one["id"].as_str().unwrap().to_owned())
    );
}

#[tokio::test]
async fn hot_skin_on_the_first_day_is_looked_at_again_in_four_hours() {
    let scene = Scene::after(hours(3)).await;
    let answer = scene.report(json!({ "redness": 3 })).await;
    assert_eq!(
        (&answer["triage"]["level"], &answer["triage"]["advice"][0]["key"]),
        (&json!("soon"), &json!("check_again"))
    );
    let again: DateTime<Utc> = answer["triage"]["check_again_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(again, scene.app.care.now() + hours(4));
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_and_nothing_is_kept() {
    let scene = Scene::new().await;
    let post = async |body: Value| scene.app.post(&scene.path(), &scene.patient.token, body).await;
    let now = scene.app.care.now();
    let wrong = json!({
        "recorded_at": now + TimeDelta::minutes(6),
        "symptoms": {
            "redness": 4, "pain": -1, "pus": "green", "mood": 1, "breathing_trouble": "no",
            "temperature": { "value": 3000, "unit": "celsius" }, "product_reaction_to": "\u{7}",
        },
        "note": "x".repeat(2001),
    });
    let mut found = pointers(&post(wrong).await.expect(422));
    found.sort();
    let expected = [
        "/note",
        "/recorded_at",
        "/symptoms/breathing_trouble",
        "/symptoms/mood",
        "/symptoms/pain",
        "/symptoms/product_reaction_to",
        "/symptoms/pus",
        "/symptoms/redness",
        "/symptoms/temperature/value",
    ];
    assert_eq!(found, expected);
    let empty = post(json!({ "recorded_at": now, "symptoms": {} })).await.expect(422);
    assert_eq!(pointers(&empty), ["/symptoms"]);
    let early = post(json!({ "recorded_at": now - hours(1), "symptoms": { "pain": 1 } })).await.expect(422);
    assert_eq!(pointers(&early), ["/recorded_at"]);
    for malformed in [
        json!({ "symptoms": { "pain": 1 } }),
        json!({ "recorded_at": "noon", "symptoms": { "pain": 1 } }),
        json!({ "recorded_at": now, "symptoms": [] }),
        json!({ "recorded_at": now, "symptoms": { "pain": 1 }, "level": "none" }),
    ] {
        assert_eq!(post(malformed).await.problem(400), "malformed");
    }
    let listed = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert_eq!(listed["items"], json!([]));
    assert_eq!(
        scene.app.get(&format!("{}?limit=0", scene.path()), &scene.patient.token).await.problem(400),
        "malformed"
    );
}

#[tokio::test]
async fn a_clock_five_minutes_ahead_is_believed_and_a_cancelled_treatment_takes_no_check_in() {
    let scene = Scene::new().await;
    let ahead = json!({ "recorded_at": scene.app.care.now() + TimeDelta::minutes(5), "symptoms": { "pain": 1 } });
    scene.app.post(&scene.path(), &scene.patient.token, ahead.clone()).await.expect(201);
    scene.app.delete(&format!("/v1/treatments/{}", scene.treatment), &scene.clinician.token).await.expect(204);
    assert_eq!(scene.app.post(&scene.path(), &scene.patient.token, ahead).await.problem(409), "conflict");
}

#[tokio::test]
async fn staff_enter_what_a_patient_says_on_the_phone_and_nobody_elses_treatment_exists() {
    let scene = Scene::new().await;
    let body = json!({ "recorded_at": scene.app.care.now(), "symptoms": { "pus": "coloured" } });
    let entered = scene.app.post(&scene.path(), &scene.clinician.token, body.clone()).await.expect(201);
    assert_eq!(entered["entered_by"], "staff");
    assert_eq!(entered["triage"]["flags"][0]["rule"], "coloured_pus", "staff see which rule it was");

    let neighbour = scene.app.stage(scene.clinic, Role::Patient).await;
    let elsewhere = scene.app.stage_clinic().await;
    let stranger = scene.app.stage(elsewhere, Role::Administrator).await;
    for other in [&neighbour, &stranger] {
        assert_eq!(scene.app.post(&scene.path(), &other.token, body.clone()).await.problem(404), "not_found");
        assert_eq!(scene.app.get(&scene.path(), &other.token).await.problem(404), "not_found");
    }
    assert_eq!(scene.app.post(&scene.path(), "", body).await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn where_a_clinic_has_switched_triage_off_nothing_is_judged_and_the_answer_says_so() {
    let scene = Scene::new().await;
    let clinicians_phone = phone(&scene.app, &scene.clinician).await;
    scene.app.sql("UPDATE clinics SET triage_enabled = false").await;
    let answer = scene.report(json!({ "pus": "coloured" })).await;
    let triage = &answer["triage"];
    assert_eq!((&triage["level"], &triage["flags"]), (&json!("none"), &json!([])));
    assert_eq!(words(&triage["advice"], "key"), ["triage_off"]);
    assert!(triage["advice"][0]["body"].as_str().unwrap().contains("emergency services"));
    assert!(triage.get("nobody_reached").is_none());
    scene.app.drain_worker().await;
    assert!(scene.pushed(clinicians_phone).is_empty());
    // Switched on again, the answer to the old one stays what it was.
    scene.app.sql("UPDATE clinics SET triage_enabled = true").await;
    let listed = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert_eq!(listed["items"], json!([answer]));
}

#[tokio::test]
async fn if_nobody_can_be_reached_the_patient_is_told_until_somebody_has_seen_it() {
    let scene = Scene::new().await;
    let patients_phone = phone(&scene.app, &scene.patient).await;
    let answer = scene.report(json!({ "pus": "coloured" })).await;
    let notice = &answer["triage"]["nobody_reached"];
    assert_eq!(notice["title"], "Nobody has seen this yet");
    assert!(notice["body"].as_str().unwrap().contains("030 555 0100"));
    scene.app.drain_worker().await;
    let pushed = scene.pushed(patients_phone);
    assert_eq!(pushed.iter().map(|push| push.text.title.as_str()).collect::<Vec<_>>(), ["You have a new message."]);
    let inbox = scene.app.get("/v1/alerts", &scene.patient.token).await.expect(200);
    assert_eq!((&inbox["items"][0]["category"], &inbox["items"][0]["title"]), (&json!("service"), &notice["title"]));

    scene.act(&answer["triage"]["flags"][0], "acknowledge", json!({})).await.expect(200);
    let listed = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert!(listed["items"][0]["triage"].get("nobody_reached").is_none());
    let key = scene.alerts("f:").await.into_iter().find(|row| row.dedupe_key.ends_with(":treating")).unwrap();
    assert_eq!((key.state.as_str(), key.reason.as_deref()), ("cancelled", Some("seen")), "no phone revives it");
}

#[tokio::test]
async fn with_a_phone_in_reach_or_nothing_urgent_nobody_is_alarmed() {
    let scene = Scene::after(hours(30)).await;
    let soon = scene.report(json!({ "pain": 2 })).await;
    assert!(soon["triage"].get("nobody_reached").is_none());
    phone(&scene.app, &scene.clinician).await;
    let urgent = scene.report(json!({ "spreading": true })).await;
    assert!(urgent["triage"].get("nobody_reached").is_none());
    assert!(scene.alerts("f:").await.iter().all(|row| !row.dedupe_key.ends_with("unreached")));
}

#[tokio::test]
async fn a_days_prompt_is_not_sent_once_the_check_in_is_there() {
    let scene = Scene::new().await;
    let prompts = async || {
        let rows = scene.alerts(&format!("t:{}:check_in", scene.treatment)).await;
        rows.into_iter().filter(|row| row.state == "scheduled").map(|row| row.due_at).min().expect("a prompt")
    };
    let first = prompts().await;
    scene.app.care.set(first - hours(1));
    scene.report(json!({ "redness": 1 })).await;
    assert!(prompts().await > first + hours(12), "today's prompt has left the plan");
}

#[tokio::test]
async fn pages_meet_every_check_in_once() {
    let scene = Scene::new().await;
    for step in 0..3 {
        scene.app.advance(TimeDelta::minutes(1)).await;
        scene.report(json!({ "redness": step % 2 })).await;
    }
    let first = scene.app.get(&format!("{}?limit=2", scene.path()), &scene.patient.token).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest =
        scene.app.get(&format!("{}?limit=2&cursor={cursor}", scene.path()), &scene.patient.token).await.expect(200);
    assert!(rest.get("next_cursor").is_none());
    let mut ids = words(&first["items"], "id");
    ids.extend(words(&rest["items"], "id"));
    let all = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert_eq!((ids.len(), ids), (3, words(&all["items"], "id")));
}

#[tokio::test]
async fn a_check_in_says_how_it_lies_to_its_window_and_the_windows_say_who_answered() {
    // Treated on Monday at 13:00 in Berlin: asked from Tuesday on, from 18:00 to midnight.
    let scene = Scene::new().await;
    let windows = async || {
        let list = scene.app.get(&format!("{}/windows", scene.path()), &scene.patient.token).await.expect(200);
        let items = list["items"].as_array().unwrap().clone();
        assert_eq!(items.len(), 12);
        (words(&list["items"], "state"), items)
    };
    assert!(windows().await.0.iter().all(|state| state == "ahead"));
    assert!(scene.report(json!({ "redness": 2 })).await.get("expected").is_none(), "nobody asked on the day itself");
    let mut timings = Vec::new();
    // Tuesday 10:00, Wednesday 19:00, then silence until the day after the last of the daily ones.
    for wait in [21, 33, 6 * 24 - 7] {
        scene.app.care.advance(hours(wait));
        let answer = scene.report(json!({ "redness": 1 })).await;
        timings.push((answer["expected"]["local_date"].clone(), answer["expected"]["timing"].clone()));
    }
    let expected = [("2026-02-03", "early"), ("2026-02-04", "on_time"), ("2026-02-09", "late")];
    assert_eq!(timings, expected.map(|(date, timing)| (json!(date), json!(timing))));
    let (states, items) = windows().await;
    let beginning = ["early", "on_time", "missed", "missed", "missed", "missed", "late", "ahead"];
    assert_eq!(states[..8], beginning);
    let listed = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert_eq!(items[6]["check_in_id"], listed["items"][0]["id"]);
    // Two weeks later one is overdue.
    scene.app.care.set("2026-02-18T08:00:00Z".parse().unwrap());
    assert_eq!(windows().await.0[7..10], ["missed", "overdue", "ahead"]);
    // A treatment that has ended asks nothing more.
    scene
        .app
        .post(&format!("/v1/treatments/{}/complete", scene.treatment), &scene.clinician.token, json!({}))
        .await
        .expect(200);
    let list = scene.app.get(&format!("{}/windows", scene.path()), &scene.clinician.token).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 9);
}

#[tokio::test]
async fn what_is_reported_is_held_against_the_time_in_which_it_usually_shows() {
    let scene = Scene::after(hours(6)).await;
    let compared = async |symptoms: Value| {
        let answer = scene.report(symptoms).await;
        let entries = answer["triage"]["compared"].as_array().unwrap().clone();
        let words = entries.iter().map(|entry| format!("{} {}", entry["field"], entry["state"]).replace('"', ""));
        (words.collect::<Vec<_>>(), entries)
    };
    let peeling = json!({ "redness": 2, "flaking": 1, "dryness": 0, "pain": 1 });
    let (words, entries) = compared(peeling.clone()).await;
    assert_eq!(words, ["redness as_expected", "flaking early"]);
    let begins: DateTime<Utc> = entries[1]["expected_from"].as_str().unwrap().parse().unwrap();
    assert_eq!(begins, scene.app.care.now() + hours(18));
    assert!(entries[1]["evidence"].as_array().unwrap().contains(&json!("M10")));
    for (days, expected) in [
        (3, ["redness late", "flaking as_expected"]),
        (4, ["redness overdue", "flaking late"]),
        (3, ["redness overdue", "flaking overdue"]),
    ] {
        scene.app.care.advance(hours(24 * days));
        assert_eq!(compared(peeling.clone()).await.0, expected);
    }
}

#[tokio::test]
async fn of_many_check_ins_sent_one_by_one_the_wrong_ones_are_refused_and_their_neighbours_kept() {
    let scene = Scene::after(hours(3)).await;
    let now = scene.app.care.now();
    let good = json!({ "redness": 1 });
    let report = |at: DateTime<Utc>, symptoms: &Value| json!({ "recorded_at": at, "symptoms": symptoms });
    let sent = [
        (report(now - hours(2), &good), 201, ""),
        (report(now + hours(2), &good), 422, "/recorded_at"),
        (report(now - hours(1), &good), 201, ""),
        (
            report(now, &json!({ "temperature": { "value": 400, "unit": "celsius" } })),
            422,
            "/symptoms/temperature/value",
        ),
        (report(now - hours(4), &good), 422, "/recorded_at"),
        (report(now, &json!({ "temperature": { "value": 36.6, "unit": "celsius" } })), 201, ""),
    ];
    for (body, status, pointer) in sent {
        let answer = scene.app.post(&scene.path(), &scene.patient.token, body).await.expect(status);
        assert_eq!(answer["errors"][0]["pointer"].as_str().unwrap_or(""), pointer);
    }
    let listed = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_administrator_switches_triage_off_and_what_is_open_stays_open() {
    let scene = Scene::new().await;
    let admin = scene.app.stage(scene.clinic, Role::Administrator).await;
    let phones = [phone(&scene.app, &scene.clinician).await, phone(&scene.app, &admin).await];
    let raised = scene.report(json!({ "pus": "coloured" })).await;
    scene.app.drain_worker().await;
    let switch = async |on: bool| {
        scene.app.patch("/v1/clinic", &admin.token, json!({ "triage_enabled": on })).await.expect(200);
    };
    switch(false).await;
    let silent = scene.report(json!({ "breathing_trouble": true, "redness": 2 })).await;
    assert_eq!((&silent["triage"]["flags"], &silent["triage"]["compared"]), (&json!([]), &json!([])));
    assert_eq!(words(&silent["triage"]["advice"], "key"), ["triage_off"]);
    let flags = scene.app.get("/v1/flags", &scene.clinician.token).await.expect(200);
    assert_eq!(flags["items"].as_array().unwrap().len(), 1);
    for minutes in [15, 45] {
        scene.app.advance(TimeDelta::minutes(minutes)).await;
    }
    assert_eq!(scene.pushed(phones[0]).len(), 2, "what was raised before is still somebody's business");
    assert_eq!(scene.pushed(phones[1]).len(), 1);
    scene.act(&raised["triage"]["flags"][0], "acknowledge", json!({})).await.expect(200);
    switch(true).await;
    let judged = scene.report(json!({ "breathing_trouble": true, "redness": 2 })).await;
    assert_eq!(judged["triage"]["level"], "emergency");
}
