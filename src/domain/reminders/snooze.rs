//! "Remind me later": an alert that was told is told once more, one that was not is told later. A snoozed alert is planned
//! like every other, so it vanishes with the task that it is about, and quiet hours hold for it too.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::planner::Candidate;
use super::ration::When;
use super::story::{MovedBy, Witness};
use super::{Fate, Owed, Told, Unsaid};
use crate::domain::alert::is_expired;

/// What somebody asked to hear later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snooze {
    /// The key of the alert as the plan owes it.
    pub dedupe_key: String,
    /// How often it was put off so far: each time it is owed anew, under a name of its own.
    pub times: i32,
    /// Not before this.
    pub until: DateTime<Utc>,
}

impl Snooze {
    /// What keys of alerts begin with that are told once more.
    pub const PREFIX: &str = "s:";

    /// The key under which it is told once more.
    pub fn key(&self) -> String {
        format!("{}{}:{}", Self::PREFIX, self.times, self.dedupe_key)
    }

    /// The key that was put off, of a key under which something is told once more; the key itself of any other.
    pub fn original(dedupe_key: &str) -> &str {
        let again = dedupe_key.strip_prefix(Self::PREFIX);
        again.and_then(|rest| rest.split_once(':')).map_or(dedupe_key, |(_, original)| original)
    }
}

/// Splits candidates into what is settled (told already, or told once more at a time that somebody chose) and what is still
/// to find its place in the day.
pub(super) fn apply<W: Witness>(
    candidates: Vec<Candidate>,
    snoozes: &[Snooze],
    told: &[Told],
    when: &When<'_>,
    witness: &mut W,
) -> (Vec<Owed>, Vec<Candidate>) {
    let told: BTreeMap<&str, &Told> = told.iter().map(|told| (told.dedupe_key.as_str(), told)).collect();
    let snoozes: BTreeMap<&str, &Snooze> = snoozes.iter().map(|snooze| (snooze.dedupe_key.as_str(), snooze)).collect();
    let mut settled = Vec::new();
    let mut open = Vec::with_capacity(candidates.len());
    for mut candidate in candidates {
        let known = told.get(candidate.owed.dedupe_key.as_str());
        if let Some(snooze) = snoozes.get(candidate.owed.dedupe_key.as_str()) {
            if known.is_some() {
                settled.push(again(&candidate.owed, snooze, when));
            } else if snooze.until > candidate.owed.due_at && candidate.owed.fate == Fate::Due {
                let (due_at, fate) = awake(&candidate.owed, snooze, when);
                witness.shifted(&candidate.owed, MovedBy::Snooze, due_at);
                (candidate.owed.due_at, candidate.owed.fate) = (due_at, fate);
                candidate.owed.asked_for = true;
            }
        }
        match known {
            Some(told) => settled.push(as_told(candidate.owed, told, when.now)),
            None => open.push(candidate),
        }
    }
    (settled, open)
}

/// What was told stays as it was told.
fn as_told(owed: Owed, told: &Told, now: DateTime<Utc>) -> Owed {
    let fate = told.merged_into.clone().map_or(Fate::Due, |into| Fate::Merged { into });
    // It takes no other's place in the day any more: it has had its own.
    Owed { fate, due_at: owed.due_at.min(told.at.unwrap_or(now)), asked_for: true, ..owed }
}

fn again(owed: &Owed, snooze: &Snooze, when: &When<'_>) -> Owed {
    let (due_at, fate) = awake(owed, snooze, when);
    Owed { dedupe_key: snooze.key(), due_at, fate, asked_for: true, ..owed.clone() }
}

/// When it is told, and whether it is worth it by then.
fn awake(owed: &Owed, snooze: &Snooze, when: &When<'_>) -> (DateTime<Utc>, Fate) {
    let due_at = when.due(snooze.until.max(owed.due_at));
    if is_expired(due_at, owed.expires_at) {
        (owed.due_at, Fate::Suppressed(Unsaid::QuietHours))
    } else {
        (due_at, Fate::Due)
    }
}
