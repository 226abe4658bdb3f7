//! What every answer about a person says: keep no copy.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

/// A JSON answer that nobody on the way may store.
pub fn private(mut response: HttpResponseBuilder, value: &impl Serialize) -> HttpResponse {
    response.insert_header((CACHE_CONTROL, "no-store")).json(value)
}
