//! What an alert says: the neutral sentence on a lock screen, and the text that the app fetches and shows.

use crate::domain::neutral_text::NeutralKind;

/// Which neutral sentence fits a category of alerts.
pub fn neutral_kind(category: &str) -> NeutralKind {
    match category {
        "routine" | "session" | "follow_up" => NeutralKind::Reminder,
        "check_in" => NeutralKind::Question,
        "flag" => NeutralKind::Review,
        _ => NeutralKind::Message,
    }
}
