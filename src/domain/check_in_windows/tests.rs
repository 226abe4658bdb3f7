//! Tests of the careful protocol's windows, for somebody who was treated on 1 June at noon in Berlin.

use super::*;
use crate::domain::protocol::builtin;
use crate::domain::timeline::{Conditions, Overrides, Plan, timeline};
use chrono::TimeDelta;
use chrono_tz::Europe;
use proptest::prelude::*;

/// A moment in Berlin in June 2026.
fn on(day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    let date = NaiveDate::from_ymd_opt(2026, 6, 1).unwrap() + TimeDelta::days(i64::from(day) - 1);
    (date.and_hms_opt(hour, minute, 0).unwrap() - TimeDelta::hours(2)).and_utc()
}

fn laid(since: DateTime<Utc>) -> Vec<CheckInWindow> {
    let zones = ZoneHistory::fixed(Europe::Berlin);
    let plan = Plan {
        treatment: Uuid::from_u128(1),
        version: &builtin().unwrap()[0].version,
        performed_at: on(1, 12, 0),
        anchor_on: on(1, 12, 0).date_naive(),
        zones: &zones,
        overrides: &Overrides::default(),
        conditions: &Conditions::default(),
    };
    windows(&timeline(&plan), &zones, since)
}

#[test]
fn a_report_is_early_on_time_or_late_for_the_last_day_that_asked() {
    let windows = laid(on(1, 12, 0));
    let days: Vec<i32> = windows.iter().map(|window| window.day_index).collect();
    assert_eq!(days, [1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 28, 42]);
    let table = [
        (on(1, 23, 59), None),
        (on(2, 0, 0), Some((1, Timing::Early))),
        (on(2, 17, 59), Some((1, Timing::Early))),
        (on(2, 18, 0), Some((1, Timing::OnTime))),
        (on(2, 23, 59), Some((1, Timing::OnTime))),
        (on(3, 0, 0), Some((2, Timing::Early))),
        (on(8, 20, 0), Some((7, Timing::OnTime))),
        (on(9, 0, 0), Some((7, Timing::Late))),
        (on(10, 23, 59), Some((7, Timing::Late))),
        (on(11, 0, 0), Some((10, Timing::Early))),
        (on(43, 18, 0), Some((42, Timing::OnTime))),
        (on(60, 0, 0), Some((42, Timing::Late))),
    ];
    for (at, expected) in table {
        let found = answered(&windows, at).map(|(window, timing)| (window.day_index, timing));
        assert_eq!(found, expected, "{at}");
    }
}

#[test]
fn a_window_is_ahead_open_overdue_and_then_missed_unless_it_is_answered() {
    let windows = laid(on(1, 12, 0));
    let (first, seventh) = (&windows[0], &windows[6]);
    let silent = |window: &CheckInWindow, at| window.stand(&[], at).0;
    assert_eq!(silent(first, on(2, 17, 59)), WindowState::Ahead);
    assert_eq!(silent(first, on(2, 18, 0)), WindowState::Open);
    assert_eq!(silent(first, on(3, 0, 0)), WindowState::Missed, "the next day asks again");
    assert_eq!(silent(seventh, on(9, 0, 0)), WindowState::Overdue);
    assert_eq!(silent(seventh, on(10, 23, 59)), WindowState::Overdue);
    assert_eq!(silent(seventh, on(11, 0, 0)), WindowState::Missed);

    let report = |number, at| (Uuid::from_u128(number), at);
    let (early, punctual, late) = (report(1, on(8, 9, 0)), report(2, on(8, 19, 0)), report(3, on(10, 9, 0)));
    let stands = |reports: &[(Uuid, DateTime<Utc>)]| seventh.stand(reports, on(20, 0, 0));
    assert_eq!(stands(&[late]), (WindowState::Late, Some(late.0)));
    assert_eq!(stands(&[early, late]), (WindowState::Early, Some(early.0)));
    assert_eq!(stands(&[early, punctual, late]), (WindowState::OnTime, Some(punctual.0)));
}

#[test]
fn what_was_over_before_anybody_was_asked_is_no_window() {
    assert_eq!(laid(on(4, 0, 0))[0].day_index, 3);
    assert_eq!(laid(on(3, 23, 59))[0].day_index, 2);
}

proptest! {
    #[test]
    fn every_report_from_the_first_day_on_answers_exactly_one_window(minutes in 0i64..60 * 24 * 60) {
        let windows = laid(on(1, 12, 0));
        let at = on(2, 0, 0) + TimeDelta::minutes(minutes);
        let answers = windows.iter().filter(|window| window.timing(at).is_some()).count();
        prop_assert_eq!(answers, 1);
    }
}
