//! Where each patient stands in the list, at a moment that all pages share.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::{RankRow, TreatmentRow};
use crate::domain::attention::{Attention, Signs};
use crate::domain::closing::shares;
use crate::domain::compliance::Compliance;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::ProtocolVersion;
use crate::domain::tally::{Tally, counting_from};
use crate::domain::timeline::{Conditions, Overrides, Plan};
use crate::planning;
use crate::protocols::Published;

/// By what the list is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// The most pressing reason to look first; of the same reason, the least done first.
    #[default]
    Attention,
    /// The least done first; who has no share last.
    Compliance,
    /// By name.
    Name,
    /// The latest treatment first.
    PerformedAt,
}

/// A place in the list. The id makes it unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(i64, i64, String, Uuid);

/// Where a page begins: the moment that all pages share, and the place of the last one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The moment.
    pub as_of: DateTime<Utc>,
    /// By what the list is sorted.
    pub sort: Sort,
    /// The place.
    pub place: Place,
}

/// A patient in the list.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// Where.
    pub place: Place,
    /// The patient.
    pub patient_id: Uuid,
    /// The treatment they recover from.
    pub treatment_id: Option<Uuid>,
    /// Why to look.
    pub attention: Vec<Attention>,
    /// Flags that are not resolved.
    pub open_flags: i64,
    /// Why no phone can be reached, if so.
    pub unreachable: Option<String>,
}

/// Who is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// By what to sort.
    pub sort: Sort,
    /// Only those with this reason.
    pub attention: Option<Attention>,
    /// Only those whose name or file number holds this, in lower case.
    pub search: Option<String>,
}

const NO_SHARE: i64 = i64::MAX;

/// What treatments of the list follow.
pub(super) struct Followed<'a> {
    /// Their versions.
    pub(super) versions: &'a HashMap<Uuid, Published>,
    /// What those follow for which something was changed.
    pub(super) changes: &'a HashMap<Uuid, planning::Followed>,
}

/// Everybody who is asked for, in order.
pub(super) fn rank(
    rows: Vec<RankRow>,
    followed: &Followed<'_>,
    wish: &Wish,
    at: DateTime<Utc>,
) -> anyhow::Result<Vec<Ranked>> {
    let mut ranked = Vec::with_capacity(rows.len());
    for row in rows {
        if !found(&row, wish.search.as_deref()) {
            continue;
        }
        let compliance = compliance(&row, followed, at)?;
        let attention = signs(&row, &compliance).reasons();
        if wish.attention.is_some_and(|wanted| !attention.contains(&wanted)) {
            continue;
        }
        ranked.push(Ranked {
            place: place(&row, wish.sort, &compliance, &attention),
            patient_id: row.patient_id,
            treatment_id: row.treatment.map(|treatment| treatment.id),
            attention,
            open_flags: row.open_flags,
            unreachable: row.unreachable,
        });
    }
    ranked.sort_unstable_by(|a, b| a.place.cmp(&b.place));
    Ok(ranked)
}

fn found(row: &RankRow, search: Option<&str>) -> bool {
    let holds = |text: &str, wanted: &str| text.to_lowercase().contains(wanted);
    search.is_none_or(|wanted| {
        holds(&row.display_name, wanted) || row.reference.as_deref().is_some_and(|text| holds(text, wanted))
    })
}

/// Shares from the sums that are kept; none of whom nothing was ever heard.
fn compliance(row: &RankRow, followed: &Followed<'_>, at: DateTime<Utc>) -> anyhow::Result<Compliance> {
    let Some(treatment) = &row.treatment else { return Ok(Compliance::default()) };
    let Some(published) = followed.versions.get(&treatment.protocol_version_id) else {
        return Ok(Compliance::default());
    };
    let reported = treatment.activity > 0;
    if !reported && row.linked_at.is_none() {
        return Ok(Compliance::default());
    }
    let zones = planning::zones(&row.zones, &row.valid_from)?;
    let own = followed.changes.get(&treatment.id);
    let (overrides, conditions) = (overrides(treatment, own)?, Conditions::default());
    let version = own.map_or(&published.version, |own| &own.version);
    let plan = plan(treatment, version, &zones, &overrides, &conditions);
    let starts_at = counting_from(treatment.performed_at, treatment.counts_from, row.linked_at);
    let at = treatment.ended_at.map_or(at, |ended_at| ended_at.min(at));
    let early = treatment.early_until.iter().copied().zip(treatment.early_w.iter().copied()).collect();
    let tally = Tally { done_w: treatment.done_w, on_time_w: treatment.on_time_w, early };
    let mut compliance = shares(published.closing.ended(&plan, starts_at, at), tally.at(at));
    if !reported {
        (compliance.on_time_bp, compliance.completion_bp) = (None, None);
    }
    Ok(compliance)
}

fn overrides(treatment: &TreatmentRow, own: Option<&planning::Followed>) -> anyhow::Result<Overrides> {
    let excused = treatment.excused.as_ref().map(planning::excuses).transpose()?.unwrap_or_default();
    Ok(Overrides { excused, ..own.map_or(Overrides::NONE, |own| own.overrides.clone()) })
}

fn plan<'a>(
    treatment: &TreatmentRow,
    version: &'a ProtocolVersion,
    zones: &'a ZoneHistory,
    overrides: &'a Overrides,
    conditions: &'a Conditions,
) -> Plan<'a> {
    Plan {
        treatment: treatment.id,
        version,
        performed_at: treatment.performed_at,
        anchor_on: treatment.anchor_on,
        zones,
        overrides,
        conditions,
    }
}

fn signs(row: &RankRow, compliance: &Compliance) -> Signs {
    Signs {
        urgent_flag: row.urgent_flag,
        open_flag: row.open_flags > 0,
        nudged: row.nudged,
        registered: row.linked_at.is_some(),
        reachable: row.unreachable.is_none(),
        running: row.treatment.as_ref().is_some_and(|treatment| treatment.ended_at.is_none()),
        reported: row.treatment.as_ref().is_some_and(|treatment| treatment.activity > 0),
        closed_w: compliance.closed_w,
        completion_bp: compliance.completion_bp,
        low_bp: i64::from(row.low_compliance_bp),
    }
}

fn place(row: &RankRow, sort: Sort, compliance: &Compliance, attention: &[Attention]) -> Place {
    let name = || row.display_name.to_lowercase();
    let share = compliance.completion_bp.unwrap_or(NO_SHARE);
    match sort {
        Sort::Attention => {
            let worst = attention.first().map_or(i64::MAX, |reason| *reason as i64);
            Place(worst, share, name(), row.patient_id)
        }
        Sort::Compliance => Place(share, 0, name(), row.patient_id),
        Sort::Name => Place(0, 0, name(), row.patient_id),
        Sort::PerformedAt => {
            let treated = row.treatment.as_ref().map(|treatment| treatment.performed_at.timestamp_micros());
            Place(treated.map_or(i64::MAX, |at| -at), 0, String::new(), row.patient_id)
        }
    }
}
