//! Tests of the layout: vectors of real days, and properties over random treatments.

use super::*;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::sample;
use crate::domain::protocol::{ProtocolVersion, builtin};
use chrono::TimeDelta;
use chrono_tz::{America, Asia, Europe, Pacific, Tz};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A treatment with everything a plan borrows.
struct Case {
    version: Arc<ProtocolVersion>,
    performed_at: DateTime<Utc>,
    zones: ZoneHistory,
    overrides: Overrides,
    conditions: Conditions,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.performed_at, self.zones)
    }
}

impl Case {
    fn new(zone: Tz, performed_at: &str) -> Self {
        Self {
            version: Arc::new(sample::version()),
            performed_at: utc(performed_at),
            zones: ZoneHistory::fixed(zone),
            overrides: Overrides::default(),
            conditions: Conditions::default(),
        }
    }

    fn plan(&self) -> Plan<'_> {
        Plan {
            treatment: Uuid::from_u128(1),
            version: &self.version,
            performed_at: self.performed_at,
            anchor_on: ZoneHistory::fixed(self.zones.at(self.performed_at)).date(self.performed_at),
            zones: &self.zones,
            overrides: &self.overrides,
            conditions: &self.conditions,
        }
    }

    fn task(&self, key: &str, day_index: i32, seq: i32) -> (DateTime<Utc>, DateTime<Utc>, Option<Excluded>) {
        let laid = timeline(&self.plan());
        let task = laid
            .tasks
            .iter()
            .find(|task| task.item_key() == key && task.day_index == day_index && task.seq == seq)
            .unwrap();
        (task.open_at, task.close_at, task.excluded)
    }
}

#[test]
fn elapsed_items_ignore_clocks_and_local_days_follow_them() {
    let case = Case::new(Europe::Berlin, "2026-03-27T15:00:00Z");
    let laid = timeline(&case.plan());
    assert_eq!(laid.item("make_up").unwrap().close_at, Some(utc("2026-03-30T15:00:00Z")));
    assert_eq!(laid.item("flaking_may_start").unwrap().open_at, utc("2026-03-27T23:00:00Z"));
    // Day 3 is Monday 30 March: summer time has begun.
    assert_eq!(case.task("cleanse", 3, 0), (utc("2026-03-30T05:00:00Z"), utc("2026-03-30T09:00:00Z"), None));
    assert_eq!(case.task("kept_it", 2, 0).1 - case.task("kept_it", 2, 0).0, TimeDelta::hours(23));
}

#[test]
fn a_treatment_a_minute_before_midnight_has_that_minute_as_its_day_zero() {
    let case = Case::new(Europe::Berlin, "2026-06-01T21:59:00Z");
    assert_eq!(case.task("kept_it", 0, 0), (utc("2026-06-01T21:59:00Z"), utc("2026-06-01T22:00:00Z"), None));
    let laid = timeline(&case.plan());
    assert_eq!(laid.phase(utc("2026-06-01T22:00:00Z")).unwrap().key, "calming");
    assert_eq!(laid.item("make_up").unwrap().close_at, Some(utc("2026-06-04T21:59:00Z")));
}

#[test]
fn what_was_over_before_the_treatment_is_no_task_and_a_leap_day_is_a_day() {
    let case = Case::new(Europe::Berlin, "2028-02-26T12:00:00Z");
    assert_eq!(case.task("kept_it", 0, 0).0, case.performed_at);
    assert_eq!(case.task("cleanse", 3, 0).0, utc("2028-02-29T06:00:00Z"));
    assert_eq!(case.task("cleanse", 4, 0).0, utc("2028-03-01T06:00:00Z"));
}

#[test]
fn a_day_that_apia_never_had_is_excluded() {
    let case = Case::new(Pacific::Apia, "2011-12-26T00:00:00Z"); // 25 December, 14:00
    let (_, _, excluded) = case.task("cleanse", 5, 0); // 30 December
    assert_eq!(excluded, Some(Excluded::SkippedTravel));
    assert_eq!(case.task("cleanse", 4, 0).2, None);
    assert_eq!(case.task("cleanse", 6, 0).2, None);
}

#[test]
fn a_flight_across_a_window_excludes_it_and_keeps_every_id() {
    let mut case = Case::new(America::Los_Angeles, "2026-06-01T15:00:00Z");
    let before: Vec<Uuid> = timeline(&case.plan()).tasks.iter().map(|task| task.id).collect();
    case.zones.change(Asia::Tokyo, utc("2026-06-04T13:00:00Z")); // 06:00 becomes 22:00 of the same day
    let laid = timeline(&case.plan());
    assert_eq!(case.task("cleanse", 3, 0).2, Some(Excluded::SkippedTravel));
    assert_eq!(case.task("cleanse", 3, 1), (utc("2026-06-04T13:00:00Z"), utc("2026-06-04T14:00:00Z"), None));
    assert_eq!(laid.tasks.iter().map(|task| task.id).collect::<Vec<_>>(), before);
}

#[test]
fn a_flight_west_lengthens_the_day_and_repeats_no_task() {
    let mut case = Case::new(Asia::Tokyo, "2026-06-01T03:00:00Z");
    case.zones.change(America::Los_Angeles, utc("2026-06-04T03:00:00Z")); // 12:00 becomes 20:00 of the day before
    let (open, close, excluded) = case.task("cleanse", 3, 0);
    assert_eq!((open, close, excluded), (utc("2026-06-03T22:00:00Z"), utc("2026-06-04T02:00:00Z"), None));
    assert_eq!(case.task("cleanse", 3, 1).0, utc("2026-06-05T02:00:00Z"));
    let laid = timeline(&case.plan());
    let ids: BTreeSet<Uuid> = laid.tasks.iter().map(|task| task.id).collect();
    assert_eq!(ids.len(), laid.tasks.len());
}

#[test]
fn the_phase_alone_is_the_phase_of_the_layout_and_milestones_follow_in_time() {
    let case = Case::new(Europe::Berlin, "2026-06-01T10:00:00Z");
    let plan = case.plan();
    let laid = timeline(&plan);
    for hours in -2..24 * 30 {
        let at = case.performed_at + TimeDelta::hours(hours);
        assert_eq!(phase_at(&plan, at), laid.phase(at), "{at}");
    }
    let next = |at: &str| laid.next_milestone(utc(at)).map(|laid| laid.item.key.as_str());
    assert_eq!(next("2026-06-01T10:30:00Z"), Some("first_evening"));
    assert_eq!(next("2026-06-01T11:00:00Z"), Some("flaking_may_start"));
    assert_eq!(next("2026-06-10T00:00:00Z"), Some("tone"));
    assert_eq!(next("2026-07-10T00:00:00Z"), None);
}

#[test]
fn a_condition_ends_by_report_within_its_minimum_and_cap() {
    let mut case = Case::new(Europe::Berlin, "2026-06-01T10:00:00Z");
    let close = |case: &Case| timeline(&case.plan()).item("retinoids").unwrap().close_at;
    let on = |day: i64| Some(case_start() + TimeDelta::days(day));
    fn case_start() -> DateTime<Utc> {
        utc("2026-06-01T10:00:00Z")
    }
    assert_eq!(close(&case), on(14), "nobody reported: the cap");
    for (reported, expected) in [(5, 7), (9, 9), (20, 14)] {
        case.conditions.ended.insert("flaking_ended".to_owned(), case_start() + TimeDelta::days(reported));
        assert_eq!(close(&case), on(expected), "reported on day {reported}");
    }
}

#[test]
fn an_open_flag_keeps_a_cap_from_ending_and_a_resolved_one_lets_it() {
    let mut case = Case::new(Europe::Berlin, "2026-06-01T10:00:00Z");
    case.conditions.holds = vec![Hold { from: utc("2026-06-14T10:00:00Z"), to: None }];
    let laid = timeline(&case.plan());
    let retinoids = laid.item("retinoids").unwrap();
    assert!(retinoids.held && retinoids.close_at.is_none());
    assert_eq!(retinoids.state(utc("2026-09-01T00:00:00Z")), ItemState::Now);
    assert_eq!(laid.item("make_up").unwrap().soft_close_at, Some(utc("2026-06-11T10:00:00Z")), "its cap came before");

    case.conditions.holds[0].to = Some(utc("2026-06-17T08:00:00Z"));
    assert_eq!(timeline(&case.plan()).item("retinoids").unwrap().close_at, Some(utc("2026-06-17T08:00:00Z")));
    case.conditions.holds[0].to = Some(utc("2026-06-15T08:00:00Z"));
    assert_eq!(timeline(&case.plan()).item("retinoids").unwrap().close_at, Some(utc("2026-06-15T10:00:00Z")));
}

#[test]
fn a_mode_brings_its_tasks_only_while_it_is_on() {
    let mut case = Case::new(Europe::Berlin, "2026-06-01T10:00:00Z");
    let count = |case: &Case| timeline(&case.plan()).tasks.iter().filter(|t| t.item_key() == "sunscreen_again").count();
    assert_eq!(count(&case), 0);
    let outdoors = |from, to| ModeSpan { mode: "outdoors".to_owned(), from: utc(from), to: utc(to) };
    case.overrides.modes = vec![outdoors("2026-06-03T07:30:00Z", "2026-06-03T13:00:00Z")];
    let laid = timeline(&case.plan());
    let opens: Vec<_> = laid.tasks.iter().filter(|t| t.item_key() == "sunscreen_again").collect();
    assert_eq!(
        opens.iter().map(|t| t.open_at).collect::<Vec<_>>(),
        [utc("2026-06-03T08:00:00Z"), utc("2026-06-03T10:00:00Z"), utc("2026-06-03T12:00:00Z"),]
    );
    assert_eq!(opens.iter().map(|t| t.seq).collect::<Vec<_>>(), [1, 2, 3], "the position in the day stays");
}

#[test]
fn excused_days_are_excluded() {
    let mut case = Case::new(Europe::Berlin, "2026-06-01T10:00:00Z");
    let date = NaiveDate::from_ymd_opt(2026, 6, 5).unwrap();
    case.overrides.excused = vec![Excuse { item_key: Some("cleanse".to_owned()), seq: None, from: date, to: date }];
    assert_eq!(case.task("cleanse", 4, 1).2, Some(Excluded::Excused));
    assert_eq!(case.task("kept_it", 4, 0).2, None);
    assert_eq!(case.task("cleanse", 5, 1).2, None);
}

#[test]
fn what_the_clinic_does_is_no_task_of_the_patient() {
    let case = Case::new(Europe::Berlin, "2026-06-01T10:00:00Z");
    assert!(timeline(&case.plan()).tasks.iter().all(|task| task.item_key() != "serum"));
}

const ZONES: [Tz; 6] = [
    Europe::Berlin,
    America::New_York,
    chrono_tz::Australia::Lord_Howe,
    Pacific::Apia,
    chrono_tz::Africa::Casablanca,
    Asia::Kathmandu,
];

fn any_case() -> impl Strategy<Value = Case> {
    let start = 1_300_000_000i64..1_900_000_000;
    let moves = proptest::collection::vec((0usize..ZONES.len(), 0i64..60 * 24 * 20), 0..4);
    (start, 0usize..ZONES.len(), moves).prop_map(|(start, zone, mut moves)| {
        let performed_at = DateTime::from_timestamp(start, 0).unwrap();
        let mut zones = ZoneHistory::fixed(ZONES[zone]);
        moves.sort_by_key(|(_, minutes)| *minutes);
        for (zone, minutes) in moves {
            zones.change(ZONES[zone], performed_at + TimeDelta::minutes(minutes));
        }
        Case {
            version: Arc::clone(&builtin().unwrap()[0].version),
            performed_at,
            zones,
            overrides: Overrides::default(),
            conditions: Conditions::default(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn tasks_of_an_item_follow_each_other_and_none_lies_before_the_treatment(case in any_case()) {
        let laid = timeline(&case.plan());
        for pair in laid.tasks.windows(2) {
            prop_assert!(pair[0].open_at >= case.performed_at);
            prop_assert!(pair[0].open_at <= pair[0].close_at);
            if pair[0].item_key() == pair[1].item_key() {
                prop_assert!(pair[0].close_at <= pair[1].open_at, "{:?}", pair);
            }
        }
        let ids: BTreeSet<Uuid> = laid.tasks.iter().chain(&laid.check_ins).map(|task| task.id).collect();
        prop_assert_eq!(ids.len(), laid.tasks.len() + laid.check_ins.len());
    }

    #[test]
    fn a_task_that_is_not_skipped_opens_on_its_own_date(case in any_case()) {
        for task in timeline(&case.plan()).tasks.iter().filter(|task| task.excluded.is_none()) {
            prop_assert!(task.close_at > task.open_at);
            prop_assert!(case.zones.date(task.open_at) >= task.local_date, "{:?}", task);
        }
    }

    #[test]
    fn a_later_move_never_changes_what_had_closed_before(case in any_case(), zone in 0usize..ZONES.len()) {
        let before = timeline(&case.plan()).tasks.into_iter().map(|t| (t.id, t.open_at, t.close_at)).collect::<Vec<_>>();
        let moved_at = case.performed_at + TimeDelta::days(21);
        let mut zones = case.zones.clone();
        zones.change(ZONES[zone], moved_at);
        let plan = Plan { zones: &zones, ..case.plan() };
        let after = timeline(&plan).tasks.into_iter().map(|t| (t.id, t.open_at, t.close_at)).collect::<Vec<_>>();
        prop_assert_eq!(before.len(), after.len());
        for (old, new) in before.iter().zip(&after) {
            prop_assert_eq!(old.0, new.0);
            if old.2 <= moved_at {
                prop_assert_eq!(old, new);
            }
        }
    }
}
