//! Compliance over HTTP. What counts is `domain::compliance`; what it is counted from is `recovery`.

pub mod routes;
pub mod view;
