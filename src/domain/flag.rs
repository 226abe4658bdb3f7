//! The life of a flag: what staff may do about it and when. Storing, telling and planning are not done here.
//!
//! ```text
//! open -> acknowledged -> resolved
//!   ^----------+-------------+   reopened
//! ```

use uuid::Uuid;

use super::escalation::Step;
use super::words::word_enum;

/// The name under which a member of the staff is told once, as this step, since a flag was opened for the `opening`-th time.
pub fn staff_alert_key(flag: Uuid, opening: i32, step: Step) -> String {
    format!("f:{flag}:{opening}:{step}")
}

/// The name under which the patient is told once that nobody can be reached about a flag.
pub fn unreached_alert_key(flag: Uuid) -> String {
    format!("f:{flag}:unreached")
}

/// Every name under which staff may be owed an alert about a flag since it was last opened.
pub fn staff_alert_keys(flag: Uuid, opening: i32) -> Vec<String> {
    Step::ALL.iter().map(|step| staff_alert_key(flag, opening, *step)).collect()
}

/// The same with the name under which the patient is.
pub fn alert_keys(flag: Uuid, opening: i32) -> Vec<String> {
    staff_alert_keys(flag, opening).into_iter().chain([unreached_alert_key(flag)]).collect()
}

word_enum! {
    /// How far the clinic is with a flag.
    pub enum Status {
        /// Nobody has taken it on.
        Open = "open",
        /// Somebody has seen it.
        Acknowledged = "acknowledged",
        /// It is closed.
        Resolved = "resolved",
    }
}

word_enum! {
    /// What staff do about a flag.
    pub enum Act {
        /// Takes it on.
        Acknowledge = "acknowledge",
        /// Has talked to the patient about it. Whoever has done that has seen it.
        Contacted = "contacted",
        /// Closes it.
        Resolve = "resolve",
        /// Opens it again.
        Reopen = "reopen",
    }
}

/// The flag is in a state in which this cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Illegal(pub Status);

impl Act {
    /// The state after the act; the same one where there is nothing left to change.
    pub fn apply(self, to: Status) -> Result<Status, Illegal> {
        use Status::{Acknowledged, Open, Resolved};
        match (self, to) {
            (Self::Acknowledge | Self::Contacted, Open | Acknowledged) => Ok(Acknowledged),
            (Self::Resolve, Acknowledged | Resolved) => Ok(Resolved),
            (Self::Reopen, _) => Ok(Open),
            (Self::Acknowledge | Self::Contacted, Resolved) | (Self::Resolve, Open) => Err(Illegal(to)),
        }
    }

    /// The word under which it is kept in the flag's history.
    pub const fn event(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledged",
            Self::Contacted => "contacted",
            Self::Resolve => "resolved",
            Self::Reopen => "reopened",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_closed_unseen_and_nothing_closed_is_taken_on() {
        assert_eq!(Act::Resolve.apply(Status::Open), Err(Illegal(Status::Open)));
        assert_eq!(Act::Acknowledge.apply(Status::Resolved), Err(Illegal(Status::Resolved)));
        assert_eq!(Act::Contacted.apply(Status::Resolved), Err(Illegal(Status::Resolved)));
        assert_eq!(Act::Contacted.apply(Status::Open), Ok(Status::Acknowledged));
    }

    proptest! {
        #[test]
        fn an_act_done_twice_is_done_once(act in proptest::sample::select(Act::ALL), from in proptest::sample::select(Status::ALL)) {
            if let Ok(once) = act.apply(from) {
                prop_assert_eq!(act.apply(once), Ok(once));
            }
        }

        #[test]
        fn whatever_happened_a_flag_is_resolved_only_by_way_of_acknowledged(
            acts in proptest::collection::vec(proptest::sample::select(Act::ALL), 0..20),
        ) {
            let mut status = Status::Open;
            for act in acts {
                let after = act.apply(status).unwrap_or(status);
                prop_assert!(!(status == Status::Open && after == Status::Resolved));
                status = after;
            }
        }
    }
}
