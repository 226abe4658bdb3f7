//! A version's languages, as sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::accept::Locale;
use super::summary_view::hexadecimal;

/// A version's words in one language, and whether the clinic's people are spoken to in them.
#[derive(Debug, Serialize)]
pub struct LocaleView {
    locale: String,
    /// The version was written in it.
    base: bool,
    reviewed: bool,
    content_hash: String,
    served: bool,
    /// Others in the same language were accepted: these have to be accepted anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_since: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<DateTime<Utc>>,
}

impl From<Locale> for LocaleView {
    fn from(found: Locale) -> Self {
        let accepted = found.acceptance.as_ref();
        Self {
            base: found.base,
            reviewed: found.texts.reviewed,
            content_hash: hexadecimal(&found.texts.content_hash),
            served: found.served(),
            changed_since: accepted.map(|_| !found.accepted()),
            accepted_by: accepted.map(|acceptance| acceptance.accepted_by),
            accepted_at: accepted.map(|acceptance| acceptance.accepted_at),
            locale: found.texts.locale,
        }
    }
}
