//! Triage rules and conditions as data. Their evaluation is `triage.rs`.

use serde::{Deserialize, Serialize};

use super::units::IsoDuration;
use crate::domain::symptoms::Field;

/// How soon somebody should look: from nothing to now. Ordered, so that the highest leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing on the list applies.
    None,
    /// Worth mentioning at the next contact.
    Routine,
    /// The clinic wants to hear of it within days.
    Soon,
    /// The clinic wants to hear of it today.
    Urgent,
    /// Call for help now.
    Emergency,
}

impl Level {
    /// The levels a rule may have.
    pub const OF_RULES: [Self; 4] = [Self::Routine, Self::Soon, Self::Urgent, Self::Emergency];

    /// The levels at which somebody must look now.
    pub const URGENT: [Self; 2] = [Self::Urgent, Self::Emergency];

    /// Whether somebody must look now.
    pub fn is_urgent(self) -> bool {
        Self::URGENT.contains(&self)
    }

    /// The word it is written as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Routine => "routine",
            Self::Soon => "soon",
            Self::Urgent => "urgent",
            Self::Emergency => "emergency",
        }
    }

    /// Whether an open flag of this level holds caps, session prompts and result milestones back.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Soon | Self::Urgent | Self::Emergency)
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::None, Self::Routine, Self::Soon, Self::Urgent, Self::Emergency]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of: none, routine, soon, urgent, emergency"))
    }
}

/// One thing to look at in a check-in. A field that was not answered passes no test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Test {
    /// A scale field at this step or above.
    AtLeast {
        /// The field.
        field: Field,
        /// The step, 1-3.
        at_least: u8,
    },
    /// A temperature of at least so many hundredths of a degree Celsius.
    Warm {
        /// The field.
        field: Field,
        /// Hundredths of a degree; written in degrees.
        #[serde(serialize_with = "degrees")]
        at_least: i32,
    },
    /// A yes/no field answered like this.
    Is {
        /// The field.
        field: Field,
        /// The answer.
        is: bool,
    },
    /// A choice field answered with this word.
    Word {
        /// The field.
        field: Field,
        /// The word.
        is: String,
    },
    /// A scale field at least so many steps above the check-in before.
    Rising {
        /// The field.
        field: Field,
        /// Steps, 1-3.
        rising: u8,
    },
}

fn degrees<S: serde::Serializer>(centi: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(f64::from(*centi) / 100.0)
}

impl Test {
    /// The field it looks at.
    pub const fn field(&self) -> Field {
        match self {
            Self::AtLeast { field, .. }
            | Self::Warm { field, .. }
            | Self::Is { field, .. }
            | Self::Word { field, .. }
            | Self::Rising { field, .. } => *field,
        }
    }
}

/// What must be true for a rule to match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum When {
    /// Every part.
    All {
        /// The parts.
        all: Vec<When>,
    },
    /// At least one part.
    Any {
        /// The parts.
        any: Vec<When>,
    },
    /// One test.
    Test(Test),
}

impl When {
    /// Every test within, in order.
    pub fn tests(&self) -> Vec<&Test> {
        match self {
            Self::All { all: parts } | Self::Any { any: parts } => parts.iter().flat_map(Self::tests).collect(),
            Self::Test(test) => vec![test],
        }
    }
}

/// One triage rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name within the protocol.
    pub key: String,
    /// How soon somebody should look.
    pub level: Level,
    /// Key of the advice text.
    pub advice: String,
    /// Applies from this long after T0 (inclusive).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<IsoDuration>,
    /// Applies until this long after T0 (exclusive).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<IsoDuration>,
    /// Look again after this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recheck: Option<IsoDuration>,
    /// What must be reported.
    pub when: When,
    /// Ids of the facts behind it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Its figure is ours: no source gives it.
    pub product_decision: bool,
}

/// A condition that windows may end with: it has ended once check-ins report the field as absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Its name within the protocol.
    pub key: String,
    /// The field that must be absent.
    pub field: Field,
    /// Reports earlier than this after T0 say nothing about its end: it may not have begun.
    pub counts_from: IsoDuration,
}
