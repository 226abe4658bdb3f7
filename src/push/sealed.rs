//! What only the phone can read: the words of an alert, encrypted to the key that its app registered (RFC 8291). Web Push
//! carries nothing else; the other providers carry it beside what they need to show something at all.

mod encryption;
mod receiver;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::{Payload, PushMessage, PushTarget, VisibleText};
use crate::domain::device::WebPushKeys;

pub use encryption::{EncryptionError, MAX_PLAINTEXT_BYTES};
pub use receiver::Receiver;

/// What is encrypted, whoever carries it.
#[derive(Serialize)]
struct Plaintext<'a> {
    #[serde(flatten)]
    payload: &'a Payload,
    /// What a lock screen may show.
    #[serde(flatten)]
    text: &'a VisibleText,
    /// What is for the person alone, where the lock screen may not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Cow<'a, VisibleText>>,
}

/// The whole message for a phone's eyes only.
pub(super) fn seal(keys: &WebPushKeys, message: &PushMessage) -> Result<Vec<u8>, EncryptionError> {
    encryption::encrypt(keys, &plaintext(message)?)
}

/// The same in base64url, for providers that carry JSON: where the phone has a key and there is something that only the
/// phone may read. `None` otherwise, and the message goes out free of content.
pub(super) fn seal_private(target: &PushTarget, message: &PushMessage) -> Option<String> {
    message.private.as_ref()?;
    let sealed = seal(target.keys.as_ref()?, message);
    if let Err(error) = &sealed {
        tracing::warn!(push.provider = target.provider.word, %error, "details could not be encrypted and stay here");
    }
    Some(URL_SAFE_NO_PAD.encode(sealed.ok()?))
}

/// The JSON that is encrypted. Where it would be too long, the body loses its end, then the words stay here altogether.
fn plaintext(message: &PushMessage) -> Result<Vec<u8>, EncryptionError> {
    let json = |words: Option<Cow<'_, VisibleText>>| {
        let shown = message.private.as_ref().is_some_and(|private| private.on_lock_screen);
        let (text, details) = match &words {
            Some(words) if shown => (&**words, None),
            words => (&message.text, words.clone()),
        };
        let plaintext = Plaintext { payload: &message.payload, text, details };
        serde_json::to_vec(&plaintext).map_err(|_never| EncryptionError::TooLong)
    };
    let Some(private) = &message.private else { return json(None) };
    let whole = json(Some(Cow::Borrowed(&private.words)))?;
    if whole.len() <= MAX_PLAINTEXT_BYTES {
        return Ok(whole);
    }
    let mut over = whole.len() - MAX_PLAINTEXT_BYTES;
    let mut body = private.words.body.clone().unwrap_or_default();
    while let Some(shorter) = shorten(&body, over) {
        let words = VisibleText { title: private.words.title.clone(), body: Some(shorter.clone()) };
        let json = json(Some(Cow::Owned(words)))?;
        if json.len() <= MAX_PLAINTEXT_BYTES {
            return Ok(json);
        }
        over = json.len() - MAX_PLAINTEXT_BYTES;
        body = shorter;
    }
    json(None)
}

/// The text without `over` bytes of its end, or without its second half where that is less (in JSON a byte may count as
/// six), and an ellipsis; `None` if nothing would be left.
fn shorten(text: &str, over: usize) -> Option<String> {
    const ELLIPSIS: char = '…';
    let text = text.trim_end_matches(ELLIPSIS);
    let cut = over.min(text.len() / 2) + ELLIPSIS.len_utf8();
    let end = text.floor_char_boundary(text.len().checked_sub(cut)?);
    let kept = text[..end].trim_end();
    if kept.is_empty() { None } else { Some(format!("{kept}{ELLIPSIS}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::neutral_text::NeutralKind;
    use crate::push::message::Private;
    use crate::push::{Collapse, Urgency};
    use chrono::DateTime;
    use proptest::prelude::*;
    use serde_json::Value;
    use uuid::Uuid;

    fn message(title: &str, body: &str, on_lock_screen: bool) -> PushMessage {
        let words = VisibleText { title: title.into(), body: Some(body.into()) };
        PushMessage {
            delivery_id: Uuid::from_u128(9),
            collapse: Collapse::new("AAAAAAAAAAAAAAAAAAAAAA"),
            payload: Payload::new(Uuid::from_u128(7), "k3v9Qx2mTzE1bWVuZAk3v9", NeutralKind::Reminder),
            text: VisibleText::neutral(NeutralKind::Reminder, "en"),
            private: Some(Private { words, on_lock_screen }),
            urgency: Urgency::Normal,
            expires_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        }
    }

    fn read(message: &PushMessage) -> Value {
        serde_json::from_slice(&plaintext(message).unwrap()).unwrap()
    }

    #[test]
    fn details_stand_apart_from_what_a_lock_screen_may_show_unless_it_may_show_them() {
        let apart = read(&message("Keep it cool", "No sauna today.", false));
        assert_eq!((&apart["title"], apart.get("body")), (&Value::from("A reminder for you."), None));
        assert_eq!(apart["details"], serde_json::json!({"title": "Keep it cool", "body": "No sauna today."}));
        let shown = read(&message("Keep it cool", "No sauna today.", true));
        assert_eq!((&shown["title"], &shown["body"]), (&"Keep it cool".into(), &"No sauna today.".into()));
        assert_eq!(shown.get("details"), None);
    }

    #[test]
    fn a_body_that_is_too_long_loses_its_end_and_a_title_that_is_too_long_everything() {
        let long = read(&message("Keep it cool", &"wärme ".repeat(1000), false));
        let body = long["details"]["body"].as_str().unwrap();
        assert!(body.len() > 1500 && body.starts_with("wärme wärme") && body.ends_with('…'), "{body}");
        let shown = read(&message("Keep it cool", &"\"\n".repeat(3000), true));
        assert!(shown["body"].as_str().unwrap().ends_with('…'));
        for on_lock_screen in [false, true] {
            let hopeless = read(&message(&"x".repeat(3000), "short", on_lock_screen));
            assert_eq!(hopeless["title"], "A reminder for you.");
            assert_eq!((hopeless.get("body"), hopeless.get("details")), (None, None));
        }
    }

    proptest! {
        #[test]
        fn whatever_the_words_are_they_fit_and_are_a_beginning_of_themselves(
            title in "\\PC{0,60}", body in "[\\PC\"\\\\\n\u{1}ß…]{0,4000}", on_lock_screen: bool,
        ) {
            let message = message(&title, &body, on_lock_screen);
            let json = plaintext(&message).unwrap();
            prop_assert!(json.len() <= MAX_PLAINTEXT_BYTES);
            let read: Value = serde_json::from_slice(&json).unwrap();
            let words = if on_lock_screen { &read } else { &read["details"] };
            if let Some(told) = words["body"].as_str() {
                let beginning = told.trim_end_matches('…');
                prop_assert!(told == body || body.starts_with(beginning));
            }
        }
    }
}
