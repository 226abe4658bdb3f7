//! A clinic's compliance: every running treatment counted exactly, a few hundred at a time, so that a large clinic costs
//! time and no memory.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Days, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, RunningRow};
use super::treatment::given;
use crate::auth::extract::Caller;
use crate::domain::compliance::{Compliance, Judged, ReasonCount, SkipReason, by_item, reasons, sum};
use crate::domain::protocol::ProtocolVersion;
use crate::planning::PlanningError;
use crate::protocols::Catalogue;
use crate::recovery::{Recovery, list_recoveries};

/// Treatments that are read and counted at a time.
const CHUNK: i64 = 250;
/// Into how many equal parts shares are sorted.
pub const PARTS: usize = 4;

/// An item of a protocol, over all treatments that have it.
#[derive(Debug)]
pub struct ItemSum {
    /// A version that has it, for its title: the last that was met.
    pub version: Arc<ProtocolVersion>,
    /// Unreviewed translations of that version that the clinic has accepted.
    pub accepted_locales: Vec<String>,
    /// The item.
    pub item_key: String,
    /// Its tasks.
    pub compliance: Compliance,
}

/// One running treatment.
#[derive(Debug)]
pub struct TreatmentSum {
    /// The treatment.
    pub id: Uuid,
    /// The patient's name, with the file number where there is one.
    pub patient: String,
    /// When it was performed.
    pub performed_at: DateTime<Utc>,
    /// Anything was heard of it.
    pub reported: bool,
    /// Its tasks.
    pub compliance: Compliance,
}

/// What a clinic's running treatments amount to.
#[derive(Debug, Default)]
pub struct Clinic {
    /// All of them.
    pub treatments: Vec<TreatmentSum>,
    /// Tasks of those of which anything was heard.
    pub to_date: Compliance,
    /// Theirs of each patient's last seven dates, today included.
    pub last_7_days: Compliance,
    /// Theirs of the seven before.
    pub previous_7_days: Compliance,
    /// Theirs by item of each protocol, in no particular order.
    pub by_item: Vec<ItemSum>,
    /// Why they were skipped.
    pub skip_reasons: Vec<ReasonCount>,
    /// The languages to fall back on: the reader's, then the clinic's.
    pub locales: Vec<String>,
    places: HashMap<(String, String), usize>,
}

/// Counts the clinic's running treatments at a moment.
pub async fn count(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    caller: &Caller,
    at: DateTime<Utc>,
) -> Result<Clinic, PlanningError> {
    let (mut clinic, mut after) = (Clinic::default(), Uuid::nil());
    loop {
        let rows = store::list_running(conn, caller.clinic_id, after, CHUNK).await?;
        let Some(last) = rows.last() else { break };
        after = last.treatment_id;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.treatment_id).collect();
        let given = given(conn, caller.clinic_id, ids.clone()).await?;
        let recoveries = list_recoveries(conn, caller, ids).await?;
        let mut rows: HashMap<Uuid, RunningRow> = rows.into_iter().map(|row| (row.treatment_id, row)).collect();
        for mut recovery in recoveries {
            let version = recovery.version(conn, catalogue, caller.clinic_id).await?;
            if let Some(row) = rows.remove(&recovery.row.id) {
                clinic.add(row, &recovery, &version, &given, at);
            }
        }
    }
    clinic.treatments.sort_by_key(|treatment| treatment.id);
    Ok(clinic)
}

impl Clinic {
    fn add(
        &mut self,
        row: RunningRow,
        recovery: &Recovery,
        version: &Arc<ProtocolVersion>,
        given: &HashMap<Uuid, SkipReason>,
        at: DateTime<Utc>,
    ) {
        if self.locales.is_empty() {
            self.locales = recovery.locales().map(str::to_owned).to_vec();
        }
        let laid = recovery.timeline(version);
        let judged = recovery.judged(&laid.tasks, at);
        let (mut compliance, reported) = (sum(&judged), recovery.reported());
        if reported {
            self.to_date = self.to_date.plus(&compliance);
            self.add_days(&judged, recovery, at);
            // What was closed under an earlier version is that version's.
            for earlier in &recovery.overrides().earlier {
                self.add_items(&of_version(&judged, &earlier.version), &earlier.version, &[]);
            }
            self.add_items(&of_version(&judged, version), version, &recovery.row.accepted_locales);
            self.add_reasons(&reasons(&judged, given));
        } else {
            compliance.silence();
        }
        let reference = row.reference.map(|reference| format!(" ({reference})")).unwrap_or_default();
        self.treatments.push(TreatmentSum {
            id: row.treatment_id,
            patient: row.display_name + &reference,
            performed_at: recovery.row.performed_at,
            reported,
            compliance,
        });
    }

    fn add_days(&mut self, judged: &[Judged<'_, '_>], recovery: &Recovery, at: DateTime<Utc>) {
        let today = recovery.zones.date(at);
        let (this, last) = (today - Days::new(6), today - Days::new(13));
        let dates = |from, to| sum(judged.iter().filter(move |judged| (from..=to).contains(&judged.task.local_date)));
        self.last_7_days = self.last_7_days.plus(&dates(this, today));
        self.previous_7_days = self.previous_7_days.plus(&dates(last, this - Days::new(1)));
    }

    fn add_items(&mut self, judged: &[Judged<'_, '_>], version: &Arc<ProtocolVersion>, accepted: &[String]) {
        for item in by_item(judged) {
            let key = (version.key().to_owned(), item.item_key.to_owned());
            let place = *self.places.entry(key).or_insert(self.by_item.len());
            match self.by_item.get_mut(place) {
                Some(sum) => {
                    sum.compliance = sum.compliance.plus(&item.compliance);
                    sum.version = Arc::clone(version);
                    sum.accepted_locales = accepted.to_vec();
                }
                None => self.by_item.push(ItemSum {
                    version: Arc::clone(version),
                    accepted_locales: accepted.to_vec(),
                    item_key: item.item_key.to_owned(),
                    compliance: item.compliance,
                }),
            }
        }
    }

    fn add_reasons(&mut self, more: &[ReasonCount]) {
        for ReasonCount { reason, tasks } in more {
            match self.skip_reasons.iter_mut().find(|count| count.reason == *reason) {
                Some(count) => count.tasks += tasks,
                None => self.skip_reasons.push(ReasonCount { reason: *reason, tasks: *tasks }),
            }
        }
        self.skip_reasons.sort_by_key(|count| (std::cmp::Reverse(count.tasks), count.reason));
    }

    /// How many treatments of which anything was heard have a share in each part, the lowest first.
    pub fn distribution(&self) -> [i64; PARTS] {
        let mut parts = [0; PARTS];
        for share in self.treatments.iter().filter_map(|treatment| treatment.compliance.completion_bp) {
            let part = usize::try_from(share / part_bp()).unwrap_or(0).min(PARTS - 1);
            if let Some(count) = parts.get_mut(part) {
                *count += 1;
            }
        }
        parts
    }
}

/// The tasks that this very version asked for.
fn of_version<'j, 'a>(judged: &[Judged<'j, 'a>], version: &ProtocolVersion) -> Vec<Judged<'j, 'a>> {
    let items = version.structure.items.as_ptr_range();
    judged.iter().filter(|judged| items.contains(&std::ptr::from_ref(judged.task.item))).copied().collect()
}

/// How wide a part is, in basis points.
pub const fn part_bp() -> i64 {
    crate::domain::compliance::WHOLE_BP / PARTS as i64
}
