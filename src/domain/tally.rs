//! What the database keeps of a treatment's outcomes, so that a worklist need not read them: weights done, and of those
//! what was done before its time was over. Since when tasks count is decided here too.

use chrono::{DateTime, Utc};

use super::closing::DoneWeights;
use super::compliance::{Said, TaskState, standing};
use super::timeline::Task;

/// Since when a treatment's tasks count: the latest of T0, its registration and, for a patient with an app, the
/// acceptance of the invitation.
pub fn counting_from(
    performed_at: DateTime<Utc>,
    registered_at: DateTime<Utc>,
    linked_at: Option<DateTime<Utc>>,
) -> DateTime<Utc> {
    let from = performed_at.max(registered_at);
    linked_at.map_or(from, |linked_at| linked_at.max(from))
}

/// The weights of what was done, good for every later moment until another outcome or plan comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Weight of counting tasks done at all.
    pub done_w: i64,
    /// Weight of those done by their close.
    pub on_time_w: i64,
    /// Of `done_w`: tasks that were done early, each with the end of its window and grace and its weight, in order.
    pub early: Vec<(DateTime<Utc>, i64)>,
}

impl Tally {
    /// Adds up what was done. Windows that are over by `at` are no longer early, now or later.
    pub fn of(tasks: &[Task<'_>], said: &Said, starts_at: DateTime<Utc>, at: DateTime<Utc>) -> Self {
        let mut tally = Self::default();
        for task in tasks.iter().filter(|task| task.item.counts) {
            let state = standing(task, said, starts_at, at).state;
            if !matches!(state, TaskState::Done | TaskState::DoneLate) {
                continue;
            }
            tally.done_w += task.weight();
            if state == TaskState::Done {
                tally.on_time_w += task.weight();
            }
            if task.closed_at() > at {
                tally.early.push((task.closed_at(), task.weight()));
            }
        }
        tally.early.sort_unstable();
        tally
    }

    /// The weights as they stand at a moment that is not before the one it was made for.
    pub fn at(&self, at: DateTime<Utc>) -> DoneWeights {
        let early_w = self.early.iter().filter(|(closed_at, _)| *closed_at > at).map(|(_, weight)| weight).sum();
        DoneWeights { done_w: self.done_w, on_time_w: self.on_time_w, early_w }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::closing::{ClosingWeights, shares};
    use crate::domain::compliance::{AsOf, Outcome, OutcomeKind, WHOLE_BP, report};
    use crate::domain::local_time::ZoneHistory;
    use crate::domain::protocol::builtin;
    use crate::domain::timeline::{Conditions, Overrides, Plan, timeline};
    use chrono::TimeDelta;
    use chrono_tz::Europe;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn counting_starts_with_the_latest_of_treatment_registration_and_acceptance() {
        let at = |hour: i64| DateTime::from_timestamp(hour * 3600, 0).unwrap();
        assert_eq!(counting_from(at(1), at(2), None), at(2));
        assert_eq!(counting_from(at(1), at(2), Some(at(3))), at(3));
        assert_eq!(counting_from(at(4), at(2), Some(at(3))), at(4));
        assert_eq!(counting_from(at(1), at(2), Some(at(0))), at(2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn a_tally_kept_from_earlier_says_what_counting_now_would(
            start in 1_600_000_000i64..1_800_000_000, kept in 0i64..60 * 24 * 20, later in 0i64..60 * 24 * 20,
            said in any::<u64>(),
        ) {
            let version = &builtin().unwrap()[0].version;
            let performed_at = DateTime::from_timestamp(start, 0).unwrap();
            let zones = ZoneHistory::fixed(Europe::Berlin);
            let (overrides, conditions) = (Overrides::default(), Conditions::default());
            let plan = Plan {
                treatment: Uuid::from_u128(1), version, performed_at, anchor_on: zones.date(performed_at),
                zones: &zones, overrides: &overrides, conditions: &conditions,
            };
            let laid = timeline(&plan);
            let kept_at = performed_at + TimeDelta::minutes(kept);
            let now = kept_at + TimeDelta::minutes(later);
            let outcomes: Vec<Outcome> = laid.tasks.iter().enumerate()
                .filter(|(n, task)| task.open_at <= kept_at && said >> (n % 61) & 1 == 1)
                .map(|(n, task)| Outcome {
                    id: Uuid::from_u128(n as u128), task_id: task.id, kind: OutcomeKind::Done, recorded_at: task.open_at,
                })
                .collect();
            let said = Said::fold(&outcomes);
            let tally = Tally::of(&laid.tasks, &said, performed_at, kept_at);
            let ended = ClosingWeights::of(version).ended(&plan, performed_at, now);
            let cheap = shares(ended, tally.at(now));
            let as_of = AsOf { starts_at: performed_at, at: now, today: zones.date(now), streak_bp: WHOLE_BP };
            let full = report(&laid.tasks, &said, &as_of).to_date;
            prop_assert_eq!((cheap.closed_w, cheap.done_w, cheap.on_time_w), (full.closed_w, full.done_w, full.on_time_w));
        }
    }
}
