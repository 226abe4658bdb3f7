//! Tasks and check-ins of what a treatment followed before: those that were closed when it left a version stay, and take the
//! place of what the next version has under the same name.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Earlier, Plan, Task, Timeline, lay_out};

/// Puts the closed tasks and check-ins of earlier versions before those that the current one still asks.
pub(super) fn keep<'a>(plan: &Plan<'a>, laid: &mut Timeline<'a>) {
    let (mut tasks, mut check_ins, mut since) = (Vec::new(), Vec::new(), None);
    for earlier in &plan.overrides.earlier {
        let own = lay_out(&Plan { version: &earlier.version, ..*plan });
        tasks = left(tasks, own.tasks, since, earlier);
        check_ins = left(check_ins, own.check_ins, since, earlier);
        since = Some(earlier.until);
    }
    if since.is_some() {
        laid.tasks = follow(tasks, std::mem::take(&mut laid.tasks), since);
        laid.check_ins = follow(check_ins, std::mem::take(&mut laid.check_ins), since);
    }
}

/// What stays when a version is left.
fn left<'a>(kept: Vec<Task<'a>>, own: Vec<Task<'a>>, since: Option<DateTime<Utc>>, earlier: &Earlier) -> Vec<Task<'a>> {
    let mut all = follow(kept, own, since);
    all.retain(|task| earlier.keeps(task));
    all
}

/// What was kept, then what a version asks from a moment on: nothing whose window was over before anybody could know of it.
fn follow<'a>(kept: Vec<Task<'a>>, own: Vec<Task<'a>>, since: Option<DateTime<Utc>>) -> Vec<Task<'a>> {
    let names: BTreeSet<_> = kept.iter().map(|task| task.id).collect();
    let asked =
        own.into_iter().filter(|task| since.is_none_or(|since| task.close_at > since) && !names.contains(&task.id));
    let asked: Vec<Task<'a>> = asked.collect();
    kept.into_iter().chain(asked).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use chrono_tz::Europe;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::{Conditions, Earlier, Overrides, timeline};
    use super::*;
    use crate::domain::local_time::ZoneHistory;
    use crate::domain::protocol::{ProtocolVersion, builtin};

    fn version(index: usize) -> Arc<ProtocolVersion> {
        Arc::clone(&builtin().unwrap()[index].version)
    }

    /// Everything that says what a task asks.
    fn asks(task: &Task<'_>) -> (Uuid, DateTime<Utc>, DateTime<Utc>) {
        (task.id, task.open_at, task.close_at)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn what_was_closed_stays_and_what_is_open_is_the_new_versions(
            start in 1_600_000_000i64..1_800_000_000, first in 0i64..60 * 24 * 15, then in 0i64..60 * 24 * 10, chosen in any::<u64>(),
        ) {
            let performed_at = DateTime::from_timestamp(start, 0).unwrap();
            let zones = ZoneHistory::fixed(Europe::Berlin);
            let conditions = Conditions::default();
            let laid = |version: &ProtocolVersion, overrides: &Overrides| -> Vec<(Uuid, DateTime<Utc>, DateTime<Utc>)> {
                let plan = Plan {
                    treatment: Uuid::from_u128(7), version, performed_at, anchor_on: zones.date(performed_at),
                    zones: &zones, overrides, conditions: &conditions,
                };
                timeline(&plan).tasks.iter().map(asks).collect()
            };
            let (one, two, three) = (version(0), version(1), version(2));
            let nothing = Overrides::default();
            let (until, later) = (performed_at + TimeDelta::minutes(first), performed_at + TimeDelta::minutes(first + then));
            let before = laid(&one, &nothing);
            let kept: BTreeSet<Uuid> = before.iter().enumerate()
                .filter(|(n, task)| task.1 <= until && task.2 > until && chosen >> (n % 64) & 1 == 1)
                .map(|(_, task)| task.0)
                .collect();
            let mut overrides = Overrides::default();
            overrides.earlier.push(Earlier { version: Arc::clone(&one), until, kept: kept.clone() });
            let after = laid(&two, &overrides);

            let names: BTreeSet<Uuid> = after.iter().map(|task| task.0).collect();
            prop_assert_eq!(names.len(), after.len(), "no task twice");
            for task in &before {
                let closed = task.2 <= until || kept.contains(&task.0);
                prop_assert!(!closed || after.contains(task), "{:?} was closed", task);
            }
            let new = laid(&two, &nothing);
            for task in &after {
                let of_before = before.contains(task) && (task.2 <= until || kept.contains(&task.0));
                prop_assert!(of_before || new.contains(task) && task.2 > until, "{:?} comes from nowhere", task);
            }
            for task in new.iter().filter(|task| task.2 > until && !kept.contains(&task.0)) {
                prop_assert!(after.contains(task), "{:?} is asked from now on", task);
            }

            // A second change keeps what the first one kept, and what closed between the two.
            overrides.earlier.push(Earlier { version: Arc::clone(&two), until: later, kept: BTreeSet::new() });
            let last = laid(&three, &overrides);
            for task in after.iter().filter(|task| task.2 <= later) {
                prop_assert!(last.contains(task), "{:?} was closed by the second change", task);
            }
        }
    }
}
