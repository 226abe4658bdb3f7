//! The HTTP contract, served: the document, and one page to read it and to try it. The page holds all that it needs, so
//! nothing is loaded from anywhere. What the contract says is in `openapi.yaml`.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::ApiError;

/// The document at the repository's root.
pub const DOCUMENT: &str = include_str!("../../openapi.yaml");

const TEMPLATE: &str = include_str!("docs/page.html");
const STYLE: &str = include_str!("docs/page.css");
const SCRIPT: &str = include_str!("docs/page.js");

/// How long a browser may keep the document and the page.
const CACHE: &str = "public, max-age=300";

/// The page and the policy under which a browser runs it.
struct Page {
    html: String,
    policy: String,
}

static PAGE: LazyLock<Result<Page, String>> = LazyLock::new(|| assemble().map_err(|error| format!("{error:#}")));

/// The document as it stands in the repository.
pub async fn find_contract() -> HttpResponse {
    HttpResponse::Ok().content_type("application/yaml").insert_header((header::CACHE_CONTROL, CACHE)).body(DOCUMENT)
}

/// The page. Its scripts and styles run by their hashes alone, and it may talk to this server only.
pub async fn show_docs() -> Result<HttpResponse, ApiError> {
    let page = PAGE.as_ref().map_err(|error| ApiError::Internal(anyhow::anyhow!("the docs page: {error}")))?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, CACHE))
        .insert_header((header::CONTENT_SECURITY_POLICY, page.policy.as_str()))
        .body(page.html.as_str()))
}

fn assemble() -> anyhow::Result<Page> {
    let document: serde_json::Value = serde_saphyr::from_str(DOCUMENT).context("openapi.yaml")?;
    // Within a script element nothing may look like its end.
    let document = serde_json::to_string(&document)?.replace('<', "\\u003c");
    let html =
        TEMPLATE.replace("/*style*/", STYLE).replace("/*script*/", SCRIPT).replace("\"/*document*/\"", &document);
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT),
    );
    Ok(Page { html, policy })
}

/// A content security policy's name for an inline script or style.
fn hash(content: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, content.as_bytes())))
}
