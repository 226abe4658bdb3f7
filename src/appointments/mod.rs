//! Appointments: dates that a clinic sets with a patient, moves and calls off. What the patient is told of them is planned
//! with everything else the person is owed.

mod change;
mod fields;
pub mod routes;
pub mod store;
pub mod view;
