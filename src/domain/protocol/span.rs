//! How long something that check-ins ask about usually shows, by the sources: a section of the facts, since it is what
//! sources say and not what a protocol makes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::Fact;
use super::parse::{duration, needed_duration};
use super::read::Table;
use super::units::IsoDuration;
use crate::domain::symptoms::{Answer, Field};

/// From when to when something usually shows, elapsed since T0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first figure of any source; sooner is early.
    pub from: IsoDuration,
    /// The figure that most agree on; from here it is late.
    pub to: IsoDuration,
    /// The last figure of any source, where one names it; from here it is overdue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub overdue: Option<IsoDuration>,
    /// Ids of the facts behind the figures.
    pub evidence: Vec<String>,
}

/// The section `spans`, by field.
pub(super) fn spans(root: &Table<'_, '_>, facts: &BTreeMap<String, Fact>) -> BTreeMap<Field, Span> {
    let Some(section) = root.table("spans") else { return BTreeMap::new() };
    let mut spans = BTreeMap::new();
    for key in section.keys() {
        let Some(table) = section.table(&key) else { continue };
        let field = key.parse::<Field>().ok().filter(|field| field.answer() == Answer::Scale);
        if field.is_none() {
            table.fault(format!("`{key}` is nothing that check-ins ask on a scale"));
        }
        if let Some((field, span)) = field.zip(span(&table, facts)) {
            spans.insert(field, span);
        }
        table.finish();
    }
    section.finish();
    spans
}

fn span(table: &Table<'_, '_>, facts: &BTreeMap<String, Fact>) -> Option<Span> {
    let (from, to) = (needed_duration(table, "from"), needed_duration(table, "to"));
    let overdue = duration(table, "overdue");
    let evidence = table.strings("evidence");
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        table.fault_in("to", "`to` is not after `from`");
    }
    if to.zip(overdue).is_some_and(|(to, overdue)| overdue <= to) {
        table.fault_in("overdue", "`overdue` is not after `to`");
    }
    if evidence.is_empty() {
        table.fault("a span needs evidence");
    }
    for id in evidence.iter().filter(|id| !facts.contains_key(*id)) {
        table.fault_in("evidence", format!("evidence `{id}` is no known fact"));
    }
    Some(Span { from: from?, to: to?, overdue, evidence })
}
