//! What a draft would mean for a patient: its timeline and what would be told when, for a treatment at any moment or for one
//! that there is. Nothing is written.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use uuid::Uuid;

use super::super::preview_view::PreviewView;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, Staff};
use crate::body::Faults;
use crate::db::Scope;
use crate::domain::course::WhatFollows;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::ProtocolVersion;
use crate::domain::reminders::{History, Preferences, RunningTreatment, owed};
use crate::domain::timeline::{Conditions, Overrides, Plan, timeline};
use crate::error::ApiError;
use crate::planning::{self, PlanningError};
use crate::preconditions::{IfNoneMatch, computed_answer};
use crate::protocols::drafts::routes::sound;
use crate::query::{Query, instant};

/// For whom: a treatment at a moment in a zone, or one of the clinic's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewQuery {
    performed_at: Option<String>,
    time_zone: Option<String>,
    treatment_id: Option<Uuid>,
}

/// Whose plan is previewed.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Anybody(DateTime<Utc>, Tz),
    Treatment(Uuid),
}

/// What the plan stands on.
struct Ground {
    performed_at: DateTime<Utc>,
    anchor_on: NaiveDate,
    zones: ZoneHistory,
    overrides: Overrides,
    conditions: Conditions,
    preferences: Preferences,
}

impl PreviewQuery {
    fn read(&self) -> Result<Subject, ApiError> {
        match (self.treatment_id, self.performed_at.as_deref(), self.time_zone.as_deref()) {
            (Some(id), None, None) => Ok(Subject::Treatment(id)),
            (None, Some(performed_at), Some(zone)) => {
                let mut faults = Faults::default();
                let zone = faults.time_zone("time_zone", zone);
                let performed_at = faults.parsed("performed_at", instant(performed_at));
                faults.finish()?;
                Ok(Subject::Anybody(performed_at.unwrap_or_default(), zone))
            }
            _ => Err(ApiError::invalid("performed_at", "send performed_at and time_zone, or treatment_id alone")),
        }
    }
}

impl Ground {
    async fn of(state: &State, caller: &Caller, subject: Subject, version: &ProtocolVersion) -> Result<Self, ApiError> {
        let id = match subject {
            Subject::Treatment(id) => id,
            Subject::Anybody(performed_at, zone) => {
                let zones = ZoneHistory::fixed(zone);
                return Ok(Self {
                    performed_at,
                    anchor_on: zones.date(performed_at),
                    zones,
                    overrides: Overrides::default(),
                    conditions: Conditions::default(),
                    preferences: Preferences::default(),
                });
            }
        };
        let treatment = super::load(state, caller, id).await?;
        let entry = Entry::by(caller, "timeline.read", "treatment", id).about(treatment.patient_id);
        state.reads.note(entry).await?;
        let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let person = planning::look(conn, caller.clinic_id, treatment.patient_id).await?;
            let status = [treatment.status.as_str()];
            let all = planning::look_at_treatments(conn, &state.protocols, &person, &status).await?;
            let row = all.find(id).map(|(row, _)| row);
            let conditions = row.map(|row| row.conditions(version)).transpose()?.unwrap_or_default();
            // The draft is looked at as though the treatment had followed nothing else.
            let overrides = row.map(|row| row.overrides(&person.modes)).transpose()?.unwrap_or_default();
            Ok::<_, PlanningError>((person, overrides, conditions))
        });
        let (person, overrides, conditions) = found.await?;
        Ok(Self {
            performed_at: treatment.performed_at,
            anchor_on: treatment.anchor_on,
            zones: person.zones,
            overrides,
            conditions,
            preferences: person.preferences,
        })
    }
}

/// `GET /v1/protocol-drafts/{id}/preview`
pub async fn preview_draft(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
    query: Query<PreviewQuery>,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let subject = query.read()?;
    let version = sound(&state, &caller, *path).await?;
    let ground = Ground::of(&state, &caller, subject, &version).await?;
    let plan = Plan {
        treatment: Uuid::nil(),
        version: &version,
        performed_at: ground.performed_at,
        anchor_on: ground.anchor_on,
        zones: &ground.zones,
        overrides: &ground.overrides,
        conditions: &ground.conditions,
    };
    let running = RunningTreatment {
        plan,
        registered_at: ground.performed_at,
        settled: &BTreeSet::new(),
        checked_in_on: &BTreeSet::new(),
        // The draft's own words are looked at: as though nothing had been arranged.
        follows: WhatFollows::default(),
        laid: timeline(&plan),
        completed: false,
        recalled: false,
    };
    let running = [running];
    let alerts = owed(Uuid::nil(), &running, &ground.preferences, &History::default(), ground.performed_at);
    let texts = version.base_texts();
    let [RunningTreatment { laid, .. }] = &running;
    let view = PreviewView::new(&plan, texts, laid, &alerts, state.clocks.care.now());
    computed_answer(&known, &texts.locale, &view)
}
