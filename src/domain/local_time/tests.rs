//! Tests of wall clocks: the vectors of real zones, and properties over random ones.

use super::*;
use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific};
use proptest::prelude::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn wall(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

#[track_caller]
fn means(zone: Tz, local: &str, instant: &str) {
    assert_eq!(ZoneHistory::fixed(zone).instant(wall(local)), utc(instant), "{local} in {zone}");
}

#[test]
fn berlin_skips_an_hour_in_march_and_repeats_one_in_october() {
    means(Europe::Berlin, "2026-03-29T01:59:00", "2026-03-29T00:59:00Z");
    means(Europe::Berlin, "2026-03-29T02:00:00", "2026-03-29T01:00:00Z");
    means(Europe::Berlin, "2026-03-29T02:30:00", "2026-03-29T01:00:00Z");
    means(Europe::Berlin, "2026-03-29T03:00:00", "2026-03-29T01:00:00Z");
    means(Europe::Berlin, "2026-10-25T02:30:00", "2026-10-25T00:30:00Z");
    means(Europe::Berlin, "2026-10-25T03:00:00", "2026-10-25T02:00:00Z");
}

#[test]
fn new_york_changes_on_its_own_days() {
    means(America::New_York, "2026-03-08T02:15:00", "2026-03-08T07:00:00Z");
    means(America::New_York, "2026-11-01T01:30:00", "2026-11-01T05:30:00Z");
}

#[test]
fn lord_howe_moves_by_half_an_hour() {
    means(Australia::Lord_Howe, "2026-10-04T02:10:00", "2026-10-03T15:30:00Z");
    means(Australia::Lord_Howe, "2026-10-04T02:30:00", "2026-10-03T15:30:00Z");
    means(Australia::Lord_Howe, "2026-04-05T01:45:00", "2026-04-04T14:45:00Z");
}

#[test]
fn apia_has_no_thirtieth_of_december_2011() {
    for local in ["2011-12-30T00:00:00", "2011-12-30T08:00:00", "2011-12-30T23:59:00", "2011-12-31T00:00:00"] {
        means(Pacific::Apia, local, "2011-12-30T10:00:00Z");
    }
    means(Pacific::Apia, "2011-12-29T23:59:00", "2011-12-30T09:59:00Z");
}

#[test]
fn casablanca_leaves_its_summer_time_for_ramadan() {
    means(Africa::Casablanca, "2026-02-15T02:30:00", "2026-02-15T01:30:00Z");
    means(Africa::Casablanca, "2026-03-22T02:30:00", "2026-03-22T02:00:00Z");
}

#[test]
fn kathmandu_is_three_quarters_of_an_hour_off() {
    means(Asia::Kathmandu, "2026-06-01T08:00:00", "2026-06-01T02:15:00Z");
}

#[test]
fn a_leap_day_is_a_day() {
    let anchor = NaiveDate::from_ymd_opt(2028, 2, 27).unwrap();
    assert_eq!(day(anchor, 2), NaiveDate::from_ymd_opt(2028, 2, 29).unwrap());
    assert_eq!(day(anchor, 3), NaiveDate::from_ymd_opt(2028, 3, 1).unwrap());
    assert_eq!(day_index(anchor, day(anchor, 3)), 3);
    means(Europe::Berlin, "2028-02-29T08:00:00", "2028-02-29T07:00:00Z");
}

#[test]
fn flying_east_skips_local_times_and_flying_west_repeats_none() {
    let mut east = ZoneHistory::fixed(Europe::Berlin);
    east.change(Asia::Tokyo, utc("2026-06-01T10:00:00Z")); // 12:00 becomes 19:00
    assert_eq!(east.instant(wall("2026-06-01T11:59:00")), utc("2026-06-01T09:59:00Z"));
    assert_eq!(east.instant(wall("2026-06-01T15:00:00")), utc("2026-06-01T10:00:00Z"));
    assert_eq!(east.instant(wall("2026-06-01T19:30:00")), utc("2026-06-01T10:30:00Z"));

    let mut west = ZoneHistory::fixed(Europe::Berlin);
    west.change(America::New_York, utc("2026-06-01T10:00:00Z")); // 12:00 becomes 06:00
    assert_eq!(
        west.instant(wall("2026-06-01T08:00:00")),
        utc("2026-06-01T06:00:00Z"),
        "it was eight o'clock in Berlin"
    );
    assert_eq!(west.instant(wall("2026-06-01T13:00:00")), utc("2026-06-01T17:00:00Z"));
}

#[test]
fn a_zone_entered_in_the_second_pass_of_a_repeated_hour_still_has_that_hour_ahead() {
    let mut history = ZoneHistory::fixed(Asia::Tokyo);
    history.change(Europe::Berlin, utc("2026-10-25T01:05:00Z")); // 02:05 in Berlin, for the second time
    assert_eq!(history.instant(wall("2026-10-26T02:30:00")), utc("2026-10-26T01:30:00Z"));
    let mut from_london = ZoneHistory::fixed(Europe::London);
    from_london.change(Europe::Berlin, utc("2026-10-25T01:05:00Z")); // London showed 01:05, Berlin shows 02:05
    assert_eq!(from_london.instant(wall("2026-10-25T02:30:00")), utc("2026-10-25T01:30:00Z"));
}

#[test]
fn a_history_is_sorted_and_the_first_zone_holds_before_it() {
    let history = ZoneHistory::from_rows([
        (Asia::Tokyo, utc("2026-06-01T00:00:00Z")),
        (Europe::Berlin, utc("2026-01-01T00:00:00Z")),
    ])
    .unwrap();
    assert_eq!(history.at(utc("2020-01-01T00:00:00Z")), Europe::Berlin);
    assert_eq!(history.at(utc("2026-06-01T00:00:00Z")), Asia::Tokyo);
    assert_eq!(history.only(), None);
    assert!(ZoneHistory::from_rows([]).is_none());
}

/// The slow truth: walk minute by minute until the clock shows the wanted time or a later one.
fn walked(history: &ZoneHistory, from: DateTime<Utc>, wanted: NaiveDateTime) -> DateTime<Utc> {
    let mut at = from;
    while history.local(at) < wanted {
        at += TimeDelta::minutes(1);
    }
    at
}

const ZONES: [Tz; 8] = [
    Europe::Berlin,
    America::New_York,
    Australia::Lord_Howe,
    Pacific::Apia,
    Africa::Casablanca,
    Asia::Kathmandu,
    Pacific::Honolulu,
    Pacific::Kiritimati,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_local_time_is_the_first_instant_at_which_the_clock_shows_it_or_later(
        zones in proptest::collection::vec(0usize..ZONES.len(), 1..4),
        start in 1_300_000_000i64..1_900_000_000, hops in proptest::collection::vec(1i64..3000, 3),
        ahead in 0i64..5000,
    ) {
        let start = DateTime::from_timestamp(start - start % 60, 0).unwrap();
        let mut history = ZoneHistory::fixed(ZONES[zones[0]]);
        let mut at = start;
        for (zone, hop) in zones.iter().skip(1).zip(&hops) {
            at += TimeDelta::minutes(*hop);
            history.change(ZONES[*zone], at);
        }
        let wanted = history.local(start) + TimeDelta::minutes(ahead);
        // Earlier passes of the same local time would lie before `start`.
        prop_assume!(history.instant(wanted) >= start);
        prop_assert_eq!(history.instant(wanted), walked(&history, start, wanted));
    }

    #[test]
    fn later_local_times_never_mean_earlier_instants(
        zone in 0usize..ZONES.len(), start in 1_300_000_000i64..1_900_000_000, step in 0i64..200_000,
    ) {
        let history = ZoneHistory::fixed(ZONES[zone]);
        let first = DateTime::from_timestamp(start, 0).unwrap().naive_utc();
        prop_assert!(history.instant(first) <= history.instant(first + TimeDelta::seconds(step)));
    }
}
