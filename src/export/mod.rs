//! Everything that is kept of a person, given to them, or of a patient's record, given to its clinic: one archive of JSON files,
//! made from the lists in `personal_data`, so that a column that is added is either in it or withheld for a reason.

mod archive;
mod desk;
mod gather;
pub mod routes;

pub use desk::Desk;
