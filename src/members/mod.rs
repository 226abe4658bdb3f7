//! Members of a clinic: whoever has a login there, and what they may be. Administrators only.

pub mod change;
pub mod routes;
pub mod store;
