//! Where the sources disagree, and what one protocol version makes of it: every voice beside the figures that the version's
//! own entries carry. Nothing is judged here but which way a figure lies.

use super::facts::{Fact, Grade, Source};
use super::item::{Item, Kind};
use super::rule::Rule;
use super::version::ProtocolVersion;
use crate::domain::words::word_enum;

word_enum! {
    /// How the wait that a restriction asks for lies to the figures of the sources.
    pub enum Stance {
        /// Nobody asks for a longer one: the hard bound is the longest figure, or later.
        LongestWait = "longest_wait",
        /// The hard bound is earlier than the longest figure, and the soft bound reaches it.
        LongestWaitSoftly = "longest_wait_softly",
        /// Some source asks for longer than even the soft bound.
        ShorterWait = "shorter_wait",
        /// No source gives this figure.
        OwnFigure = "own_figure",
    }
}

/// One matter on which the sources differ, as one version treats it.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement<'a> {
    /// The fact's id.
    pub id: &'a str,
    /// What it is about, and what the default protocol makes of it.
    pub fact: &'a Fact,
    /// What each source says.
    pub voices: Vec<Voice<'a>>,
    /// The version's items that carry it.
    pub items: Vec<&'a Item>,
    /// The version's triage rules that carry it.
    pub rules: Vec<&'a Rule>,
    /// Why the version carries it nowhere, where it says so.
    pub left_out_because: Option<&'a str>,
}

/// What one source says on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice<'a> {
    /// Key of the source.
    pub source: &'a str,
    /// What the source is.
    pub title: &'a str,
    /// Who speaks.
    pub grade: Grade,
    /// Places within it.
    pub at: Vec<&'a str>,
    /// What it says, in our words.
    pub says: &'a str,
}

/// Every matter on which the sources of this version's facts differ, by id.
pub fn disagreements(version: &ProtocolVersion) -> Vec<Disagreement<'_>> {
    let facts = version.facts.facts.iter().filter(|(_, fact)| !fact.positions.is_empty());
    facts.map(|(id, fact)| disagreement(version, id, fact)).collect()
}

fn disagreement<'a>(version: &'a ProtocolVersion, id: &'a str, fact: &'a Fact) -> Disagreement<'a> {
    let structure = &version.structure;
    let carries = |evidence: &[String]| evidence.iter().any(|carried| carried == id);
    let left_out = structure.not_carried.iter().find(|entry| carries(&entry.facts));
    let voice = |(source, says): (&'a String, &'a String)| {
        let Source { title, grade } = version.facts.sources.get(source)?;
        let places = fact.cited.iter().filter(|citation| citation.source == *source);
        let at = places.map(|citation| citation.at.as_str()).collect();
        Some(Voice { source, title, grade: *grade, at, says })
    };
    Disagreement {
        id,
        fact,
        voices: fact.positions.iter().filter_map(voice).collect(),
        items: structure.items.iter().filter(|item| carries(&item.evidence)).collect(),
        rules: structure.triage.iter().filter(|rule| carries(&rule.evidence)).collect(),
        left_out_because: left_out.map(|entry| entry.reason.as_str()),
    }
}

impl Item {
    /// How this restriction's wait lies to what the sources ask for; `None` where there is nothing to compare.
    pub fn stance(&self) -> Option<Stance> {
        if self.kind != Kind::Restriction {
            return None;
        }
        if self.product_decision {
            return Some(Stance::OwnFigure);
        }
        let (longest, hard) = (self.range?.max, self.hard()?);
        Some(match self.latest_soft() {
            _ if hard >= longest => Stance::LongestWait,
            Some(soft) if soft >= longest => Stance::LongestWaitSoftly,
            Some(_) | None => Stance::ShorterWait,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::protocol::item::{Soft, Spread, Window};
    use crate::domain::protocol::units::IsoDuration;
    use crate::domain::protocol::{builtin, sample};
    use proptest::prelude::*;

    #[test]
    fn every_disagreement_of_the_built_in_facts_has_all_its_voices_and_somebody_who_carries_it() {
        for built_in in builtin().unwrap() {
            let version = &built_in.version;
            let found = disagreements(version);
            let ids: Vec<&str> = found.iter().map(|found| found.id).collect();
            let expected: Vec<String> = (1..=28).map(|n| format!("C{n:02}")).collect();
            assert_eq!(ids, expected, "{}", version.key());
            for Disagreement { id, fact, voices, items, rules, left_out_because } in &found {
                assert_eq!(voices.len(), fact.positions.len(), "{id}");
                assert!(voices.iter().all(|voice| !voice.at.is_empty()), "{id}: somebody speaks nowhere");
                assert!(fact.decision.is_some(), "{id}");
                let carried = !items.is_empty() || !rules.is_empty();
                assert_ne!(carried, left_out_because.is_some(), "{} {id}: carried or left out", version.key());
            }
        }
    }

    #[test]
    fn a_version_that_leaves_a_disagreement_out_says_why() {
        let mut version = sample::version();
        let fact = version.facts.facts.get_mut("M18").unwrap();
        fact.positions.insert("S0".to_owned(), "on day four".to_owned());
        let found = disagreements(&version);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id, found[0].left_out_because), ("M18", Some("a claim nobody can promise")));
        assert_eq!(found[0].voices[0].at, ["L3"]);
        assert!(found[0].items.is_empty() && found[0].rules.is_empty());
    }

    #[test]
    fn the_careful_plan_never_waits_less_than_the_longest_source() {
        let careful = &builtin().unwrap()[0].version;
        for item in &careful.structure.items {
            assert_ne!(item.stance(), Some(Stance::ShorterWait), "{}", item.key);
        }
        let stance = |key: &str| careful.item(key).unwrap().stance();
        assert_eq!(stance("exercise"), Some(Stance::LongestWait));
        assert_eq!(stance("make_up"), Some(Stance::LongestWaitSoftly));
        assert_eq!(stance("alcohol"), Some(Stance::OwnFigure));
        assert_eq!(stance("sunscreen"), None);
    }

    proptest! {
        #[test]
        fn a_longer_wait_is_never_the_lesser_stance(hard in 0i64..200, soft in 0i64..200, longest in 0i64..200) {
            let mut item = sample::version().item("first_wash").unwrap().clone();
            item.range = Some(Spread { min: IsoDuration::ZERO, max: IsoDuration::hours(longest) });
            item.window = Some(Window::Elapsed { from: IsoDuration::ZERO, to: Some(IsoDuration::hours(hard)) });
            item.soft = Some(Soft::Fixed { to: IsoDuration::hours(hard + soft) });
            let expected = if hard >= longest {
                Stance::LongestWait
            } else if hard + soft >= longest {
                Stance::LongestWaitSoftly
            } else {
                Stance::ShorterWait
            };
            prop_assert_eq!(item.stance(), Some(expected));
        }
    }
}
