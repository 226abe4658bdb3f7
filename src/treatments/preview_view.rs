//! What a draft would mean for a patient, as sent.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::timeline_view::TimelineView;
use crate::domain::protocol::Texts;
use crate::domain::reminders::{Fate, Owed};
use crate::domain::timeline::{Plan, Timeline};

/// A timeline with what would be told when.
#[derive(Debug, Serialize)]
pub struct PreviewView<'a> {
    performed_at: DateTime<Utc>,
    time_zone: &'static str,
    #[serde(flatten)]
    timeline: TimelineView<'a>,
    /// How many tasks the patient would be asked to tick off.
    tasks: usize,
    alerts: Vec<ToldView<'a>>,
}

#[derive(Debug, Serialize)]
struct ToldView<'a> {
    item_key: String,
    category: &'static str,
    title: &'a str,
    body: &'a str,
    due_at: DateTime<Utc>,
    /// Another one that is due close by tells it.
    told_with_another: bool,
    /// It would be recorded and not sent.
    suppressed: bool,
}

impl<'a> PreviewView<'a> {
    /// The plan laid out, in these words, with the alerts that it would owe.
    pub fn new(plan: &Plan<'a>, texts: &'a Texts, laid: &Timeline<'a>, alerts: &[Owed], at: DateTime<Utc>) -> Self {
        let version = plan.version;
        let told = |owed: &Owed| {
            let name = version.item(&owed.item_key)?.reminder_of(owed.seq)?.text.as_deref();
            let text = version.alert_text(texts, &owed.item_key, name)?;
            Some(ToldView {
                item_key: owed.item_key.clone(),
                category: owed.category.as_str(),
                title: &text.title,
                body: &text.body,
                due_at: owed.due_at,
                told_with_another: matches!(owed.fate, Fate::Merged { .. }),
                suppressed: matches!(owed.fate, Fate::Suppressed(_)),
            })
        };
        Self {
            performed_at: plan.performed_at,
            time_zone: plan.zones.at(plan.performed_at).name(),
            timeline: TimelineView::new(None, version, texts, laid, at),
            tasks: laid.tasks.len(),
            alerts: alerts.iter().filter_map(told).collect(),
        }
    }
}
