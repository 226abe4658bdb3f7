//! What happens: a treatment is recorded and six weeks pass, event by event. The care clock stands still while anything
//! is in flight.

mod ending;
mod outing;
mod series;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::America;
use serde_json::{Value, json};
use uuid::Uuid;

use super::api::{Api, text};
use super::cast::{Cast, Login, ZONE};
use super::phone::Exchange;
use super::plot::{Deed, deeds};
use super::screen::{self, Screen};
use crate::alerts::queue;
use crate::app::State;
use crate::db::{DbError, Scope};
use crate::escalation::store as escalation;
use crate::worker::Worker;

/// What is told at the end.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Alerts that a provider accepted.
    pub sent: i64,
    /// Alerts that a person opened.
    pub opened: i64,
    /// Alerts that were too old to send.
    pub expired: i64,
    /// Share of closed tasks done on time, in basis points.
    pub on_time_bp: i64,
    /// One of each role.
    pub logins: Vec<Login>,
    /// The clinician's bearer token, good for a quarter of an hour.
    pub token: String,
    /// The treatment.
    pub treatment_id: String,
    /// The worklist, as the API shows it.
    pub worklist: Value,
    /// The course's sessions, as the API shows them.
    pub sessions: Vec<Value>,
}

/// The story while it is told.
pub struct Story<'a> {
    state: &'a State,
    worker: &'a Worker,
    cast: Cast,
    course_id: String,
    /// The session that the patient recovers from.
    treatment_id: String,
    /// What the worrying report raised: several rules may meet one report.
    flag_ids: Vec<String>,
    began_at: DateTime<Utc>,
    deeds: BTreeSet<(DateTime<Utc>, Deed)>,
    screen: Screen,
    received: usize,
    opened: usize,
}

impl<'a> Story<'a> {
    /// Brings everybody in and records the treatment.
    pub async fn begin(
        state: &'a State,
        worker: &'a Worker,
        exchange: &Exchange,
        base: &str,
        screen: Screen,
    ) -> anyhow::Result<Self> {
        screen::title();
        let cast = Cast::assemble(state, exchange, base).await?;
        let now = state.clocks.care.now();
        let arrival =
            "Pia accepts the clinic's invitation and registers her phone; so do Clara, her clinician, and Carl";
        screen.deed(now, arrival).await;
        let course_id = series::plan(&cast.clinician.api, &cast.patient_id).await?;
        let body = json!({ "patient_id": cast.patient_id, "performed_at": now });
        let treatment = cast.clinician.api.post("/v1/treatments", &body).await?;
        screen.deed(now, "Clara plans a course of three and records the session that has just ended").await;
        let treatment_id = text(&treatment, "/id")?;
        let deeds = deeds(now);
        Ok(Self {
            state,
            worker,
            cast,
            course_id,
            treatment_id,
            flag_ids: Vec::new(),
            began_at: now,
            deeds,
            screen,
            received: 0,
            opened: 0,
        })
    }

    /// Steps from event to event until `end`.
    pub async fn tell(&mut self, end: DateTime<Utc>) -> anyhow::Result<()> {
        loop {
            let deed = self.deeds.first().map(|(at, _)| *at);
            let alert = self.next_alert().await?;
            let Some(next) = [deed, alert].into_iter().flatten().min().filter(|next| *next <= end) else {
                self.state.clocks.care.set(end);
                return Ok(());
            };
            let now = next.max(self.state.clocks.care.now());
            self.state.clocks.care.set(now);
            while let Some((at, deed)) = self.deeds.first().copied().filter(|(at, _)| *at <= now) {
                self.deeds.remove(&(at, deed));
                self.act(deed).await?;
            }
            self.worker.drain().await?;
            self.look().await?;
        }
    }

    /// When the next alert is due or somebody else is to be told of a flag.
    async fn next_alert(&self) -> Result<Option<DateTime<Utc>>, DbError> {
        let look = async |conn: &mut _| {
            let next = [queue::next_due(conn).await?, escalation::next_wake(conn).await?];
            Ok::<_, DbError>(next.into_iter().flatten().min())
        };
        self.state.worker_db.scoped(Scope::System, look).await
    }

    /// Both phones: what came in is shown, fetched and mostly opened.
    async fn look(&mut self) -> anyhow::Result<()> {
        let now = self.state.clocks.care.now();
        for who in [&mut self.cast.patient, &mut self.cast.clinician, &mut self.cast.colleague] {
            for notification in who.phone.look()? {
                self.received += 1;
                let path = format!("/v1/alerts/{}", notification.alert_id);
                let alert = who.api.get(&path).await?;
                let lock_screen = match &notification.body {
                    Some(body) => format!("{} {body}", notification.title),
                    None => notification.title.clone(),
                };
                let mut shown = format!("{}: {}", text(&alert, "/title")?, text(&alert, "/body")?);
                for with in alert["with"].as_array().into_iter().flatten() {
                    shown = format!("(with \"{}\") {shown}", text(with, "/title")?);
                }
                self.screen.alert(now, who.name, &lock_screen, &shown).await;
                // People do not open everything.
                if !self.received.is_multiple_of(6) {
                    who.api.post(&format!("{path}/opened"), &json!({})).await?;
                    self.opened += 1;
                }
                if text(&alert, "/category")? == "check_in" {
                    self.deeds.insert((now + TimeDelta::minutes(25), Deed::ReportWell));
                }
            }
        }
        Ok(())
    }

    async fn act(&mut self, deed: Deed) -> anyhow::Result<()> {
        let now = self.state.clocks.care.now();
        match deed {
            Deed::TickOff => self.tick_off(now).await,
            Deed::GoOutdoors => self.go_out(now).await,
            Deed::FlyAway => self.arrive(now, "New York", America::New_York).await,
            Deed::ArrangeSession => self.arrange(now).await,
            Deed::SecondSession => self.treat_again(now).await,
            Deed::FlyHome => self.arrive(now, "Berlin", ZONE).await,
            Deed::ReportWell => {
                // Skin calms down: redness first, flaking by the end of the first week.
                let days = (now - self.began_at).num_days();
                let (redness, flaking) = (i32::from(days < 3), i32::from(days < 6));
                let symptoms = json!({ "redness": redness, "dryness": flaking, "flaking": flaking, "pain": 0 });
                self.report(now, &symptoms).await.map(drop)
            }
            Deed::ReportWorry => {
                let symptoms = json!({
                    "redness": 3, "warmth": 2, "pain": 2, "pus": "coloured",
                    "temperature": { "value": 38.4, "unit": "celsius" },
                });
                let check_in = self.report(now, &symptoms).await?;
                let level = text(&check_in, "/triage/level")?;
                self.screen
                    .deed(now, &format!("Pia reports how her skin looks; triage says {level} and tells the clinic"))
                    .await;
                anyhow::ensure!(matches!(level.as_str(), "urgent" | "emergency"), "the worrying report was {level}");
                let flags = self.cast.clinician.api.get("/v1/flags?status=open").await?;
                let flags = flags.pointer("/items").and_then(Value::as_array).context("a list of flags")?;
                self.flag_ids = flags.iter().map(|flag| text(flag, "/id")).collect::<anyhow::Result<_>>()?;
                anyhow::ensure!(!self.flag_ids.is_empty(), "the worrying report raised no flag");
                // Clara has left for the day: after a quarter of an hour all clinicians are told.
                self.deeds.insert((now + TimeDelta::minutes(22), Deed::Acknowledge));
                self.deeds.insert((now + TimeDelta::minutes(30), Deed::Contact));
                self.deeds.insert((now + TimeDelta::hours(44), Deed::Resolve));
                Ok(())
            }
            Deed::Acknowledge => {
                let colleague = &self.cast.colleague.api;
                self.flag(colleague, "acknowledge", &json!({ "note": "Clara is away, looking at it now." })).await?;
                let seen = "Clara did not answer, so Carl was told: he acknowledges the flag, and Pia's app shows it";
                self.screen.deed(now, seen).await;
                Ok(())
            }
            Deed::Contact => {
                let called = json!({ "note": "Called, seen the same evening." });
                self.flag(&self.cast.colleague.api, "contacted", &called).await?;
                self.screen.deed(now, "Carl calls Pia").await;
                Ok(())
            }
            Deed::Resolve => {
                let outcome = json!({ "outcome": "Seen and treated; settling.", "note": "Closed." });
                self.flag(&self.cast.clinician.api, "resolve", &outcome).await?;
                self.screen.deed(now, "Clara resolves the flag").await;
                Ok(())
            }
        }
    }

    async fn flag(&self, api: &Api, verb: &str, body: &Value) -> anyhow::Result<()> {
        for flag in &self.flag_ids {
            api.post(&format!("/v1/flags/{flag}/{verb}"), body).await?;
        }
        Ok(())
    }

    async fn report(&self, now: DateTime<Utc>, symptoms: &Value) -> anyhow::Result<Value> {
        let body = json!({ "id": Uuid::new_v4(), "recorded_at": now, "symptoms": symptoms });
        let path = format!("/v1/treatments/{}/check-ins", self.treatment_id);
        self.cast.patient.api.post(&path, &body).await
    }

    /// Ticks off what is open just now.
    async fn tick_off(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let today = now.with_timezone(&ZONE).date_naive();
        let path = format!("/v1/treatments/{}/tasks?from={today}&to={today}", self.treatment_id);
        let tasks = self.cast.patient.api.get(&path).await?;
        let tasks = tasks.pointer("/items").and_then(Value::as_array).context("a list of tasks")?;
        let mut titles = BTreeMap::new();
        let mut outcomes = Vec::new();
        for task in tasks.iter().filter(|task| task["state"] == "open") {
            outcomes.push(json!({
                "id": Uuid::new_v4(), "task_id": task["id"], "kind": "done", "recorded_at": now,
            }));
            titles.insert(text(task, "/title")?, ());
        }
        if outcomes.is_empty() {
            return Ok(());
        }
        let path = format!("/v1/treatments/{}/outcomes", self.treatment_id);
        let answer = self.cast.patient.api.post(&path, &json!({ "outcomes": outcomes })).await?;
        let results = answer.pointer("/results").and_then(Value::as_array).context("results")?;
        anyhow::ensure!(
            results.iter().all(|result| result["status"] == "accepted"),
            "a tick-off was refused: {answer}"
        );
        let titles: Vec<String> = titles.into_keys().collect();
        self.screen.done(now, &titles.join(", ")).await;
        Ok(())
    }
}
