//! Loading a protocol version from its files: parse, validate, and either a sound version or every fault.

use std::collections::{BTreeMap, BTreeSet};

use super::busy::busiest;
use super::facts::Facts;
use super::read::{Doc, Fault, File};
use super::texts::Texts;
use super::version::ProtocolVersion;
use super::{parse, parse_texts, validate, validate_rules, validate_texts};

/// The most bytes a protocol's structure and texts may have together.
pub const MOST_BYTES: usize = 1_000_000;

/// The files of one protocol version.
#[derive(Debug, Clone)]
pub struct Files<'a> {
    /// `protocol.toml`.
    pub structure: File<'a>,
    /// One file per language.
    pub texts: Vec<File<'a>>,
    /// `facts.toml`.
    pub facts: File<'a>,
}

/// Reads and validates a protocol version.
///
/// # Errors
/// Every fault of every file, in order of file and line: the first hundred of each, and how many more there are.
pub fn load(files: &Files<'_>) -> Result<ProtocolVersion, Vec<Fault>> {
    let size = files.structure.text.len() + files.texts.iter().map(|file| file.text.len()).sum::<usize>();
    if size > MOST_BYTES {
        let reason = format!("{size} bytes are more than the {MOST_BYTES} a protocol may have");
        return Err(vec![whole(files.structure.name, reason)]);
    }
    let structure_doc = Doc::new(files.structure);
    let facts_doc = Doc::new(files.facts);
    let text_docs: Vec<Doc<'_>> = files.texts.iter().map(|file| Doc::new(*file)).collect();

    let facts: Option<Facts> = facts_doc.parse().map(|table| parse_texts::facts(facts_doc.root(&table)));
    let parsed = structure_doc.parse().map(|table| parse::structure(structure_doc.root(&table)));
    let texts: Vec<Option<Texts>> =
        text_docs.iter().map(|doc| doc.parse().and_then(|table| parse_texts::texts(doc.root(&table)))).collect();

    if let Some((parsed, structure)) = parsed.as_ref().and_then(|parsed| Some((parsed, parsed.structure.as_ref()?))) {
        validate::items(&structure_doc, parsed, structure);
        validate_rules::rules(&structure_doc, parsed, structure);
        if let Some(facts) = &facts {
            validate_rules::evidence(&structure_doc, parsed, structure, facts);
        }
        for (doc, texts) in text_docs.iter().zip(&texts) {
            let Some(texts) = texts else { continue };
            validate_texts::any(doc, parsed, structure, texts);
            if texts.locale == structure.base_locale {
                validate_texts::base(doc, structure, texts);
            }
        }
        let base = &structure.base_locale;
        if texts.iter().all(|texts| texts.as_ref().is_some_and(|texts| texts.locale != *base)) {
            structure_doc.fault("base_locale", format!("missing base text: no file is written in `{base}`"));
        }
    }
    let mut languages = BTreeSet::new();
    for (doc, texts) in text_docs.iter().zip(&texts) {
        if texts.as_ref().is_some_and(|texts| !languages.insert(&texts.locale)) {
            doc.fault("locale", "another file is written in the same language");
        }
        if let Some(texts) = texts.as_ref().filter(|texts| doc.stem() != texts.locale) {
            doc.fault("locale", format!("the file must be called {}.toml", texts.locale));
        }
    }

    let mut faults = structure_doc.into_faults();
    faults.extend(facts_doc.into_faults());
    text_docs.into_iter().for_each(|doc| faults.extend(doc.into_faults()));
    match (parsed.and_then(|parsed| parsed.structure), facts) {
        (Some(structure), Some(facts)) if faults.is_empty() => {
            let texts: BTreeMap<String, Texts> =
                texts.into_iter().flatten().map(|texts| (texts.locale.clone(), texts)).collect();
            let version = ProtocolVersion { structure, texts, facts };
            too_busy(files.structure.name, &version).map_or(Ok(version), |fault| Err(vec![fault]))
        }
        _ => Err(faults.into_list(files.structure.name)),
    }
}

/// Only a sound version can be planned, so this is the one fault that is found after all others.
fn too_busy(file: &str, version: &ProtocolVersion) -> Option<Fault> {
    let cap = version.structure.alerts_a_day;
    let day = busiest(version).filter(|day| day.alerts > usize::from(cap))?;
    let reason = format!(
        "{} alerts on day {} (for a treatment that ends at {:02}:00) are more than `alerts_a_day`, {cap}",
        day.alerts, day.day_index, day.hour
    );
    Some(whole(file, reason))
}

/// A fault of a file as a whole.
fn whole(file: &str, reason: String) -> Fault {
    Fault { file: file.to_owned(), line: 1, reason, path: String::new() }
}
