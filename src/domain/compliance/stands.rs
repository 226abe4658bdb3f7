//! Where a task stands at every moment, for whoever cannot ask.

use chrono::{DateTime, Utc};

use super::{Said, Standing, standing};
use crate::domain::timeline::Task;

/// Where a task stands from when on, in order of time, as long as nobody says more of it; the first since ever.
/// `starts_at` says of a moment when counting had started by then.
pub fn standings(
    task: &Task<'_>,
    said: &Said,
    starts_at: impl Fn(DateTime<Utc>) -> DateTime<Utc>,
) -> Vec<(Option<DateTime<Utc>>, Standing)> {
    let at = |at: DateTime<Utc>| standing(task, said, starts_at(at), at);
    let mut stands = vec![(None, at(DateTime::<Utc>::MIN_UTC))];
    for turn in [task.open_at, task.close_at, task.closed_at()] {
        stands.push((Some(turn), at(turn)));
    }
    stands.dedup_by_key(|(_, standing)| (standing.state, standing.excluded));
    stands
}
