//! The protocols that come with the program, compiled in. Registering them in a database is the business of `migrate`.

use std::sync::{Arc, LazyLock};

use super::load::{Files, load};
use super::read::{Fault, File};
use super::version::ProtocolVersion;

/// The facts that all built-in protocols refer to.
const FACTS: File<'static> = File { name: "protocols/facts.toml", text: include_str!("../../../protocols/facts.toml") };

/// The facts that come with the program: what every protocol's evidence ids refer to.
pub fn builtin_facts() -> File<'static> {
    FACTS
}

/// A built-in protocol version with the text of its files.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    /// Its files.
    pub files: Files<'static>,
    /// What they say.
    pub version: Arc<ProtocolVersion>,
}

macro_rules! built_in {
    ($key:literal: $($locale:literal),+) => {
        Files {
            structure: File {
                name: concat!("protocols/", $key, "/protocol.toml"),
                text: include_str!(concat!("../../../protocols/", $key, "/protocol.toml")),
            },
            texts: vec![$(File {
                name: concat!("protocols/", $key, "/", $locale, ".toml"),
                text: include_str!(concat!("../../../protocols/", $key, "/", $locale, ".toml")),
            }),+],
            facts: FACTS,
        }
    };
}

/// The files of every built-in protocol; the first is the default.
pub fn builtin_files() -> Vec<Files<'static>> {
    vec![
        built_in!("conservative": "en", "es"),
        built_in!("day-by-day": "en", "es"),
        built_in!("hour-by-hour": "en", "es"),
    ]
}

/// Every built-in protocol, read once; the first is the default.
///
/// # Errors
/// The faults of their files, which the tests rule out for a released program.
pub fn builtin() -> Result<&'static [BuiltIn], &'static [Fault]> {
    static LOADED: LazyLock<Result<Vec<BuiltIn>, Vec<Fault>>> = LazyLock::new(|| {
        builtin_files()
            .into_iter()
            .map(|files| load(&files).map(|version| BuiltIn { version: Arc::new(version), files }))
            .collect()
    });
    LOADED.as_deref().map_err(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_protocols_are_sound() {
        match builtin() {
            Ok(protocols) => {
                let keys: Vec<_> = protocols.iter().map(|built_in| built_in.version.key()).collect();
                assert_eq!(keys, ["conservative", "day-by-day", "hour-by-hour"]);
            }
            Err(faults) => {
                let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
                panic!("{}", lines.join("\n"));
            }
        }
    }
}
