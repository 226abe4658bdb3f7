//! Where the sources disagree, as clients read it: every voice, and the figures that a version's entries carry.

use serde::Serialize;

use super::summary_view::ProtocolName;
use crate::domain::protocol::{
    Disagreement, Grade, IsoDuration, Item, Kind, Level, ProtocolVersion, Rule, Soft, Spread, Stance, Texts, Voice,
    Window, disagreements,
};

/// All of a version's.
#[derive(Debug, Serialize)]
pub struct Disagreements<'a> {
    protocol: ProtocolName<'a>,
    items: Vec<DisagreementView<'a>>,
}

#[derive(Debug, Serialize)]
struct DisagreementView<'a> {
    id: &'a str,
    topic: &'a str,
    positions: Vec<VoiceView<'a>>,
    /// What the default protocol makes of it, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_decision: Option<&'a str>,
    carried_by: Vec<ItemView<'a>>,
    rules: Vec<RuleView<'a>>,
    /// Why no entry of this version carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out_because: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct VoiceView<'a> {
    source: &'a str,
    title: &'a str,
    grade: Grade,
    at: Vec<&'a str>,
    says: &'a str,
}

#[derive(Debug, Serialize)]
struct ItemView<'a> {
    key: &'a str,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'a Window>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soft: Option<&'a Soft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stance: Option<Stance>,
    product_decision: bool,
}

#[derive(Debug, Serialize)]
struct RuleView<'a> {
    key: &'a str,
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<IsoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<IsoDuration>,
    product_decision: bool,
}

impl<'a> Disagreements<'a> {
    /// The version's, in these words.
    pub fn new(version: &'a ProtocolVersion, texts: &'a Texts) -> Self {
        let view = |found: Disagreement<'a>| DisagreementView {
            id: found.id,
            topic: &found.fact.value,
            positions: found.voices.into_iter().map(VoiceView::from).collect(),
            default_decision: found.fact.decision.as_deref(),
            carried_by: found.items.into_iter().map(|item| ItemView::new(version, texts, item)).collect(),
            rules: found.rules.into_iter().map(RuleView::from).collect(),
            left_out_because: found.left_out_because,
        };
        let items = disagreements(version).into_iter().map(view).collect();
        Self { protocol: ProtocolName::of(version), items }
    }
}

impl<'a> From<Voice<'a>> for VoiceView<'a> {
    fn from(voice: Voice<'a>) -> Self {
        let Voice { source, title, grade, at, says } = voice;
        Self { source, title, grade, at, says }
    }
}

impl<'a> ItemView<'a> {
    fn new(version: &'a ProtocolVersion, texts: &'a Texts, item: &'a Item) -> Self {
        let text = version.item_text(texts, &item.key);
        Self {
            key: &item.key,
            kind: item.kind,
            title: text.map(|text| text.title.as_str()),
            why: text.and_then(|text| text.why.as_deref()),
            window: item.window.as_ref(),
            soft: item.soft.as_ref(),
            range: item.range,
            stance: item.stance(),
            product_decision: item.product_decision,
        }
    }
}

impl<'a> From<&'a Rule> for RuleView<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self {
            key: &rule.key,
            level: rule.level,
            after: rule.after,
            before: rule.before,
            product_decision: rule.product_decision,
        }
    }
}
