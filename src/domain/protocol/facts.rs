//! What the sources say: facts by id, each graded by who says it. Facts are evidence, never instructions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::item::{Relation, Spread};
use super::span::Span;
use super::units::IsoDuration;
use crate::domain::symptoms::Field;
use crate::domain::words::word_enum;

word_enum! {
    /// Who speaks.
    pub enum Grade {
        /// A maker of devices or cosmetics.
        Manufacturer = "manufacturer",
        /// A clinic.
        Clinic = "clinic",
        /// A blog.
        Blog = "blog",
    }
}

/// A text that facts were taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What it is, without brands.
    pub title: String,
    /// Who speaks.
    pub grade: Grade,
}

/// Where a fact stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Key of the source.
    pub source: String,
    /// Place within it.
    pub at: String,
}

/// When something is said to happen, in the source's own way of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FactWindow {
    /// Elapsed time from T0.
    Elapsed {
        /// Start.
        from: IsoDuration,
        /// End.
        to: IsoDuration,
    },
    /// Local days, 0 being the day of the treatment, both included.
    Days {
        /// First day index.
        first_day: i32,
        /// Last day index.
        last_day: i32,
    },
}

/// One thing that one or several sources say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What they say, in our words.
    pub value: String,
    /// Where they say it.
    pub cited: Vec<Citation>,
    /// The figures behind it, where there are any.
    #[serde(flatten)]
    pub figures: Figures,
    /// For a disagreement: what each source says, by its key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub positions: BTreeMap<String, String>,
    /// For a disagreement: what the default protocol does about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decision: Option<String>,
    /// A reservation, such as hearsay.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// The figures of a fact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// When it is said to happen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<FactWindow>,
    /// What the window means.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub relation: Option<Relation>,
    /// How long to hold off, from the shortest figure given to the longest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait: Option<Spread>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frequency: Option<String>,
    /// The source gives words, not figures: the window is our reading.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub vague: bool,
    /// `unverified` where a source hands the claim on in somebody else's name without a reference to check.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attributed: Option<String>,
}

/// All facts with their sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Facts {
    /// By key.
    pub sources: BTreeMap<String, Source>,
    /// By id.
    pub facts: BTreeMap<String, Fact>,
    /// How long things usually show, by what check-ins ask.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub spans: BTreeMap<Field, Span>,
}

/// A fact as the API shows it: resolved, with its grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The fact's id.
    pub id: String,
    /// What is said, in our words.
    pub value: String,
    /// By whom and where.
    pub cited: Vec<EvidenceSource>,
    /// The figures, where there are any.
    #[serde(flatten)]
    pub figures: Figures,
    /// Where the sources disagree: who says what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<Position>,
    /// Where the sources disagree: what the default protocol makes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// A reservation, such as hearsay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What one source says on a matter on which they disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Key of the source.
    pub source: String,
    /// Who speaks.
    pub grade: Grade,
    /// What it says, in our words.
    pub says: String,
}

/// One voice behind a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvidenceSource {
    /// Key of the source.
    pub source: String,
    /// What the source is.
    pub title: String,
    /// Who speaks.
    pub grade: Grade,
    /// Place within it.
    pub at: String,
}

impl Facts {
    /// The facts with these ids, resolved; ids that are not known are left out.
    pub fn resolve(&self, ids: &[String]) -> Vec<Evidence> {
        ids.iter().filter_map(|id| self.facts.get(id).map(|fact| self.evidence(id, fact))).collect()
    }

    fn evidence(&self, id: &str, fact: &Fact) -> Evidence {
        let voice = |citation: &Citation| {
            let source = self.sources.get(&citation.source)?;
            Some(EvidenceSource {
                source: citation.source.clone(),
                title: source.title.clone(),
                grade: source.grade,
                at: citation.at.clone(),
            })
        };
        let position = |(source, says): (&String, &String)| {
            Some(Position { source: source.clone(), grade: self.sources.get(source)?.grade, says: says.clone() })
        };
        Evidence {
            id: id.to_owned(),
            value: fact.value.clone(),
            cited: fact.cited.iter().filter_map(voice).collect(),
            figures: fact.figures.clone(),
            positions: fact.positions.iter().filter_map(position).collect(),
            decision: fact.decision.clone(),
            note: fact.note.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::protocol::builtin;

    #[test]
    fn every_fact_is_resolved_with_all_its_voices_and_an_unknown_one_is_left_out() {
        for built_in in builtin().unwrap() {
            let facts = &built_in.version.facts;
            let mut ids: Vec<String> = facts.facts.keys().cloned().collect();
            ids.push("Z99".to_owned());
            let resolved = facts.resolve(&ids);
            assert_eq!(resolved.len() + 1, ids.len());
            for ((evidence, fact), id) in resolved.iter().zip(facts.facts.values()).zip(&ids) {
                assert_eq!(evidence.id, *id);
                assert_eq!(evidence.cited.len(), fact.cited.len(), "{id}");
                assert_eq!(evidence.positions.len(), fact.positions.len(), "{id}");
                assert!(!evidence.cited.is_empty(), "{id}");
            }
        }
    }
}
