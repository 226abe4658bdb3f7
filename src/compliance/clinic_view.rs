//! A clinic's compliance, as sent.

use std::cmp::Reverse;

use serde::Serialize;

use super::clinic::{Clinic, part_bp};
use crate::domain::compliance::{Change, Compliance, ReasonCount, WHOLE_BP, share_bp};

/// What the clinic's running treatments amount to.
#[derive(Debug, Serialize)]
pub struct ClinicComplianceView {
    /// Running treatments.
    treatments: usize,
    /// Those of them of which nothing was ever heard: they enter no share.
    no_reports: usize,
    /// Those of which something was heard and nothing has closed.
    nothing_closed: usize,
    #[serde(flatten)]
    to_date: Compliance,
    /// Of each patient's last seven dates, today included.
    last_7_days: Compliance,
    /// Of the seven before.
    previous_7_days: Compliance,
    trend: Change,
    distribution: Vec<PartView>,
    by_item: Vec<ItemView>,
    skip_reasons: Vec<ReasonCount>,
}

/// How many treatments have a share from here up to, but for the last part not including, there.
#[derive(Debug, Serialize)]
struct PartView {
    from_bp: i64,
    to_bp: i64,
    treatments: i64,
}

/// An item of a protocol, over all treatments.
#[derive(Debug, Serialize)]
pub struct ItemView {
    protocol_key: String,
    item_key: String,
    title: String,
    missed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed_bp: Option<i64>,
    #[serde(flatten)]
    compliance: Compliance,
}

impl ItemView {
    /// An item under its title.
    pub fn new(protocol_key: &str, item_key: &str, title: &str, compliance: Compliance) -> Self {
        Self {
            protocol_key: protocol_key.to_owned(),
            item_key: item_key.to_owned(),
            title: title.to_owned(),
            missed: compliance.missed(),
            missed_bp: share_bp(compliance.missed(), compliance.counts.closed),
            compliance,
        }
    }
}

impl ClinicComplianceView {
    /// The clinic; its items come in any order and leave with the one that is missed most first.
    pub fn new(clinic: &Clinic, mut by_item: Vec<ItemView>) -> Self {
        by_item.sort_by(|a, b| {
            let rank = |item: &ItemView| (Reverse(item.missed), Reverse(item.missed_bp));
            rank(a).cmp(&rank(b)).then_with(|| (&a.protocol_key, &a.item_key).cmp(&(&b.protocol_key, &b.item_key)))
        });
        let parts = clinic.distribution();
        let part = |(nth, treatments): (i64, i64)| {
            let from_bp = nth * part_bp();
            PartView { from_bp, to_bp: (from_bp + part_bp()).min(WHOLE_BP), treatments }
        };
        let heard = || clinic.treatments.iter().filter(|treatment| treatment.reported);
        Self {
            treatments: clinic.treatments.len(),
            no_reports: clinic.treatments.len() - heard().count(),
            nothing_closed: heard().filter(|treatment| treatment.compliance.completion_bp.is_none()).count(),
            to_date: clinic.to_date,
            last_7_days: clinic.last_7_days,
            previous_7_days: clinic.previous_7_days,
            trend: Change::between(&clinic.previous_7_days, &clinic.last_7_days),
            distribution: (0..).zip(parts).map(part).collect(),
            by_item,
            skip_reasons: clinic.skip_reasons.clone(),
        }
    }
}
