//! How fast one process may send. What providers say they take is the default: see their own files.

use super::Vars;

/// A second, and at once. Zero is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// Messages a second.
    pub rate: u32,
    /// Messages in flight.
    pub concurrency: u32,
}

/// The settings of a limit: variables, and what holds where they are absent.
#[derive(Debug, Clone, Copy)]
pub struct LimitSettings {
    /// Messages a second.
    pub rate: (&'static str, u32),
    /// Messages in flight.
    pub concurrency: (&'static str, u32),
}

const MOST: u32 = 1_000_000;

impl LimitSettings {
    /// Reads both.
    pub fn read(&self, vars: &mut Vars) -> Limit {
        let mut number = |(variable, default)| vars.number(variable, default, 0, MOST);
        Limit { rate: number(self.rate), concurrency: number(self.concurrency) }
    }
}
