//! The pure core: what recovery means, with no async, database, web framework, provider or clock.
//! Everything here is a function of its arguments, so that it can be property-tested.
//!
//! How a recovery is told, from data to alerts:
//!
//! 1. [`protocol`]: a protocol version is data, loaded and validated from files; built-ins are compiled in.
//! 2. [`local_time`]: what a local time means for a person whose clock may jump.
//! 3. [`timeline`]: a version laid out in real time for one treatment: items, phases and tasks.
//!    [`overrides`]: what a clinician changes of a version for one treatment.
//! 4. [`guidance`]: what to expect, what should wait and what to do today, at any moment of that layout.
//! 5. [`reminders`]: which alerts a person is owed, planned over all running treatments; [`appointment`]: of which dates a
//!    person is told; [`course`]: when the next session is due.
//! 6. [`compliance`]: what people said about their tasks, folded and counted; [`closing`] does the same for a worklist in
//!    a microsecond a treatment; [`nudge`]: when the clinic is told of somebody who keeps to little.
//! 7. [`symptoms`] and [`triage`]: what a check-in says and what follows from it; [`flag`]: what a clinic may then do;
//!    [`escalation`]: who is told when nobody does; [`check_in_windows`]: when check-ins are expected;
//!    [`progress`]: how what they report lies to its usual course;
//!    [`condition`]: what has ended by what was said.
//! 8. [`trail`]: what an entry of the audit trail means to whom it is about.
//!
//! Tasks, guidance and compliance are computed on every read; stored is only what cannot be: the moment of the treatment,
//! the zones lived in, what people said, which alerts are owed.

pub mod address;
pub mod agenda;
pub mod alert;
pub mod appointment;
pub mod attention;
pub mod backoff;
pub mod backstop;
pub mod breaker;
pub mod check_in_windows;
pub mod closing;
pub mod compliance;
pub mod condition;
pub mod course;
pub mod device;
pub mod endpoint;
pub mod escalation;
pub mod flag;
pub mod forgetting;
pub mod guidance;
pub mod ids;
pub mod local_time;
pub mod neutral_text;
pub mod nudge;
pub mod overrides;
pub mod pace;
pub mod preferences;
pub mod progress;
pub mod protocol;
pub mod provider;
pub mod public_address;
pub mod push_service;
pub mod reminders;
pub mod replay;
pub mod role;
pub mod symptoms;
pub mod sync;
pub mod tally;
pub mod timeline;
pub mod trail;
pub mod triage;
pub mod whom_to_call;
mod words;
