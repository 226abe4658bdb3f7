//! What a person has heard already: a plan made later neither says it again nor forgets that it was a disturbance.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{RunningTreatment, Snooze};

/// What was told and what was put off, as far as a plan depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// What the person was told, or is being told just now.
    pub told: Vec<Told>,
    /// What they asked to hear later.
    pub snoozes: Vec<Snooze>,
}

/// One alert that was sent, is being sent, or was told with one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Under which key it was owed.
    pub dedupe_key: String,
    /// The treatment.
    pub treatment_id: Option<Uuid>,
    /// The item.
    pub item_key: Option<String>,
    /// When it was sent; `None`: it is being sent just now.
    pub at: Option<DateTime<Utc>>,
    /// The key of the alert that told it, where that was another.
    pub merged_into: Option<String>,
}

impl Told {
    /// Whether it told of this item of this treatment.
    pub(super) fn is_of(&self, treatment: Uuid, item: &str) -> bool {
        self.treatment_id == Some(treatment) && self.item_key.as_deref() == Some(item)
    }
}

/// What separates the key of a wait's end from the date of one that was told after the wait was made longer.
pub(super) const PROLONGED: char = '@';

/// The key under which the plan owed first what this key tells: once more after a snooze, or after a longer wait.
pub fn first_key(dedupe_key: &str) -> &str {
    let original = Snooze::original(dedupe_key);
    original.split_once(PROLONGED).map_or(original, |(first, _)| first)
}

/// When the person was disturbed without having asked for it.
pub(super) fn counted(told: &[Told], treatments: &[RunningTreatment<'_>], now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let asked_for = |told: &Told| {
        let item = treatments.iter().find(|treatment| told.treatment_id == Some(treatment.plan.treatment));
        let item = item.and_then(|treatment| treatment.plan.version.item(told.item_key.as_deref()?));
        told.dedupe_key.starts_with(Snooze::PREFIX) || item.is_some_and(|item| item.is_asked_for())
    };
    let disturbed = told.iter().filter(|told| told.merged_into.is_none() && !asked_for(told));
    disturbed.map(|told| told.at.unwrap_or(now)).collect()
}
