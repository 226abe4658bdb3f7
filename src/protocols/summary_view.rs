//! A version in short, as sent: its name, whose it is, where it stands among the others.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::catalogue::Published;
use super::withdrawal_view::WithdrawalView;
use crate::domain::protocol::{AppliesTo, ProtocolVersion, Texts};

/// One version in the list of protocols.
#[derive(Debug, Serialize)]
pub struct ProtocolSummary {
    key: String,
    version: i32,
    name: String,
    applies_to: AppliesTo,
    /// New treatments under this protocol get this version.
    current: bool,
    /// The clinic's treatments get this one where nobody chooses another.
    default: bool,
    #[serde(flatten)]
    publication: Publication,
    /// That the clinic no longer uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<WithdrawalView>,
}

/// Whose a version is, and who published it.
#[derive(Debug, Serialize)]
pub struct Publication {
    /// The clinic's own; no other clinic sees it.
    own: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<DateTime<Utc>>,
}

impl Publication {
    /// The version's.
    pub fn of(published: &Published) -> Self {
        let origin = published.origin;
        Self {
            own: origin.is_some(),
            published_by: origin.map(|origin| origin.published_by),
            published_at: origin.map(|origin| origin.published_at),
        }
    }
}

impl ProtocolSummary {
    /// The version in a list: whether new treatments get it, and those of whoever chooses nothing.
    pub fn new(
        published: &Published,
        texts: &Texts,
        (current, default): (bool, bool),
        withdrawn: Option<WithdrawalView>,
    ) -> Self {
        let version = &published.version;
        Self {
            key: version.key().to_owned(),
            version: version.number(),
            name: texts.name.clone(),
            applies_to: version.structure.applies_to.clone(),
            current,
            default,
            publication: Publication::of(published),
            withdrawn,
        }
    }
}

/// What a clinic has just published.
#[derive(Debug, Serialize)]
pub struct PublishedView<'a> {
    key: &'a str,
    version: i32,
    content_hash: String,
    #[serde(flatten)]
    publication: Publication,
}

impl<'a> PublishedView<'a> {
    /// The version's.
    pub fn new(published: &'a Published) -> Self {
        Self {
            key: published.version.key(),
            version: published.version.number(),
            content_hash: hexadecimal(&published.content_hash),
            publication: Publication::of(published),
        }
    }
}

/// A hash as people write it.
pub fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A version by name.
#[derive(Debug, Serialize)]
pub struct ProtocolName<'a> {
    key: &'a str,
    version: i32,
}

impl<'a> ProtocolName<'a> {
    /// The version's.
    pub fn of(version: &'a ProtocolVersion) -> Self {
        Self { key: version.key(), version: version.number() }
    }
}
