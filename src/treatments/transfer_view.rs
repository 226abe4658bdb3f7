//! What another protocol version changes for one patient, and what was changed before, as sent.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::{Treated, TreatmentChange};
use super::view::ProtocolRef;
use crate::domain::overrides::ItemChanges;
use crate::domain::protocol::{Fate, Kind, ProtocolVersion, Texts};
use crate::domain::timeline::{LaidOut, Timeline};

/// A treatment laid out by one version, in that version's words.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The version.
    pub version: &'a ProtocolVersion,
    /// The words.
    pub texts: &'a Texts,
    /// The layout.
    pub laid: &'a Timeline<'a>,
}

/// What would change for the patient.
#[derive(Debug, Serialize)]
pub struct TransferPreview<D> {
    treatment_id: Uuid,
    /// The treatment's version: the `ETag` that the transfer must name.
    version: i32,
    from: ProtocolRef,
    to: ProtocolRef,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_because: Option<&'static str>,
    items: Vec<ItemChange>,
    /// What was changed of items for this treatment, and becomes of that.
    overrides: OverrideFates,
    tasks: TaskChanges,
    /// What differs between the versions, for any patient.
    diff: D,
}

/// What the other version makes of overridden items.
#[derive(Debug, Serialize)]
struct OverrideFates {
    /// Goes on.
    kept: Vec<String>,
    /// Is lifted.
    lifted: Vec<LiftedView>,
}

#[derive(Debug, Serialize)]
struct LiftedView {
    item_key: String,
    /// Why it does not fit.
    because: String,
}

#[derive(Debug, Serialize)]
struct ItemChange {
    key: String,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    fate: Fate,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<WindowView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<WindowView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct WindowView {
    open_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_close_at: Option<DateTime<Utc>>,
}

/// Tasks, by number.
#[derive(Debug, Serialize)]
struct TaskChanges {
    /// Closed by now: they stay as they are.
    kept: usize,
    /// No longer asked.
    removed: usize,
    /// Asked from now on.
    added: usize,
}

impl WindowView {
    fn of(laid: &LaidOut<'_>) -> Self {
        Self { open_at: laid.open_at, close_at: laid.close_at, soft_close_at: laid.soft_close_at }
    }
}

impl<D> TransferPreview<D> {
    /// From one side to the other, at a moment.
    pub fn new(
        (treatment_id, version): (Uuid, i32),
        (before, after): (Side<'_>, Side<'_>),
        at: DateTime<Utc>,
        refused_because: Option<&'static str>,
        (kept, lifted): (ItemChanges, BTreeMap<String, String>),
        diff: D,
    ) -> Self {
        Self {
            treatment_id,
            version,
            from: ProtocolRef::of(before.version),
            to: ProtocolRef::of(after.version),
            refused_because,
            items: items(before, after),
            overrides: OverrideFates {
                kept: kept.into_keys().collect(),
                lifted: lifted.into_iter().map(|(item_key, because)| LiftedView { item_key, because }).collect(),
            },
            tasks: TaskChanges::new(before.laid, after.laid, at),
            diff,
        }
    }
}

/// Items whose windows differ, and those that only one side has.
fn items(before: Side<'_>, after: Side<'_>) -> Vec<ItemChange> {
    let change =
        |side: Side<'_>, laid: &LaidOut<'_>, fate, windows: (Option<WindowView>, Option<WindowView>)| ItemChange {
            key: laid.item.key.clone(),
            kind: laid.item.kind,
            title: side.version.item_text(side.texts, &laid.item.key).map(|text| text.title.clone()),
            fate,
            before: windows.0,
            after: windows.1,
        };
    let of_before = before.laid.items.iter().filter_map(|old| {
        let was = WindowView::of(old);
        match after.laid.item(&old.item.key) {
            None => Some(change(before, old, Fate::Removed, (Some(was), None))),
            Some(new) => {
                let becomes = WindowView::of(new);
                (was != becomes).then(|| change(after, new, Fate::Changed, (Some(was), Some(becomes))))
            }
        }
    });
    let added = after.laid.items.iter().filter(|new| before.laid.item(&new.item.key).is_none());
    let added = added.map(|new| change(after, new, Fate::Added, (None, Some(WindowView::of(new)))));
    of_before.chain(added).collect()
}

impl TaskChanges {
    fn new(before: &Timeline<'_>, after: &Timeline<'_>, at: DateTime<Utc>) -> Self {
        let names = |laid: &Timeline<'_>| -> BTreeSet<(Uuid, DateTime<Utc>, DateTime<Utc>)> {
            laid.tasks.iter().map(|task| (task.id, task.open_at, task.close_at)).collect()
        };
        let (old, new) = (names(before), names(after));
        Self {
            kept: old.intersection(&new).filter(|(_, _, close_at)| *close_at <= at).count(),
            removed: old.difference(&new).count(),
            added: new.difference(&old).count(),
        }
    }
}

/// That a treatment was put under another protocol version.
#[derive(Debug, Serialize)]
pub struct TransferView {
    id: Uuid,
    from: ProtocolRef,
    to: ProtocolRef,
    transferred_at: DateTime<Utc>,
    transferred_by: Uuid,
    reason: String,
}

impl TransferView {
    /// The transfer between versions of these names.
    pub fn new(transfer: TreatmentChange, from: ProtocolRef, to: ProtocolRef) -> Self {
        let TreatmentChange { id, changed_at: transferred_at, changed_by: transferred_by, reason, .. } = transfer;
        Self { id, from, to, transferred_at, transferred_by, reason: reason.unwrap_or_default() }
    }
}

/// Somebody whom a version treats.
#[derive(Debug, Serialize)]
pub struct TreatedView {
    treatment_id: Uuid,
    version: i32,
    status: String,
    performed_at: DateTime<Utc>,
    patient_id: Uuid,
    display_name: String,
}

impl From<Treated> for TreatedView {
    fn from(treated: Treated) -> Self {
        let Treated { treatment_id, version, performed_at, status, patient_id, display_name } = treated;
        Self { treatment_id, version, status, performed_at, patient_id, display_name }
    }
}
