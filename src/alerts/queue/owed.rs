//! What is handed to the queue: an alert that is owed, to whom, and in which state it begins.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids;

/// Whom an alert is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// The clinic.
    pub clinic_id: Uuid,
    /// A patient record or a staff membership.
    pub kind: RecipientKind,
    /// Which one.
    pub id: Uuid,
}

/// Patient record or staff membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientKind {
    /// A patient record.
    Patient,
    /// A staff membership, or a patient's own for test pushes.
    Member,
}

impl RecipientKind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Member => "member",
        }
    }
}

/// In which state a planned alert enters the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedState {
    /// To be sent when due, or whenever it can be sent after that.
    Scheduled,
    /// To be sent when due, and to be planned anew if it was not sent by `ends_at`.
    InSlot {
        /// From then on the plan does not hold.
        ends_at: DateTime<Utc>,
    },
    /// Told by another alert of the same recipient.
    Merged {
        /// That one's dedupe key.
        into: String,
    },
    /// Recorded, never sent.
    Suppressed {
        /// Why.
        reason: &'static str,
    },
}

impl PlannedState {
    /// As stored.
    fn word(&self) -> &'static str {
        match self {
            Self::Scheduled | Self::InSlot { .. } => "scheduled",
            Self::Merged { .. } => "merged",
            Self::Suppressed { .. } => "suppressed",
        }
    }
}

/// One alert that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// What is owed, so that planning twice owes it once.
    pub dedupe_key: String,
    /// What the person can switch off.
    pub category: &'static str,
    /// Ignores quiet hours; sent with high urgency.
    pub urgent: bool,
    /// The treatment it is about.
    pub treatment_id: Option<Uuid>,
    /// The flag it is about.
    pub flag_id: Option<Uuid>,
    /// Only this device.
    pub device_id: Option<Uuid>,
    /// Where the text comes from.
    pub protocol_version_id: Option<Uuid>,
    /// Which item it announces.
    pub item_key: Option<String>,
    /// Zero-based local day.
    pub day_index: Option<i32>,
    /// Which of the item's alerts of that day.
    pub seq: Option<i32>,
    /// The moment from which it is owed.
    pub due_at: DateTime<Utc>,
    /// The moment from which it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// Scheduled, or suppressed from the start.
    pub state: PlannedState,
}

/// One column of the batch each.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) ids: Vec<Uuid>,
    pub(super) keys: Vec<String>,
    pub(super) categories: Vec<&'static str>,
    pub(super) urgent: Vec<bool>,
    pub(super) treatments: Vec<Option<Uuid>>,
    pub(super) flags: Vec<Option<Uuid>>,
    pub(super) devices: Vec<Option<Uuid>>,
    pub(super) versions: Vec<Option<Uuid>>,
    pub(super) items: Vec<Option<String>>,
    pub(super) days: Vec<Option<i32>>,
    pub(super) seqs: Vec<Option<i32>>,
    pub(super) due: Vec<DateTime<Utc>>,
    pub(super) expires: Vec<DateTime<Utc>>,
    pub(super) slots: Vec<Option<DateTime<Utc>>>,
    pub(super) states: Vec<&'static str>,
    pub(super) reasons: Vec<Option<&'static str>>,
    pub(super) merged_into: Vec<Option<Uuid>>,
}

impl Columns {
    pub(super) fn of(to: Recipient, owed: &[Owed]) -> Self {
        let mut columns = Self::default();
        for alert in owed {
            columns.ids.push(ids::alert_id(to.clinic_id, to.id, &alert.dedupe_key));
            columns.keys.push(alert.dedupe_key.clone());
            columns.categories.push(alert.category);
            columns.urgent.push(alert.urgent);
            columns.treatments.push(alert.treatment_id);
            columns.flags.push(alert.flag_id);
            columns.devices.push(alert.device_id);
            columns.versions.push(alert.protocol_version_id);
            columns.items.push(alert.item_key.clone());
            columns.days.push(alert.day_index);
            columns.seqs.push(alert.seq);
            columns.due.push(alert.due_at);
            columns.expires.push(alert.expires_at);
            let (slot, reason, into) = match &alert.state {
                PlannedState::Scheduled => (None, None, None),
                PlannedState::InSlot { ends_at } => (Some(*ends_at), None, None),
                PlannedState::Merged { into } => (None, Some("told_with_another"), Some(into)),
                PlannedState::Suppressed { reason } => (None, Some(*reason), None),
            };
            columns.slots.push(slot);
            columns.states.push(alert.state.word());
            columns.reasons.push(reason);
            columns.merged_into.push(into.map(|key| ids::alert_id(to.clinic_id, to.id, key)));
        }
        columns
    }
}
