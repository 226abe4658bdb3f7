//! A timeline, as sent.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::view::ProtocolRef;
use crate::domain::protocol::{Actor, Evidence, Kind, ProtocolVersion, Relation, Texts};
use crate::domain::timeline::{ItemState, LaidOut, Overrides, Range, Timeline};
use crate::recovery::override_view::OverriddenView;

/// One treatment's items in real time; none is named where there is none yet.
#[derive(Debug, Serialize)]
pub struct TimelineView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    treatment_id: Option<Uuid>,
    protocol: ProtocolRef,
    phases: Vec<PhaseView<'a>>,
    items: Vec<ItemView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    switched_off: Vec<SwitchedOffView<'a>>,
}

#[derive(Debug, Serialize)]
struct PhaseView<'a> {
    key: &'a str,
    title: &'a str,
    open_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct ItemView<'a> {
    key: &'a str,
    kind: Kind,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    actor: Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<Relation>,
    state: ItemState,
    open_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_at: Option<DateTime<Utc>>,
    /// For conditions: it cannot end before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest_close_at: Option<DateTime<Utc>>,
    /// From here not even the soft bound holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_close_at: Option<DateTime<Utc>>,
    open_on: NaiveDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_on: Option<NaiveDate>,
    /// An open flag keeps it from ending.
    held: bool,
    /// A jump of the patient's clock left nothing of it.
    skipped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<Range>,
    evidence: Vec<Evidence>,
    /// No source gives the figure: it is ours.
    product_decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    overridden: Option<OverriddenView<'a>>,
}

/// An item that is no part of this treatment's plan.
#[derive(Debug, Serialize)]
struct SwitchedOffView<'a> {
    key: &'a str,
    kind: Kind,
    title: &'a str,
    overridden: OverriddenView<'a>,
}

impl<'a> TimelineView<'a> {
    /// The timeline in these words, as it stands at a moment.
    pub fn new(
        treatment_id: impl Into<Option<Uuid>>,
        version: &'a ProtocolVersion,
        texts: &'a Texts,
        laid: &Timeline<'a>,
        at: DateTime<Utc>,
    ) -> Self {
        let base = version.base_texts();
        let phases = laid.phases.iter().map(|laid| {
            let key = &laid.phase.key;
            let text = texts.phases.get(key).or_else(|| base.phases.get(key));
            PhaseView { key, title: text.map_or("", |text| &text.title), open_at: laid.open_at }
        });
        Self {
            treatment_id: treatment_id.into(),
            protocol: ProtocolRef::of(version),
            phases: phases.collect(),
            items: laid.items.iter().map(|laid| ItemView::new(version, texts, laid, at)).collect(),
            switched_off: Vec::new(),
        }
    }

    /// The same with what was changed for the treatment.
    pub fn with_overrides(mut self, version: &'a ProtocolVersion, texts: &'a Texts, overrides: &'a Overrides) -> Self {
        for item in &mut self.items {
            item.overridden = overrides.of_item(item.key).map(OverriddenView::from);
        }
        let off = overrides.items.iter().filter(|there| there.change.off).map(|there| SwitchedOffView {
            key: &there.item_key,
            kind: there.kind,
            title: version.item_text(texts, &there.item_key).map_or("", |text| &text.title),
            overridden: OverriddenView::from(there),
        });
        self.switched_off = off.collect();
        self
    }
}

impl<'a> ItemView<'a> {
    fn new(version: &'a ProtocolVersion, texts: &'a Texts, laid: &LaidOut<'a>, at: DateTime<Utc>) -> Self {
        let item = laid.item;
        let text = version.item_text(texts, &item.key);
        Self {
            key: &item.key,
            kind: item.kind,
            title: text.map_or("", |text| &text.title),
            body: text.and_then(|text| text.body.as_deref()),
            why: text.and_then(|text| text.why.as_deref()),
            actor: item.actor,
            relation: item.relation,
            state: laid.state(at),
            open_at: laid.open_at,
            close_at: laid.close_at,
            earliest_close_at: laid.earliest_close_at,
            soft_close_at: laid.soft_close_at,
            open_on: laid.open_on,
            close_on: laid.close_on,
            held: laid.held,
            skipped: laid.skipped,
            range: laid.range(),
            evidence: version.facts.resolve(&item.evidence),
            product_decision: item.product_decision,
            overridden: None,
        }
    }
}
