//! A protocol's name as its file says it: read from a draft that may be at fault elsewhere, and written into a copy.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a protocol's file calls itself, as far as it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heading {
    /// The protocol's key.
    pub key: Option<String>,
    /// The version's number.
    pub number: Option<i32>,
}

/// What `protocol.toml` calls itself.
pub fn heading(structure: &str) -> Heading {
    let (table, _) = DeTable::parse_recoverable(structure);
    let value = |name: &str| table.get_ref().get(name).map(Spanned::get_ref);
    let key = match value("key") {
        Some(DeValue::String(key)) => Some(key.trim().to_owned()),
        _ => None,
    };
    let number = match value("version") {
        Some(DeValue::Integer(number)) => i32::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    Heading { key, number }
}

/// The same file under another name, comments and all; none where it says no name that could be replaced.
pub fn renamed(structure: &str, key: &str, number: i32) -> Option<String> {
    let (table, _) = DeTable::parse_recoverable(structure);
    let span = |name: &str| table.get_ref().get(name).map(Spanned::span);
    let mut changes: [(Range<usize>, String); 2] =
        [(span("key")?, format!("\"{key}\"")), (span("version")?, number.to_string())];
    // The later one first, so that the place of the other stays right.
    changes.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = structure.to_owned();
    for (span, value) in changes {
        text.replace_range(span, &value);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::protocol::builtin_files;

    #[test]
    fn a_copy_bears_the_new_name_and_is_the_same_otherwise() {
        for files in builtin_files() {
            let original = files.structure.text;
            let before = heading(original);
            let copy = renamed(original, "own-plan", 12).unwrap();
            assert_eq!(heading(&copy), Heading { key: Some("own-plan".to_owned()), number: Some(12) });
            let back = renamed(&copy, &before.key.unwrap(), before.number.unwrap()).unwrap();
            assert_eq!(back, original);
        }
    }

    #[test]
    fn a_file_that_says_nothing_readable_has_no_name() {
        for text in ["", "key = 1\nversion = \"one\"", "[[[", "version = 99999999999999"] {
            assert_eq!(heading(text), Heading::default(), "{text}");
        }
        assert_eq!(renamed("key = \"a\"", "b", 1), None);
    }
}
