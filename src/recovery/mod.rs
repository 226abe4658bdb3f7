//! One treatment with everything its recovery is computed from, read in one statement: where the patient was, what was
//! said about tasks, which flags were open. What is shown of it is decided by whoever asks.

pub mod compliance_view;
pub mod override_view;
mod store;
pub mod task_view;

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::auth::extract::Caller;

use crate::domain::compliance::{AsOf, Compliance, Judged, Outcome, Report, Said, WHOLE_BP, judge, report};
use crate::domain::condition::{self, Decision, Word};
use crate::domain::course::Spacing;
use crate::domain::local_time::ZoneHistory;
use crate::domain::overrides::Overridden;
use crate::domain::protocol::{Condition, ProtocolVersion, Texts};
use crate::domain::symptoms::Symptoms;
use crate::domain::tally::counting_from;
use crate::domain::timeline::{Conditions, Hold, Overrides, Plan, Task, Timeline, timeline};
use crate::planning::{self, PlanningError};
use crate::protocols::Catalogue;

pub use store::RecoveryRow;

/// A treatment, ready to be laid out.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// What is stored of it.
    pub row: RecoveryRow,
    /// Where the patient was, and since when.
    pub zones: ZoneHistory,
    /// Per task the latest entry.
    pub outcomes: Vec<Outcome>,
    /// What stands of them.
    pub said: Said,
    holds: Vec<Hold>,
    answers: Vec<(DateTime<Utc>, Symptoms)>,
    decisions: Vec<Decision>,
    /// What the pinned version makes of them.
    conditions: OnceLock<Conditions>,
    overrides: Overrides,
}

/// Reads a treatment for somebody who may see it: staff of its clinic, or its patient.
pub async fn find_recovery(conn: &AsyncPgConnection, caller: &Caller, id: Uuid) -> Result<Recovery, PlanningError> {
    let row = store::find_row(conn, caller.clinic_id, id, caller.user_id).await?;
    if !caller.role.is_staff() && caller.patient_id != Some(row.patient_id) {
        return Err(PlanningError::NotFound);
    }
    Recovery::new(row)
}

/// The treatment a patient is recovering from: the latest that is running, else the latest that was completed.
pub async fn find_current(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    patient_id: Uuid,
) -> Result<Option<Recovery>, PlanningError> {
    let row = store::find_current_row(conn, caller.clinic_id, patient_id, caller.user_id).await?;
    row.map(Recovery::new).transpose()
}

/// Treatments of the clinic by their ids, those that there are.
pub async fn list_recoveries(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    treatments: Vec<Uuid>,
) -> Result<Vec<Recovery>, PlanningError> {
    let rows = store::list_rows(conn, caller.clinic_id, treatments, caller.user_id).await?;
    rows.into_iter().map(Recovery::new).collect()
}

/// The same for the server itself, which reads in the clinic's language. One whose record contradicts itself is left out,
/// so that it holds nobody else up.
pub async fn list_for_clinic(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatments: Vec<Uuid>,
) -> Result<Vec<Recovery>, PlanningError> {
    let rows = store::list_rows(conn, clinic_id, treatments, Uuid::nil()).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let treatment = row.id;
        match Recovery::new(row) {
            Ok(recovery) => all.push(recovery),
            Err(error) => tracing::error!(%treatment, %error, "the record of a treatment contradicts itself"),
        }
    }
    Ok(all)
}

/// Since when the clinic's patient is known: for those who were never treated.
pub async fn find_known_since(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    patient_id: Uuid,
) -> Result<DateTime<Utc>, PlanningError> {
    Ok(store::find_known_since(conn, caller.clinic_id, patient_id).await?)
}

impl Recovery {
    fn new(row: RecoveryRow) -> Result<Self, PlanningError> {
        let zones = planning::zones(&row.zones, &row.valid_from)?;
        let outcomes = row.outcomes()?;
        let holds = row.held_from.iter().zip(&row.held_to).map(|(from, to)| Hold { from: *from, to: *to }).collect();
        Ok(Self {
            zones,
            said: Said::fold(&outcomes),
            outcomes,
            holds,
            answers: planning::answers(&row.answered_at, &row.answers)?,
            decisions: planning::decisions(&row.decided_keys, &row.decided_ended, &row.decided_at),
            conditions: OnceLock::new(),
            overrides: Overrides {
                spacing: spacing(&row),
                modes: row.modes(),
                excused: planning::excuses(&row.excused)?,
                ..Overrides::default()
            },
            row,
        })
    }

    /// The protocol version that it follows, its items as they were changed for it. Reads what else its layout depends on: a
    /// recovery is laid out only after this.
    pub async fn version(
        &mut self,
        conn: &mut AsyncPgConnection,
        catalogue: &Catalogue,
        clinic_id: Uuid,
    ) -> Result<Arc<ProtocolVersion>, PlanningError> {
        if self.row.changes > 0 {
            let mut found = planning::list_changes(conn, catalogue, clinic_id, vec![self.row.id]).await?;
            if let Some(own) = found.remove(&self.row.id) {
                (self.overrides.earlier, self.overrides.items) = (own.overrides.earlier, own.overrides.items);
                return Ok(own.version);
            }
        }
        Ok(catalogue.version(conn, self.row.protocol_version_id).await?)
    }

    /// What was changed for it.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// What was said of a condition, in order of time.
    pub fn words(&self, condition: &Condition) -> Vec<Word> {
        condition::words(condition, self.row.performed_at, &self.answers, &self.decisions)
    }

    /// Which conditions have ended, as a version reads what was said.
    pub fn conditions(&self, version: &ProtocolVersion) -> Conditions {
        let conditions = &version.structure.conditions;
        let ended = condition::ended(conditions, self.row.performed_at, &self.answers, &self.decisions);
        Conditions { ended, holds: self.holds.clone() }
    }

    /// What it is laid out from; `version` is the pinned one, whatever the call.
    pub fn plan<'a>(&'a self, version: &'a ProtocolVersion) -> Plan<'a> {
        Plan {
            treatment: self.row.id,
            version,
            performed_at: self.row.performed_at,
            anchor_on: self.row.anchor_on,
            zones: &self.zones,
            overrides: &self.overrides,
            conditions: self.conditions.get_or_init(|| self.conditions(version)),
        }
    }

    /// The layout. A treatment that was ended asks nothing of the patient from then on.
    pub fn timeline<'a>(&'a self, version: &'a ProtocolVersion) -> Timeline<'a> {
        let mut laid = timeline(&self.plan(version));
        if let Some(ended_at) = self.row.ended_at {
            laid.tasks.retain(|task| task.open_at < ended_at);
        }
        laid
    }

    /// What a task is called: in these words, or in those of the version under which it was closed.
    pub fn title<'a>(&'a self, version: &'a ProtocolVersion, texts: &'a Texts, task: &Task<'a>) -> &'a str {
        let of = |version: &'a ProtocolVersion, texts: &'a Texts| {
            let item = version.item(task.item_key()).filter(|item| std::ptr::eq(*item, task.item))?;
            version.item_text(texts, &item.key).map(|text| text.title.as_str())
        };
        let mut earlier = self.overrides.earlier.iter().map(|earlier| &*earlier.version);
        let said = of(version, texts)
            .or_else(|| earlier.find_map(|version| of(version, version.texts_for(&[&texts.locale], |_| false))));
        said.unwrap_or_default()
    }

    /// What was changed of a task's item for this treatment; of those that were closed before, nothing was.
    pub fn override_of(&self, version: &ProtocolVersion, task: &Task<'_>) -> Option<&Overridden> {
        let item = version.item(task.item_key())?;
        std::ptr::eq(item, task.item).then(|| self.overrides.of_item(&item.key)).flatten()
    }

    /// The moment tasks are judged at: `at`, or the end of the treatment if that came before.
    pub fn judged_at(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.row.ended_at.map_or(at, |ended_at| ended_at.min(at))
    }

    /// Since when tasks count, as it is shown.
    pub fn since(&self) -> DateTime<Utc> {
        counting_from(self.row.performed_at, self.row.counts_from, self.row.linked_at)
    }

    /// Since when tasks count. For a patient without the app, of whom nobody has entered anything, counting has not begun
    /// at `at`.
    pub fn starts_at(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        if self.row.linked_at.is_none() && !self.reported() { at.max(self.since()) } else { self.since() }
    }

    /// Whether anything was ever heard about it: an entry about a task, or a check-in.
    pub fn reported(&self) -> bool {
        self.row.activity > 0
    }

    fn as_of(&self, at: DateTime<Utc>) -> AsOf {
        let at = self.judged_at(at);
        AsOf { starts_at: self.starts_at(at), at, today: self.zones.date(at), streak_bp: WHOLE_BP }
    }

    /// Compliance at a moment. Who was never heard of has no shares: silence is no refusal.
    pub fn report<'a>(&'a self, tasks: &[Task<'a>], at: DateTime<Utc>) -> Report<'a> {
        let mut report = report(tasks, &self.said, &self.as_of(at));
        report.since = self.since();
        if !self.reported() {
            let days = report.by_day.iter_mut().map(|day| &mut day.compliance);
            let items = report.by_item.iter_mut().map(|item| &mut item.compliance);
            days.chain(items).chain([&mut report.to_date, &mut report.last_7_days]).for_each(Compliance::silence);
        }
        report
    }

    /// Those of these tasks that have closed by a moment, and what became of them.
    pub fn judged<'t, 'a>(&'a self, tasks: &'t [Task<'a>], at: DateTime<Utc>) -> Vec<Judged<'t, 'a>> {
        judge(tasks, &self.said, &self.as_of(at))
    }

    /// The languages to fall back on: the reader's, then the clinic's.
    pub fn locales(&self) -> [&str; 2] {
        [&self.row.reader_locale, &self.row.clinic_locale]
    }
}

/// The interval of the course that it is a session of.
fn spacing(row: &RecoveryRow) -> Option<Spacing> {
    let days = row.interval_min_days.zip(row.interval_max_days);
    days.map(|(min_days, max_days)| Spacing { min_days, max_days })
}
