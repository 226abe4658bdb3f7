//! Reading a query string: every fault names its parameter. What the values mean is the slices' business.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use crate::body::shape;
use crate::error::{ApiError, FieldError};

/// A query string, parsed. Types that come through here refuse unknown parameters.
#[derive(Debug)]
pub struct Query<T>(T);

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

/// An instant in a query, such as `2026-03-01T08:00:00Z`; else what is wrong with it.
pub fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let wrong = |error| format!("is not an instant such as 2026-03-01T08:00:00Z ({error}); a + is written %2B");
    DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc)).map_err(wrong)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    shape::read(serde_urlencoded::Deserializer::new(pairs)).map_err(|(fault, _)| {
        // A parameter is named, not pointed to.
        let pointer = fault.pointer.trim_start_matches('/').replace("~1", "/").replace("~0", "~");
        unreadable(vec![FieldError { pointer, detail: fault.detail }])
    })
}

/// A query that cannot be read, for these parameters.
pub fn unreadable(errors: Vec<FieldError>) -> ApiError {
    let named = |error: &FieldError| match error.pointer.as_str() {
        "" => error.detail.clone(),
        name => format!("{name} {}", error.detail),
    };
    let named: Vec<_> = errors.iter().map(named).collect();
    ApiError::Malformed { detail: format!("the query cannot be read: {}", named.join("; ")), errors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        limit: Option<u32>,
        name: Option<String>,
    }

    #[test]
    fn what_is_there_is_read_and_the_rest_is_absent() {
        let asked: Asked = parse("name=a%20b").unwrap();
        assert_eq!((asked.limit, asked.name.as_deref()), (None, Some("a b")));
    }

    #[test]
    fn a_fault_names_its_parameter() {
        for (text, pointer, detail) in [
            ("limit=abc", "limit", "must be a whole number from 0 to"),
            ("name=a&limit=-1", "limit", "must be a whole number from 0 to"),
            ("limit=99999999999", "limit", "must be a whole number from 0 to"),
            ("limit=1&limit=2", "limit", "is there twice"),
            ("colour=red", "colour", "unknown field"),
        ] {
            match parse::<Asked>(text) {
                Err(ApiError::Malformed { errors, .. }) => {
                    assert_eq!(errors[0].pointer, pointer, "{text}");
                    assert!(errors[0].detail.starts_with(detail), "{text}: {errors:?}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
