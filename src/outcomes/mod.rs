//! Tasks and outcomes: what there is to do, and what people say they did. Entries are only ever added.

pub mod fields;
pub mod judge;
pub mod routes;
pub mod store;
pub mod submit;
pub mod view;
