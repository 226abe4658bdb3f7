//! What every answer about a person says: keep no copy.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

/// A JSON answer that nobody on the way may store.
pub fn private(mut response: HttpResponseBuilder, value: &impl Serialize) -> HttpResponse {
    response.insert_header((CACHE_CONTROL, "no-store")).json(value)
}

/// A table (CSV with a first line of names) that nobody on the way may store, and a browser saves as a file of this name.
pub fn private_table(table: Vec<u8>, name: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")))
        .body(table)
}
