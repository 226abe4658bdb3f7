//! What is due when, as far as the worker knows from its last look: so that it claims at the due moment, never before it,
//! and asks nothing in between. Nothing is held: what is cancelled or moved until then is not claimed.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::alerts::queue::{AHEAD, Look};

/// How soon a worker looks again at the latest while nobody sends anything: nobody is to be rescued, and who owes
/// something soon says so.
const QUIET: Duration = Duration::from_secs(3);

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Something is due.
    Claim,
    /// The last look did not reach further than this.
    Look,
    /// Nothing is due before this moment, or before somebody calls.
    Wait(Option<DateTime<Utc>>),
}

/// The moments to come.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    moments: VecDeque<DateTime<Utc>>,
    /// There were more moments than a look brings.
    cut: bool,
    /// The last claim took as many as it could.
    more: bool,
}

impl Agenda {
    /// Takes in what a look found; returns when to look again, `poll` being the usual pause.
    pub(super) fn looked(&mut self, look: Look, poll: Duration) -> Duration {
        self.cut = look.upcoming.len() >= AHEAD;
        self.more |= look.rescued > 0;
        self.moments = look.upcoming.into();
        match (look.is_littered, look.in_flight) {
            (true, _) => Duration::ZERO,
            (false, true) => poll,
            (false, false) => poll.max(QUIET),
        }
    }

    /// What to do at `now`.
    pub(super) fn next(&self, now: DateTime<Utc>) -> Next {
        match self.moments.front() {
            _ if self.more => Next::Claim,
            Some(due) if *due <= now => Next::Claim,
            Some(due) => Next::Wait(Some(*due)),
            None if self.cut => Next::Look,
            None => Next::Wait(None),
        }
    }

    /// A claim at `now` went by `taken` entries of at most `limit`. Whether something that was due escaped it: then it is in
    /// somebody else's hands, for now.
    pub(super) fn claimed(&mut self, now: DateTime<Utc>, taken: usize, limit: usize) -> bool {
        self.more = taken >= limit;
        if self.more {
            return false;
        }
        let due = self.moments.partition_point(|due| *due <= now);
        self.moments.drain(..due);
        let escaped = due > taken;
        // Whoever holds so many will not be done at once: looking again can wait.
        self.cut &= !escaped;
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLL: Duration = Duration::from_secs(1);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn agenda(seconds: &[i64]) -> Agenda {
        let mut agenda = Agenda::default();
        agenda.looked(Look { upcoming: seconds.iter().copied().map(at).collect(), ..Look::default() }, POLL);
        agenda
    }

    #[test]
    fn nothing_is_claimed_before_its_moment_and_everything_at_it() {
        let mut agenda = agenda(&[10, 10, 20]);
        assert_eq!(agenda.next(at(9)), Next::Wait(Some(at(10))));
        assert_eq!(agenda.next(at(10)), Next::Claim);
        assert!(!agenda.claimed(at(10), 2, 500));
        assert_eq!(agenda.next(at(10)), Next::Wait(Some(at(20))));
    }

    #[test]
    fn a_full_claim_is_followed_by_another_whatever_was_known() {
        let mut agenda = agenda(&[10]);
        assert!(!agenda.claimed(at(10), 500, 500));
        assert_eq!(agenda.next(at(10)), Next::Claim);
        agenda.claimed(at(10), 3, 500);
        assert_eq!(agenda.next(at(10)), Next::Wait(None));
    }

    #[test]
    fn what_was_due_and_not_taken_is_in_other_hands() {
        assert!(agenda(&[10, 11]).claimed(at(11), 1, 500));
        assert!(!agenda(&[10, 12]).claimed(at(11), 1, 500));
    }

    #[test]
    fn as_many_as_a_look_brings_in_other_hands_are_no_reason_to_look_again_at_once() {
        let mut agenda = agenda(&[1; AHEAD]);
        assert!(agenda.claimed(at(1), 0, 500));
        assert_eq!(agenda.next(at(1)), Next::Wait(None));
    }

    #[test]
    fn rescued_alerts_are_claimed_at_once() {
        let mut agenda = Agenda::default();
        agenda.looked(Look { rescued: 1, ..Look::default() }, POLL);
        assert_eq!(agenda.next(at(0)), Next::Claim);
    }

    proptest! {
        #[test]
        fn a_look_that_was_cut_short_is_repeated_once_its_moments_have_passed(extra in 0usize..3, now in 0i64..1000) {
            let moments = vec![1; AHEAD - 1 + extra];
            let mut agenda = agenda(&moments);
            prop_assert_eq!(agenda.next(at(now)) == Next::Claim, now >= 1);
            agenda.claimed(at(1), moments.len(), 500);
            prop_assert_eq!(agenda.next(at(1)), if extra > 0 { Next::Look } else { Next::Wait(None) });
        }
    }

    #[test]
    fn who_has_nothing_to_watch_looks_less_often_and_who_found_litter_at_once() {
        let pause = |look| Agenda::default().looked(look, POLL);
        assert_eq!(pause(Look { in_flight: true, ..Look::default() }), POLL);
        assert_eq!(pause(Look::default()), QUIET);
        assert_eq!(pause(Look { in_flight: true, is_littered: true, ..Look::default() }), Duration::ZERO);
        assert_eq!(Agenda::default().looked(Look::default(), Duration::from_secs(60)), Duration::from_secs(60));
    }
}
