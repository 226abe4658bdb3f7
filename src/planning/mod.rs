//! One person's plan: everything that the running treatments of a patient owe, planned together, since quiet hours and
//! "one milestone a day" are a person's and not a treatment's.
//!
//! Whoever changes something that a plan depends on (a treatment, a zone, preferences, outcomes, check-ins, flags) does
//! so between [`lock`] and [`Person::replan`], in one transaction. The lock is taken first, by everybody, so that plans
//! of one person never interleave.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::alerts::queue::{self, PlannedState, Recipient, RecipientKind};
use crate::db::DbError;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{DayTime, ProtocolVersion};
use crate::domain::reminders::{Category, Fate, Preferences, QuietHours, RunningTreatment, owed};
use crate::domain::timeline::{Conditions, Hold, Overrides, Plan};
use crate::protocols::{Catalogue, CatalogueError};

pub use store::Running;

/// Workers look by themselves at least this often (`MENDLINE_POLL_SECONDS` may say less); what is due sooner wakes them.
const WAKE_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// Why a plan could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanningError {
    /// The clinic has no such patient.
    #[error("no such patient")]
    NoPatient,
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A pinned protocol version cannot be read.
    #[error(transparent)]
    Protocol(#[from] CatalogueError),
    /// The record contradicts itself.
    #[error(transparent)]
    Record(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for PlanningError {
    fn from(error: diesel::result::Error) -> Self {
        match error {
            diesel::result::Error::NotFound => Self::NoPatient,
            error => Self::Db(error.into()),
        }
    }
}

/// A patient whose plan nobody else can change before this transaction ends.
#[derive(Debug, Clone)]
pub struct Person {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The patient record.
    pub patient_id: Uuid,
    /// The login behind it.
    pub user_id: Option<Uuid>,
    /// When the invitation was accepted.
    pub linked_at: Option<DateTime<Utc>>,
    /// Where the person was, and since when.
    pub zones: ZoneHistory,
    /// What the person wants to be told, and when.
    pub preferences: Preferences,
    /// The clinic's default protocol.
    pub default_protocol: String,
    /// The number of the plan that this transaction makes.
    pub plan_revision: i32,
}

/// Locks the patient's plan; the first statement of every transaction that changes it.
pub async fn lock(conn: &mut AsyncPgConnection, clinic_id: Uuid, patient_id: Uuid) -> Result<Person, PlanningError> {
    person(clinic_id, patient_id, store::lock_person(conn, clinic_id, patient_id).await?)
}

/// The same in a transaction that began with the lock ([`Scope::Patient`](crate::db::Scope::Patient)).
pub async fn locked(conn: &mut AsyncPgConnection, clinic_id: Uuid, patient_id: Uuid) -> Result<Person, PlanningError> {
    person(clinic_id, patient_id, store::find_locked_person(conn, clinic_id, patient_id).await?)
}

fn person(clinic_id: Uuid, patient_id: Uuid, row: store::PersonRow) -> Result<Person, PlanningError> {
    Ok(Person {
        clinic_id,
        patient_id,
        user_id: row.user_id,
        linked_at: row.linked_at,
        zones: zones(&row.zones, &row.valid_from)?,
        preferences: Preferences {
            preferred_time: row.preferred_time.map_or(Preferences::default().preferred_time, day_time),
            quiet: Some(QuietHours { from: day_time(row.quiet_from), to: day_time(row.quiet_to) }),
            off: row.categories_off.iter().filter_map(|word| word.parse::<Category>().ok()).collect(),
            paused: row.paused,
        },
        default_protocol: row.default_protocol,
        plan_revision: row.plan_revision,
    })
}

impl Person {
    /// Plans all running treatments anew and makes that the person's plan. Returns how many alerts changed.
    pub async fn replan(
        &self,
        conn: &mut AsyncPgConnection,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<usize, PlanningError> {
        let running = store::list_running(conn, self.clinic_id, self.patient_id).await?;
        let mut inputs = Vec::with_capacity(running.len());
        for treatment in &running {
            let version = catalogue.version(conn, treatment.protocol_version_id).await?;
            inputs.push(Input::new(treatment, version, &self.zones));
        }
        let alerts = self.alerts(&inputs, now);
        let to = Recipient { clinic_id: self.clinic_id, kind: RecipientKind::Patient, id: self.patient_id };
        Ok(queue::replace_plan(conn, to, &alerts, now, now + WAKE_WITHIN, self.plan_revision).await?)
    }

    fn alerts(&self, inputs: &[Input<'_>], now: DateTime<Utc>) -> Vec<queue::Owed> {
        let overrides = Overrides::default();
        let treatments: Vec<RunningTreatment<'_>> = inputs
            .iter()
            .map(|input| RunningTreatment {
                plan: Plan {
                    treatment: input.row.id,
                    version: &input.version,
                    performed_at: input.row.performed_at,
                    anchor_on: input.row.anchor_on,
                    zones: &self.zones,
                    overrides: &overrides,
                    conditions: &input.conditions,
                },
                registered_at: input.row.counts_from,
                settled: &input.settled,
                checked_in_on: &input.checked_in_on,
                course_continued: input.row.course_continued,
            })
            .collect();
        let versions: BTreeMap<Uuid, Uuid> =
            inputs.iter().map(|input| (input.row.id, input.row.protocol_version_id)).collect();
        owed(self.patient_id, &treatments, &self.preferences, now)
            .into_iter()
            .map(|owed| queue::Owed {
                protocol_version_id: versions.get(&owed.treatment_id).copied(),
                category: owed.category.as_str(),
                urgent: false,
                treatment_id: Some(owed.treatment_id),
                flag_id: None,
                device_id: None,
                item_key: Some(owed.item_key),
                day_index: Some(owed.day_index),
                seq: Some(owed.seq),
                due_at: owed.due_at,
                expires_at: owed.expires_at,
                state: match owed.fate {
                    Fate::Due => PlannedState::Scheduled,
                    Fate::Suppressed => PlannedState::Suppressed,
                },
                dedupe_key: owed.dedupe_key,
            })
            .collect()
    }
}

/// One running treatment, ready to be laid out.
struct Input<'a> {
    row: &'a Running,
    version: Arc<ProtocolVersion>,
    conditions: Conditions,
    settled: BTreeSet<Uuid>,
    checked_in_on: BTreeSet<NaiveDate>,
}

impl<'a> Input<'a> {
    fn new(row: &'a Running, version: Arc<ProtocolVersion>, zones: &ZoneHistory) -> Self {
        let holds = row.held_from.iter().zip(&row.held_to).map(|(from, to)| Hold { from: *from, to: *to }).collect();
        Self {
            row,
            version,
            conditions: Conditions { ended: BTreeMap::new(), holds },
            settled: row.settled_tasks.iter().copied().collect(),
            checked_in_on: row.checked_in_at.iter().map(|at| zones.date(*at)).collect(),
        }
    }
}

/// A zone history from two columns of the same length.
pub(crate) fn zones(names: &[String], valid_from: &[DateTime<Utc>]) -> anyhow::Result<ZoneHistory> {
    let rows: Vec<_> = names
        .iter()
        .zip(valid_from)
        .map(|(name, from)| Ok((name.parse()?, *from)))
        .collect::<Result<_, chrono_tz::ParseError>>()
        .context("a stored time zone is unknown")?;
    ZoneHistory::from_rows(rows).context("a patient without a time zone")
}

fn day_time(time: NaiveTime) -> DayTime {
    let minutes = time.num_seconds_from_midnight() / 60;
    u16::try_from(minutes).ok().and_then(DayTime::from_minutes).unwrap_or(DayTime::START)
}
