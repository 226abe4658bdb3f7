//! What browsers are told: from which origins they may call, and that no answer is a page, unless a handler says otherwise.

use actix_cors::Cors;
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;

/// What scripts of other sites may read beside the body.
const EXPOSED: [&str; 7] =
    ["etag", "location", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id", "content-language"];

/// Other sites may call only if the operator listed them.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allow_any_header()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .expose_headers(EXPOSED)
        .max_age(600);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// For every answer that does not bring its own: data is neither run, guessed at nor framed, and its address is not passed
/// on. Where the server is reached over https, browsers stay there for a year. Subdomains are not ours to decide about.
pub fn headers(is_https: bool) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add(("cross-origin-opener-policy", "same-origin"));
    if is_https { headers.add((header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")) } else { headers }
}
