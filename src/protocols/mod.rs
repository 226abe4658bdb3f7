//! Protocols in the database and over HTTP. What a protocol is and means is `domain::protocol`.

mod catalogue;
mod register;
mod store;

pub use catalogue::{Catalogue, CatalogueError, Published, content_hash};
pub use register::{RegisterError, check_registered, register, register_built_ins};
