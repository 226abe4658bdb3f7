//! What differs between two versions, as clients read it. What that is, is `domain::protocol`'s affair.

use serde::Serialize;

use super::summary_view::ProtocolName;
use crate::domain::protocol::{
    Aspect, Change, Diff, Entry, Fate, IsoDuration, Kind, ProtocolVersion, Side, Texts, Value, diff,
};

/// The whole of it.
#[derive(Debug, Serialize)]
pub struct DiffView<'a> {
    from: ProtocolName<'a>,
    to: ProtocolName<'a>,
    plan: Vec<ChangeView>,
    phases: Vec<EntryView>,
    items: Vec<EntryView>,
    conditions: Vec<EntryView>,
    triage: Vec<EntryView>,
    check_in: Vec<EntryView>,
    advice: Vec<EntryView>,
}

#[derive(Debug, Serialize)]
struct EntryView {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    fate: Fate,
    changes: Vec<ChangeView>,
}

#[derive(Debug, Serialize)]
struct ChangeView {
    aspect: Aspect,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<IsoDuration>,
}

impl<'a> DiffView<'a> {
    /// From one version to another, each in its words.
    pub fn new(from: &'a ProtocolVersion, to: &'a ProtocolVersion, texts: (&'a Texts, &'a Texts)) -> Self {
        let side = |version, texts| Side { version, texts };
        let Diff { plan, phases, items, conditions, triage, check_in, advice } =
            diff(side(from, texts.0), side(to, texts.1));
        let entries = |entries: Vec<Entry>| entries.into_iter().map(EntryView::from).collect();
        Self {
            from: ProtocolName::of(from),
            to: ProtocolName::of(to),
            plan: plan.into_iter().map(ChangeView::from).collect(),
            phases: entries(phases),
            items: entries(items),
            conditions: entries(conditions),
            triage: entries(triage),
            check_in: entries(check_in),
            advice: entries(advice),
        }
    }
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let Entry { key, kind, title, fate, changes } = entry;
        Self { key, kind, title, fate, changes: changes.into_iter().map(ChangeView::from).collect() }
    }
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        let by = change.by();
        let notation = |value: Option<Value>| value.map(|value| value.notation());
        let Change { aspect, of, before, after } = change;
        Self { aspect, of, before: notation(before), after: notation(after), by }
    }
}
