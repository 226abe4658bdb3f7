//! Conditions as they are sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::ConditionDecision;
use crate::domain::condition::{Voice, ending};
use crate::domain::protocol::{Condition, ProtocolVersion, Soft, Texts, Window};
use crate::domain::symptoms::Field;
use crate::domain::timeline::Timeline;
use crate::recovery::Recovery;

/// One condition, with what waits for it.
#[derive(Debug, Serialize)]
pub struct ConditionView<'a> {
    key: &'a str,
    /// What check-ins are asked about it.
    field: Field,
    /// From here a check-in may say that it has ended.
    counts_from: DateTime<Utc>,
    /// Since when it has ended, by the latest word of anybody; absent while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    /// By whose word.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<Voice>,
    /// What waits for it.
    items: Vec<WaitingView<'a>>,
    /// Clinicians' decisions, the first of them first; for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<Vec<DecisionView>>,
}

#[derive(Debug, Serialize)]
struct WaitingView<'a> {
    key: &'a str,
    title: &'a str,
    /// It cannot end before this.
    earliest: DateTime<Utc>,
    /// It ends here at the latest, unless a flag is open then.
    cap: DateTime<Utc>,
    /// When it ends as things stand; absent while an open flag keeps it from ending.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct DecisionView {
    id: Uuid,
    ended: bool,
    reason: String,
    decided_at: DateTime<Utc>,
    decided_by: Uuid,
}

impl<'a> ConditionView<'a> {
    /// A condition of a laid-out treatment. `decisions` are shown to staff.
    pub fn new(
        condition: &'a Condition,
        recovery: &Recovery,
        (version, texts): (&'a ProtocolVersion, &'a Texts),
        laid: &Timeline<'a>,
        decisions: Option<&[ConditionDecision]>,
    ) -> Self {
        let performed_at = recovery.row.performed_at;
        let word = ending(&recovery.words(condition));
        let waits = laid.items.iter().filter_map(|laid| {
            // A window that waits has its bounds; a soft bound begins where the hard one ends.
            let (earliest, cap, until) = match (&laid.item.window, &laid.item.soft) {
                (Some(Window::Condition { until, cap, .. }), _) if *until == condition.key => {
                    (laid.earliest_close_at?, *cap, laid.close_at)
                }
                (_, Some(Soft::Condition { until, cap })) if *until == condition.key => {
                    (laid.close_at?, *cap, laid.soft_close_at)
                }
                _ => return None,
            };
            let title = version.item_text(texts, &laid.item.key).map_or("", |text| text.title.as_str());
            Some(WaitingView { key: &laid.item.key, title, earliest, cap: performed_at + cap.delta(), until })
        });
        let own = |decisions: &[ConditionDecision]| {
            let own = decisions.iter().filter(|decision| decision.condition_key == condition.key);
            own.cloned().map(DecisionView::from).collect()
        };
        Self {
            key: &condition.key,
            field: condition.field,
            counts_from: performed_at + condition.counts_from.delta(),
            ended_at: word.map(|word| word.at),
            ended_by: word.map(|word| word.voice),
            items: waits.collect(),
            decisions: decisions.map(own),
        }
    }
}

impl From<ConditionDecision> for DecisionView {
    fn from(decision: ConditionDecision) -> Self {
        Self {
            id: decision.id,
            ended: decision.ended,
            reason: decision.reason,
            decided_at: decision.decided_at,
            decided_by: decision.decided_by,
        }
    }
}
