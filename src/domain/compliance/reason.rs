//! Why tasks are left out on purpose, in a few words that can be counted. What people write in words of their own is kept
//! for whoever reads it, and counts as `other`.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use uuid::Uuid;

use super::{Judged, TaskState};
use crate::domain::words::word_enum;

word_enum! {
    /// Why a task was skipped.
    pub enum SkipReason {
        /// It was not thought of in time.
        Forgot = "forgot",
        /// The skin did not take it well.
        Irritated = "irritated",
        /// There was no time for it.
        NoTime = "no_time",
        /// What it needs was not at hand.
        NoProduct = "no_product",
        /// The clinic, or somebody else, said not to.
        AdvisedOtherwise = "advised_otherwise",
        /// Something else, in the person's own words or not.
        Other = "other",
        /// No reason was given.
        NotSaid = "not_said",
    }
}

impl SkipReason {
    /// What a person gave as the reason: one of the words, or words of their own.
    pub fn of(said: Option<&str>) -> Self {
        said.map_or(Self::NotSaid, |text| text.parse().unwrap_or(Self::Other))
    }
}

/// How often a reason was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    /// The reason.
    pub reason: SkipReason,
    /// Skipped tasks.
    pub tasks: i64,
}

/// Counts why tasks were skipped, the most frequent reason first. `given` holds what was said, by task.
pub fn reasons(judged: &[Judged<'_, '_>], given: &HashMap<Uuid, SkipReason>) -> Vec<ReasonCount> {
    let mut counts: BTreeMap<SkipReason, i64> = BTreeMap::new();
    for judged in judged.iter().filter(|judged| judged.counts() && judged.standing.state == TaskState::Skipped) {
        *counts.entry(given.get(&judged.task.id).copied().unwrap_or(SkipReason::NotSaid)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().map(|(reason, tasks)| ReasonCount { reason, tasks }).collect();
    counts.sort_by_key(|count| (std::cmp::Reverse(count.tasks), count.reason));
    counts
}
