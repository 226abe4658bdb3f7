//! What is owed of appointments, on its way to the queue.

use super::planned;
use crate::alerts::queue;
use crate::domain::appointment::Reminder;

impl From<Reminder> for queue::Owed {
    fn from(reminder: Reminder) -> Self {
        Self {
            dedupe_key: reminder.dedupe_key,
            category: reminder.category.as_str(),
            urgent: false,
            treatment_id: None,
            flag_id: None,
            device_id: None,
            protocol_version_id: None,
            item_key: Some(reminder.subject.to_string()),
            day_index: None,
            seq: None,
            due_at: reminder.due_at,
            expires_at: reminder.expires_at,
            state: planned(reminder.fate, reminder.slot_ends_at),
        }
    }
}
