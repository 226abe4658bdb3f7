//! What follows from a check-in: the protocol's rules, evaluated. Never a diagnosis; a level, what to do, and which flags
//! the clinic should see. Storing and escalating flags is not done here.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::protocol::{IsoDuration, Level, NO_ADVICE, ProtocolVersion, Rule, Test, When};
use super::symptoms::Symptoms;

/// What a check-in is judged against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// T0 of the treatment.
    pub performed_at: DateTime<Utc>,
    /// When the symptoms were observed.
    pub recorded_at: DateTime<Utc>,
    /// The check-in before this one on the same treatment.
    pub previous: Option<&'a Symptoms>,
    /// How many flags of each rule have been resolved on this treatment: one that comes back is a new episode.
    pub resolved: &'a BTreeMap<String, i32>,
}

/// A flag that a check-in raises, or keeps up if the same episode is open already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaisedFlag {
    /// The rule.
    pub rule: String,
    /// How soon somebody should look.
    pub level: Level,
    /// Counts from 1; with treatment and rule it names the flag.
    pub episode: i32,
    /// Ids of the facts behind the rule.
    pub evidence: Vec<String>,
}

/// What follows from a check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriageResult {
    /// The highest level of any rule that matched.
    pub level: Level,
    /// Keys of advice texts, the most urgent first, each once.
    pub advice: Vec<String>,
    /// Flags, the most urgent first.
    pub flags: Vec<RaisedFlag>,
    /// Look again after this long, if a rule asks for it.
    pub recheck: Option<IsoDuration>,
}

/// Evaluates a version's rules.
pub fn triage(version: &ProtocolVersion, symptoms: &Symptoms, context: &Context<'_>) -> TriageResult {
    let elapsed = context.recorded_at - context.performed_at;
    let mut matched: Vec<&Rule> =
        version.structure.triage.iter().filter(|rule| matches(rule, symptoms, context.previous, elapsed)).collect();
    matched.sort_by_key(|rule| std::cmp::Reverse(rule.level));
    let mut advice: Vec<String> = Vec::new();
    for rule in &matched {
        if !advice.contains(&rule.advice) {
            advice.push(rule.advice.clone());
        }
    }
    if advice.is_empty() {
        advice.push(NO_ADVICE.to_owned());
    }
    let flag = |rule: &&Rule| RaisedFlag {
        rule: rule.key.clone(),
        level: rule.level,
        episode: context.resolved.get(&rule.key).copied().unwrap_or(0) + 1,
        evidence: rule.evidence.clone(),
    };
    TriageResult {
        level: matched.first().map_or(Level::None, |rule| rule.level),
        advice,
        flags: matched.iter().map(flag).collect(),
        recheck: matched.iter().filter_map(|rule| rule.recheck).min(),
    }
}

/// Whether a rule matches so long after the treatment: `after` included, `before` not.
fn matches(rule: &Rule, symptoms: &Symptoms, previous: Option<&Symptoms>, elapsed: TimeDelta) -> bool {
    rule.after.is_none_or(|after| elapsed >= after.delta())
        && rule.before.is_none_or(|before| elapsed < before.delta())
        && holds(&rule.when, symptoms, previous)
}

fn holds(when: &When, symptoms: &Symptoms, previous: Option<&Symptoms>) -> bool {
    match when {
        When::All { all } => all.iter().all(|part| holds(part, symptoms, previous)),
        When::Any { any } => any.iter().any(|part| holds(part, symptoms, previous)),
        When::Test(test) => passes(test, symptoms, previous),
    }
}

fn passes(test: &Test, symptoms: &Symptoms, previous: Option<&Symptoms>) -> bool {
    match test {
        Test::AtLeast { field, at_least } => symptoms.step(*field).is_some_and(|step| step >= *at_least),
        Test::Warm { at_least, .. } => {
            let centi = symptoms.temperature.and_then(super::symptoms::Temperature::centi_celsius);
            centi.is_some_and(|centi| centi >= *at_least)
        }
        Test::Is { field, is } => symptoms.yes(*field) == Some(*is),
        Test::Word { field, is } => symptoms.word(*field) == Some(is.as_str()),
        Test::Rising { field, rising } => {
            let before = previous.and_then(|previous| previous.step(*field));
            symptoms.step(*field).zip(before).is_some_and(|(now, before)| now >= before.saturating_add(*rising))
        }
    }
}

#[cfg(test)]
mod builtin_tests;
#[cfg(test)]
mod tests;
