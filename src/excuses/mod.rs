//! What the clinic asks of nobody: days of a treatment, or single tasks, that leave compliance with a reason. Nobody is
//! reminded of them either, and what a patient does all the same is kept.

mod change;
pub mod routes;
pub mod store;
pub mod view;
