//! What changes for a patient between two protocol versions: entries that come and go, windows that open or close earlier
//! or later, reminders, texts, triage. Each version is taken apart into single traits (`diff/traits.rs`), which are compared
//! here; `diff/text.rs` tells the result to people. The order of entries in a file means nothing.

mod aspect;
mod gather;
mod text;
mod traits;

use std::collections::BTreeMap;

use super::item::Kind;
use super::texts::Texts;
use super::units::{DayTime, IsoDuration};
use super::version::ProtocolVersion;
use crate::domain::words::word_enum;

pub use aspect::Aspect;
use gather::{Trait, Whole};
pub use text::diff_text;

word_enum! {
    /// What becomes of an entry.
    pub enum Fate {
        /// It is new.
        Added = "added",
        /// It is gone.
        Removed = "removed",
        /// It is there in both and differs.
        Changed = "changed",
    }
}

/// A version in the words in which it is compared.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The version.
    pub version: &'a ProtocolVersion,
    /// Its words.
    pub texts: &'a Texts,
}

/// What an aspect is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A moment, counted from T0.
    After(IsoDuration),
    /// A time of day on one of the patient's local days.
    OnDay {
        /// Day index.
        day: i32,
        /// Time of day.
        time: DayTime,
    },
    /// A length of time.
    Length(IsoDuration),
    /// Anything else, in words or as protocol files write it.
    Text(String),
}

/// One aspect that differs; absent on a side that does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What differs.
    pub aspect: Aspect,
    /// Which one of several: an alert text's name, facts that are left out.
    pub of: Option<String>,
    /// What it was.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
}

/// An entry that comes, goes or differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name within the protocol.
    pub key: String,
    /// What sort of item it is; absent for entries that are no items.
    pub kind: Option<Kind>,
    /// What it is called, in the newer words.
    pub title: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
    /// What differs; all that it is where it comes or goes.
    pub changes: Vec<Change>,
}

/// What differs between two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// About the plan as a whole.
    pub plan: Vec<Change>,
    /// Stretches of the recovery.
    pub phases: Vec<Entry>,
    /// Items, by kind.
    pub items: Vec<Entry>,
    /// What windows may end with.
    pub conditions: Vec<Entry>,
    /// Triage rules.
    pub triage: Vec<Entry>,
    /// What check-ins ask.
    pub check_in: Vec<Entry>,
    /// What triage says.
    pub advice: Vec<Entry>,
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.sections().iter().all(|(_, entries)| entries.is_empty())
    }

    /// The entries, section by section, with a heading each.
    pub fn sections(&self) -> [(&'static str, &[Entry]); 6] {
        [
            ("Phases", &self.phases),
            ("Items", &self.items),
            ("Conditions", &self.conditions),
            ("Triage", &self.triage),
            ("Check-in", &self.check_in),
            ("Advice", &self.advice),
        ]
    }
}

impl Value {
    /// As protocol files and the API write it.
    pub fn notation(&self) -> String {
        match self {
            Self::After(duration) | Self::Length(duration) => duration.to_string(),
            Self::OnDay { day, time } => format!("day {day} {time}"),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Change {
    /// By how much it moves or grows; negative: earlier or shorter. Absent where the sides count in different ways, or one of
    /// them is absent.
    pub fn by(&self) -> Option<IsoDuration> {
        match (self.before.as_ref()?, self.after.as_ref()?) {
            (Value::After(before), Value::After(after)) | (Value::Length(before), Value::Length(after)) => {
                Some(*after - *before)
            }
            (Value::OnDay { day: before, time: at }, Value::OnDay { day, time }) => {
                let minutes = i64::from(time.minutes()) - i64::from(at.minutes());
                Some(IsoDuration::minutes((i64::from(*day) - i64::from(*before)) * 24 * 60 + minutes))
            }
            _ => None,
        }
    }
}

/// What differs for a patient whose treatment is under the second version instead of the first. The numbers of the versions
/// themselves do not count.
pub fn diff(from: Side<'_>, to: Side<'_>) -> Diff {
    let both = |take: fn(Side<'_>) -> Vec<Whole>| entries(take(from), take(to));
    let mut items = both(traits::items);
    items.sort_by_key(|entry| entry.kind);
    Diff {
        plan: changes(traits::plan(from), traits::plan(to)),
        phases: both(traits::phases),
        items,
        conditions: both(traits::conditions),
        triage: both(traits::triage),
        check_in: both(traits::check_in),
        advice: both(traits::advice),
    }
}

/// Entries that differ, by key.
fn entries(before: Vec<Whole>, after: Vec<Whole>) -> Vec<Entry> {
    let mut pairs: BTreeMap<String, (Option<Whole>, Option<Whole>)> = BTreeMap::new();
    for whole in before {
        let pair = pairs.entry(whole.key.clone()).or_default();
        pair.0 = Some(whole);
    }
    for whole in after {
        let pair = pairs.entry(whole.key.clone()).or_default();
        pair.1 = Some(whole);
    }
    pairs.into_iter().filter_map(|(key, (before, after))| entry(key, before, after)).collect()
}

fn entry(key: String, before: Option<Whole>, after: Option<Whole>) -> Option<Entry> {
    let fate = match (&before, &after) {
        (None, _) => Fate::Added,
        (_, None) => Fate::Removed,
        (Some(_), Some(_)) => Fate::Changed,
    };
    let shown = after.as_ref().or(before.as_ref())?;
    let (kind, title) = (shown.kind, shown.title.clone());
    let traits = |whole: Option<Whole>| whole.map_or_else(Vec::new, |whole| whole.traits);
    let changes = changes(traits(before), traits(after));
    (fate != Fate::Changed || !changes.is_empty()).then_some(Entry { key, kind, title, fate, changes })
}

/// Values of one aspect: before, after.
type Values = (Vec<Value>, Vec<Value>);

/// Traits that differ, in the order of [`Aspect`]. Where there are several of one aspect, equal ones are set aside and the
/// others compared one by one.
fn changes(before: Vec<Trait>, after: Vec<Trait>) -> Vec<Change> {
    let mut slots: BTreeMap<(Aspect, Option<String>), Values> = BTreeMap::new();
    for Trait { aspect, of, value } in before {
        slots.entry((aspect, of)).or_default().0.push(value);
    }
    for Trait { aspect, of, value } in after {
        slots.entry((aspect, of)).or_default().1.push(value);
    }
    let slots = slots.into_iter().flat_map(|((aspect, of), (before, mut after))| {
        let mut gone = Vec::new();
        for value in before {
            match after.iter().position(|other| *other == value) {
                Some(same) => drop(after.remove(same)),
                None => gone.push(value),
            }
        }
        let most = gone.len().max(after.len());
        (0..most)
            .map(|n| Change { aspect, of: of.clone(), before: gone.get(n).cloned(), after: after.get(n).cloned() })
            .collect::<Vec<_>>()
    });
    slots.collect()
}

#[cfg(test)]
mod tests;
