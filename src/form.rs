//! Reading what a form of a page sends: small, of its media type, in time.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::UrlencodedError;
use actix_web::web::UrlEncoded;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use crate::body::MAX_WAIT;
use crate::error::ApiError;

/// The largest form, in bytes: an address, a password, a word that the page carries.
const MAX_FORM: usize = 4096;
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// What a form sends. Types that come through here refuse unknown fields.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let reading = UrlEncoded::<T>::new(request, payload).limit(MAX_FORM);
        Box::pin(async move {
            match tokio::time::timeout(MAX_WAIT, reading).await {
                Ok(read) => Ok(Self(read.map_err(refusal)?)),
                Err(_elapsed) => Err(ApiError::RequestTimeout),
            }
        })
    }
}

fn refusal(error: UrlencodedError) -> ApiError {
    match error {
        UrlencodedError::Overflow { .. } => ApiError::PayloadTooLarge { limit: MAX_FORM },
        UrlencodedError::ContentType => ApiError::UnsupportedMediaType(MEDIA_TYPE),
        _ => {
            ApiError::Malformed { detail: "the form does not have the expected fields".to_owned(), errors: Vec::new() }
        }
    }
}
