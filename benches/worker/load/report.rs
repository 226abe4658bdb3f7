//! What came of a phase's requests, second by second and in all.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::percentile;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It was done.
    Accepted,
    /// 429.
    TooMany,
    /// 503.
    Unavailable,
    /// Any other status.
    Failed(u16),
    /// The connection broke, or nothing came in time.
    NoAnswer,
    /// There were too many in flight to send it.
    NotSent,
}

/// What came of all of them.
#[derive(Debug, Default)]
struct Counts {
    outcomes: BTreeMap<Outcome, usize>,
    /// How long those that were accepted took, in milliseconds.
    times: Vec<f64>,
}

impl Counts {
    fn of(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|(outcome, _)| is(outcome)).map(|(_, count)| count).sum()
    }

    fn line(&mut self) -> String {
        self.times.sort_by(f64::total_cmp);
        let count = |outcome| self.of(|other| *other == outcome);
        let shown = |share| match self.times.is_empty() {
            true => "-".to_owned(),
            false => format!("{:.0}", percentile(&self.times, share)),
        };
        format!(
            "{:>9} {:>6} {:>6} {:>6} {:>10} {:>9} {:>8} {:>8}",
            count(Outcome::Accepted),
            count(Outcome::TooMany),
            count(Outcome::Unavailable),
            self.of(|outcome| matches!(outcome, Outcome::Failed(_))),
            count(Outcome::NoAnswer),
            count(Outcome::NotSent),
            shown(0.5),
            shown(0.99)
        )
    }
}

/// One phase.
#[derive(Debug, Default)]
pub struct Phase {
    all: Counts,
    now: Counts,
    memory: Vec<u64>,
}

impl Phase {
    /// Above the lines.
    pub const HEADINGS: &str = " accepted    429    503  other  no answer  not sent   p50 ms   p99 ms   memory";

    /// One request's end.
    pub fn note(&mut self, outcome: Outcome, took: f64) {
        for counts in [&mut self.all, &mut self.now] {
            *counts.outcomes.entry(outcome).or_default() += 1;
            if outcome == Outcome::Accepted {
                counts.times.push(took);
            }
        }
    }

    /// The line of the second that ends here.
    pub fn second(&mut self, memory: Option<u64>) -> String {
        self.memory.extend(memory);
        let memory = memory.map_or("?".to_owned(), |kib| format!("{} MB", kib / 1024));
        format!("{} {memory:>8}", std::mem::take(&mut self.now).line())
    }

    /// The line of all seconds, and which other answers there were.
    pub fn summary(&self) -> String {
        let mut all = Counts { outcomes: self.all.outcomes.clone(), times: self.all.times.clone() };
        let others = self.all.outcomes.keys().filter_map(|outcome| match outcome {
            Outcome::Failed(status) => Some(status.to_string()),
            _ => None,
        });
        format!("{}  in all {}", all.line(), others.collect::<Vec<_>>().join(" "))
    }

    /// How many were done.
    pub fn accepted(&self) -> usize {
        self.all.times.len()
    }

    /// What 99 of 100 that were accepted did not exceed.
    pub fn p99(&self) -> Duration {
        let mut times = self.all.times.clone();
        times.sort_by(f64::total_cmp);
        let milliseconds = percentile(&times, 0.99);
        if milliseconds.is_nan() { Duration::MAX } else { Duration::from_secs_f64(milliseconds / 1e3) }
    }

    /// The most memory that the server had, in KiB.
    pub fn peak(&self) -> f64 {
        self.memory.iter().max().map_or(f64::NAN, |most| *most as f64)
    }
}

/// The memory that a process has in use, in KiB. Linux only.
pub fn memory_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().split(' ').next()?.parse().ok()
}
