//! Protocols in the database and over HTTP. What a protocol is and means is `domain::protocol`.

mod catalogue;
mod diff_view;
mod disagreement_view;
mod register;
pub mod routes;
mod rule_view;
mod store;
mod view;
mod words;

pub use catalogue::{Catalogue, CatalogueError, Published, content_hash};
pub use register::{RegisterError, check_registered, register, register_built_ins};
pub use words::words;
