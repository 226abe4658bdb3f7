//! What is handed to a provider, whichever it is: ids, a neutral text, and how long it is worth anything.
//! Health data has no place in these types: the app fetches the real text once the phone is unlocked.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::neutral_text::NeutralKind;

/// The longest time a provider keeps a message: FCM's 28 days, which is also the least of the known maxima.
pub const MAX_TTL_SECONDS: u32 = 2_419_200;

/// The name under which a repeated message replaces the earlier one on the device. It is a keyed hash of the alert, so
/// that nobody outside can tell from two of them whether they concern the same person or treatment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Collapse(String);

impl Collapse {
    /// 22 characters of base64url: within Web Push's 32 (RFC 8030, section 5.4) and APNs' 64.
    pub const CHARS: usize = 22;

    /// Wraps a name that `auth::keys` computed from the alert.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How much a push service should spend on prompt delivery (RFC 8030, section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// May wait until the phone is awake for another reason.
    Low,
    /// At its time: reminders, milestones.
    Normal,
    /// At once, at the battery's expense: staff alerts. Safari delivers only these promptly.
    High,
}

impl Urgency {
    /// The word of the `Urgency` header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// What the app needs to fetch the alert. These four fields are the whole payload, whatever the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payload {
    v: u8,
    /// Which alert it is.
    pub alert_id: Uuid,
    /// An opaque tag of the recipient: an app with several logins knows whose alert it is.
    pub recipient: String,
    /// One of four neutral words.
    pub category: NeutralKind,
}

impl Payload {
    /// The payload's version.
    pub const VERSION: u8 = 1;

    /// A payload of the current version.
    pub fn new(alert_id: Uuid, recipient: impl Into<String>, category: NeutralKind) -> Self {
        Self { v: Self::VERSION, alert_id, recipient: recipient.into(), category }
    }

    /// The version it is in.
    pub fn version(&self) -> u8 {
        self.v
    }
}

/// What a lock screen shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VisibleText {
    /// The first line.
    pub title: String,
    /// A second line, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl VisibleText {
    /// One of the four neutral sentences and nothing else.
    pub fn neutral(kind: NeutralKind, locale: &str) -> Self {
        Self { title: kind.sentence(locale).to_owned(), body: None }
    }
}

/// One message for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushMessage {
    /// The same for every try of this alert at this device.
    pub delivery_id: Uuid,
    /// The same for every try of this alert at every device.
    pub collapse: Collapse,
    /// What the app gets.
    pub payload: Payload,
    /// What the lock screen gets.
    pub text: VisibleText,
    /// How prompt it must be.
    pub urgency: Urgency,
    /// The moment from which it is worth nothing, by the story's clock.
    pub expires_at: DateTime<Utc>,
    /// How long the provider may keep it: a duration, since the provider's clock need not be the story's.
    pub ttl_seconds: u32,
}

impl PushMessage {
    /// Puts a message together; `now` is the story's clock at the moment of sending.
    pub fn new(
        delivery_id: Uuid,
        collapse: Collapse,
        payload: Payload,
        text: VisibleText,
        urgency: Urgency,
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let left = (expires_at - now).num_seconds().clamp(0, i64::from(MAX_TTL_SECONDS));
        let ttl_seconds = u32::try_from(left).unwrap_or(0);
        Self { delivery_id, collapse, payload, text, urgency, expires_at, ttl_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn message(left: TimeDelta) -> PushMessage {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let payload = Payload::new(Uuid::from_u128(7), "r1", NeutralKind::Reminder);
        let text = VisibleText::neutral(NeutralKind::Reminder, "en");
        let collapse = Collapse::new("AAAAAAAAAAAAAAAAAAAAAA");
        PushMessage::new(Uuid::from_u128(9), collapse, payload, text, Urgency::Normal, now + left, now)
    }

    #[test]
    fn the_time_to_live_is_what_is_left_within_a_providers_limits() {
        assert_eq!(message(TimeDelta::milliseconds(61_900)).ttl_seconds, 61);
        assert_eq!(message(TimeDelta::seconds(-5)).ttl_seconds, 0);
        assert_eq!(message(TimeDelta::days(400)).ttl_seconds, MAX_TTL_SECONDS);
    }

    #[test]
    fn the_payload_is_four_fields_and_nothing_else() {
        insta::assert_json_snapshot!(message(TimeDelta::hours(1)).payload, @r#"
        {
          "v": 1,
          "alert_id": "00000000-0000-0000-0000-000000000007",
          "recipient": "r1",
          "category": "reminder"
        }
        "#);
    }
}
