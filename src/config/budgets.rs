//! How much one caller may ask of one process, and how much of what is costly goes on at once.

use super::Vars;

/// Requests a minute, all of which may come at once after a quiet one; zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// `MENDLINE_RATE_PATIENT`: of one patient; half as many may be writes.
    pub patient: u32,
    /// `MENDLINE_RATE_CLINICIAN`: of one clinician, likewise.
    pub clinician: u32,
    /// `MENDLINE_RATE_ADMINISTRATOR`: of one administrator, likewise.
    pub administrator: u32,
    /// `MENDLINE_RATE_ANONYMOUS`: of one address, of whoever has no access token that is good.
    pub anonymous: u32,
    /// `MENDLINE_RATE_TOKEN`: of one calendar feed, or of one fetch token.
    pub token: u32,
    /// `MENDLINE_RATE_COSTLY`: of what is costly, of one caller.
    pub costly: u32,
    /// `MENDLINE_RATE_COSTLY_CLINIC`: of what is costly, at once for one clinic.
    pub costly_clinic: u32,
    /// `MENDLINE_RATE_COSTLY_NODE`: of what is costly, at once in this process.
    pub costly_node: u32,
}

/// More a minute is no limit worth counting.
const MOST: u32 = 1_000_000;
/// More at once is none either.
const MOST_AT_ONCE: u32 = 1_000;

impl Budgets {
    /// Reads all of them.
    pub fn read(vars: &mut Vars) -> Self {
        let mut rate = |variable, default| vars.number(variable, default, 0, MOST);
        Self {
            patient: rate("MENDLINE_RATE_PATIENT", 600),
            clinician: rate("MENDLINE_RATE_CLINICIAN", 1200),
            administrator: rate("MENDLINE_RATE_ADMINISTRATOR", 1200),
            anonymous: rate("MENDLINE_RATE_ANONYMOUS", 1200),
            token: rate("MENDLINE_RATE_TOKEN", 120),
            costly: rate("MENDLINE_RATE_COSTLY", 120),
            costly_clinic: vars.number("MENDLINE_RATE_COSTLY_CLINIC", 2, 0, MOST_AT_ONCE),
            costly_node: vars.number("MENDLINE_RATE_COSTLY_NODE", 8, 0, MOST_AT_ONCE),
        }
    }
}
