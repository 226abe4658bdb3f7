//! An app that is offline half of the time, loses answers and sends things twice, beside a clinic that goes on editing:
//! whatever the order of events, once it has sent what waited and synced it holds what the server holds.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use mendline::domain::role::Role;
use mendline::offline::store::prune;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::offline_app::{Dice, OfflineApp, guidance, id, lasting, windows, without_countdowns};
use crate::support::treatments::utc;
use crate::support::{Answer, Staged, TestApp, seed, send};

/// One story: who takes part, and what the dice say.
struct Story {
    app: TestApp,
    clinician: Staged,
    patient: Staged,
    phone: OfflineApp,
    dice: Dice,
    online: bool,
    treatments: Vec<String>,
    excuses: Vec<(String, String)>,
    appointments: Vec<String>,
    seen: Seen,
}

/// What came to pass in stories, so that none of it is merely asked for.
#[derive(Debug, Default)]
struct Seen {
    /// The person moved to another zone.
    journeys: usize,
    /// A treatment was put under another version.
    transfers: usize,
    /// The app says that nobody could be reached about a report.
    nobody_reached: usize,
}

impl Story {
    async fn new(seed: u64) -> Self {
        let app = TestApp::start().await;
        let clinic = app.stage_clinic().await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        let patient_id = patient.caller.patient_id.unwrap();
        app.post("/v1/courses", &clinician.token, json!({ "patient_id": patient_id })).await.expect(201);
        let first = app.treat(&clinician.token, patient_id, app.care.now()).await;
        let mut phone = OfflineApp::default();
        phone.sync(&app, &patient.token, 100).await;
        let dice = Dice::new(seed);
        let (online, treatments) = (true, vec![first]);
        let (excuses, appointments, seen) = (vec![], vec![], Seen::default());
        Self { app, clinician, patient, phone, dice, online, treatments, excuses, appointments, seen }
    }

    fn token(&self) -> &str {
        &self.patient.token
    }

    /// What the clinic asks for may be refused by then: it is a story, not a plan.
    async fn clinic(&self, method: Method, path: &str, version: Option<&str>, body: Value) -> Option<Value> {
        let mut request = self.app.request(method, path, &self.clinician.token).json(&body);
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        let answer: Answer = send(request).await;
        let expected = answer.status.is_success() || [404, 409, 412, 422].contains(&answer.status.as_u16());
        assert!(expected, "{} {}", answer.status, answer.text);
        answer.status.is_success().then_some(answer.body)
    }

    fn any_treatment(&mut self) -> String {
        self.dice.pick(&self.treatments).unwrap().clone()
    }

    async fn step(&mut self) {
        match self.dice.roll(22) {
            0 | 1 => {
                let minutes = i64::try_from(self.dice.roll(20 * 60)).unwrap();
                self.app.advance(TimeDelta::minutes(minutes)).await;
            }
            2 => self.online = !self.online,
            3..=7 => self.person_ticks(),
            8 | 9 => self.person_reports(),
            10 | 11 => self.person_comes_online().await,
            12 | 13 => self.clinic_excuses().await,
            14 => self.clinic_sets_appointments().await,
            15 => self.clinic_looks_at_flags().await,
            16 => self.clinic_changes_the_plan().await,
            17 | 18 => self.person_travels().await,
            19 => self.clinic_transfers().await,
            20 => self.nobody_is_reached().await,
            _ => self.clinic_ends_or_begins().await,
        }
    }

    /// What the phone shows, the person ticks off; with or without a network.
    fn person_ticks(&mut self) {
        let (now, treatment) = (self.app.care.now(), self.any_treatment());
        let Some((_, bundle)) = self.phone.bundles.get(&treatment) else { return };
        let open = |task: &&Value| utc(task["open_at"].as_str().unwrap()) <= now;
        let open: Vec<Value> = bundle["tasks"].as_array().unwrap().iter().filter(open).cloned().collect();
        let latest = open.len().saturating_sub(12);
        if let Some(task) = self.dice.pick(&open[latest..]).cloned() {
            let kind = *self.dice.pick(&["done", "done", "skipped", "undone"]).unwrap();
            self.phone.tick(&treatment, &task, kind, now);
        }
    }

    fn person_reports(&mut self) {
        let treatment = self.any_treatment();
        if self.phone.bundles.contains_key(&treatment) {
            let pus = *self.dice.pick(&["none", "none", "coloured"]).unwrap();
            let symptoms = json!({ "redness": self.dice.roll(4), "flaking": self.dice.roll(2), "pus": pus });
            self.phone.report(&treatment, symptoms, self.app.care.now());
        }
    }

    async fn person_comes_online(&mut self) {
        if !self.online {
            return;
        }
        let limit = 1 + self.dice.roll(7);
        self.phone.send(&self.app, &self.patient.token, &mut self.dice).await;
        self.phone.sync(&self.app, &self.patient.token, limit).await;
        let cap = json!({ "daily_cap": 1 + self.dice.roll(6) });
        self.app.put("/v1/me/notification-preferences", self.token(), cap).await.expect(200);
    }

    async fn clinic_excuses(&mut self) {
        if let Some((treatment, excuse)) = self.excuses.pop().filter(|_| self.dice.flips()) {
            let path = format!("/v1/treatments/{treatment}/excuses/{excuse}");
            self.clinic(Method::DELETE, &path, None, json!({})).await;
            return;
        }
        let (treatment, day) = (self.any_treatment(), 1 + self.dice.roll(28));
        let body = json!({ "from": format!("2026-02-{day:02}"), "reason": "Away." });
        let path = format!("/v1/treatments/{treatment}/excuses");
        if let Some(made) = self.clinic(Method::POST, &path, None, body).await {
            self.excuses.push((treatment, id(&made)));
        }
    }

    async fn clinic_sets_appointments(&mut self) {
        let day = 1 + self.dice.roll(28);
        let date = format!("2026-03-{day:02}");
        let there = self.dice.pick(&self.appointments).cloned();
        match (self.dice.roll(3), there) {
            (0, Some(there)) => {
                self.clinic(Method::PATCH, &format!("/v1/appointments/{there}"), Some("*"), json!({ "date": date }))
                    .await;
            }
            (1, Some(there)) => {
                self.clinic(Method::DELETE, &format!("/v1/appointments/{there}"), None, json!({})).await;
            }
            _ => {
                let kind = *self.dice.pick(&["session", "follow_up"]).unwrap();
                let patient = self.patient.caller.patient_id;
                let body = json!({ "patient_id": patient, "kind": kind, "date": date, "time": "10:30" });
                if let Some(made) = self.clinic(Method::POST, "/v1/appointments", None, body).await {
                    self.appointments.push(id(&made));
                }
            }
        }
    }

    async fn clinic_looks_at_flags(&mut self) {
        let flags = self.app.get("/v1/flags?limit=100", &self.clinician.token).await.expect(200);
        let flags = flags["items"].as_array().unwrap().clone();
        if let Some(flag) = self.dice.pick(&flags) {
            let act = *self.dice.pick(&["acknowledge", "contacted", "resolve", "reopen"]).unwrap();
            self.clinic(Method::POST, &format!("/v1/flags/{}/{act}", id(flag)), None, json!({})).await;
        }
    }

    async fn clinic_changes_the_plan(&mut self) {
        let treatment = self.any_treatment();
        let path = format!("/v1/treatments/{treatment}");
        match self.dice.roll(4) {
            0 => {
                let hours = i64::try_from(self.dice.roll(40)).unwrap();
                let body =
                    json!({ "performed_at": self.app.care.now() - TimeDelta::hours(hours), "allow_duplicate": true });
                self.clinic(Method::PATCH, &path, Some("*"), body).await;
            }
            1 => {
                let longer = json!({ "window": { "to": "P6D" }, "reason": "Her skin is thin." });
                self.clinic(Method::PUT, &format!("{path}/overrides/make_up"), None, longer).await;
            }
            2 => {
                self.clinic(Method::DELETE, &format!("{path}/overrides/make_up"), None, json!({})).await;
            }
            _ => {
                let ended = json!({ "ended": self.dice.flips(), "reason": "Seen." });
                self.clinic(Method::POST, &format!("{path}/conditions/flaking_ended"), None, ended).await;
            }
        }
    }

    async fn clinic_ends_or_begins(&mut self) {
        let treatment = self.any_treatment();
        match self.dice.roll(8) {
            0 => {
                self.clinic(Method::POST, &format!("/v1/treatments/{treatment}/complete"), None, json!({})).await;
            }
            1 => {
                self.clinic(Method::DELETE, &format!("/v1/treatments/{treatment}"), None, json!({})).await;
            }
            _ if self.treatments.len() < 3 => {
                let body = json!({
                    "patient_id": self.patient.caller.patient_id, "performed_at": self.app.care.now(),
                    "allow_duplicate": true,
                });
                let made = self.clinic(Method::POST, "/v1/treatments", None, body).await;
                self.treatments.extend(made.map(|made| id(&made)));
            }
            _ => {}
        }
    }

    /// Who is at home moves with the home zone.
    async fn person_travels(&mut self) {
        let zone = *self.dice.pick(&["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Apia"]).unwrap();
        let path = format!("/v1/patients/{}", self.patient.caller.patient_id.unwrap());
        let moved = self.clinic(Method::PATCH, &path, Some("*"), json!({ "time_zone": zone })).await;
        self.seen.journeys += usize::from(moved.is_some());
    }

    async fn clinic_transfers(&mut self) {
        let (treatment, to) =
            (self.any_treatment(), *self.dice.pick(&["day-by-day@1", "hour-by-hour@1", "conservative@2"]).unwrap());
        let path = format!("/v1/treatments/{treatment}");
        let version = self.app.get(&path, &self.clinician.token).await.expect(200)["version"].to_string();
        let body = json!({ "to": to, "reason": "Her skin reacts strongly." });
        let moved =
            self.clinic(Method::POST, &format!("{path}/transfers"), Some(&format!("\"{version}\"")), body).await;
        self.seen.transfers += usize::from(moved.is_some());
    }

    /// Something worries, and nobody of the clinic has a phone: the person is told whom to call.
    async fn nobody_is_reached(&mut self) {
        let treatment = self.any_treatment();
        self.phone.report(&treatment, json!({ "pus": "coloured", "redness": 3 }), self.app.care.now());
        self.catch_up().await;
        self.app.advance(TimeDelta::minutes(75)).await;
        self.phone.sync(&self.app, &self.patient.token, 50).await;
        let told = |check_in: &&Value| check_in["triage"].get("nobody_reached").is_some();
        self.seen.nobody_reached += self.phone.of_kind("check_in").iter().filter(told).count();
    }

    /// Something is withdrawn that the app may have, and it is so long after that nobody knows of it any more.
    async fn forget(&mut self) {
        self.phone.sync(&self.app, &self.patient.token, 100).await;
        let body = json!({ "patient_id": self.patient.caller.patient_id, "performed_at": self.app.care.now(),
            "allow_duplicate": true });
        let treatment = self.clinic(Method::POST, "/v1/treatments", None, body).await.unwrap();
        let path = format!("/v1/treatments/{}/excuses", id(&treatment));
        let excuse = json!({ "from": "2026-02-20", "reason": "Away." });
        let excuse = self.clinic(Method::POST, &path, None, excuse).await.unwrap();
        self.clinic(Method::DELETE, &format!("{path}/{}", id(&excuse)), None, json!({})).await.unwrap();
        self.treatments.push(id(&treatment));
        let now = self.app.care.now();
        for at in [now, now + TimeDelta::days(91)] {
            seed::run(&self.app, async |conn| prune(conn, at, at - TimeDelta::days(90)).await).await;
        }
    }

    /// The app sends what waits, however often it takes, and syncs.
    async fn catch_up(&mut self) {
        while !self.phone.queue.is_empty() {
            self.phone.send(&self.app, &self.patient.token, &mut self.dice).await;
        }
        self.phone.sync(&self.app, &self.patient.token, 3).await;
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = self.app.get(&format!("{path}{separator}limit=100{cursor}"), self.token()).await.expect(200);
            all.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// What the app has kept since it last heard of a treatment is what the server has, but for what passes with time; and
    /// what it makes of that just now is what the server says.
    async fn answers_alike(&self) {
        let running = |treatment: &&Value| ["active", "unconfirmed"].contains(&treatment["status"].as_str().unwrap());
        let (app, now) = (&self.app, self.app.care.now());
        let asked = now.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        for treatment in self.list("/v1/treatments").await.iter().filter(running).map(id) {
            let read = async |what: String| {
                app.get(&format!("/v1/treatments/{treatment}/{what}"), self.token()).await.expect(200)
            };
            let kept = &self.phone.bundles[&treatment].1;
            assert_eq!(lasting(kept), lasting(&read("bundle".to_owned()).await));
            let server = without_countdowns(read(format!("guidance?at={asked}")).await);
            assert_eq!(guidance(kept, now), server);
            let server = read("check-ins/windows".to_owned()).await;
            assert_eq!(windows(kept, &self.phone.reports(&treatment), now), server["items"]);
        }
    }

    /// What the app holds is what the server says to whoever asks afresh.
    async fn agrees(&self) {
        let treatments = self.list("/v1/treatments").await;
        assert_eq!(by_id(self.phone.of_kind("treatment")), by_id(treatments.clone()));
        assert_eq!(by_id(self.phone.of_kind("appointment")), by_id(self.list("/v1/appointments").await));
        assert_eq!(
            by_id(without_passing(self.phone.of_kind("course"))),
            by_id(without_passing(self.list("/v1/courses").await))
        );
        let mut check_ins = Vec::new();
        for treatment in treatments.iter().map(id) {
            check_ins.extend(self.list(&format!("/v1/treatments/{treatment}/check-ins")).await);
            let bundle = self.app.get(&format!("/v1/treatments/{treatment}/bundle"), self.token()).await.expect(200);
            assert_eq!(self.phone.bundles[&treatment].1, bundle);
        }
        assert_eq!(by_id(self.phone.of_kind("check_in")), by_id(check_ins));
        let preferences = self.app.get("/v1/me/notification-preferences", self.token()).await.expect(200);
        assert!(self.phone.of_kind("notification_preferences").iter().all(|kept| *kept == preferences));

        let mut fresh = OfflineApp::default();
        fresh.sync(&self.app, self.token(), 100).await;
        for kind in ["outcome", "excuse", "notification_preferences"] {
            assert_eq!(self.phone.of_kind(kind), fresh.of_kind(kind));
        }
        let known: Vec<_> = self.phone.kept.keys().collect();
        assert_eq!(known, fresh.kept.keys().collect::<Vec<_>>());
    }
}

fn by_id(things: Vec<Value>) -> BTreeMap<String, Value> {
    things.into_iter().map(|thing| (id(&thing), thing)).collect()
}

/// Courses without what passes with time.
fn without_passing(mut courses: Vec<Value>) -> Vec<Value> {
    for course in &mut courses {
        let progress = course["progress"].as_object_mut().unwrap();
        progress.remove("appointment");
        if let Some(next) = progress.get_mut("next") {
            next.as_object_mut().unwrap().remove("standing");
        }
    }
    courses
}

#[tokio::test]
async fn an_app_that_comes_and_goes_holds_in_the_end_what_the_server_holds() {
    let (mut outcomes, mut gone, mut seen) = (0, 0, Seen::default());
    for seed in 1..=5 {
        let mut story = Story::new(seed).await;
        for step in 0..100 {
            story.step().await;
            if step == 50 {
                story.forget().await;
            }
        }
        story.catch_up().await;
        story.answers_alike().await;
        story.phone.next_day(&story.app, &story.patient.token).await;
        story.agrees().await;
        assert_eq!(story.phone.resyncs, 1, "seed {seed}: the app was away for too long once");
        outcomes += story.phone.of_kind("outcome").len();
        gone += crate::worker_maintenance::count(&story.app, "sync_entries WHERE gone").await;
        seen.journeys += story.seen.journeys;
        seen.transfers += story.seen.transfers;
        seen.nobody_reached += story.seen.nobody_reached;
    }
    assert!(seen.journeys > 5 && seen.transfers > 2 && seen.nobody_reached > 0, "{seen:?}");
    assert!(outcomes > 20 && gone > 0, "something happened: {outcomes} {gone}");
}

#[tokio::test]
async fn what_an_app_sends_again_is_what_it_sent_before_whatever_became_of_the_treatment() {
    for ending in ["complete", "cancel"] {
        let story = Story::new(0).await;
        let (app, treatment) = (&story.app, &story.treatments[0]);
        let path = |what: &str| format!("/v1/treatments/{treatment}/{what}");
        app.advance(TimeDelta::hours(30)).await;
        let tasks = app.get(&path("tasks"), story.token()).await.expect(200)["items"].clone();
        let entry = json!({
            "id": Uuid::new_v4(), "task_id": tasks[0]["id"], "kind": "skipped", "reason": "No water.",
            "recorded_at": app.care.now(),
        });
        let check_in = json!({ "id": Uuid::new_v4(), "recorded_at": app.care.now(), "symptoms": { "redness": 2 } });
        let last = tasks.as_array().unwrap().last().unwrap();
        let excuse = json!({ "id": Uuid::new_v4(), "task_id": last["id"], "reason": "Not needed." });
        let outcome = async |entry: &Value| {
            let answer = app.post(&path("outcomes"), story.token(), json!({ "outcomes": [entry] })).await.expect(200);
            answer["results"][0]["status"].as_str().unwrap().to_owned()
        };
        assert_eq!(outcome(&entry).await, "accepted");
        let reported = app.post(&path("check-ins"), story.token(), check_in.clone()).await.expect(201);
        let excused = app.post(&path("excuses"), &story.clinician.token, excuse.clone()).await.expect(201);
        app.advance(TimeDelta::hours(1)).await;
        match ending {
            "complete" => app.post(&path("complete"), &story.clinician.token, json!({})).await.expect(200),
            _ => app.delete(&format!("/v1/treatments/{treatment}"), &story.clinician.token).await.expect(204),
        };
        assert_eq!(outcome(&entry).await, "duplicate", "{ending}");
        assert_eq!(app.post(&path("check-ins"), story.token(), check_in.clone()).await.expect(201), reported);
        assert_eq!(app.post(&path("excuses"), &story.clinician.token, excuse.clone()).await.expect(201), excused);
        // The same ids for something else are refused.
        for (field, other) in
            [("kind", json!("done")), ("reason", json!("No soap.")), ("task_id", tasks[1]["id"].clone())]
        {
            let mut changed = entry.clone();
            changed[field] = other;
            assert_eq!(outcome(&changed).await, "rejected", "{field}");
        }
        let mut other = check_in;
        other["symptoms"] = json!({ "redness": 3 });
        assert_eq!(app.post(&path("check-ins"), story.token(), other).await.problem(409), "id_taken");
        for (field, other) in [("reason", json!("Quite another.")), ("task_id", tasks[0]["id"].clone())] {
            let mut changed = excuse.clone();
            changed[field] = other;
            let refused = app.post(&path("excuses"), &story.clinician.token, changed).await;
            assert_eq!(refused.problem(409), "id_taken", "{field}");
        }
    }
}

#[tokio::test]
async fn a_wish_to_hear_later_that_is_sent_again_is_the_same_wish() {
    let story = Story::new(0).await;
    let app = &story.app;
    let phone = json!({
        "provider": "fcm", "address": "phone", "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted",
    });
    app.put(&format!("/v1/me/devices/{}", Uuid::new_v4()), story.token(), phone).await.expect(201);
    let reminders = app.get("/v1/me/reminders", story.token()).await.expect(200);
    let ahead = reminders["items"].as_array().unwrap().iter().find(|alert| alert["category"] == "check_in").unwrap();
    let due = utc(ahead["due_at"].as_str().unwrap());
    app.advance(due - app.care.now()).await;
    let path = format!("/v1/alerts/{}/snooze", id(ahead));
    let until = due + TimeDelta::minutes(40);
    let later = app.post(&path, story.token(), json!({ "until": until })).await.expect(200);
    for _ in 0..12 {
        assert_eq!(app.post(&path, story.token(), json!({ "until": until })).await.expect(200), later);
    }
    app.advance(TimeDelta::minutes(45)).await;
    let again = app.post(&path, story.token(), json!({ "until": until })).await.expect(200);
    assert_eq!(again["id"], later["id"], "even once it is over");
    let over = until + TimeDelta::minutes(1);
    assert_eq!(app.post(&path, story.token(), json!({ "until": over })).await.problem(409), "conflict");
    for (body, pointer) in [
        (json!({ "until": app.care.now() + TimeDelta::hours(25) }), "/until"),
        (json!({ "until": until, "minutes": 10 }), "/until"),
        (json!({}), "/minutes"),
    ] {
        assert_eq!(app.post(&path, story.token(), body).await.expect(422)["errors"][0]["pointer"], pointer);
    }
}
