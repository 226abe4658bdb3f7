//! Triage rules as clients read them.

use serde::Serialize;

use crate::domain::protocol::{Evidence, IsoDuration, Level, ProtocolVersion, Rule, Test, When};
use crate::domain::symptoms::Field;

/// One rule with its evidence.
#[derive(Debug, Serialize)]
pub struct RuleView<'a> {
    key: &'a str,
    level: Level,
    advice: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<IsoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<IsoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recheck: Option<IsoDuration>,
    when: WhenView,
    evidence: Vec<Evidence>,
    product_decision: bool,
}

/// A condition of a rule: `all`, `any` or one test. One shape with one type per name, so that clients can be generated.
#[derive(Debug, Default, Serialize)]
struct WhenView {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    all: Vec<WhenView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    any: Vec<WhenView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<f64>,
    /// A word of the field, or `true` or `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rising: Option<u8>,
}

impl<'a> RuleView<'a> {
    /// The rule, its evidence resolved.
    pub fn new(version: &ProtocolVersion, rule: &'a Rule) -> Self {
        Self {
            key: &rule.key,
            level: rule.level,
            advice: &rule.advice,
            after: rule.after,
            before: rule.before,
            recheck: rule.recheck,
            when: WhenView::from(&rule.when),
            evidence: version.facts.resolve(&rule.evidence),
            product_decision: rule.product_decision,
        }
    }
}

impl From<&When> for WhenView {
    fn from(when: &When) -> Self {
        let test = match when {
            When::All { all } => return Self { all: all.iter().map(Self::from).collect(), ..Self::default() },
            When::Any { any } => return Self { any: any.iter().map(Self::from).collect(), ..Self::default() },
            When::Test(test) => test,
        };
        let field = Some(test.field());
        match test {
            Test::AtLeast { at_least, .. } => Self { field, at_least: Some(f64::from(*at_least)), ..Self::default() },
            Test::Warm { at_least, .. } => {
                Self { field, at_least: Some(f64::from(*at_least) / 100.0), ..Self::default() }
            }
            Test::Is { is, .. } => Self { field, is: Some(is.to_string()), ..Self::default() },
            Test::Word { is, .. } => Self { field, is: Some(is.clone()), ..Self::default() },
            Test::Rising { rising, .. } => Self { field, rising: Some(*rising), ..Self::default() },
        }
    }
}
