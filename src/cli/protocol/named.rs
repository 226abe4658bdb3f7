//! Which version a command is about: a folder's, or a built-in one by its key, or by key and number.

use std::path::Path;
use std::sync::Arc;

use super::{Wrong, folder};
use crate::domain::protocol::{BuiltIn, Fault, ProtocolVersion, Side, builtin};

/// The version in that folder, or the built-in one of that name; of several the newest.
pub(super) fn version(name: &Path, facts: Option<&Path>) -> Result<Arc<ProtocolVersion>, Wrong> {
    if name.is_dir() { Ok(Arc::new(folder::read(name, facts)?)) } else { built_in(&name.to_string_lossy()) }
}

/// The version in these words, or in its own.
pub(super) fn side<'a>(version: &'a ProtocolVersion, locale: Option<&str>) -> Side<'a> {
    let wanted: Vec<&str> = locale.into_iter().collect();
    Side { version, texts: version.texts_for(&wanted, |_| true) }
}

fn built_in(name: &str) -> Result<Arc<ProtocolVersion>, Wrong> {
    let all = builtin().map_err(<[Fault]>::to_vec)?;
    let bears = |built_in: &&BuiltIn| {
        let (key, number) = (built_in.version.key(), built_in.version.number());
        name == key || name == format!("{key}@{number}")
    };
    let newest = all.iter().filter(bears).max_by_key(|built_in| built_in.version.number());
    newest.map(|built_in| Arc::clone(&built_in.version)).ok_or_else(|| {
        let mut keys: Vec<&str> = all.iter().map(|built_in| built_in.version.key()).collect();
        keys.dedup();
        let keys = keys.join(", ");
        anyhow::anyhow!("{name} is neither a folder nor a built-in protocol (those are: {keys})").into()
    })
}
