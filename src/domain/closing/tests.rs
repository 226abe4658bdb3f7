//! The cheap way must say what counting one by one says.

use super::*;
use crate::domain::compliance::{AsOf, Outcome, OutcomeKind, TaskState, WHOLE_BP, report};
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{builtin, sample};
use crate::domain::timeline::{Conditions, Overrides};
use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific, TZ_VARIANTS};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

type Version = (Arc<ProtocolVersion>, ClosingWeights);

fn versions() -> &'static [Version] {
    static VERSIONS: LazyLock<Vec<Version>> = LazyLock::new(|| {
        [Arc::new(sample::version()), Arc::clone(&builtin().unwrap()[0].version)]
            .into_iter()
            .map(|version| (Arc::clone(&version), ClosingWeights::of(&version)))
            .collect()
    });
    &VERSIONS
}

#[test]
fn no_zone_sets_its_clock_forth_and_back_within_a_week() {
    let first: DateTime<Utc> = "2020-01-01T00:00:00Z".parse().unwrap();
    for zone in TZ_VARIANTS {
        let offsets: Vec<i64> = (0..365 * 12).map(|day| offset_at(zone, first + TimeDelta::days(day))).collect();
        let changes: Vec<usize> = (1..offsets.len()).filter(|day| offsets[*day] != offsets[day - 1]).collect();
        assert!(changes.windows(2).all(|pair| pair[1] - pair[0] > 8), "{zone}");
    }
}

const ZONES: [Tz; 7] = [
    Europe::Berlin,
    America::New_York,
    Australia::Lord_Howe,
    Pacific::Apia,
    Africa::Casablanca,
    Asia::Kathmandu,
    Tz::UTC,
];

#[test]
fn every_half_hour_around_a_change_of_clocks_is_summed_exactly() {
    let (overrides, conditions) = (Overrides::default(), Conditions::default());
    let changes = [
        (Europe::Berlin, "2026-03-29T01:00:00Z"),
        (Europe::Berlin, "2026-10-25T01:00:00Z"),
        (Australia::Lord_Howe, "2026-10-03T15:30:00Z"),
        (Africa::Casablanca, "2026-02-15T02:00:00Z"),
        (Africa::Casablanca, "2026-03-22T02:00:00Z"),
        (Pacific::Apia, "2011-12-30T10:00:00Z"),
    ];
    for ((version, weights), (zone, change)) in versions().iter().flat_map(|v| changes.map(|change| (v, change))) {
        let change: DateTime<Utc> = change.parse().unwrap();
        let zones = ZoneHistory::fixed(zone);
        for before in [0, 1, 5, 13] {
            let performed_at = change - TimeDelta::days(before) + TimeDelta::minutes(7);
            let plan = Plan {
                treatment: Uuid::from_u128(1),
                version,
                performed_at,
                anchor_on: zones.date(performed_at),
                zones: &zones,
                overrides: &overrides,
                conditions: &conditions,
            };
            for half_hours in -40..60 {
                let at = change + TimeDelta::minutes(30 * half_hours);
                let starts_at = performed_at + TimeDelta::hours(9);
                let expected = one_by_one(&plan, starts_at, at);
                assert_eq!(weights.ended(&plan, starts_at, at), expected, "{zone} {performed_at} {at}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_cheap_sums_equal_counting_one_by_one(
        version in 0usize..2, zone in 0usize..ZONES.len(), start in 1_300_000_000i64..1_900_000_000,
        begin in 0i64..60 * 24 * 16, later in 0i64..60 * 24 * 30, said in any::<u64>(),
        travel in proptest::option::of((0usize..ZONES.len(), 0i64..60 * 24 * 16)),
    ) {
        let (version, weights) = &versions()[version];
        let performed_at = DateTime::from_timestamp(start, 0).unwrap();
        let mut zones = ZoneHistory::fixed(ZONES[zone]);
        let anchor_on = zones.date(performed_at);
        if let Some((zone, minutes)) = travel {
            zones.change(ZONES[zone], performed_at + TimeDelta::minutes(minutes));
        }
        let (overrides, conditions) = (Overrides::default(), Conditions::default());
        let plan = Plan {
            treatment: Uuid::from_u128(1), version, performed_at, anchor_on, zones: &zones,
            overrides: &overrides, conditions: &conditions,
        };
        let starts_at = performed_at + TimeDelta::minutes(begin);
        let at = performed_at + TimeDelta::minutes(later);
        prop_assert_eq!(weights.ended(&plan, starts_at, at), one_by_one(&plan, starts_at, at));

        // Some tasks that have opened were done, now and then late.
        let laid = timeline(&plan);
        let outcomes: Vec<Outcome> = laid.tasks.iter().enumerate()
            .filter(|(n, task)| task.open_at <= at && said >> (n % 61) & 1 == 1)
            .map(|(n, task)| Outcome {
                id: Uuid::from_u128(n as u128), task_id: task.id, kind: OutcomeKind::Done,
                recorded_at: if n % 5 == 0 { task.close_at + TimeDelta::minutes(1) } else { task.open_at },
            })
            .collect();
        let said = Said::fold(&outcomes);
        let as_of = AsOf { starts_at, at, today: zones.date(at), streak_bp: WHOLE_BP };
        let full = report(&laid.tasks, &said, &as_of).to_date;
        let mut done = DoneWeights::default();
        for task in laid.tasks.iter().filter(|task| task.item.counts) {
            let standing = standing(task, &said, starts_at, at);
            let weight = task.weight();
            if matches!(standing.state, TaskState::Done | TaskState::DoneLate) {
                done.done_w += weight;
                done.on_time_w += if standing.state == TaskState::Done { weight } else { 0 };
                done.early_w += if task.closed_at() > at { weight } else { 0 };
            }
        }
        let cheap = shares(weights.ended(&plan, starts_at, at), done);
        prop_assert_eq!((cheap.closed_w, cheap.done_w, cheap.on_time_w), (full.closed_w, full.done_w, full.on_time_w));
        prop_assert_eq!((cheap.completion_bp, cheap.on_time_bp), (full.completion_bp, full.on_time_bp));
    }
}
