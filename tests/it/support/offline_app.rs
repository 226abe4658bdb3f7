//! An app that goes on without a network: it keeps bundles and what sync brings, answers guidance by itself, and queues
//! what its person does. It is written as an app's developer would, from the contract alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use uuid::Uuid;

use super::treatments::utc;
use super::{Answer, TestApp};

/// Numbers that look random and are the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One of `0..sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// One of some things, if there are any.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        if things.is_empty() { None } else { things.get(usize::try_from(self.roll(things.len() as u64)).unwrap()) }
    }

    /// Heads.
    pub fn flips(&mut self) -> bool {
        self.roll(2) == 0
    }
}

/// Something that is to be sent, as soon as there is a network.
#[derive(Debug, Clone)]
pub struct Queued {
    pub path: String,
    pub body: Value,
}

/// What an app keeps on the phone.
#[derive(Debug, Default)]
pub struct OfflineApp {
    /// By kind and id, as sync brings it.
    pub kept: BTreeMap<(String, String), Value>,
    cursor: Option<String>,
    /// Of each treatment, with its tag.
    pub bundles: BTreeMap<String, (String, Value)>,
    pub queue: VecDeque<Queued>,
    /// How often everything had to be read anew.
    pub resyncs: usize,
}

impl OfflineApp {
    /// Reads what has changed, and the bundles of the treatments among it.
    pub async fn sync(&mut self, app: &TestApp, token: &str, limit: u64) {
        let mut listed = BTreeSet::new();
        loop {
            let cursor = self.cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let answer = app.get(&format!("/v1/sync?limit={limit}{cursor}"), token).await;
            if answer.status == 410 {
                assert_eq!(answer.problem(410), "resync_required");
                (self.cursor, self.kept) = (None, BTreeMap::new());
                self.resyncs += 1;
                continue;
            }
            let page = answer.expect(200);
            for item in page["items"].as_array().unwrap() {
                self.take(item);
                if item["kind"] == "treatment" {
                    listed.insert(id(item));
                }
            }
            self.cursor = Some(page["next_cursor"].as_str().unwrap().to_owned());
            if page["more"] == false {
                break;
            }
        }
        for treatment in listed {
            self.refresh(app, token, treatment).await;
        }
    }

    /// What a day has changed without anybody's doing: every bundle is asked for.
    pub async fn next_day(&mut self, app: &TestApp, token: &str) {
        for treatment in self.of_kind("treatment").iter().map(id) {
            self.refresh(app, token, treatment).await;
        }
    }

    /// When which of a treatment's reports was recorded, as far as the server has them.
    pub fn reports(&self, treatment: &str) -> Vec<(DateTime<Utc>, String)> {
        let own = self.of_kind("check_in").into_iter().filter(|check_in| check_in["treatment_id"] == treatment);
        own.map(|check_in| (utc(check_in["recorded_at"].as_str().unwrap()), id(&check_in))).collect()
    }

    fn take(&mut self, item: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (kind, id) = (text(&item["kind"]), text(&item["id"]));
        if kind == "gone" {
            self.kept.remove(&(text(&item["what"]), id));
        } else {
            let thing = item[&kind].clone();
            assert!(thing.is_object(), "{item}");
            self.kept.insert((kind, id), thing);
        }
    }

    async fn refresh(&mut self, app: &TestApp, token: &str, treatment: String) {
        let path = format!("/v1/treatments/{treatment}/bundle");
        let known = self.bundles.get(&treatment).map(|(tag, _)| tag.clone()).unwrap_or_default();
        let answer = app.get_with(&path, token, "if-none-match", &known).await;
        if answer.status != 304 {
            let tag = answer.headers["etag"].to_str().unwrap().to_owned();
            self.bundles.insert(treatment, (tag, answer.expect(200)));
        }
    }

    /// Everything of a kind, in order of its ids.
    pub fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.kept.iter().filter(|((of, _), _)| of == kind).map(|(_, thing)| thing.clone()).collect()
    }

    /// The person says something of a task.
    pub fn tick(&mut self, treatment: &str, task: &Value, kind: &str, at: DateTime<Utc>) {
        let entry = json!({ "id": Uuid::new_v4(), "task_id": task["id"], "kind": kind, "recorded_at": at });
        let body = json!({ "outcomes": [entry] });
        self.queue.push_back(Queued { path: format!("/v1/treatments/{treatment}/outcomes"), body });
    }

    /// The person says how it goes.
    pub fn report(&mut self, treatment: &str, symptoms: Value, at: DateTime<Utc>) {
        let body = json!({ "id": Uuid::new_v4(), "recorded_at": at, "symptoms": symptoms });
        self.queue.push_back(Queued { path: format!("/v1/treatments/{treatment}/check-ins"), body });
    }

    /// Sends what waits, the oldest first. What the dice lose is kept, as if no answer had come, and sent again; what was
    /// refused is not.
    pub async fn send(&mut self, app: &TestApp, token: &str, dice: &mut Dice) {
        while let Some(next) = self.queue.front().cloned() {
            let answer = app.post(&next.path, token, next.body.clone()).await;
            match dice.roll(4) {
                // The answer was lost, and with it the network.
                0 => return,
                // It was sent twice: the answer is the same.
                1 => {
                    let again = app.post(&next.path, token, next.body.clone()).await;
                    assert_eq!(told(&again), told(&answer), "{next:?}");
                }
                _ => {}
            }
            let settled = answer.status.is_success() || [409, 422].contains(&answer.status.as_u16());
            assert!(settled, "{} {}", answer.status, answer.text);
            self.queue.pop_front();
        }
    }
}

/// What an answer says apart from who the first was to say it, and of which request it is.
fn told(answer: &Answer) -> Value {
    let mut told = answer.body.clone();
    told.as_object_mut().unwrap().remove("instance");
    for result in told["results"].as_array_mut().into_iter().flatten() {
        if result["status"] == "duplicate" {
            result["status"] = json!("accepted");
        }
    }
    told
}

/// The id of something.
pub fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}

/// Guidance at a moment, from a bundle alone.
pub fn guidance(bundle: &Value, at: DateTime<Utc>) -> Value {
    let ahead = &bundle["guidance"];
    let holds = |shown: &&Value| {
        utc(shown["from"].as_str().unwrap()) <= at && shown["until"].as_str().is_none_or(|until| at < utc(until))
    };
    let shown = |what: &str| -> Vec<Value> {
        ahead[what].as_array().unwrap().iter().filter(holds).map(|shown| shown["entry"].clone()).collect()
    };
    let date = date(bundle, at);
    let today = bundle["tasks"].as_array().unwrap().iter();
    let today = today.filter(|task| task["in_guidance"] == true && task["local_date"] == date.as_str());
    let mut guidance = json!({
        "expect": shown("expect"), "not_yet": shown("not_yet"), "open_again": shown("open_again"),
        "advice": shown("advice"), "today": today.map(|task| stands(task, at)).collect::<Vec<_>>(),
    });
    if let Some(phase) = shown("phases").pop() {
        guidance["phase"] = phase;
    }
    guidance
}

/// The check-in windows at a moment, from a bundle and what was reported.
pub fn windows(bundle: &Value, reports: &[(DateTime<Utc>, String)], at: DateTime<Utc>) -> Value {
    let moment = |value: &Value| value.as_str().map(utc);
    let at = moment(&bundle["treatment"]["ended_at"]).map_or(at, |ended_at| ended_at.min(at));
    let mut windows = bundle["check_in"]["windows"].clone();
    for window in windows.as_array_mut().unwrap() {
        let [from, opens, closes] = ["answered_from", "open_at", "close_at"].map(|name| moment(&window[name]).unwrap());
        let until = moment(&window["answered_until"]);
        let own = reports.iter().filter(|(at, _)| from <= *at && until.is_none_or(|until| *at < until));
        let answer = own.min_by_key(|(at, id)| (!(opens..closes).contains(at), *at, id.clone()));
        let state = match answer {
            Some((at, _)) if *at < opens => "early",
            Some((at, _)) if *at < closes => "on_time",
            Some(_) => "late",
            None if at < opens => "ahead",
            None if at < closes => "open",
            None if until.is_some_and(|until| until <= at) => "missed",
            None => "overdue",
        };
        let fields = window.as_object_mut().unwrap();
        fields.insert("state".to_owned(), json!(state));
        fields.remove("check_in_id");
        fields.extend(answer.map(|(_, id)| ("check_in_id".to_owned(), json!(id))));
    }
    windows
}

/// A bundle without where things stand just now, and without what is of the moment alone: only somebody's doing changes the
/// rest, and sync lists the treatment then.
pub fn lasting(bundle: &Value) -> Value {
    let mut bundle = bundle.clone();
    for passing in ["reminders", "course"] {
        bundle.as_object_mut().unwrap().remove(passing);
    }
    for list in ["/timeline/items", "/tasks", "/check_in/windows"] {
        for thing in bundle.pointer_mut(list).unwrap().as_array_mut().unwrap() {
            thing.as_object_mut().unwrap().remove("state");
            thing.as_object_mut().unwrap().remove("excluded_because");
        }
    }
    bundle
}

/// The date that the patient's clock shows.
fn date(bundle: &Value, at: DateTime<Utc>) -> String {
    let mut zones = bundle["zones"].as_array().unwrap().iter();
    let zone = zones.rfind(|zone| zone["from"].as_str().is_none_or(|from| utc(from) <= at)).unwrap();
    at.with_timezone(&zone["zone"].as_str().unwrap().parse::<Tz>().unwrap()).date_naive().to_string()
}

/// A task as it stands at a moment.
fn stands(task: &Value, at: DateTime<Utc>) -> Value {
    let stands = task["stands"].as_array().unwrap();
    let now = stands.iter().rfind(|stand| stand["from"].as_str().is_none_or(|from| utc(from) <= at)).unwrap();
    let mut task = task.clone();
    let fields = task.as_object_mut().unwrap();
    for own in ["stands", "in_guidance", "excluded_because"] {
        fields.remove(own);
    }
    fields.insert("state".to_owned(), now["state"].clone());
    if let Some(why) = now.get("excluded_because") {
        fields.insert("excluded_because".to_owned(), why.clone());
    }
    task
}

/// The same as the server has it, without what an app counts down by itself.
pub fn without_countdowns(mut guidance: Value) -> Value {
    guidance.as_object_mut().unwrap().remove("at");
    for list in ["not_yet", "open_again"] {
        for entry in guidance[list].as_array_mut().unwrap() {
            for countdown in ["remaining", "soft_remaining"] {
                entry.as_object_mut().unwrap().remove(countdown);
            }
        }
    }
    guidance
}
