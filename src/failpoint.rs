//! Places at which a crash test can hold this process, to kill it or to take its database away just there. They exist in
//! builds with the feature `failpoints` alone, which no release build can have; elsewhere `failpoint!` is nothing at all.
//! They await instead of blocking a thread and take their orders while the process runs, which crates for this do not.
//!
//! | place | what has happened, and what has not |
//! |---|---|
//! | `claim:uncommitted` | alerts are claimed in a transaction that is still open |
//! | `claim:committed` | the claim is committed, nothing is sent |
//! | `send:before` | so many sends of a batch have begun, this one has not |
//! | `send:accepted` | the provider took the message, nobody wrote that down |
//! | `settle:attempts` | the attempts of a batch are written, its states are not |
//! | `settle:uncommitted` | all of a batch is written, not committed |
//! | `settle:committed` | the batch is committed, its worker does not know yet |
//! | `rescue:uncommitted` | claims of dead workers are put back, not committed |
//! | `place:lost` | the session lock is gone, sends are still in flight |
//! | `stop:begun` | told to stop, sends are still in flight |
//! | `stop:release` | about to give back what was claimed and not sent |
//! | `plan:uncommitted` | a person's plan is replaced, not committed |
//! | `removal:uncommitted` | a member is removed, not committed |
//! | `device:registered` | a phone is registered, what found none before is not owed again yet |

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints are for tests: a release build must not have them");

#[cfg(feature = "failpoints")]
mod control;

#[cfg(feature = "failpoints")]
pub use control::{PLACES, VARIABLE, clock_skew, is_armed, listen, reach};

/// Whether a crash test holds whoever passes the place next: never, in builds that know no such tests.
#[cfg(not(feature = "failpoints"))]
pub fn is_armed(_place: &str) -> bool {
    false
}

/// Names a place. Awaits what a crash test does there, in builds that know such tests.
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    ($place:literal) => {
        $crate::failpoint::reach($place).await
    };
}

/// Names a place. Nothing happens there.
#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($place:literal) => {};
}

pub(crate) use failpoint;
