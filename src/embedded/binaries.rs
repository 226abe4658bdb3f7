//! Where the Postgres server binaries are on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// The directory that holds `initdb` and `postgres`: the configured one, what `pg_config` says, the
/// distribution's newest, or whatever `PATH` has.
pub fn find(configured: Option<&Path>) -> Result<PathBuf, EmbeddedError> {
    if let Some(dir) = configured {
        return if is_complete(dir) { Ok(dir.to_owned()) } else { Err(EmbeddedError::BinDir(dir.to_owned())) };
    }
    pg_config()
        .into_iter()
        .chain(distribution())
        .chain(search_path())
        .find(|dir| is_complete(dir))
        .ok_or(EmbeddedError::NoBinaries)
}

/// The major version of the binaries in `dir`.
pub(super) fn major_version(dir: &Path) -> Option<String> {
    let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(number.split('.').next()?.to_owned())
}

fn is_complete(dir: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| dir.join(program).is_file())
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let dir = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(dir.trim()))
}

/// Debian's layout, newest version first.
fn distribution() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

fn search_path() -> Vec<PathBuf> {
    let path = crate::config::search_path();
    std::env::split_paths(&path).collect()
}
