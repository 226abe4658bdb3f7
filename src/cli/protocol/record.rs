//! `published.toml`: the content hash of every version of a protocol, kept beside it, so that nobody changes a version
//! that patients were given.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use super::Wrong;
use crate::domain::protocol::{Fault, ProtocolVersion};
use crate::protocols::content_hash;

/// The file's name within a protocol's folder.
pub(super) const RECORD: &str = "published.toml";

const HEAD: &str = "\
# SHA-256 over structure and base texts of each version, as `mendline protocol record` writes it.
# A version that was released never changes: a changed one gets the next number.

[versions]
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    versions: BTreeMap<String, String>,
}

type Hashes = BTreeMap<i32, String>;

/// What is wrong if the version was recorded with another content.
pub(super) fn changed(dir: &Path, version: &ProtocolVersion) -> Result<Vec<Fault>, Wrong> {
    let number = version.number();
    let (hashes, text) = read(dir)?;
    let hash = hex(version)?;
    if hashes.get(&number).is_none_or(|recorded| *recorded == hash) {
        return Ok(Vec::new());
    }
    let of_version = |line: &str| line.split_once('=').is_some_and(|(key, _)| key.trim() == number.to_string());
    let line = 1 + text.lines().position(of_version).unwrap_or(0);
    let reason = format!(
        "version {number} was recorded with another content; give the changed one the next number in protocol.toml"
    );
    Ok(vec![Fault { file: dir.join(RECORD).display().to_string(), line, reason, path: String::new() }])
}

/// Adds the version's hash and says what was done. Only an unreleased version's hash may be replaced.
pub(super) fn record(dir: &Path, version: &ProtocolVersion, unreleased: bool) -> Result<String, Wrong> {
    let (mut hashes, _) = read(dir)?;
    let hash = hex(version)?;
    let (key, number) = (version.key(), version.number());
    if hashes.get(&number) == Some(&hash) {
        return Ok(format!("{key} version {number} is recorded already"));
    }
    if hashes.contains_key(&number) && !unreleased {
        return Err(anyhow::anyhow!(
            "{key} version {number} is recorded with another content; give the changed one the next number, or say \
             --unreleased if that version was never released"
        )
        .into());
    }
    hashes.insert(number, hash);
    let mut text = HEAD.to_owned();
    for (number, hash) in &hashes {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{number} = \"{hash}\"");
    }
    let path = dir.join(RECORD);
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(format!("{key} version {number} recorded in {}", path.display()))
}

/// What is recorded, and the file's text; nothing where there is no file yet.
fn read(dir: &Path) -> anyhow::Result<(Hashes, String)> {
    let path = dir.join(RECORD);
    if !path.exists() {
        return Ok((Hashes::new(), String::new()));
    }
    let name = path.display();
    let text = fs::read_to_string(&path).with_context(|| name.to_string())?;
    let record: Record = toml::from_str(&text).with_context(|| name.to_string())?;
    let mut hashes = Hashes::new();
    for (number, hash) in record.versions {
        hashes.insert(number.parse().with_context(|| format!("{name}: {number:?} is no version"))?, hash);
    }
    Ok((hashes, text))
}

fn hex(version: &ProtocolVersion) -> anyhow::Result<String> {
    Ok(content_hash(version)?.iter().map(|byte| format!("{byte:02x}")).collect())
}
