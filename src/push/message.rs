//! What is handed to a provider, whichever it is: ids, a neutral text, and how long it is worth anything.
//! Health data has no place in these types but one, which is encrypted for the phone: otherwise the app fetches the text.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::alert::{PushOutcome, is_expired};
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

/// Words for the person alone: they leave this server only encrypted to a key that the phone holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Private {
    /// What the alert says.
    pub words: VisibleText,
    /// The person agreed to see them on the lock screen; otherwise the phone keeps them until it is unlocked.
    pub on_lock_screen: bool,
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
    /// What the lock screen gets, and whoever carries the message reads.
    pub text: VisibleText,
    /// What only the phone may read, where it has a key for it.
    pub private: Option<Private>,
    /// How prompt it must be.
    pub urgency: Urgency,
    /// The moment from which it is worth nothing, by the story's clock.
    pub expires_at: DateTime<Utc>,
}

impl PushMessage {
    /// How long the provider may keep it: a duration, since the provider's clock need not be the story's, which shows
    /// `now`. To be asked when the request is about to leave, since a free connection and a token may have taken their
    /// time; what is no longer worth sending by then is not sent.
    pub fn ttl_seconds(&self, now: DateTime<Utc>) -> Result<u32, PushOutcome> {
        if is_expired(now, self.expires_at) {
            return Err(PushOutcome::NotSent { reason: "expired".into() });
        }
        let left = (self.expires_at - now).num_seconds().clamp(0, i64::from(MAX_TTL_SECONDS));
        Ok(u32::try_from(left).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn message() -> PushMessage {
        PushMessage {
            delivery_id: Uuid::from_u128(9),
            collapse: Collapse::new("AAAAAAAAAAAAAAAAAAAAAA"),
            payload: Payload::new(Uuid::from_u128(7), "r1", NeutralKind::Reminder),
            text: VisibleText::neutral(NeutralKind::Reminder, "en"),
            private: None,
            urgency: Urgency::Normal,
            expires_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        }
    }

    #[test]
    fn the_time_to_live_is_what_is_left_within_a_providers_limits() {
        let message = message();
        let with_left = |left: TimeDelta| message.ttl_seconds(message.expires_at - left);
        assert_eq!(with_left(TimeDelta::milliseconds(61_900)), Ok(61));
        assert_eq!(with_left(TimeDelta::days(400)), Ok(MAX_TTL_SECONDS));
        assert_eq!(with_left(TimeDelta::seconds(5)), Ok(5));
        let expired = Err(PushOutcome::NotSent { reason: "expired".into() });
        assert_eq!(with_left(TimeDelta::milliseconds(4_999)), expired);
        assert_eq!(with_left(TimeDelta::seconds(-5)), expired);
    }

    #[test]
    fn the_payload_is_four_fields_and_nothing_else() {
        insta::assert_json_snapshot!(message().payload, @r#"
        {
          "v": 1,
          "alert_id": "00000000-0000-0000-0000-000000000007",
          "recipient": "r1",
          "category": "reminder"
        }
        "#);
    }
}
