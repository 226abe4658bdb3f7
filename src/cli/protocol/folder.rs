//! Reading a protocol's folder from disk. What its files must say is `domain::protocol`'s affair.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Wrong;
use super::record::RECORD;
use crate::domain::protocol::{File, Files, MOST_BYTES, ProtocolVersion, builtin_facts, load};

const STRUCTURE: &str = "protocol.toml";
const FACTS: &str = "facts.toml";

/// A file read whole: the name that faults give it and its text.
struct Text {
    name: String,
    text: String,
}

impl Text {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let size = fs::metadata(path).with_context(|| name.clone())?.len();
        anyhow::ensure!(size <= MOST_BYTES as u64, "{name}: {size} bytes are more than {MOST_BYTES}");
        let text = fs::read_to_string(path).with_context(|| name.clone())?;
        Ok(Self { name, text })
    }

    fn file(&self) -> File<'_> {
        File { name: &self.name, text: &self.text }
    }
}

/// The protocol version in a folder.
pub(super) fn read(dir: &Path, facts: Option<&Path>) -> Result<ProtocolVersion, Wrong> {
    let structure = Text::read(&dir.join(STRUCTURE))?;
    let texts = languages(dir)?.iter().map(|path| Text::read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let facts = match facts {
        Some(path) => Some(Text::read(path)?),
        None => facts_near(dir).map(|path| Text::read(&path)).transpose()?,
    };
    let files = Files {
        structure: structure.file(),
        texts: texts.iter().map(Text::file).collect(),
        facts: match &facts {
            Some(facts) => facts.file(),
            None => builtin_facts(),
        },
    };
    Ok(load(&files)?)
}

/// The facts in the folder, or beside it.
fn facts_near(dir: &Path) -> Option<PathBuf> {
    let beside = match dir.parent() {
        Some(parent) if dir.file_name().is_some() => parent.to_owned(),
        _ => dir.join(".."),
    };
    [dir.join(FACTS), beside.join(FACTS)].into_iter().find(|path| path.is_file())
}

/// The files with texts: every TOML file that is none of the others. In order of name.
fn languages(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| dir.display().to_string())?.path();
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        let other = [STRUCTURE, FACTS, RECORD].iter().any(|name| path.ends_with(name));
        if is_toml && !other {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
