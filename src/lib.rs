//! The module map of mendline; nothing else lives here.

pub mod clock;
pub mod domain;
