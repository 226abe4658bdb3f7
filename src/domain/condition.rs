//! What waiting times wait for, such as the end of flaking: by whose word it has ended. Patients say so in check-ins, as
//! the protocol's rule reads them; clinicians decide. Minimum, cap and flags are the timeline's affair.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::protocol::Condition;
use super::symptoms::Symptoms;
use super::words::word_enum;

word_enum! {
    /// Whose word it is.
    pub enum Voice {
        /// A check-in.
        CheckIn = "check_in",
        /// A clinician.
        Clinician = "clinician",
    }
}

/// A clinician's word on a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which condition.
    pub key: String,
    /// It has ended, or it goes on.
    pub ended: bool,
    /// When it was decided.
    pub at: DateTime<Utc>,
}

/// One word on one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    /// When it was said.
    pub at: DateTime<Utc>,
    /// Whose it is: of two at one moment the clinician's counts.
    pub voice: Voice,
    /// It has ended, or it goes on.
    pub ended: bool,
}

/// Everything that was said of a condition, in order of time. A check-in counts if it answers the condition's field: any
/// trouble says that it goes on, whenever it is reported; none says that it has ended, but not before `counts_from`, when it
/// may not have begun.
pub fn words(
    condition: &Condition,
    performed_at: DateTime<Utc>,
    answers: &[(DateTime<Utc>, Symptoms)],
    decisions: &[Decision],
) -> Vec<Word> {
    let from = performed_at + condition.counts_from.delta();
    let reports = answers.iter().filter_map(|(at, symptoms)| {
        let ended = !symptoms.present(condition.field)?;
        (!ended || *at >= from).then_some(Word { at: *at, voice: Voice::CheckIn, ended })
    });
    let decided = decisions.iter().filter(|decision| decision.key == condition.key);
    let decided = decided.map(|decision| Word { at: decision.at, voice: Voice::Clinician, ended: decision.ended });
    let mut words: Vec<Word> = reports.chain(decided).collect();
    words.sort_unstable();
    words
}

/// The word by which it has ended: the first of those that nobody has contradicted since. `None` while it goes on.
pub fn ending(words: &[Word]) -> Option<Word> {
    words.iter().rev().take_while(|word| word.ended).last().copied()
}

/// When each condition ended, by its key; those that go on are left out.
pub fn ended(
    conditions: &[Condition],
    performed_at: DateTime<Utc>,
    answers: &[(DateTime<Utc>, Symptoms)],
    decisions: &[Decision],
) -> BTreeMap<String, DateTime<Utc>> {
    let ending = |condition: &Condition| {
        let word = ending(&words(condition, performed_at, answers, decisions))?;
        Some((condition.key.clone(), word.at))
    };
    conditions.iter().filter_map(ending).collect()
}

#[cfg(test)]
mod tests;
