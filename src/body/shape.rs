//! Reading what a client sent as what it should be, and where it is not, saying which place it is and what is wanted there:
//! in words for whoever writes the client, not in those of a parser.

use std::fmt::Display;

use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Path, Segment};

use super::objects::Objects;
use crate::error::FieldError;

/// Reads a value. Lists are not taken for objects at any depth. A fault comes with the error that it was read from.
pub fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, (FieldError, D::Error)>
where
    D::Error: Display,
{
    serde_path_to_error::deserialize(Objects(from)).map_err(|error| {
        let place = pointer(error.path());
        let cause = error.into_inner();
        (fault(place, &cause.to_string()), cause)
    })
}

/// Where a path leads, as a JSON pointer.
fn pointer(path: &Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// What is said of the whole of an object, but is about one of its fields, is said of that field.
fn fault(mut pointer: String, said: &str) -> FieldError {
    let said = without_place(said);
    let field = |what: &str| said.strip_prefix(what)?.strip_suffix('`');
    let (name, detail) = match (field("missing field `"), field("duplicate field `")) {
        (Some(name), _) => (Some(name), "is missing".to_owned()),
        (_, Some(name)) => (Some(name), "is there twice".to_owned()),
        (None, None) => (None, in_plain_words(said)),
    };
    if let Some(name) = name {
        pointer.push('/');
        pointer.push_str(name);
    }
    FieldError { pointer, detail }
}

/// The line and column at which a parser stood are those of the end of what it did not like.
fn without_place(said: &str) -> &str {
    match said.rsplit_once(" at line ") {
        Some((said, place)) if place.chars().all(|c| c.is_ascii_digit() || " column".contains(c)) => said,
        _ => said,
    }
}

fn in_plain_words(said: &str) -> String {
    let is_of_kind = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    if is_of_kind.iter().any(|kind| said.starts_with(kind))
        && let Some((_, expected)) = said.rsplit_once(", expected ")
    {
        return format!("must be {}", wanted(expected));
    }
    said.to_owned()
}

/// Texts of a form, as their parsers call them, and as we do.
const FORMS: &[(&str, &str)] = &[
    ("a formatted UUID string", "a UUID"),
    ("an RFC 3339 formatted date and time string", "an instant such as 2026-03-01T08:00:00Z"),
    ("a formatted date string", "a date such as 2026-03-01"),
    ("a formatted time string", "a time of day such as 08:00:00"),
    ("an IANA timezone string", "an IANA time zone such as Europe/Berlin"),
];

/// Whether a type that wants this is written as a text of a form.
pub(super) fn is_form_of_text(expected: &str) -> bool {
    FORMS.iter().any(|(theirs, _)| *theirs == expected)
}

fn wanted(expected: &str) -> &str {
    if let Some((_, ours)) = FORMS.iter().find(|(theirs, _)| *theirs == expected) {
        return ours;
    }
    match expected {
        "a string" | "a borrowed string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not below 0",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        object if object.starts_with("struct ") => "an object",
        number if number.starts_with("a nonzero ") => "a whole number, not 0",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Done,
        Skipped,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters here")]
    struct Inner {
        width: u8,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        one: Option<Inner>,
        many: Vec<Inner>,
        named: BTreeMap<String, Inner>,
        text: String,
        flag: bool,
        whole: i32,
        large: i64,
        count: Option<u32>,
        share: f64,
        word: Option<Word>,
        id: Option<Uuid>,
        ids: Vec<Uuid>,
        at: Option<DateTime<Utc>>,
        on: Option<NaiveDate>,
        time: Option<NaiveTime>,
        zone: Option<chrono_tz::Tz>,
        pair: (u8, u8),
    }

    fn said(value: &Value) -> (String, String) {
        let from_value = read::<Outer, _>(value).unwrap_err().0;
        let text = value.to_string();
        let from_text = read::<Outer, _>(&mut serde_json::Deserializer::from_str(&text)).unwrap_err().0;
        assert_eq!(from_value, from_text, "however it comes");
        (from_text.pointer, from_text.detail)
    }

    #[test]
    fn a_list_is_an_object_nowhere_and_a_list_where_one_is_wanted() {
        for (body, pointer) in [
            (json!([]), ""),
            (json!({ "one": [1] }), "/one"),
            (json!({ "many": [{ "width": 1 }, [1]] }), "/many/1"),
            (json!({ "named": { "a/b": [1] } }), "/named/a~1b"),
        ] {
            assert_eq!(said(&body), (pointer.to_owned(), "must be an object".to_owned()), "{body}");
        }
        let fine = json!({ "one": { "width": 1 }, "many": [{ "width": 2 }], "pair": [1, 2], "word": "done" });
        assert!(matches!(read::<Outer, _>(&fine).unwrap().word, Some(Word::Done)));
    }

    #[test]
    fn what_is_wanted_is_said_plainly() {
        for (key, value, detail) in [
            ("text", json!(1), "must be a text"),
            ("flag", json!("yes"), "must be true or false"),
            ("whole", json!("1"), "must be a whole number from -2147483648 to 2147483647"),
            ("whole", json!(3_000_000_000_u32), "must be a whole number from -2147483648 to 2147483647"),
            ("large", json!(1.5), "must be a whole number"),
            ("large", json!(1e30), "must be a whole number"),
            ("count", json!(-1), "must be a whole number from 0 to 4294967295"),
            ("share", json!([]), "must be a number"),
            ("word", json!("eaten"), "must be `done` or `skipped`"),
            ("word", json!(7), "must be `done` or `skipped`"),
            ("word", json!([]), "must be `done` or `skipped`"),
            ("id", json!("zz"), "must be a UUID"),
            ("id", json!(7), "must be a UUID"),
            ("at", json!("soon"), "must be an instant such as 2026-03-01T08:00:00Z"),
            ("at", json!({}), "must be an instant such as 2026-03-01T08:00:00Z"),
            ("on", json!("2026-02-30"), "must be a date such as 2026-03-01"),
            ("time", json!("25:00"), "must be a time of day such as 08:00:00"),
            ("zone", json!("Mars/Olympus"), "must be an IANA time zone such as Europe/Berlin"),
            ("many", json!({}), "must be a list"),
            ("named", json!("x"), "must be an object"),
        ] {
            let body = json!({ key: value });
            assert_eq!(said(&body), (format!("/{key}"), detail.to_owned()), "{body}");
        }
        assert_eq!(said(&json!({ "ids": [Uuid::nil(), 1] })).0, "/ids/1");
    }

    #[test]
    fn a_field_that_is_missing_or_unknown_or_there_twice_is_where_it_should_be() {
        assert_eq!(said(&json!({ "many": [{}] })), ("/many/0/width".to_owned(), "is missing".to_owned()));
        let (pointer, detail) = said(&json!({ "one": { "width": 1, "at line 3": 2 } }));
        assert_eq!(pointer, "/one/at line 3");
        assert!(detail.starts_with("unknown field"), "{detail}");
        let twice = r#"{"text": "a", "text": "b"}"#;
        let fault = read::<Outer, _>(&mut serde_json::Deserializer::from_str(twice)).unwrap_err().0;
        assert_eq!((fault.pointer.as_str(), fault.detail.as_str()), ("/text", "is there twice"));
    }

    fn arbitrary() -> impl Strategy<Value = Value> {
        let keys = "one|many|named|text|flag|whole|count|word|id|at|pair|width|other";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(keys, inner, 0..4).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        /// Whatever is read through it is read as it would be without, but for lists in place of objects.
        #[test]
        fn what_is_taken_would_be_taken_without_it(value in arbitrary()) {
            if read::<Outer, _>(&value).is_ok() {
                prop_assert!(Outer::deserialize(&value).is_ok());
            }
            prop_assert_eq!(read::<Value, _>(&value).unwrap(), value);
        }
    }
}
