//! How a change of an item looks to the outside, wherever items are shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::overrides::{Bounds, Overridden};
use crate::domain::protocol::Kind;

/// That an item is not as the version has it: who changed it, when, why, and what the version says.
#[derive(Debug, Clone, Serialize)]
pub struct OverriddenView<'a> {
    by: Uuid,
    at: DateTime<Utc>,
    reason: &'a str,
    was: &'a Bounds,
}

impl<'a> From<&'a Overridden> for OverriddenView<'a> {
    fn from(there: &'a Overridden) -> Self {
        Self { by: there.by, at: there.at, reason: &there.reason, was: &there.was }
    }
}

/// A change that stands.
#[derive(Debug, Serialize)]
pub struct OverrideView<'a> {
    item_key: &'a str,
    kind: Kind,
    off: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'a Bounds>,
    acknowledge_shorter: bool,
    #[serde(flatten)]
    whose: OverriddenView<'a>,
}

impl<'a> From<&'a Overridden> for OverrideView<'a> {
    fn from(there: &'a Overridden) -> Self {
        Self {
            item_key: &there.item_key,
            kind: there.kind,
            off: there.change.off,
            window: there.change.window.as_ref(),
            acknowledge_shorter: there.change.acknowledge_shorter,
            whose: OverriddenView::from(there),
        }
    }
}
