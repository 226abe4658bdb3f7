//! What a clinician changes of a plan for one treatment: an item's bounds, or whether it is part of the plan at all. Pure:
//! a version goes in, the treatment's own version of it comes out. Which tasks were closed before is `timeline/earlier.rs`'s
//! affair.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::protocol::{DayTime, IsoDuration, Item, Kind, ProtocolVersion, Soft, Window, faults_of};

mod bounds;
mod fit;

pub use bounds::Bounds;

/// What is changed of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemChange {
    /// It is no part of the treatment's plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off: bool,
    /// Other bounds; those that are not named stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Bounds>,
    /// Whoever changes it knows that the patient waits less than the plan says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub acknowledge_shorter: bool,
}

/// A change that stands, with whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overridden {
    /// The item.
    pub item_key: String,
    /// What sort of entry it is.
    pub kind: Kind,
    /// What is changed of it.
    pub change: ItemChange,
    /// What the version says.
    pub was: Bounds,
    /// Why.
    pub reason: String,
    /// Which user changed it.
    pub by: Uuid,
    /// When (care clock).
    pub at: DateTime<Utc>,
}

/// Changes by the key of their item.
pub type ItemChanges = BTreeMap<String, ItemChange>;

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// JSON pointer into the change.
    pub pointer: String,
    /// What is wrong.
    pub reason: String,
}

fn unfit(pointer: &str, reason: impl Into<String>) -> Unfit {
    Unfit { pointer: pointer.to_owned(), reason: reason.into() }
}

/// The version as one treatment follows it. What does not fit the version changes nothing; [`check`] says so beforehand.
pub fn apply(version: &ProtocolVersion, changes: &ItemChanges) -> ProtocolVersion {
    let mut own = version.clone();
    own.structure
        .items
        .retain(|item| !changes.get(&item.key).is_some_and(|change| change.off && may_change(item.kind)));
    for item in &mut own.structure.items {
        let bounds = changes.get(&item.key).and_then(|change| change.window.as_ref());
        if let Some(changed) = bounds.and_then(|bounds| bounds.applied(item).ok()).filter(|_| may_change(item.kind)) {
            *item = changed;
        }
    }
    own
}

/// Whether a change of an item fits the version, where these others stand.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(
    version: &ProtocolVersion,
    standing: &ItemChanges,
    key: &str,
    change: &ItemChange,
) -> Result<(), Vec<Unfit>> {
    let item = version.item(key).ok_or_else(|| vec![unfit("", format!("the plan has no item `{key}`"))])?;
    if !may_change(item.kind) {
        return Err(vec![unfit("", format!("a {} is the same for everybody", item.kind))]);
    }
    match (change.off, &change.window) {
        (true, None) => {}
        (false, Some(bounds)) => drop(bounds.applied(item)?),
        _ => return Err(vec![unfit("/window", "send either `window` or `off`")]),
    }
    let mut all = standing.clone();
    all.insert(key.to_owned(), change.clone());
    let own = apply(version, &all);
    if item.kind == Kind::Restriction && !change.acknowledge_shorter && is_shorter(item, own.item(key)) {
        let reason = "the patient would wait less than the plan says: send `acknowledge_shorter` if that is meant";
        return Err(vec![unfit("/acknowledge_shorter", reason)]);
    }
    // The version has no fault of its own: whatever is found comes from what was changed.
    let faults = faults_of(&own.structure, version.structure.items.iter().map(|item| item.key.clone()).collect());
    if faults.is_empty() { Ok(()) } else { Err(faults.into_iter().map(|fault| unfit("/window", fault)).collect()) }
}

/// Those of these changes that fit another version, and those that do not, each with the reason.
pub fn carried(version: &ProtocolVersion, standing: &ItemChanges) -> (ItemChanges, BTreeMap<String, String>) {
    let (mut kept, mut left) = (ItemChanges::new(), standing.clone());
    loop {
        let mut dropped = BTreeMap::new();
        let before = kept.len();
        for (key, change) in std::mem::take(&mut left) {
            match check(version, &kept, &key, &change) {
                Ok(()) => drop(kept.insert(key, change)),
                Err(unfit) => {
                    let reasons: Vec<String> = unfit.into_iter().map(|unfit| unfit.reason).collect();
                    dropped.insert(key.clone(), reasons.join("; "));
                    left.insert(key, change);
                }
            }
        }
        // One may fit only beside another: those that are left are looked at again while any of them fits.
        if kept.len() == before {
            return (kept, dropped);
        }
    }
}

/// Warnings, answers and what the clinic does are nobody's plan.
fn may_change(kind: Kind) -> bool {
    match kind {
        Kind::Milestone
        | Kind::Restriction
        | Kind::Routine
        | Kind::CheckIn
        | Kind::ProductAdvice
        | Kind::FollowUp
        | Kind::Session => true,
        Kind::RedFlag | Kind::Faq | Kind::ClinicPrevention => false,
    }
}

/// Whether something would wait less than before: it begins later, or any of its bounds comes sooner.
fn is_shorter(before: &Item, after: Option<&Item>) -> bool {
    let Some(after) = after else { return true };
    let soft = |item: &Item| item.latest_soft().max(item.hard());
    let sooner = match (&before.window, &after.window) {
        (Some(Window::Elapsed { from, to }), Some(Window::Elapsed { from: begins, to: ends })) => {
            begins > from || ends.is_some_and(|ends| to.is_none_or(|to| ends < to))
        }
        (
            Some(Window::Condition { from, minimum, cap, .. }),
            Some(Window::Condition { from: begins, minimum: least, cap: most, .. }),
        ) => begins > from || least < minimum || most < cap,
        (
            Some(Window::LocalDay { from_day, to_day, from_time, to_time }),
            Some(Window::LocalDay { from_day: first, to_day: last, from_time: opens, to_time: closes }),
        ) => {
            (first, opens) > (from_day, from_time)
                || last.is_some_and(|last| to_day.is_none_or(|day| (last, *closes) < (day, *to_time)))
        }
        _ => false,
    };
    sooner || soft(after) < soft(before)
}

#[cfg(test)]
mod tests;
