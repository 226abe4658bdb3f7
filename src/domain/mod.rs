//! The pure core: what recovery means, with no async, database, web framework, provider or clock.
//! Everything here is a function of its arguments, so that it can be property-tested.

pub mod address;
pub mod alert;
pub mod backoff;
pub mod closing;
pub mod compliance;
pub mod device;
pub mod endpoint;
pub mod guidance;
pub mod ids;
pub mod local_time;
pub mod neutral_text;
pub mod preferences;
pub mod protocol;
pub mod public_address;
pub mod reminders;
pub mod role;
pub mod symptoms;
pub mod timeline;
pub mod triage;
mod words;
