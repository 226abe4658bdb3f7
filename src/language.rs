//! Which language an answer is in: what the request asks for, else the user's, the clinic's, English; always one in which
//! the texts exist. The texts themselves live in `protocols/` and with whoever writes them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, AcceptLanguage, Header, HeaderValue, Preference};
use actix_web::{FromRequest, HttpRequest};

/// The language in which every text exists.
pub const FALLBACK: &str = "en";

/// The languages of a request's `Accept-Language`, the most wanted first. An unreadable header counts as none: nobody
/// should go without an answer over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(Vec<String>);

impl FromRequest for Wanted {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl Wanted {
    fn of(request: &HttpRequest) -> Self {
        if !request.headers().contains_key(header::ACCEPT_LANGUAGE) {
            return Self::default();
        }
        let Ok(mut accepted) = AcceptLanguage::parse(request) else { return Self::default() };
        accepted.0.retain(|entry| entry.quality != header::Quality::ZERO);
        let ranked = accepted.ranked().into_iter().filter_map(|entry| match entry {
            Preference::Specific(tag) => Some(tag.to_string()),
            Preference::Any => None,
        });
        Self(ranked.collect())
    }

    /// The best of `available` for this request; `fallbacks` are the user's and the clinic's languages.
    pub fn pick<'a>(&self, fallbacks: &[&str], available: &[&'a str]) -> &'a str {
        let wanted = self.0.iter().map(String::as_str).chain(fallbacks.iter().copied());
        choose(wanted, available)
    }
}

/// The first of the `wanted` languages that is available: the tag itself, a broader one (`pt` for `pt-BR`), or another
/// variety of the same language (`pt-PT` for `pt-BR`). English where nothing fits.
pub fn choose<'w, 'a>(wanted: impl IntoIterator<Item = &'w str>, available: &[&'a str]) -> &'a str {
    wanted.into_iter().find_map(|tag| fit(tag, available)).unwrap_or(FALLBACK)
}

fn fit<'a>(wanted: &str, available: &[&'a str]) -> Option<&'a str> {
    let exact = |tag: &str| available.iter().copied().find(|have| have.eq_ignore_ascii_case(tag));
    let mut tag = wanted;
    loop {
        if let Some(have) = exact(tag) {
            return Some(have);
        }
        match tag.rfind('-') {
            Some(end) => tag = &tag[..end],
            None => break,
        }
    }
    let same_language = |have: &&str| have.split('-').next().is_some_and(|language| language.eq_ignore_ascii_case(tag));
    available.iter().copied().find(same_language)
}

/// The `Content-Language` header of an answer in `language`, and the `Vary` that goes with it.
pub fn content_language(language: &str) -> [(header::HeaderName, HeaderValue); 2] {
    let language = HeaderValue::from_str(language).unwrap_or(HeaderValue::from_static(FALLBACK));
    [(header::CONTENT_LANGUAGE, language), (header::VARY, HeaderValue::from_static("accept-language"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    fn pick<'a>(header: &str, fallbacks: &[&str], available: &[&'a str]) -> &'a str {
        let request = TestRequest::default().insert_header((header::ACCEPT_LANGUAGE, header)).to_http_request();
        Wanted::of(&request).pick(fallbacks, available)
    }

    #[test]
    fn the_request_comes_before_the_user_the_clinic_and_english() {
        let have = ["en", "de", "fr", "pt-BR"];
        assert_eq!(pick("fr", &["de"], &have), "fr");
        assert_eq!(pick("de;q=0.3, fr;q=0.8", &[], &have), "fr");
        assert_eq!(pick("de-AT", &[], &have), "de");
        assert_eq!(pick("pt-PT", &["de"], &have), "pt-BR");
        assert_eq!(pick("DE", &[], &have), "de");
        assert_eq!(pick("ja, *;q=0.5", &["fr", "de"], &have), "fr");
        assert_eq!(pick("ja", &["it", "de"], &have), "de");
        assert_eq!(pick("de;q=0", &["fr"], &have), "fr");
        assert_eq!(pick("ja", &["it"], &have), "en");
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_the_answer_is_one_that_exists(header in "[ -~]{0,60}", user in "[a-zA-Z-]{0,12}") {
            let have = ["en", "de", "pt-BR"];
            prop_assert!(have.contains(&pick(&header, &[&user], &have)));
        }
    }
}
