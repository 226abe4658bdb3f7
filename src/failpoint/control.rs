//! Taking orders from a crash test: lines on standard input, one answer on standard output.
//!
//! ```text
//! hold <place> <k>     hold whoever passes the place for the k-th time from now on; "held <place>" says that it happened
//! release              let go whoever is held
//! disarm               hold nobody any more
//! clock <ms>           this process's clocks are so far ahead of the machine's (or behind it)
//! ```
//!
//! The end of standard input ends the process: whoever tests must not leave it behind.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::TimeDelta;
use tokio::sync::watch;

/// Set, to anything, in the environment of processes that take orders.
pub const VARIABLE: &str = "MENDLINE_FAILPOINTS";

/// Every place, so that a crash test need not guess.
pub const PLACES: [&str; 14] = [
    "claim:uncommitted",
    "claim:committed",
    "send:before",
    "send:accepted",
    "settle:attempts",
    "settle:uncommitted",
    "settle:committed",
    "rescue:uncommitted",
    "place:lost",
    "stop:begun",
    "stop:release",
    "plan:uncommitted",
    "removal:uncommitted",
    "device:registered",
];

static CONTROL: OnceLock<Control> = OnceLock::new();
static SKEW_MS: AtomicI64 = AtomicI64::new(0);

struct Control {
    /// Passes that are left before a place holds.
    armed: Mutex<HashMap<String, u32>>,
    /// How often everybody was let go.
    released: watch::Sender<u64>,
}

impl Control {
    fn obey(&self, order: &str) {
        let words: Vec<&str> = order.split_whitespace().collect();
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        match words.as_slice() {
            ["hold", place, passes] => drop(armed.insert((*place).to_owned(), passes.parse().unwrap_or(1))),
            ["release"] => self.released.send_modify(|times| *times += 1),
            ["disarm"] => armed.clear(),
            ["clock", ms] => SKEW_MS.store(ms.parse().unwrap_or(0), Ordering::SeqCst),
            _ => tracing::warn!(order, "no such order"),
        }
    }

    /// Whether this pass of the place is the one to hold; what to wait for, if so.
    fn holds(&self, place: &str) -> Option<watch::Receiver<u64>> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let left = armed.get_mut(place)?;
        *left = left.saturating_sub(1);
        if *left > 0 {
            return None;
        }
        armed.remove(place);
        Some(self.released.subscribe())
    }
}

/// Takes orders from now on, if the environment says that somebody gives them.
pub fn listen() {
    #[expect(clippy::disallowed_methods, reason = "no setting of the server's: it exists in test builds alone")]
    let called = std::env::var_os(VARIABLE).is_some();
    let control = Control { armed: Mutex::default(), released: watch::Sender::new(0) };
    if !called || CONTROL.set(control).is_err() {
        return;
    }
    // A thread, since reading standard input cannot be given up when the runtime ends.
    std::thread::spawn(|| {
        let orders = std::io::stdin().lock().lines().map_while(Result::ok);
        orders.for_each(|order| CONTROL.get().into_iter().for_each(|control| control.obey(&order)));
        std::process::exit(1);
    });
}

/// Whether somebody is to be held at the place.
pub fn is_armed(place: &str) -> bool {
    let armed = |control: &Control| control.armed.lock().unwrap_or_else(PoisonError::into_inner).contains_key(place);
    CONTROL.get().is_some_and(armed)
}

/// Passes a place: held there, until let go, if a crash test asked for this pass.
pub async fn reach(place: &'static str) {
    let Some(mut released) = CONTROL.get().and_then(|control| control.holds(place)) else { return };
    if tell(place).is_ok() {
        released.changed().await.ok();
    }
}

fn tell(place: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "held {place}")?;
    out.flush()
}

/// How far this process's clocks are ahead of the machine's.
pub fn clock_skew() -> TimeDelta {
    TimeDelta::milliseconds(SKEW_MS.load(Ordering::SeqCst))
}
