//! What people and planners do while workers work: over HTTP where there is a route, else by the planner's own statement.
//! A deed whose answer never came may have happened or not.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mendline::alerts::queue::{self, Owed, PlannedState, Recipient, RecipientKind};
use mendline::auth::Auth;
use mendline::auth::extract::Caller;
use mendline::db::{Db, DbError, Scope};
use mendline::domain::ids;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dice::Dice;
use crate::now;
use crate::people::{Patient, token};

/// From when to when it is worth sending, in microseconds; `None` where it is not owed.
pub type Wish = Option<(i64, i64)>;

/// What may be wanted of every alert: one wish, or several where nobody knows which came last.
#[derive(Default)]
pub struct Wishes(pub HashMap<Uuid, Vec<Wish>>);

impl Wishes {
    fn wish(&mut self, alert: Uuid, wish: Wish, certain: bool) {
        let wishes = self.0.entry(alert).or_default();
        if certain {
            wishes.clear();
        } else if wishes.is_empty() {
            wishes.push(None);
        }
        wishes.push(wish);
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    Done,
    Refused,
    Unknown,
}

/// A person's plan: what is owed under which key.
pub type Plan = HashMap<String, (DateTime<Utc>, DateTime<Utc>)>;

/// Those who act.
#[derive(Clone)]
pub struct Actors {
    pub db: Db,
    pub client: reqwest::Client,
    pub auth: Arc<Auth>,
}

impl Actors {
    /// Makes `plan` the patient's whole plan.
    pub async fn replan(&self, patient: &Patient, plan: &Plan) -> Certainty {
        let to = recipient(patient);
        let owed: Vec<Owed> = plan.iter().map(|(key, (due, expires))| owed(key, *due, *expires)).collect();
        let at = now();
        let done = self.db.scoped(Scope::System, async |conn| {
            Ok::<_, DbError>(queue::replace_plan(conn, to, &owed, at, at + TimeDelta::minutes(10), 1).await?)
        });
        match tokio::time::timeout(std::time::Duration::from_secs(15), done).await {
            Ok(Ok(_)) => Certainty::Done,
            // No connection: nothing was asked.
            Ok(Err(DbError::Unavailable(_))) => Certainty::Refused,
            _ => Certainty::Unknown,
        }
    }

    pub async fn ask(
        &self,
        api: &str,
        caller: &Caller,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> Certainty {
        let token = self.auth.tokens.issue(caller, now()).expect("a token");
        let mut request = self.client.request(method, format!("{api}{path}")).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Certainty::Done,
            Ok(answer) if answer.status().is_client_error() => Certainty::Refused,
            _ => Certainty::Unknown,
        }
    }
}

pub fn recipient(patient: &Patient) -> Recipient {
    Recipient { clinic_id: patient.caller.clinic_id, kind: RecipientKind::Patient, id: patient.id }
}

fn owed(key: &str, due_at: DateTime<Utc>, expires_at: DateTime<Utc>) -> Owed {
    Owed {
        dedupe_key: key.to_owned(),
        category: "routine",
        urgent: false,
        treatment_id: None,
        flag_id: None,
        device_id: None,
        protocol_version_id: None,
        item_key: None,
        day_index: None,
        seq: None,
        due_at,
        expires_at,
        state: PlannedState::Scheduled,
    }
}

/// A first plan: due long ago, now, soon, later today or beyond what a run looks at; some worth little time.
pub fn first_plan(dice: &mut Dice, start: DateTime<Utc>) -> Plan {
    let alerts = dice.between(2, 12);
    (0..alerts).map(|n| (format!("t:{n}"), moment(dice, start))).collect()
}

fn moment(dice: &mut Dice, start: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let due_ms = match dice.between(1, 100) {
        1..=40 => -dice.between(0, 2000),
        41..=80 => dice.between(0, 1500),
        81..=93 => dice.between(60_000, 7_200_000),
        _ => dice.between(86_400_000, 172_800_000),
    };
    let lasts_ms = match dice.between(1, 100) {
        1..=4 => 2_500,
        5..=12 => dice.between(6_000, 9_000),
        _ => 3_600_000,
    };
    let due = start + TimeDelta::milliseconds(due_ms);
    (due, due + TimeDelta::milliseconds(lasts_ms))
}

/// Another plan: most of it stays, some moves, some goes, something may be new. What is past is owed to nobody.
pub fn next_plan(dice: &mut Dice, before: &Plan) -> Plan {
    let start = now();
    let mut keys: Vec<&String> = before.keys().collect();
    keys.sort();
    let mut plan = Plan::new();
    for key in keys {
        let stays = before[key];
        let wish = match dice.between(1, 10) {
            1..=6 => stays,
            7..=8 => moment(dice, start),
            _ => continue,
        };
        if wish.1 > start + TimeDelta::seconds(1) {
            plan.insert(key.clone(), wish);
        }
    }
    for n in 0..dice.between(0, 2) {
        plan.insert(format!("t:new-{n}"), moment(dice, start));
    }
    plan
}

/// Remembers what is wanted once a plan was or may have been replaced.
pub fn remember(wishes: &mut Wishes, patient: &Patient, before: &mut Plan, after: Plan, certainty: Certainty) {
    if certainty == Certainty::Refused {
        return;
    }
    let certain = certainty == Certainty::Done;
    let id = |key: &str| ids::alert_id(patient.caller.clinic_id, patient.id, key);
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        wishes.wish(id(key), None, certain);
    }
    for (key, (due, expires)) in &after {
        wishes.wish(id(key), Some((due.timestamp_micros(), expires.timestamp_micros())), certain);
    }
    if certain {
        *before = after;
    } else {
        // Either may hold: whatever comes next starts from both.
        before.extend(after);
    }
}

/// A phone as its app registers it.
pub fn phone(id: Uuid) -> Value {
    json!({"provider": "fcm", "address": token(id), "locale": "en", "time_zone": "UTC", "permission": "granted"})
}
