//! Tests of how much a day bears: digest, gap, cap, what was asked for, what was put off, how long a plan holds.

use super::tests::{Case, PATIENT, all_told, any_case, berlin, of, only, utc};
use super::*;
use crate::domain::alert::is_expired;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{DayTime, builtin};
use crate::domain::timeline::ModeSpan;
use chrono_tz::Europe;
use proptest::prelude::*;
use std::sync::Arc;

fn careful() -> Case {
    let mut case = berlin();
    case.version = Arc::clone(&builtin().unwrap()[0].version);
    case
}

fn fate<'a>(owed: &'a [Owed], key: &str, day: i32) -> &'a Owed {
    owed.iter().find(|owed| owed.item_key == key && owed.day_index == day).unwrap()
}

fn told_alone(owed: &Owed, at: DateTime<Utc>) -> Told {
    Told {
        dedupe_key: owed.dedupe_key.clone(),
        treatment_id: Some(owed.treatment_id),
        item_key: Some(owed.item_key.clone()),
        at: Some(at),
        merged_into: None,
    }
}

#[test]
fn what_is_due_within_half_an_hour_is_told_as_one_when_the_last_of_it_is_due() {
    let owed = careful().owed();
    let (sunscreen, milestone) = (fate(&owed, "sunscreen", 2), fate(&owed, "flaking_may_start", 2));
    assert_eq!((milestone.due_at, milestone.fate.clone()), (utc("2026-06-03T07:00:00Z"), Fate::Due));
    assert_eq!(
        sunscreen.fate,
        Fate::Merged { into: milestone.dedupe_key.clone() },
        "the one that lasts longest speaks"
    );
    assert_eq!(sunscreen.due_at, utc("2026-06-03T06:30:00Z"));
    let alone = careful().owed_with(
        &Preferences { minimum_gap: TimeDelta::zero(), ..Preferences::default() },
        utc("2026-06-01T10:00:00Z"),
    );
    assert_eq!(fate(&alone, "sunscreen", 2).fate, Fate::Due, "whoever wants no gap gets each by itself");
}

#[test]
fn what_comes_too_soon_after_what_was_told_waits() {
    let case = berlin();
    let wash = only(&case.owed(), "first_wash").clone();
    let told = Told { at: Some(wash.due_at - TimeDelta::minutes(10)), ..told_alone(&wash, wash.due_at) };
    let other = Told { dedupe_key: "t:other:item:0:0".to_owned(), item_key: None, treatment_id: None, ..told };
    let history = History { told: vec![other], ..History::default() };
    let owed = owed(PATIENT, &[case.running()], &Preferences::default(), &history, wash.due_at - TimeDelta::minutes(5));
    assert_eq!(only(&owed, "first_wash").due_at, wash.due_at + TimeDelta::minutes(20));
}

#[test]
fn what_is_being_sent_disturbs_now_however_long_it_was_due() {
    let case = berlin();
    let wash = only(&case.owed(), "first_wash").clone();
    let other = "t:other:item:0:0".to_owned();
    let sending = Told { dedupe_key: other, treatment_id: None, item_key: None, at: None, merged_into: None };
    let history = History { told: vec![sending], ..History::default() };
    let owed = owed(PATIENT, &[case.running()], &Preferences::default(), &history, wash.due_at - TimeDelta::minutes(5));
    assert_eq!(only(&owed, "first_wash").due_at, wash.due_at + TimeDelta::minutes(25));
}

#[test]
fn a_full_day_keeps_what_matters_most_and_the_rest_says_why() {
    let one = Preferences { daily_cap: 1, ..Preferences::default() };
    let owed = careful().owed_with(&one, utc("2026-06-01T10:00:00Z"));
    // Day 3: sunscreen and a milestone in the morning, make-up at noon, the question in the evening. The evening stays, since
    // a report may bring something to light; what is still worth telling by then is told with it.
    let make_up = only(&owed, "make_up");
    assert_eq!((make_up.due_at, make_up.fate.clone()), (utc("2026-06-04T16:00:00Z"), Fate::Due));
    for key in ["check_in_daily", "flaking_peaks"] {
        assert_eq!(fate(&owed, key, 3).fate, Fate::Merged { into: make_up.dedupe_key.clone() }, "{key}");
    }
    let morning = fate(&owed, "sunscreen", 3);
    assert_eq!(morning.fate, Fate::Suppressed(Unsaid::DailyCap), "over before the evening");
}

#[test]
fn what_the_full_day_leaves_over_comes_the_next_morning_if_it_is_still_worth_telling() {
    let case = careful();
    let all = case.owed();
    let make_up = only(&all, "make_up").clone();
    let evening = utc("2026-06-04T09:00:00Z");
    let disturbed = (0..4).map(|n| Told {
        dedupe_key: format!("t:other:item:{n}:0"),
        at: Some(evening - TimeDelta::minutes(90 - n * 10)),
        treatment_id: None,
        item_key: None,
        merged_into: None,
    });
    let history = History { told: disturbed.collect(), ..History::default() };
    let owed = owed(PATIENT, &[case.running()], &Preferences::default(), &history, evening);
    assert_eq!(fate(&owed, "check_in_daily", 3).fate, Fate::Suppressed(Unsaid::DailyCap));
    let late = only(&owed, "make_up");
    assert_eq!((make_up.due_at, late.due_at), (utc("2026-06-04T10:00:00Z"), utc("2026-06-05T07:00:00Z")));
}

#[test]
fn prompts_that_were_asked_for_count_for_nothing() {
    let mut case = careful();
    let without = case.owed();
    let span =
        ModeSpan { mode: "outdoors".to_owned(), from: utc("2026-06-03T05:30:00Z"), to: utc("2026-06-03T15:00:00Z") };
    case.overrides.modes = vec![span];
    let owed = case.owed();
    let prompts = of(&owed, "sunscreen_outdoors");
    assert_eq!(prompts.len(), 5, "every two hours from 08:00 to 16:00");
    assert!(prompts.iter().all(|prompt| prompt.asked_for && prompt.fate == Fate::Due));
    let others: Vec<_> = owed.iter().filter(|owed| !owed.asked_for).cloned().collect();
    let key = |owed: &Owed| (owed.dedupe_key.clone(), owed.due_at, owed.fate.clone());
    assert_eq!(others.iter().map(key).collect::<Vec<_>>(), without.iter().map(key).collect::<Vec<_>>());
    let history = History { told: prompts.iter().map(|p| told_alone(p, p.due_at)).collect(), ..History::default() };
    let later = super::owed(PATIENT, &[case.running()], &Preferences::default(), &history, utc("2026-06-03T15:30:00Z"));
    assert_eq!(fate(&later, "check_in_daily", 2).fate, Fate::Due, "five prompts are no full day");
}

#[test]
fn a_snoozed_alert_is_told_once_more_and_not_once_it_is_done() {
    let mut case = berlin();
    let cleanse = of(&case.owed(), "cleanse")[0].clone();
    let now = cleanse.due_at + TimeDelta::minutes(1);
    let until = now + TimeDelta::minutes(20);
    let snooze = Snooze { dedupe_key: cleanse.dedupe_key.clone(), times: 1, until };
    let history = History { told: vec![told_alone(&cleanse, cleanse.due_at)], snoozes: vec![snooze.clone()] };
    let plan = |case: &Case| owed(PATIENT, &[case.running()], &Preferences::default(), &history, now);
    let again = plan(&case).into_iter().find(|owed| owed.dedupe_key == snooze.key()).unwrap();
    assert_eq!((again.due_at, again.expires_at, again.fate), (until, cleanse.expires_at, Fate::Due));
    assert_eq!(Snooze::original(&snooze.key()), cleanse.dedupe_key);
    case.settled.insert(crate::domain::ids::task_id(case.treatment, "cleanse", cleanse.day_index, 0));
    assert!(plan(&case).iter().all(|owed| owed.dedupe_key != snooze.key()));
}

#[test]
fn what_was_put_off_before_it_rang_rings_later_under_its_own_name() {
    let case = berlin();
    let cleanse = of(&case.owed(), "cleanse")[0].clone();
    let until = cleanse.due_at + TimeDelta::minutes(45);
    let snooze = Snooze { dedupe_key: cleanse.dedupe_key.clone(), times: 1, until };
    let history = History { told: Vec::new(), snoozes: vec![snooze] };
    let owed = owed(PATIENT, &[case.running()], &Preferences::default(), &history, case.registered_at);
    let put_off: Vec<_> = owed.iter().filter(|owed| owed.dedupe_key.contains(&cleanse.dedupe_key)).collect();
    assert_eq!(put_off.len(), 1);
    assert_eq!((put_off[0].due_at, put_off[0].expires_at), (until, cleanse.expires_at));
}

#[test]
fn a_milestone_is_told_once_however_often_its_treatment_is_moved() {
    let mut case = berlin();
    let now = utc("2026-06-02T12:00:00Z");
    let history = History { told: all_told(&case.owed(), now), ..History::default() };
    assert!(history.told.iter().any(|told| told.item_key.as_deref() == Some("flaking_may_start")));
    case.performed_at += TimeDelta::days(1);
    let moved = owed(PATIENT, &[case.running()], &Preferences::default(), &history, now);
    assert!(of(&moved, "flaking_may_start").is_empty());
}

#[test]
fn a_plan_holds_until_quiet_hours_the_days_end_or_the_next_alert() {
    let owed = careful().owed();
    let slot = |key: &str, day: i32| (fate(&owed, key, day).due_at, fate(&owed, key, day).slot_ends_at);
    // 09:00, noon with make-up, 18:00 and then quiet hours from 21:00.
    assert_eq!(slot("flaking_peaks", 3), (utc("2026-06-04T07:00:00Z"), utc("2026-06-04T09:30:00Z")));
    assert_eq!(slot("make_up", 0), (utc("2026-06-04T10:00:00Z"), utc("2026-06-04T15:30:00Z")));
    assert_eq!(slot("check_in_daily", 3), (utc("2026-06-04T16:00:00Z"), utc("2026-06-04T19:00:00Z")));
}

#[test]
fn what_an_outage_left_over_is_told_as_one() {
    let case = careful();
    let owed = case.owed_with(&Preferences::default(), utc("2026-06-04T16:30:00Z"));
    let late: Vec<_> = owed.iter().filter(|owed| owed.due_at <= utc("2026-06-04T16:30:00Z")).collect();
    let sent: Vec<_> = late.iter().filter(|owed| owed.fate == Fate::Due).collect();
    assert_eq!(sent.len(), 1, "{late:#?}");
    assert!(late.len() >= 3 && late.iter().all(|owed| !matches!(owed.fate, Fate::Suppressed(_))), "{late:#?}");
}

fn any_preferences() -> impl Strategy<Value = Preferences> {
    let time = (0u16..1440).prop_map(|minutes| DayTime::from_minutes(minutes).unwrap());
    (time.clone(), time.clone(), time, 1usize..7, 0i64..180).prop_map(|(preferred_time, from, to, daily_cap, gap)| {
        let quiet = Some(QuietHours { from, to });
        Preferences { preferred_time, quiet, daily_cap, minimum_gap: TimeDelta::minutes(gap), ..Preferences::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_day_is_crowded_and_nothing_is_lost(
        case in any_case(), apart in 0i64..60 * 24 * 20, later in 0i64..60 * 24 * 45, preferences in any_preferences(),
    ) {
        let mut other = case.clone();
        other.treatment = Uuid::from_u128(10);
        other.performed_at += TimeDelta::minutes(apart);
        other.registered_at = other.performed_at;
        let both = [case.running(), other.running()];
        let now = case.registered_at + TimeDelta::minutes(later);
        let first = owed(PATIENT, &both, &preferences, &History::default(), case.registered_at);
        let history = History { told: all_told(&first, now), ..History::default() };
        let owed = owed(PATIENT, &both, &preferences, &history, now);
        let told: BTreeSet<&str> = history.told.iter().map(|told| told.dedupe_key.as_str()).collect();
        let counted: Vec<&Owed> = owed
            .iter()
            .filter(|alert| alert.fate == Fate::Due && !alert.asked_for && !told.contains(alert.dedupe_key.as_str()))
            .collect();
        let before = history.told.iter().filter(|told| told.merged_into.is_none()).filter_map(|told| told.at);
        let mut moments: Vec<_> = before.chain(counted.iter().map(|alert| alert.due_at.max(now))).collect();
        moments.sort_unstable();
        for pair in moments.windows(2).filter(|pair| pair[1] >= now) {
            prop_assert!(pair[1] - pair[0] >= preferences.minimum_gap, "{pair:?}");
        }
        let mut days: BTreeMap<NaiveDate, usize> = BTreeMap::new();
        for at in &moments {
            *days.entry(case.zones.date(*at)).or_default() += 1;
        }
        prop_assert!(days.values().all(|count| *count <= preferences.daily_cap), "{days:?}");
        let keys: BTreeSet<&str> = owed.iter().map(|alert| alert.dedupe_key.as_str()).collect();
        prop_assert_eq!(keys.len(), owed.len());
        for alert in &owed {
            match &alert.fate {
                Fate::Merged { into } => {
                    let speaker = owed.iter().find(|other| other.dedupe_key == *into);
                    let lives = speaker.is_some_and(|speaker| {
                        speaker.fate == Fate::Due
                            && speaker.due_at >= alert.due_at
                            && speaker.expires_at >= alert.expires_at
                            && !is_expired(speaker.due_at, alert.expires_at)
                    });
                    prop_assert!(lives || told.contains(into.as_str()), "{alert:?} {speaker:?}");
                }
                Fate::Due => {
                    prop_assert!(alert.slot_ends_at > alert.due_at.max(now) || told.contains(alert.dedupe_key.as_str()));
                    let quiet = preferences.quiet.unwrap();
                    let mut minute = alert.due_at.max(now);
                    let last = alert.slot_ends_at.min(minute + TimeDelta::hours(2));
                    while !told.contains(alert.dedupe_key.as_str()) && minute < last {
                        prop_assert!(!quiet.hold(&case.zones, minute), "{minute} {alert:?}");
                        minute += TimeDelta::minutes(7);
                    }
                }
                Fate::Suppressed(_) => {}
            }
        }
    }
}

#[test]
fn a_person_who_flies_home_is_awake_when_the_clock_there_says_so() {
    let mut zones = ZoneHistory::fixed(chrono_tz::Asia::Tokyo);
    let quiet = Preferences::default().quiet.unwrap();
    // 07:00 in Tokyo, an hour before quiet hours end there; midnight in Berlin.
    let landed = utc("2026-06-02T22:00:00Z");
    zones.change(Europe::Berlin, landed);
    assert_eq!(quiet.after(&zones, landed - TimeDelta::minutes(1)), utc("2026-06-03T06:00:00Z"));
    assert_eq!(quiet.after(&zones, landed), utc("2026-06-03T06:00:00Z"));
    // 05:00 in Tokyo, 13:00 the day before in Los Angeles.
    let mut zones = ZoneHistory::fixed(chrono_tz::Asia::Tokyo);
    let landed = utc("2026-06-02T20:00:00Z");
    zones.change(chrono_tz::America::Los_Angeles, landed);
    assert_eq!(quiet.after(&zones, landed - TimeDelta::minutes(1)), landed, "awake on arrival");
}
