//! Who is told of an urgent flag, and who next when nobody acknowledges it: decisions over values. Keeping them is
//! `escalation/`, sending is the worker's.
//!
//! ```text
//! treating clinician -> all clinicians -> administrators
//! ```
//!
//! A step that can reach nobody does not wait: the next one is taken at once, and after the last one the patient is told.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::role::Role;
use super::words::word_enum;

/// By then some push service has accepted a message, or nobody was reached: it was tried four times (see `backoff.rs`).
pub const REACHED_WITHIN: TimeDelta = TimeDelta::minutes(5);

word_enum! {
    /// Who is told, in this order.
    pub enum Step {
        /// The treating clinician; all clinicians where there is none, administrators where there are no clinicians.
        Treating = "treating",
        /// All clinicians.
        Clinicians = "clinicians",
        /// The administrators.
        Administrators = "administrators",
    }
}

/// How long a flag waits before each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Before all clinicians are told.
    pub clinicians: TimeDelta,
    /// Before the administrators are told.
    pub administrators: TimeDelta,
}

/// A member of the staff at the moment of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colleague {
    /// The membership.
    pub membership_id: Uuid,
    /// What the person is to the clinic.
    pub role: Role,
    /// Treats the patient.
    pub treating: bool,
    /// Has a phone that may be addressed.
    pub reachable: bool,
}

impl Step {
    /// The step after this one.
    pub fn next(self) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| *step > self)
    }

    /// When it is due for a flag that waits since `opened_at`.
    pub fn due_at(self, opened_at: DateTime<Utc>, figures: Figures) -> DateTime<Utc> {
        opened_at
            + match self {
                Self::Treating => TimeDelta::zero(),
                Self::Clinicians => figures.clinicians,
                Self::Administrators => figures.administrators,
            }
    }

    /// Whom it tells.
    pub fn audience(self, staff: &[Colleague]) -> Vec<Colleague> {
        let of = |is: fn(&Colleague) -> bool| staff.iter().copied().filter(is).collect::<Vec<_>>();
        let clinicians = of(|colleague| colleague.role == Role::Clinician);
        let administrators = of(|colleague| colleague.role == Role::Administrator);
        match self {
            Self::Treating => {
                let turns = [of(|colleague| colleague.treating), clinicians, administrators];
                turns.into_iter().find(|turn| !turn.is_empty()).unwrap_or_default()
            }
            Self::Clinicians => clinicians,
            Self::Administrators => administrators,
        }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Since when the flag waits.
    pub opened_at: DateTime<Utc>,
    /// Who was told last.
    pub step: Step,
    /// When.
    pub told_at: DateTime<Utc>,
    /// A push service accepted a message to anybody.
    pub reached: bool,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Who is told, each once, and as which step.
    pub tell: Vec<(Step, Uuid)>,
    /// Who was told last, from now on.
    pub step: Step,
    /// When.
    pub told_at: DateTime<Utc>,
    /// When to look again; `None`: nothing is left to be done.
    pub wake_at: Option<DateTime<Utc>>,
    /// Nobody can be reached: the patient must know.
    pub unreached: bool,
}

/// The flag begins to wait.
pub fn begin(staff: &[Colleague], figures: Figures, now: DateTime<Utc>) -> Move {
    let standing = Standing { opened_at: now, step: Step::Treating, told_at: now, reached: false };
    walk(Step::Treating, standing, false, staff, figures, now)
}

/// The flag still waits at `now`.
pub fn proceed(standing: Standing, staff: &[Colleague], figures: Figures, now: DateTime<Utc>) -> Move {
    let overdue = !standing.reached && now >= standing.told_at + REACHED_WITHIN;
    match standing.step.next() {
        Some(next) if overdue || now >= next.due_at(standing.opened_at, figures) => {
            walk(next, standing, !overdue, staff, figures, now)
        }
        None if overdue || standing.reached => stay(standing, None, overdue),
        _ => stay(standing, Some(wake_at(standing, figures)), false),
    }
}

fn stay(standing: Standing, wake_at: Option<DateTime<Utc>>, unreached: bool) -> Move {
    Move { tell: Vec::new(), step: standing.step, told_at: standing.told_at, wake_at, unreached }
}

/// Takes this step and all that are due with it or that come early because nobody could be reached. `hopeful`: somebody who
/// was told before may still be reached.
fn walk(
    from: Step,
    standing: Standing,
    hopeful: bool,
    staff: &[Colleague],
    figures: Figures,
    now: DateTime<Utc>,
) -> Move {
    let (mut tell, mut told) = (Vec::new(), BTreeSet::new());
    let (mut step, mut reachable) = (from, false);
    loop {
        let audience = step.audience(staff);
        let reaches = audience.iter().any(|colleague| colleague.reachable);
        reachable |= reaches;
        let fresh = audience.iter().map(|colleague| colleague.membership_id).filter(|id| told.insert(*id));
        tell.extend(fresh.map(|id| (step, id)));
        match step.next() {
            Some(next) if !reaches || now >= next.due_at(standing.opened_at, figures) => step = next,
            _ => break,
        }
    }
    let standing = Standing { step, told_at: now, ..standing };
    let unreached = !reachable && !standing.reached && !hopeful;
    let over = unreached || (step.next().is_none() && standing.reached);
    let wake_at = (!over).then(|| wake_at(standing, figures));
    Move { tell, step, told_at: now, wake_at, unreached }
}

/// When there is something to decide: whether anybody was reached, and whether the next step is due.
fn wake_at(standing: Standing, figures: Figures) -> DateTime<Utc> {
    let checked_at = standing.told_at + REACHED_WITHIN;
    let next = standing.step.next().map(|next| next.due_at(standing.opened_at, figures));
    match next {
        Some(next) if standing.reached => next,
        Some(next) => next.min(checked_at),
        None => checked_at,
    }
}

#[cfg(test)]
mod tests;
