//! What a client knows of a resource: strong ETags from `version` with `If-Match` on edits, weak ETags with
//! `If-None-Match` on computed reads. What goes into a tag is the slices' business.

use std::fmt::{Display, Write};
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, ETag, EntityTag, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::error::ApiError;
use crate::language::content_language;

/// The strong tag of a resource that counts its edits.
pub fn version_tag(version: i32) -> EntityTag {
    EntityTag::new_strong(version.to_string())
}

/// The header with that tag.
pub fn version_header(version: i32) -> ETag {
    ETag(version_tag(version))
}

/// The weak tag of something computed: name everything that it depends on, in a fixed order.
pub fn computed_tag(parts: &[&dyn Display]) -> EntityTag {
    let mut text = String::new();
    for part in parts {
        // Writing to a string cannot fail. The separator keeps 1, 12 and 11, 2 apart.
        let _ = write!(text, "{part}\u{1f}");
    }
    let hash = digest(&SHA256, text.as_bytes());
    EntityTag::new_weak(URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]))
}

/// The tags of a conditional header.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Absent,
    Any,
    These(Vec<EntityTag>),
}

impl Tags {
    /// Reads all occurrences of the header. What is not a tag matches nothing; none of our tags holds a comma.
    fn read(request: &HttpRequest, name: HeaderName) -> Self {
        let mut values = request.headers().get_all(name).peekable();
        if values.peek().is_none() {
            return Self::Absent;
        }
        let lists: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        let mut entries = lists.iter().flat_map(|list| list.split(',')).map(str::trim);
        if entries.clone().any(|entry| entry == "*") { Self::Any } else { Self::These(tags(&mut entries)) }
    }
}

fn tags(entries: &mut dyn Iterator<Item = &str>) -> Vec<EntityTag> {
    entries.filter_map(|entry| entry.parse().ok()).collect()
}

/// `If-Match` of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Tags);

impl IfMatch {
    /// For edits that must name what they edit: 428 without the header, 412 if the version is another by now.
    pub fn require(&self, version: i32) -> Result<(), ApiError> {
        if self.0 == Tags::Absent { Err(ApiError::PreconditionRequired) } else { self.check(version) }
    }

    /// For edits that may name what they edit: 412 if they do and the version is another by now.
    pub fn check(&self, version: i32) -> Result<(), ApiError> {
        let tag = version_tag(version);
        match &self.0 {
            Tags::Absent | Tags::Any => Ok(()),
            Tags::These(tags) if tags.iter().any(|seen| seen.strong_eq(&tag)) => Ok(()),
            Tags::These(_) => Err(ApiError::PreconditionFailed),
        }
    }
}

/// `If-None-Match` of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfNoneMatch(Tags);

impl IfNoneMatch {
    /// The 304 for a client that has what `tag` stands for.
    pub fn not_modified(&self, tag: &EntityTag) -> Option<HttpResponse> {
        let known = match &self.0 {
            Tags::Absent => false,
            Tags::Any => true,
            Tags::These(tags) => tags.iter().any(|seen| seen.weak_eq(tag)),
        };
        known.then(|| {
            HttpResponse::NotModified()
                .insert_header(ETag(tag.clone()))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .finish()
        })
    }
}

/// A computed answer about a person, or 304 for a client that has it. The tag is that of the answer itself, so it changes
/// with whatever the answer depends on: edits, outcomes, flags, zones, words, and every boundary that time passes.
pub fn computed_answer<T: Serialize>(
    known: &IfNoneMatch,
    language: &str,
    answer: &T,
) -> Result<HttpResponse, ApiError> {
    computed_answer_like(known, language, answer, answer)
}

/// The same where something in the answer changes with every second, and whoever has it counts on: the tag is that of
/// `lasting`, the same answer without it.
pub fn computed_answer_like<T: Serialize>(
    known: &IfNoneMatch,
    language: &str,
    answer: &T,
    lasting: &T,
) -> Result<HttpResponse, ApiError> {
    let json = |value: &T| serde_json::to_string(value).map_err(|error| ApiError::Internal(error.into()));
    let tag = computed_tag(&[&language, &json(lasting)?]);
    let body = json(answer)?;
    let mut response = known
        .not_modified(&tag)
        .unwrap_or_else(|| HttpResponse::Ok().content_type("application/json").insert_header(ETag(tag)).body(body));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in content_language(language) {
        headers.insert(name, value);
    }
    Ok(response)
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Tags::read(request, header::IF_MATCH))))
    }
}

impl FromRequest for IfNoneMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Tags::read(request, header::IF_NONE_MATCH))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    fn if_match(values: &[&str]) -> IfMatch {
        let request = values.iter().fold(TestRequest::default(), |r, v| r.append_header((header::IF_MATCH, *v)));
        IfMatch(Tags::read(&request.to_http_request(), header::IF_MATCH))
    }

    fn if_none_match(value: &str) -> IfNoneMatch {
        let request = TestRequest::default().append_header((header::IF_NONE_MATCH, value)).to_http_request();
        IfNoneMatch(Tags::read(&request, header::IF_NONE_MATCH))
    }

    #[test]
    fn an_edit_must_name_the_version_it_edits() {
        assert!(matches!(if_match(&[]).require(3), Err(ApiError::PreconditionRequired)));
        assert!(if_match(&[]).check(3).is_ok());
        for good in [&["\"3\""][..], &["\"2\", \"3\""], &["\"2\"", "\"3\""], &["*"]] {
            assert!(if_match(good).require(3).is_ok(), "{good:?}");
        }
        for bad in [&["\"2\""][..], &["W/\"3\""], &["3"], &[""], &["\"33\""]] {
            assert!(matches!(if_match(bad).require(3), Err(ApiError::PreconditionFailed)), "{bad:?}");
            assert!(if_match(bad).check(3).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_read_is_not_repeated_for_who_has_it() {
        let tag = computed_tag(&[&1, &"a"]);
        assert!(tag.weak);
        assert!(if_none_match(&tag.to_string()).not_modified(&tag).is_some());
        assert!(if_none_match(&format!("\"{}\"", tag.tag())).not_modified(&tag).is_some());
        assert!(if_none_match("*").not_modified(&tag).is_some());
        assert!(if_none_match("W/\"other\"").not_modified(&tag).is_none());
    }

    proptest! {
        #[test]
        fn different_parts_have_different_tags(a in 0..200u32, b in 0..200u32, c in 0..200u32, d in 0..200u32) {
            prop_assert_eq!(computed_tag(&[&a, &b]) == computed_tag(&[&c, &d]), (a, b) == (c, d));
        }

        #[test]
        fn no_header_makes_the_check_fall_over(value in "[ -~]{0,40}") {
            let _ = if_match(&[&value]).require(1);
        }
    }
}
