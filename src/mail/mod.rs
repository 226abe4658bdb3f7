//! Mail: few letters, without a word about health, about logins alone. A request never waits for one: it leaves an errand, and
//! a bounded number of them is run beside the servers. What the letters say stands in `words.rs`, how they are handed in in
//! `transport.rs`; whom to write to is looked up by `auth`, whose errands these are.

pub mod errands;
pub mod transport;
mod words;

pub use errands::{AT_ONCE, Errand, Errands};
pub use transport::{MailError, Transport};
pub use words::Letter;
