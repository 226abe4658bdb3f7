//! One person's plan: everything that the running treatments of a patient owe, planned together, since quiet hours and
//! "one milestone a day" are a person's and not a treatment's.
//!
//! Whoever changes something that a plan depends on (a treatment, a zone, preferences, outcomes, check-ins, flags) does
//! so between [`lock`] and [`Person::replan`], in one transaction. The lock is taken first, by everybody, so that plans
//! of one person never interleave.

mod anew;
mod appointments;
mod changes;
mod input;
mod look;
mod running;
mod store;

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::alerts::queue::{self, PlannedState, Recipient, RecipientKind};
use crate::clock::Clocks;
use crate::db::{Db, DbError};
use crate::domain::appointment::{Appointment, reminders};
use crate::domain::local_time::ZoneHistory;
use crate::domain::preferences::day_time;
use crate::domain::reminders::{Category, Fate, History, Preferences, QuietHours, RunningTreatment, owed};
use crate::domain::timeline::ModeSpan;
use crate::failpoint::failpoint;
use crate::protocols::{Catalogue, CatalogueError};

pub use anew::{Asked, ask_for_clinic, ask_for_version, list_asked, plan_anew};
pub use changes::{Followed, list_changes};
use input::Input;
pub(crate) use input::{answers, decisions, excuses};
pub use look::{Laid, look, look_at_treatments};
pub use running::RunningTreatments;
pub use store::Running;

/// Workers look by themselves at least this often (`MENDLINE_POLL_SECONDS` may say less); what is due sooner wakes them.
pub const WAKE_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// Why a plan could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanningError {
    /// The clinic has no such patient, treatment or flag, or it is not the caller's.
    #[error("not found")]
    NotFound,
    /// The person has erased the login behind the record: it is kept, and nothing of it changes any more.
    #[error("the record is detached")]
    Detached,
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
            diesel::result::Error::NotFound => Self::NotFound,
            error => Self::Db(error.into()),
        }
    }
}

/// What a use case that plans may fail of besides its own reasons comes through its `Planning` variant.
macro_rules! through_planning {
    ($error:ty: $($cause:ty),+) => {
        $(impl From<$cause> for $error {
            fn from(cause: $cause) -> Self {
                Self::Planning(cause.into())
            }
        })+
    };
}

pub(crate) use through_planning;

/// What use cases that plan work with.
#[derive(Debug, Clone, Copy)]
pub struct Tools<'a> {
    /// The database.
    pub db: &'a Db,
    /// The time.
    pub clocks: &'a Clocks,
    /// Protocol versions.
    pub catalogue: &'a Catalogue,
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
    /// The login is erased, or about to be: nothing is owed.
    pub leaves: bool,
    /// Where the person was, and since when.
    pub zones: ZoneHistory,
    /// What the person wants to be told, and when.
    pub preferences: Preferences,
    /// Modes that the person had switched on.
    pub modes: Vec<ModeSpan>,
    /// What the person was told, and what they asked to hear later.
    pub history: History,
    /// Every appointment that the person ever had: as many as a clinic makes with one person.
    pub appointments: Vec<Appointment>,
    /// The areas of which the person has an open course.
    pub open_courses: Vec<String>,
    /// Protocol versions that the clinic has withdrawn.
    pub withdrawn: Vec<Uuid>,
    /// The clinic's default protocol.
    pub default_protocol: String,
    /// The number of the plan that this transaction makes.
    pub plan_revision: i32,
}

/// Locks the patient's plan; the first statement of every transaction that changes it.
pub async fn lock(conn: &mut AsyncPgConnection, clinic_id: Uuid, patient_id: Uuid) -> Result<Person, PlanningError> {
    Person::changing(clinic_id, store::lock_person(conn, clinic_id, patient_id).await?)
}

/// The same for what a clinic brings to an end though the record is detached: a flag waits for somebody to have seen it,
/// whoever has left.
pub async fn lock_even_detached(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Uuid,
) -> Result<Person, PlanningError> {
    Person::new(clinic_id, store::lock_person(conn, clinic_id, patient_id).await?)
}

/// The same in a transaction that began under [`Lock::Patient`](crate::db::Lock::Patient), one round trip sooner.
pub async fn locked(conn: &AsyncPgConnection, clinic_id: Uuid, patient_id: Uuid) -> Result<Person, PlanningError> {
    Person::changing(clinic_id, store::find_locked(conn, clinic_id, patient_id).await?)
}

/// The same for the patient of a treatment, under [`Lock::PatientOf`](crate::db::Lock::PatientOf).
pub async fn locked_of(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
) -> Result<Person, PlanningError> {
    Person::changing(clinic_id, store::find_locked_of(conn, clinic_id, treatment_id).await?)
}

impl Person {
    /// Whoever changes something asks for a person who is still there.
    fn changing(clinic_id: Uuid, row: store::PersonRow) -> Result<Self, PlanningError> {
        if row.patient.detached { Err(PlanningError::Detached) } else { Self::new(clinic_id, row) }
    }

    fn new(clinic_id: Uuid, row: store::PersonRow) -> Result<Self, PlanningError> {
        let store::PersonRow { patient, zones: places, wishes, told, snoozed, modes, appointments } = row;
        Ok(Self {
            clinic_id,
            patient_id: patient.id,
            user_id: patient.user_id,
            linked_at: patient.linked_at,
            leaves: patient.leaving || patient.detached,
            zones: zones(&places.names, &places.valid_from)?,
            preferences: Preferences {
                preferred_time: wishes.preferred_time.map_or(Preferences::default().preferred_time, day_time),
                quiet: Some(QuietHours { from: day_time(wishes.quiet_from), to: day_time(wishes.quiet_to) }),
                off: wishes.categories_off.iter().filter_map(|word| word.parse::<Category>().ok()).collect(),
                paused: wishes.paused,
                daily_cap: usize::try_from(wishes.daily_cap).unwrap_or_default(),
                minimum_gap: TimeDelta::minutes(i64::from(wishes.minimum_gap_minutes)),
            },
            modes: modes.read(),
            history: History { told: told.read(), snoozes: snoozed.read() },
            appointments: appointments.read()?,
            open_courses: patient.open_courses,
            withdrawn: patient.withdrawn,
            default_protocol: patient.default_protocol,
            plan_revision: patient.plan_revision,
        })
    }

    /// Plans all running treatments anew and makes that the person's plan. Returns how many alerts changed.
    pub async fn replan(
        &self,
        conn: &mut AsyncPgConnection,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<usize, PlanningError> {
        let running = self.running(conn, catalogue).await?;
        self.plan(conn, &running, now).await
    }

    /// Reads the running treatments, for a plan that is made in this transaction.
    pub async fn running(
        &self,
        conn: &mut AsyncPgConnection,
        catalogue: &Catalogue,
    ) -> Result<RunningTreatments, PlanningError> {
        let rows = store::list_running(conn, self.clinic_id, self.patient_id).await?;
        RunningTreatments::of(conn, catalogue, self, rows).await
    }

    /// Plans treatments that were read in this transaction and makes that the person's plan.
    pub async fn plan(
        &self,
        conn: &mut AsyncPgConnection,
        running: &RunningTreatments,
        now: DateTime<Utc>,
    ) -> Result<usize, PlanningError> {
        let inputs = running.inputs(self)?;
        let treatments: Vec<_> = inputs.iter().map(|input| input.running(self)).collect();
        for (input, treatment) in inputs.iter().zip(&treatments).filter(|(input, _)| !input.row.at_rest) {
            let tally = input.tally(&treatment.laid.tasks, self, now);
            if tally != input.stored_tally(now) {
                store::update_tally(conn, self.clinic_id, input.row.id, tally).await?;
            }
        }
        let mut alerts = Vec::new();
        if !self.leaves {
            alerts = self.alerts(&treatments, &inputs, now);
            let reminders = reminders(&self.appointments, &self.preferences, &self.zones, now);
            alerts.extend(reminders.into_iter().map(queue::Owed::from));
        }
        let to = Recipient { clinic_id: self.clinic_id, kind: RecipientKind::Patient, id: self.patient_id };
        let changed = queue::replace_plan(conn, to, &alerts, now, now + WAKE_WITHIN, self.plan_revision).await?;
        failpoint!("plan:uncommitted");
        Ok(changed)
    }

    fn alerts(
        &self,
        treatments: &[RunningTreatment<'_>],
        inputs: &[Input<'_>],
        now: DateTime<Utc>,
    ) -> Vec<queue::Owed> {
        let versions: BTreeMap<Uuid, Uuid> =
            inputs.iter().map(|input| (input.row.id, input.row.protocol_version_id)).collect();
        owed(self.patient_id, treatments, &self.preferences, &self.history, now)
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
                state: planned(owed.fate, Some(owed.slot_ends_at)),
                dedupe_key: owed.dedupe_key,
            })
            .collect()
    }
}

/// In which state what is owed enters the queue.
fn planned(fate: Fate, slot_ends_at: Option<DateTime<Utc>>) -> PlannedState {
    match fate {
        Fate::Due => slot_ends_at.map_or(PlannedState::Scheduled, |ends_at| PlannedState::InSlot { ends_at }),
        Fate::Merged { into } => PlannedState::Merged { into },
        Fate::Suppressed(why) => PlannedState::Suppressed { reason: why.as_str() },
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
