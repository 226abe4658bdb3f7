//! A person's right to be gone. A login is marked at its person's word: from then on it opens nothing and is told nothing, and
//! it can be brought back. When that time is over a worker erases it. What a clinic has to keep of its patient stays, detached
//! and read-only, until its own time is over and a worker purges it. So does, in the end, the record of a patient whose membership
//! the clinic has ended.
//!
//! Everything here joins a transaction of its caller's, and can be done twice. Whoever erases holds the login's row first, like
//! everybody who ends sessions; then the records in the order of their ids.

mod cancel;
mod confirmation;
mod due;
mod ended;
mod erase;
mod mark;
mod page_view;
mod page_words;
pub mod routes;
pub mod store;
mod view;

pub use cancel::{cancel, take_back};
pub use due::{DueError, erase_due, purge_due};
pub use erase::{erase, kept_until, purge};
pub use mark::{MarkError, Marked, mark};
pub use store::{Pending, find_pending};
