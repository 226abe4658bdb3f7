//! What an app needs to go on without a network, and to catch up afterwards: one document of all that a treatment still
//! has to say (`bundle`), and what has changed since an app last asked (`sync`). Both show what the slices show elsewhere;
//! nothing is written here but the log of changes, and that by the database.

mod bundle;
mod bundle_view;
mod form_view;
pub mod routes;
pub mod store;
mod sync;
mod sync_view;
