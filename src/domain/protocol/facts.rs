//! What the sources say: facts by id, each graded by who says it. Facts are evidence, never instructions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// One thing that one or several sources say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What they say, in our words.
    pub value: String,
    /// Where they say it.
    pub cited: Vec<Citation>,
    /// A reservation, such as hearsay.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// All facts with their sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Facts {
    /// By key.
    pub sources: BTreeMap<String, Source>,
    /// By id.
    pub facts: BTreeMap<String, Fact>,
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
    /// A reservation, such as hearsay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
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
        Evidence {
            id: id.to_owned(),
            value: fact.value.clone(),
            cited: fact.cited.iter().filter_map(voice).collect(),
            note: fact.note.clone(),
        }
    }
}
