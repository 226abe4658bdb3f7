//! What lies behind a share: by group of items and by week, this week beside the one before, before and after the last
//! visit, what is missed most and why. Of one treatment or of several.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::reason::{ReasonCount, SkipReason, reasons};
use super::{AsOf, Compliance, ItemCompliance, Said, Standing, share_bp, standing};
use crate::domain::timeline::Task;
use crate::domain::words::word_enum;

/// A closed task and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'t, 'a> {
    /// The task.
    pub task: &'t Task<'a>,
    /// Where it stands.
    pub standing: Standing,
}

impl Judged<'_, '_> {
    /// Whether it is in the denominator.
    pub fn counts(&self) -> bool {
        self.task.item.counts && self.standing.excluded.is_none()
    }
}

/// The tasks that have closed by a moment, in their order.
pub fn judge<'t, 'a>(tasks: &'t [Task<'a>], said: &Said, as_of: &AsOf) -> Vec<Judged<'t, 'a>> {
    let judged = |task| Judged { task, standing: standing(task, said, as_of.starts_at, as_of.at) };
    tasks.iter().map(judged).filter(|judged| judged.standing.closed).collect()
}

/// Counts some of them.
pub fn sum<'j, 't: 'j, 'a: 't>(judged: impl IntoIterator<Item = &'j Judged<'t, 'a>>) -> Compliance {
    let add = |mut sum: Compliance, judged: &Judged<'t, 'a>| {
        sum.add(judged.task, judged.standing);
        sum
    };
    judged.into_iter().fold(Compliance::default(), add).shares()
}

/// Items that are about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupCompliance<'a> {
    /// The group; of an item that has none, the item's key.
    pub group: &'a str,
    /// Its tasks.
    #[serde(flatten)]
    pub compliance: Compliance,
}

/// Seven of the patient's days, counted from the treatment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WeekCompliance {
    /// 0 for the seven days that begin with the treatment's.
    pub week_index: i64,
    /// Its first date.
    pub from: NaiveDate,
    /// Its last date.
    pub to: NaiveDate,
    /// Its tasks.
    #[serde(flatten)]
    pub compliance: Compliance,
}

/// By how much shares rose, or fell, in basis points. Absent where either side has no share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Of what was done at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_change_bp: Option<i64>,
    /// Of what was done by its close.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_time_change_bp: Option<i64>,
}

impl Change {
    /// From one to the other.
    pub fn between(before: &Compliance, after: &Compliance) -> Self {
        let change = |before: Option<i64>, after: Option<i64>| before.zip(after).map(|(before, after)| after - before);
        Self {
            completion_change_bp: change(before.completion_bp, after.completion_bp),
            on_time_change_bp: change(before.on_time_bp, after.on_time_bp),
        }
    }
}

word_enum! {
    /// How the clinic saw a patient.
    pub enum VisitKind {
        /// A treatment was performed.
        Session = "session",
        /// There was an appointment.
        Appointment = "appointment",
    }
}

/// The last time a patient was at the clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Visit {
    /// What it was for.
    pub kind: VisitKind,
    /// When.
    pub at: DateTime<Utc>,
}

/// What changed with a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SinceVisit {
    /// The visit.
    pub visit: Visit,
    /// Tasks that were to be done before it.
    pub before: Compliance,
    /// Tasks that were to be done after it.
    pub after: Compliance,
    /// The difference.
    #[serde(flatten)]
    pub change: Change,
}

/// An item that is left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Missed<'a> {
    /// The item.
    pub item_key: &'a str,
    /// Closed tasks that were not done.
    pub missed: i64,
    /// All its closed tasks that count.
    pub closed: i64,
    /// The share of them, in basis points.
    pub missed_bp: i64,
}

impl<'a> Missed<'a> {
    /// Of all items the one of which most tasks were not done; of several the one with the greater share, then the first.
    pub fn most(items: impl IntoIterator<Item = (&'a str, Compliance)>) -> Option<Self> {
        let missed = items.into_iter().filter_map(|(item_key, compliance)| {
            let (missed, closed) = (compliance.missed(), compliance.counts.closed);
            Some(Self { item_key, missed, closed, missed_bp: share_bp(missed, closed).filter(|_| missed > 0)? })
        });
        missed.reduce(
            |most, next| {
                if (next.missed, next.missed_bp) > (most.missed, most.missed_bp) { next } else { most }
            },
        )
    }
}

/// By item, in the order in which they come, as far as anything of it has closed.
pub fn by_item<'a>(judged: &[Judged<'_, 'a>]) -> Vec<ItemCompliance<'a>> {
    let sums = by_name(judged, |task| task.item_key());
    sums.into_iter().map(|(item_key, compliance)| ItemCompliance { item_key, compliance }).collect()
}

/// By week of a treatment, as far as anything has closed. `anchor_on` is its day 0.
pub fn by_week(judged: &[Judged<'_, '_>], anchor_on: NaiveDate) -> Vec<WeekCompliance> {
    let mut weeks: BTreeMap<i64, Compliance> = BTreeMap::new();
    for judged in judged {
        let week = (judged.task.local_date - anchor_on).num_days().div_euclid(7);
        weeks.entry(week).or_default().add(judged.task, judged.standing);
    }
    let week = |(week_index, compliance): (i64, Compliance)| {
        let from = anchor_on + chrono::TimeDelta::days(week_index * 7);
        WeekCompliance { week_index, from, to: from + Days::new(6), compliance: compliance.shares() }
    };
    weeks.into_iter().map(week).collect()
}

fn by_name<'a>(judged: &[Judged<'_, 'a>], name: impl Fn(&Task<'a>) -> &'a str) -> Vec<(&'a str, Compliance)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut sums: Vec<(&'a str, Compliance)> = Vec::new();
    for judged in judged {
        let name = name(judged.task);
        let place = *places.entry(name).or_insert_with(|| {
            sums.push((name, Compliance::default()));
            sums.len() - 1
        });
        if let Some((_, sum)) = sums.get_mut(place) {
            sum.add(judged.task, judged.standing);
        }
    }
    sums.into_iter().map(|(name, sum)| (name, sum.shares())).collect()
}

/// What there is to say beyond the counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Depth<'a> {
    /// By group, in the protocol's order.
    pub by_group: Vec<GroupCompliance<'a>>,
    /// The seven local dates before the last seven.
    pub previous_7_days: Compliance,
    /// From those to the last seven.
    pub trend: Change,
    /// What changed with the last visit, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_last_visit: Option<SinceVisit>,
    /// What is missed most, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_missed: Option<Missed<'a>>,
    /// Why tasks were skipped.
    pub skip_reasons: Vec<ReasonCount>,
}

/// Looks behind the share of these tasks. Where nothing was ever heard there are neither shares nor changes.
pub fn depth<'a>(
    judged: &[Judged<'_, 'a>],
    today: NaiveDate,
    reported: bool,
    visit: Option<Visit>,
    given: &HashMap<Uuid, SkipReason>,
) -> Depth<'a> {
    let heard = |mut compliance: Compliance| {
        if !reported {
            compliance.silence();
        }
        compliance
    };
    let dates = |first: u64, last: u64| {
        let (from, to) = (today - Days::new(first), today - Days::new(last));
        heard(sum(judged.iter().filter(|judged| (from..=to).contains(&judged.task.local_date))))
    };
    let (previous_7_days, last_7_days) = (dates(13, 7), dates(6, 0));
    let side =
        |of: Visit, after: bool| heard(sum(judged.iter().filter(|judged| (judged.task.close_at > of.at) == after)));
    let groups = by_name(judged, |task| task.item.group.as_deref().unwrap_or(&task.item.key));
    let items = by_name(judged, |task| task.item_key());
    Depth {
        by_group: groups
            .into_iter()
            .map(|(group, compliance)| GroupCompliance { group, compliance: heard(compliance) })
            .collect(),
        trend: Change::between(&previous_7_days, &last_7_days),
        previous_7_days,
        since_last_visit: visit.map(|visit| {
            let (before, after) = (side(visit, false), side(visit, true));
            SinceVisit { visit, before, after, change: Change::between(&before, &after) }
        }),
        most_missed: Missed::most(items).filter(|_| reported),
        skip_reasons: reasons(judged, given),
    }
}
