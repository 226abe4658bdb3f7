//! Calendar feeds: an address with a secret in it, at which a patient's calendar reads what is ahead. Whoever holds the
//! address reads the feed, and nothing else; the patient can revoke it at any time.

mod document;
mod feed;
pub mod routes;
pub mod store;
mod token;
mod words;
