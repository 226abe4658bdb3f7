//! An alert as its recipient sees it: in words, with where it leads and what else it tells.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use uuid::Uuid;

use super::super::appointment_words;
use super::super::message::{self, Rendered};
use super::super::store::InboxRow;
use crate::domain::appointment::Subject;
use crate::domain::neutral_text;
use crate::domain::protocol::{Level, ProtocolVersion};
use crate::language::{FALLBACK, Wanted};
use crate::protocols::{Accepted, words};

/// An alert as its recipient sees it.
#[derive(Debug, Serialize)]
pub struct AlertView {
    id: Uuid,
    category: String,
    title: String,
    body: String,
    due_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<DateTime<Utc>>,
    state: String,
    link: String,
    /// What else it tells: due at about the same time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    with: Vec<ToldWith>,
}

/// One more thing that an alert tells.
#[derive(Debug, Serialize)]
struct ToldWith {
    id: Uuid,
    category: String,
    title: String,
    body: String,
    link: String,
}

/// An alert and the version that its text comes from, and what it tells besides itself.
pub(super) struct Found {
    pub(super) row: InboxRow,
    pub(super) version: Option<Arc<ProtocolVersion>>,
    pub(super) with: Vec<(InboxRow, Option<Arc<ProtocolVersion>>)>,
}

/// The alert in words, and the language they are in. What staff are told is about somebody else, whose name is not for
/// lock screens.
pub(super) fn view(
    Found { row, version, with }: Found,
    accepted: &Accepted,
    wanted: &Wanted,
    on_lock_screen: bool,
) -> (AlertView, String) {
    let (Rendered { title, body }, language) = if on_lock_screen && message::is_about_a_patient(&row.category) {
        let language = neutral_text::language(&row.user_locale);
        (message::neutral(&row.category, language), language.to_owned())
    } else {
        render(&row, version.as_deref(), accepted, wanted)
    };
    let link = link(&row);
    let view = AlertView {
        id: row.id,
        category: row.category,
        title,
        body,
        due_at: row.due_at,
        expires_at: row.expires_at,
        sent_at: row.sent_at,
        opened_at: row.opened_at,
        state: row.state,
        link,
        with: with.into_iter().map(|(row, version)| told_with(row, version.as_deref(), accepted, wanted)).collect(),
    };
    (view, language)
}

fn told_with(row: InboxRow, version: Option<&ProtocolVersion>, accepted: &Accepted, wanted: &Wanted) -> ToldWith {
    let (Rendered { title, body }, _) = render(&row, version, accepted, wanted);
    ToldWith { link: link(&row), id: row.id, category: row.category, title, body }
}

fn render(
    row: &InboxRow,
    version: Option<&ProtocolVersion>,
    accepted: &Accepted,
    wanted: &Wanted,
) -> (Rendered, String) {
    let ours = |rendered| (rendered, FALLBACK.to_owned());
    match row.category.as_str() {
        "flag" => {
            let level = row.flag_level.as_deref().and_then(|level| level.parse().ok()).unwrap_or(Level::None);
            ours(message::of_flag(row.patient_name.as_deref().unwrap_or("A patient"), level))
        }
        "nudge" if let Some((completion_bp, days)) = row.nudge_completion_bp.zip(row.nudge_days) => {
            ours(message::of_nudge(row.patient_name.as_deref().unwrap_or("A patient"), completion_bp, days))
        }
        "service" if row.flag_seen == Some(true) => ours(message::seen()),
        "service" => ours(message::nobody_reached(&row.lines())),
        "test" => ours(message::of_test()),
        category => {
            let fallbacks = [row.user_locale.as_str(), row.clinic_locale.as_str()];
            if let Some(subject) = subject(row) {
                let language = wanted.pick(&fallbacks, appointment_words::LANGUAGES);
                let said = appointment_words::of(subject.told, starts(row), language);
                return (said, language.to_owned());
            }
            let of_item = version.and_then(|version| {
                let accepted = row.protocol_version_id.map_or(&[][..], |id| accepted.of(id));
                let texts = words(version, accepted, wanted, &fallbacks);
                let said = message::of_item(version, texts, row.item_key.as_deref()?, row.seq)?;
                Some((said, texts.locale.clone()))
            });
            of_item.unwrap_or_else(|| ours(message::neutral(category, FALLBACK)))
        }
    }
}

/// The appointment that an alert is about.
fn subject(row: &InboxRow) -> Option<Subject> {
    row.item_key.as_deref().and_then(Subject::parse)
}

/// When that begins, as a clock at the clinic shows it.
fn starts(row: &InboxRow) -> Option<DateTime<Tz>> {
    let zone: Tz = row.appointment_zone.as_deref()?.parse().ok()?;
    row.appointment_at.map(|at| at.with_timezone(&zone))
}

/// Where in the app the alert leads.
fn link(row: &InboxRow) -> String {
    if let Some(subject) = subject(row) {
        return format!("mendline://appointments/{}", subject.appointment_id);
    }
    let Some(treatment) = row.treatment_id else { return format!("mendline://alerts/{}", row.id) };
    let place = match (row.category.as_str(), row.flag_id) {
        ("flag", Some(flag)) => format!("flags/{flag}"),
        ("milestone" | "restriction", _) => "guidance".to_owned(),
        ("routine", _) => "tasks".to_owned(),
        ("nudge", _) => "compliance".to_owned(),
        ("check_in" | "service", _) => "check-ins".to_owned(),
        _ => "timeline".to_owned(),
    };
    format!("mendline://treatments/{treatment}/{place}")
}
