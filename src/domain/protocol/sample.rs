//! A small protocol with one item of every sort, for the core's own tests only.

use std::sync::LazyLock;

use super::{File, Files, ProtocolVersion, load};

pub(crate) const STRUCTURE: &str = include_str!("sample/protocol.toml");
pub(crate) const TEXTS: &str = include_str!("sample/en.toml");
pub(crate) const FACTS: &str = include_str!("sample/facts.toml");

/// The sample's files with another structure.
pub(crate) fn files(structure: &str) -> Files<'_> {
    Files {
        structure: File { name: "protocol.toml", text: structure },
        texts: vec![File { name: "en.toml", text: TEXTS }],
        facts: File { name: "facts.toml", text: FACTS },
    }
}

/// The sample, loaded once.
pub(crate) fn version() -> ProtocolVersion {
    static SAMPLE: LazyLock<ProtocolVersion> = LazyLock::new(|| load(&files(STRUCTURE)).unwrap());
    SAMPLE.clone()
}
