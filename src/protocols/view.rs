//! A protocol version as clients read it: structure, words in one language and evidence together.
//! Which version and which language is the routes' affair.

use serde::Serialize;

use super::catalogue::Published;
use super::rule_view::RuleView;
use super::summary_view::{Publication, hexadecimal};
use crate::domain::protocol::{
    Actor, AppliesTo, Condition, Evidence, FieldText, IsoDuration, Item, ItemText, Kind, PhaseStart, PlainText,
    ProtocolVersion, Recurrence, Relation, Reminder, Series, Soft, Spread, Texts, Window,
};
use crate::domain::symptoms::Field;

/// The whole of one version.
#[derive(Debug, Serialize)]
pub struct ProtocolView<'a> {
    key: &'a str,
    version: i32,
    content_hash: String,
    #[serde(flatten)]
    publication: Publication,
    name: &'a str,
    locale: &'a str,
    /// Whether a clinician has read these words.
    reviewed: bool,
    locales: Vec<&'a str>,
    applies_to: &'a AppliesTo,
    alerts_a_day: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<&'a Series>,
    phases: Vec<PhaseView<'a>>,
    items: Vec<ItemView<'a>>,
    conditions: &'a [Condition],
    check_in: Vec<QuestionView<'a>>,
    triage: Vec<RuleView<'a>>,
    advice: Vec<AdviceView<'a>>,
    not_carried: Vec<NotCarriedView<'a>>,
}

#[derive(Debug, Serialize)]
struct PhaseView<'a> {
    key: &'a str,
    #[serde(flatten)]
    from: PhaseStart,
    #[serde(flatten)]
    text: Option<&'a PlainText>,
}

#[derive(Debug, Serialize)]
struct ItemView<'a> {
    key: &'a str,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(flatten)]
    text: Option<Words<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<Relation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'a Window>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soft: Option<&'a Soft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recurrence: Option<&'a Recurrence>,
    grace: IsoDuration,
    actor: Actor,
    counts: bool,
    weight: u16,
    priority: u8,
    hold_on_flag: bool,
    reminders: Vec<ReminderView<'a>>,
    links: &'a [String],
    evidence: Vec<Evidence>,
    product_decision: bool,
}

#[derive(Debug, Serialize)]
struct Words<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<&'a str>,
    /// What still holds between the hard and the soft bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_advice: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ReminderView<'a> {
    #[serde(flatten)]
    when: &'a Reminder,
    /// What the app shows for the alert.
    title: &'a str,
    body: &'a str,
}

#[derive(Debug, Serialize)]
struct QuestionView<'a> {
    field: Field,
    #[serde(flatten)]
    text: Option<&'a FieldText>,
}

#[derive(Debug, Serialize)]
struct AdviceView<'a> {
    key: &'a str,
    #[serde(flatten)]
    text: &'a PlainText,
}

#[derive(Debug, Serialize)]
struct NotCarriedView<'a> {
    evidence: Vec<Evidence>,
    reason: &'a str,
}

/// A question and its answer.
#[derive(Debug, Serialize)]
pub struct FaqView {
    key: String,
    question: String,
    answer: String,
    evidence: Vec<Evidence>,
}

impl<'a> ProtocolView<'a> {
    /// The version in these words.
    pub fn new(published: &'a Published, texts: &'a Texts) -> Self {
        let version: &ProtocolVersion = &published.version;
        let structure = &version.structure;
        let base = version.base_texts();
        Self {
            key: version.key(),
            version: version.number(),
            content_hash: hexadecimal(&published.content_hash),
            publication: Publication::of(published),
            name: &texts.name,
            locale: &texts.locale,
            reviewed: texts.reviewed,
            locales: version.texts.keys().map(String::as_str).collect(),
            applies_to: &structure.applies_to,
            alerts_a_day: structure.alerts_a_day,
            series: structure.series.as_ref(),
            phases: structure
                .phases
                .iter()
                .map(|phase| PhaseView {
                    key: &phase.key,
                    from: phase.from,
                    text: texts.phases.get(&phase.key).or_else(|| base.phases.get(&phase.key)),
                })
                .collect(),
            items: structure.items.iter().map(|item| ItemView::new(version, texts, item)).collect(),
            conditions: &structure.conditions,
            check_in: structure
                .check_in_fields
                .iter()
                .map(|field| QuestionView {
                    field: *field,
                    text: texts.check_in.get(field.as_str()).or_else(|| base.check_in.get(field.as_str())),
                })
                .collect(),
            triage: structure.triage.iter().map(|rule| RuleView::new(version, rule)).collect(),
            advice: base
                .advice
                .iter()
                .map(|(key, text)| AdviceView { key, text: texts.advice.get(key).unwrap_or(text) })
                .collect(),
            not_carried: structure
                .not_carried
                .iter()
                .map(|entry| NotCarriedView { evidence: version.facts.resolve(&entry.facts), reason: &entry.reason })
                .collect(),
        }
    }
}

impl<'a> ItemView<'a> {
    fn new(version: &'a ProtocolVersion, texts: &'a Texts, item: &'a Item) -> Self {
        let reminder = |reminder: &'a Reminder| {
            let text = version.alert_text(texts, &item.key, reminder.text.as_deref())?;
            Some(ReminderView { when: reminder, title: &text.title, body: &text.body })
        };
        Self {
            key: &item.key,
            kind: item.kind,
            group: item.group.as_deref(),
            text: version.item_text(texts, &item.key).map(Words::new),
            relation: item.relation,
            window: item.window.as_ref(),
            soft: item.soft.as_ref(),
            range: item.range,
            recurrence: item.recurrence.as_ref(),
            grace: item.grace,
            actor: item.actor,
            counts: item.counts,
            weight: item.weight,
            priority: item.priority,
            hold_on_flag: item.hold_on_flag,
            reminders: item.reminders.iter().filter_map(reminder).collect(),
            links: &item.links,
            evidence: version.facts.resolve(&item.evidence),
            product_decision: item.product_decision,
        }
    }
}

impl<'a> Words<'a> {
    fn new(text: &'a ItemText) -> Self {
        Self {
            title: &text.title,
            body: text.body.as_deref(),
            why: text.why.as_deref(),
            instead: text.instead.as_deref(),
            soft_advice: text.soft.as_deref(),
        }
    }
}

/// The questions and answers of a version.
pub fn faqs(version: &ProtocolVersion, texts: &Texts) -> Vec<FaqView> {
    let asked = version.structure.items.iter().filter(|item| item.kind == Kind::Faq);
    asked
        .filter_map(|item| {
            let text = version.item_text(texts, &item.key)?;
            Some(FaqView {
                key: item.key.clone(),
                question: text.title.clone(),
                answer: text.body.clone()?,
                evidence: version.facts.resolve(&item.evidence),
            })
        })
        .collect()
}
