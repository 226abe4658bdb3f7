//! How push services are doing, written down by workers: so that the API can tell administrators, and other workers need
//! not find out for themselves. What the states mean is decided in `domain/breaker.rs`.

pub mod routes;
pub mod store;
