//! Reading a JSON body: size, media type, shape; and collecting everything that is wrong with its values.
//! What the values mean is the slices' business.

mod objects;
pub mod shape;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::error::{ApiError, FieldError};

/// The largest body that an operation takes unless it says otherwise, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// How long a body may take to arrive, from its first byte to its last.
pub const MAX_WAIT: Duration = Duration::from_secs(15);

/// How many bytes of bodies that are still arriving are held at once, in the whole process, beside the [`SMALL`] part of each.
/// Whoever sends many and never ends them fills this and not the memory; who comes then is asked to come again.
const MOST_ARRIVING: usize = 64 * 1024 * 1024;
/// So much of every body is not counted: what most requests send finds room however many large ones are stuck. As many as there
/// may be connections hold no more than [`MOST_ARRIVING`] either.
const SMALL: usize = 16 * 1024;

/// Bytes of bodies that are arriving.
static ARRIVING: AtomicUsize = AtomicUsize::new(0);

/// What one body takes of [`MOST_ARRIVING`], until it is there or given up.
struct Room<'a> {
    arriving: &'a AtomicUsize,
    taken: usize,
}

impl Room<'_> {
    fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.taken += bytes;
        if self.arriving.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_ARRIVING {
            return Err(ApiError::Unavailable("too much is arriving already".to_owned()));
        }
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.arriving.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// A JSON body of at most `LIMIT` bytes, parsed. Types that come through here refuse unknown fields.
#[derive(Debug)]
pub struct Body<T, const LIMIT: usize = MAX_BODY> {
    /// The parsed value.
    pub value: T,
    /// The bytes it was parsed from: what an idempotency key's fingerprint is made of.
    pub raw: Bytes,
}

impl<T: DeserializeOwned + 'static, const LIMIT: usize> FromRequest for Body<T, LIMIT> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let mut payload = payload.take();
        Box::pin(async move {
            if !is_json {
                return Err(ApiError::UnsupportedMediaType("application/json"));
            }
            let raw = tokio::time::timeout(MAX_WAIT, read(&mut payload, LIMIT)).await;
            let raw = raw.unwrap_or(Err(ApiError::RequestTimeout))?;
            Ok(Self { value: parse(&raw)?, raw })
        })
    }
}

async fn read(payload: &mut Payload, limit: usize) -> Result<Bytes, ApiError> {
    let (mut raw, mut room) = (BytesMut::new(), Room { arriving: &ARRIVING, taken: 0 });
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| malformed(format!("the body could not be read: {error}")))?;
        if raw.len() + chunk.len() > limit {
            return Err(ApiError::PayloadTooLarge { limit });
        }
        raw.extend_from_slice(&chunk);
        room.take(raw.len().saturating_sub(SMALL).min(chunk.len()))?;
    }
    Ok(raw.freeze())
}

/// A body that may be left out, for operations that need none: then it holds the defaults. One that is sent is read as
/// strictly as any other.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let header = |name| request.headers().get(name);
        let length = header(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let is_absent = length.is_none_or(|length| length == "0") && header(header::TRANSFER_ENCODING).is_none();
        if is_absent && header(header::CONTENT_TYPE).is_none() {
            return Box::pin(async { Ok(Self(T::default())) });
        }
        let body = Body::<T>::from_request(request, payload);
        Box::pin(async move { Ok(Self(body.await?.value)) })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn malformed(detail: String) -> ApiError {
    ApiError::Malformed { detail, errors: Vec::new() }
}

fn parse<T: DeserializeOwned>(raw: &[u8]) -> Result<T, ApiError> {
    if raw.windows(6).any(|bytes| bytes == br"\u0000") || raw.contains(&0) {
        return Err(malformed("the body contains a NUL character".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(raw);
    let value: T = match shape::read(&mut deserializer) {
        Ok(value) => value,
        // What reads as JSON has another shape than it should have, whatever a parser calls that.
        Err((fault, _)) => match serde_json::from_slice::<IgnoredAny>(raw) {
            Ok(_) => return Err(ApiError::misshapen(fault.pointer, fault.detail)),
            Err(error) => return Err(not_json(&error)),
        },
    };
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> ApiError {
    malformed(format!("the body is not JSON: {error}"))
}

/// Collects what is wrong with values, so that a client hears of everything at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes one fault.
    pub fn push(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }

    /// A text: trimmed, without control characters other than line breaks and tabs, of a length in characters within bounds.
    pub fn text(&mut self, pointer: &str, value: &str, length: RangeInclusive<usize>) -> String {
        let value = value.trim();
        let count = value.chars().count();
        if !length.contains(&count) {
            self.push(pointer, format!("must have {} to {} characters, has {count}", length.start(), length.end()));
        }
        if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.push(pointer, "must not contain control characters");
        }
        value.to_owned()
    }

    /// The same for a text that may be absent; an empty one counts as absent.
    pub fn optional_text(
        &mut self,
        pointer: &str,
        value: Option<&str>,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        value.map(str::trim).filter(|value| !value.is_empty()).map(|value| self.text(pointer, value, length))
    }

    /// A value that parses, or a fault that says why it does not.
    pub fn parsed<T, E: Display>(&mut self, pointer: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.push(pointer, error.to_string())).ok()
    }

    /// An IANA time zone.
    pub fn time_zone(&mut self, pointer: &str, value: &str) -> chrono_tz::Tz {
        value.parse().unwrap_or_else(|_: chrono_tz::ParseError| {
            self.push(pointer, "is not an IANA time zone such as Europe/Berlin");
            chrono_tz::UTC
        })
    }

    /// A language tag such as `en` or `pt-BR`.
    pub fn locale(&mut self, pointer: &str, value: &str) -> String {
        let value = value.trim();
        let mut parts = value.split('-');
        let language = parts.next().unwrap_or_default();
        let language_ok = (2..=3).contains(&language.len()) && language.chars().all(|c| c.is_ascii_alphabetic());
        let rest_ok =
            parts.all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
        if !(language_ok && rest_ok && value.len() <= 35) {
            self.push(pointer, "is not a language tag such as en or pt-BR");
        }
        value.to_owned()
    }

    /// An error if anything was wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters here")]
    struct Sample {
        name: String,
        parts: Vec<u8>,
    }

    fn fault(body: &str) -> (String, Vec<FieldError>) {
        match parse::<Sample>(body.as_bytes()) {
            Err(ApiError::Malformed { detail, errors }) => (detail, errors),
            other => panic!("expected a malformed body, got {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_not_waited_for() {
        let chunks = futures_util::stream::once(async { Ok(Bytes::from_static(b"{")) });
        let never = chunks.chain(futures_util::stream::pending());
        let mut payload: Payload = actix_web::dev::Payload::Stream { payload: Box::pin(never) };
        let request = actix_web::test::TestRequest::default().insert_header(header::ContentType::json());
        let body = Body::<Sample>::from_request(&request.to_http_request(), &mut payload).await;
        assert!(matches!(body, Err(ApiError::RequestTimeout)));
    }

    #[test]
    fn bodies_that_never_end_fill_their_room_and_no_more() {
        let arriving = AtomicUsize::new(0);
        let room = || Room { arriving: &arriving, taken: 0 };
        let (mut first, mut second) = (room(), room());
        first.take(MOST_ARRIVING - 10).unwrap();
        second.take(10).unwrap();
        assert!(matches!(second.take(1), Err(ApiError::Unavailable(_))));
        drop(second);
        room().take(10).unwrap();
        drop(first);
        assert_eq!(arriving.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_list_is_no_object_whatever_it_holds() {
        for raw in [r#"["x"]"#, " \n[]", r#"["x",{}]"#] {
            let refused = parse::<Sample>(raw.as_bytes()).unwrap_err();
            assert!(
                matches!(&refused, ApiError::Malformed { errors, .. } if errors[0].detail == "must be an object"),
                "{raw}"
            );
        }
    }

    #[test]
    fn a_wrong_shape_is_named_with_a_pointer() {
        assert_eq!(fault(r#"{"name": "x", "parts": [1, "two"]}"#).1[0].pointer, "/parts/1");
        assert_eq!(fault(r#"{"name": "x", "parts": [], "extra": 1}"#).1[0].pointer, "/extra");
        assert_eq!(fault(r#"{"parts": []}"#).1[0].pointer, "/name");
        assert_eq!(fault(r#"{"name": "x", "parts": [1e999]}"#).1[0].detail, "must be a whole number from 0 to 255");
    }

    #[test]
    fn what_is_not_json_and_what_hides_a_nul_is_refused() {
        assert!(fault("{").0.contains("not JSON"));
        assert!(fault(r#"{"name": 7, "#).0.contains("not JSON"));
        assert!(fault(r#"{"name": "x", "parts": []} trailing"#).0.contains("not JSON"));
        assert!(fault(r#"{"name": "\u0000", "parts": []}"#).0.contains("NUL"));
    }

    #[test]
    fn all_wrong_values_come_at_once() {
        let mut faults = Faults::default();
        faults.text("/name", "  ", 1..=10);
        faults.time_zone("/time_zone", "Mars/Olympus");
        faults.locale("/locale", "english please");
        let Err(ApiError::Invalid(errors)) = faults.finish() else { panic!("must fail") };
        assert_eq!(errors.iter().map(|e| e.pointer.as_str()).collect::<Vec<_>>(), ["/name", "/time_zone", "/locale"]);
    }
}
