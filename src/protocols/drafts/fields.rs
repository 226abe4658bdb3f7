//! What a request about a draft must hold.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::body::Faults;
use crate::domain::protocol::{Heading, MOST_BYTES, heading};
use crate::error::ApiError;

/// The largest body: a protocol's files in JSON, where every line break and quotation mark takes one byte more.
pub const MAX_DRAFT_BODY: usize = 2 * 1024 * 1024;
/// The most languages of a protocol.
const MOST_LOCALES: usize = 20;

/// A new draft: a copy of a published version, or files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateDraft {
    from: Option<String>,
    key: Option<String>,
    structure: Option<String>,
    texts: Option<Vec<TextsFile>>,
}

/// A draft's files, all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutDraft {
    structure: String,
    texts: Vec<TextsFile>,
}

/// The texts of one language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextsFile {
    locale: String,
    toml: String,
}

/// The files of a draft, of a size that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFiles {
    /// `protocol.toml`.
    pub structure: String,
    /// Languages of the texts,
    pub locales: Vec<String>,
    /// and the texts of each.
    pub texts: Vec<String>,
}

/// What a draft is begun from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// A version under a name of the clinic's own.
    Copy {
        /// Its key and number,
        from: (String, i32),
        /// and the copy's key; absent for the next version of the same protocol.
        key: Option<String>,
    },
    /// Files that somebody wrote.
    Files(DraftFiles),
}

impl CreateDraft {
    /// Reads the body.
    pub fn read(self) -> Result<Beginning, ApiError> {
        match (self.from, self.structure) {
            (Some(from), None) if self.texts.is_none() => {
                let named = from.rsplit_once('@').and_then(|(key, number)| {
                    let number = number.parse::<i32>().ok().filter(|number| *number > 0)?;
                    Some((key.to_owned(), number))
                });
                let from = named.ok_or_else(|| ApiError::invalid("/from", "is no version such as conservative@2"))?;
                Ok(Beginning::Copy { from, key: self.key })
            }
            (None, Some(structure)) if self.key.is_none() => {
                Ok(Beginning::Files(files(structure, self.texts.unwrap_or_default())?))
            }
            _ => Err(ApiError::invalid("", "name a version in from, and the copy's key, or send structure and texts")),
        }
    }
}

impl PutDraft {
    /// Reads the body.
    pub fn read(self) -> Result<DraftFiles, ApiError> {
        files(self.structure, self.texts)
    }
}

fn files(structure: String, texts: Vec<TextsFile>) -> Result<DraftFiles, ApiError> {
    let mut faults = Faults::default();
    let size = structure.len() + texts.iter().map(|file| file.toml.len()).sum::<usize>();
    if size > MOST_BYTES {
        faults.push("", format!("{size} bytes in all files are more than the {MOST_BYTES} a protocol may have"));
    }
    if texts.len() > MOST_LOCALES {
        faults.push("/texts", format!("must be at most {MOST_LOCALES} languages"));
    }
    let mut seen = BTreeSet::new();
    for (index, file) in texts.iter().enumerate().take(MOST_LOCALES) {
        let pointer = format!("/texts/{index}/locale");
        let locale = faults.locale(&pointer, &file.locale);
        if !seen.insert(locale) {
            faults.push(pointer, "another file is in the same language");
        }
    }
    faults.finish()?;
    let (locales, texts) = texts.into_iter().map(|file| (file.locale.trim().to_owned(), file.toml)).unzip();
    Ok(DraftFiles { structure, locales, texts })
}

impl DraftFiles {
    /// What the files call the protocol, as far as that could be a name.
    pub fn heading(&self) -> Heading {
        let Heading { key, number } = heading(&self.structure);
        let sound = |key: &String| key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_graphic());
        Heading { key: key.filter(sound), number }
    }
}
