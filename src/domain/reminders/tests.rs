//! Tests of what a person is owed.

use super::*;
use crate::domain::alert::is_expired;
use crate::domain::appointment::{Appointment, AppointmentKind};
use crate::domain::course::Spacing;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{DayTime, ProtocolVersion, builtin, sample};
use crate::domain::timeline::{Excuse, Hold, Overrides, timeline};
use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific, Tz};
use proptest::prelude::*;
use std::sync::Arc;

pub(super) fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) const PATIENT: Uuid = Uuid::from_u128(0);

/// One treatment with everything that is borrowed while planning.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) treatment: Uuid,
    pub(super) version: Arc<ProtocolVersion>,
    pub(super) performed_at: DateTime<Utc>,
    pub(super) registered_at: DateTime<Utc>,
    pub(super) zones: ZoneHistory,
    pub(super) overrides: Overrides,
    pub(super) conditions: Conditions,
    pub(super) settled: BTreeSet<Uuid>,
    pub(super) checked_in_on: BTreeSet<NaiveDate>,
    pub(super) follows: WhatFollows<'static>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {:?}", self.performed_at, self.zones, self.conditions)
    }
}

impl Case {
    pub(super) fn new(zone: Tz, performed_at: &str) -> Self {
        let performed_at = utc(performed_at);
        Self {
            treatment: Uuid::from_u128(9),
            version: Arc::new(sample::version()),
            performed_at,
            registered_at: performed_at,
            zones: ZoneHistory::fixed(zone),
            overrides: Overrides::default(),
            conditions: Conditions::default(),
            settled: BTreeSet::new(),
            checked_in_on: BTreeSet::new(),
            follows: WhatFollows::default(),
        }
    }

    pub(super) fn running(&self) -> RunningTreatment<'_> {
        let plan = Plan {
            treatment: self.treatment,
            version: &self.version,
            performed_at: self.performed_at,
            anchor_on: self.zones.date(self.performed_at),
            zones: &self.zones,
            overrides: &self.overrides,
            conditions: &self.conditions,
        };
        RunningTreatment {
            plan,
            laid: timeline(&plan),
            registered_at: self.registered_at,
            settled: &self.settled,
            checked_in_on: &self.checked_in_on,
            follows: self.follows,
            completed: false,
            recalled: false,
        }
    }

    pub(super) fn owed_with(&self, preferences: &Preferences, now: DateTime<Utc>) -> Vec<Owed> {
        owed(PATIENT, &[self.running()], preferences, &History::default(), now)
    }

    pub(super) fn owed(&self) -> Vec<Owed> {
        self.owed_with(&Preferences::default(), self.registered_at)
    }
}

pub(super) fn of<'a>(owed: &'a [Owed], key: &str) -> Vec<&'a Owed> {
    owed.iter().filter(|owed| owed.item_key == key).collect()
}

#[track_caller]
pub(super) fn only<'a>(owed: &'a [Owed], key: &str) -> &'a Owed {
    let found = of(owed, key);
    assert_eq!(found.len(), 1, "{key}: {found:#?}");
    found[0]
}

/// What was told by `now` if everything was sent when it was due.
pub(super) fn all_told(owed: &[Owed], now: DateTime<Utc>) -> Vec<Told> {
    let due: BTreeMap<&str, DateTime<Utc>> = owed
        .iter()
        .filter(|owed| owed.fate == Fate::Due && owed.due_at <= now)
        .map(|owed| (owed.dedupe_key.as_str(), owed.due_at))
        .collect();
    let told = owed.iter().filter_map(|owed| {
        let merged_into = match &owed.fate {
            Fate::Due => None,
            Fate::Merged { into } => Some(into.clone()),
            Fate::Suppressed(_) => return None,
        };
        let by = merged_into.as_ref().unwrap_or(&owed.dedupe_key);
        Some(Told {
            dedupe_key: owed.dedupe_key.clone(),
            treatment_id: Some(owed.treatment_id),
            item_key: Some(owed.item_key.clone()),
            at: Some(*due.get(by.as_str())?),
            merged_into,
        })
    });
    told.collect()
}

pub(super) fn berlin() -> Case {
    Case::new(Europe::Berlin, "2026-06-01T10:00:00Z") // noon
}

#[test]
fn the_spread_is_stable_within_ten_minutes_and_not_the_same_for_everybody() {
    let spreads: BTreeSet<TimeDelta> = (0..1000).map(|n| spread(Uuid::from_u128(n * 0x1_0001))).collect();
    assert!(spreads.len() > 300, "{}", spreads.len());
    assert!(spreads.iter().all(|spread| (TimeDelta::zero()..SPREAD).contains(spread)));
    assert_eq!(spread(PATIENT), TimeDelta::zero());
}

#[test]
fn milestones_come_at_the_preferred_time_and_expire_with_their_day() {
    let owed = berlin().owed();
    let flaking = only(&owed, "flaking_may_start");
    assert_eq!(flaking.due_at, utc("2026-06-02T07:00:00Z"));
    assert_eq!(flaking.expires_at, utc("2026-06-02T22:00:00Z"));
    assert_eq!(flaking.dedupe_key, "m:2026-06-02");
    let evening = only(&owed, "first_evening");
    assert_eq!((evening.due_at, evening.dedupe_key.as_str()), (utc("2026-06-01T11:00:00Z"), "m:2026-06-01"));
}

#[test]
fn local_times_are_spread_and_elapsed_moments_are_not() {
    let case = berlin();
    let patient = Uuid::from_u128(0xdead_beef);
    let late = spread(patient);
    assert!(late > TimeDelta::zero());
    let owed = owed(patient, &[case.running()], &Preferences::default(), &History::default(), case.registered_at);
    assert_eq!(only(&owed, "flaking_may_start").due_at, utc("2026-06-02T07:00:00Z") + late);
    assert_eq!(only(&owed, "make_up").due_at, utc("2026-06-04T10:00:00Z"));
    assert_eq!(only(&owed, "first_evening").due_at, utc("2026-06-01T11:00:00Z"));
}

#[test]
fn a_lifted_restriction_is_told_at_its_hard_bound_for_a_day() {
    let wash = berlin().owed();
    let wash = only(&wash, "first_wash");
    assert_eq!((wash.due_at, wash.expires_at), (utc("2026-06-01T14:00:00Z"), utc("2026-06-02T14:00:00Z")));
    assert_eq!(wash.dedupe_key, format!("t:{}:first_wash:0:0", Uuid::from_u128(9)));
}

#[test]
fn an_end_less_than_a_day_after_it_was_told_is_not_told_again() {
    let case = berlin();
    let planned = case.owed();
    let lifted = planned.iter().find(|alert| alert.category == Category::Restriction).unwrap();
    let told = |at: DateTime<Utc>| History {
        told: vec![Told {
            dedupe_key: lifted.dedupe_key.clone(),
            treatment_id: Some(lifted.treatment_id),
            item_key: Some(lifted.item_key.clone()),
            at: Some(at),
            merged_into: None,
        }],
        snoozes: Vec::new(),
    };
    let keys = |told_before: TimeDelta| -> Vec<String> {
        let history = told(lifted.due_at - told_before);
        let owed = owed(PATIENT, &[case.running()], &Preferences::default(), &history, case.performed_at);
        owed.into_iter().filter(|alert| alert.item_key == lifted.item_key).map(|alert| alert.dedupe_key).collect()
    };
    assert_eq!(keys(TimeDelta::hours(23)), std::slice::from_ref(&lifted.dedupe_key));
    let again = keys(TimeDelta::hours(24));
    assert_eq!(again.len(), 1);
    assert_ne!(again[0], lifted.dedupe_key);
    assert_eq!(first_key(&again[0]), lifted.dedupe_key);
}

#[test]
fn quiet_hours_defer_to_their_end_and_suppress_what_does_not_last() {
    let case = Case::new(Europe::Berlin, "2026-06-01T18:30:00Z"); // 20:30
    let owed = case.owed();
    let wash = only(&owed, "first_wash"); // 00:30
    assert_eq!((wash.due_at, wash.fate.clone()), (utc("2026-06-02T06:00:00Z"), Fate::Due));
    let evening = only(&owed, "first_evening"); // 21:30, worth nothing the next morning
    assert_eq!(
        (evening.due_at, evening.fate.clone()),
        (utc("2026-06-01T19:30:00Z"), Fate::Suppressed(Unsaid::QuietHours))
    );
}

#[test]
fn what_is_planned_at_night_and_was_due_by_day_waits_for_the_morning() {
    let case = Case::new(Europe::Berlin, "2026-06-01T10:00:00Z");
    let owed = case.owed_with(&Preferences::default(), utc("2026-06-01T20:30:00Z")); // 22:30
    let wash = only(&owed, "first_wash"); // was due at 16:00
    assert_eq!((wash.due_at, wash.fate.clone()), (utc("2026-06-02T06:00:00Z"), Fate::Due));
}

#[test]
fn a_preferred_time_within_quiet_hours_moves_to_their_end_on_the_same_day() {
    let hour = |hour: u16| DayTime::from_minutes(hour * 60).unwrap();
    let mut preferences = Preferences { preferred_time: hour(22), ..Preferences::default() };
    let owed = berlin().owed_with(&preferences, utc("2026-06-01T10:00:00Z"));
    assert_eq!(only(&owed, "flaking_may_start").due_at, utc("2026-06-02T06:00:00Z"));
    preferences.quiet = Some(QuietHours { from: hour(9), to: hour(9) });
    let owed = berlin().owed_with(&preferences, utc("2026-06-01T10:00:00Z"));
    assert_eq!(only(&owed, "flaking_may_start").due_at, utc("2026-06-02T20:00:00Z"), "an empty stretch is no quiet");
}

#[test]
fn one_milestone_a_day_per_person_goes_to_the_higher_priority_then_the_newer_treatment() {
    let first = berlin();
    let mut second = Case::new(Europe::Berlin, "2026-05-12T10:00:00Z"); // its day 21 is 2 June
    second.treatment = Uuid::from_u128(10);
    let both = [first.running(), second.running()];
    let owed = owed(PATIENT, &both, &Preferences::default(), &History::default(), first.registered_at);
    let on_day: Vec<_> = owed.iter().filter(|owed| owed.dedupe_key == "m:2026-06-02").collect();
    assert_eq!(on_day.len(), 1);
    assert_eq!(on_day[0].item_key, "flaking_may_start");
    assert!(of(&owed, "tone").iter().all(|owed| owed.treatment_id != second.treatment));
}

#[test]
fn reminders_of_tasks_come_only_while_they_are_undone() {
    let mut case = berlin();
    let owed = case.owed();
    let cleanse = of(&owed, "cleanse");
    assert_eq!(cleanse.len(), 4, "days 3 to 6, mornings only");
    assert_eq!(cleanse[0].due_at, utc("2026-06-04T06:00:00Z"));
    assert_eq!(cleanse[0].expires_at, utc("2026-06-04T11:00:00Z"), "close at 11:00 and two hours of grace");
    case.settled.insert(crate::domain::ids::task_id(case.treatment, "cleanse", 3, 0));
    assert_eq!(of(&case.owed(), "cleanse").len(), 3);
    let date = NaiveDate::from_ymd_opt(2026, 6, 5).unwrap();
    case.overrides.excused = vec![Excuse { item_key: None, seq: None, from: date, to: date }];
    assert_eq!(of(&case.owed(), "cleanse").len(), 2);
}

#[test]
fn a_check_in_is_not_asked_for_on_a_day_that_has_one() {
    let mut case = berlin();
    let due: Vec<_> = of(&case.owed(), "how_is_it").iter().map(|owed| (owed.day_index, owed.due_at)).collect();
    assert_eq!(due[0], (1, utc("2026-06-02T15:00:00Z")));
    assert_eq!(due.len(), 4);
    case.checked_in_on.insert(NaiveDate::from_ymd_opt(2026, 6, 2).unwrap());
    assert_eq!(of(&case.owed(), "how_is_it").len(), 3);
}

#[test]
fn session_prompts_and_results_wait_for_open_flags() {
    let mut case = berlin();
    let next = |case: &Case| only(&case.owed(), "next_session").clone();
    assert_eq!(next(&case).due_at, utc("2026-06-29T07:00:00Z"));
    assert_eq!(next(&case).expires_at, utc("2026-07-06T07:00:00Z"));

    case.conditions.holds = vec![Hold { from: utc("2026-06-20T00:00:00Z"), to: None }];
    for key in ["next_session", "overdue_session", "tone"] {
        assert!(of(&case.owed(), key).is_empty(), "{key}");
    }
    assert!(!of(&case.owed(), "cleanse").is_empty());

    case.conditions.holds[0].to = Some(utc("2026-07-01T12:00:00Z"));
    assert_eq!(next(&case).due_at, utc("2026-07-02T07:00:00Z"), "the preferred time after it was resolved");
    case.follows.continued = true;
    assert!(of(&case.owed(), "next_session").is_empty());
}

#[test]
fn a_course_has_an_interval_of_its_own_and_ends_its_prompts() {
    let mut case = berlin();
    case.overrides.spacing = Some(Spacing { min_days: 35, max_days: 49 });
    assert_eq!(only(&case.owed(), "next_session").due_at, utc("2026-07-06T07:00:00Z"));
    assert_eq!(only(&case.owed(), "overdue_session").due_at, utc("2026-07-20T07:00:00Z"));
    case.follows.over = true;
    assert!(of(&case.owed(), "next_session").is_empty() && of(&case.owed(), "overdue_session").is_empty());
    assert!(!of(&case.owed(), "tone").is_empty(), "results are told whatever becomes of the course");
}

#[test]
fn whoever_has_an_appointment_is_not_asked_for_one_until_it_is_over() {
    let mut case = berlin();
    let on = |starts_at: &str| Appointment {
        id: Uuid::from_u128(4),
        kind: AppointmentKind::Session,
        course_id: None,
        starts_at: utc(starts_at),
        is_set: true,
        announced_no: 1,
        announced_at: utc("2026-06-20T10:00:00Z"),
    };
    let mut told = |starts_at: &str| {
        case.follows.appointments = vec![on(starts_at)].leak();
        let owed = case.owed();
        ["next_session", "overdue_session"].map(|key| of(&owed, key).len())
    };
    assert_eq!(told("2026-06-28T09:00:00Z"), [1, 1], "it was before either");
    assert_eq!(told("2026-07-06T09:00:00Z"), [0, 1], "who does not come is overdue");
    assert_eq!(told("2026-07-20T09:00:00Z"), [0, 0]);
}

#[test]
fn a_flag_on_one_treatment_holds_the_prompts_of_the_others() {
    let case = berlin();
    let mut flagged = Case::new(Europe::Berlin, "2026-05-20T10:00:00Z");
    flagged.treatment = Uuid::from_u128(10);
    flagged.conditions.holds = vec![Hold { from: utc("2026-05-25T00:00:00Z"), to: None }];
    let owed = owed(
        PATIENT,
        &[case.running(), flagged.running()],
        &Preferences::default(),
        &History::default(),
        case.registered_at,
    );
    assert!(of(&owed, "next_session").is_empty());
}

#[test]
fn an_open_flag_at_the_cap_keeps_the_restriction_and_its_alert_back() {
    let mut case = berlin();
    assert_eq!(only(&case.owed(), "retinoids").due_at, utc("2026-06-15T10:00:00Z"));
    case.conditions.holds = vec![Hold { from: utc("2026-06-10T00:00:00Z"), to: None }];
    assert!(of(&case.owed(), "retinoids").is_empty());
    case.conditions.ended.insert("flaking_ended".to_owned(), utc("2026-06-10T10:00:00Z"));
    assert_eq!(only(&case.owed(), "retinoids").due_at, utc("2026-06-10T10:00:00Z"));
}

#[test]
fn a_back_dated_treatment_owes_nothing_of_the_past() {
    let mut case = berlin();
    case.registered_at = utc("2026-06-05T12:00:00Z");
    let owed = case.owed();
    assert!(owed.iter().all(|owed| owed.due_at >= case.registered_at));
    assert!(of(&owed, "make_up").is_empty(), "it ended the day before");
    assert!(!of(&owed, "cleanse").is_empty());
}

#[test]
fn what_has_expired_is_never_planned_and_what_is_merely_late_still_is() {
    let case = berlin();
    let late = |now: &str| case.owed_with(&Preferences::default(), utc(now));
    assert_eq!(of(&late("2026-06-05T09:59:50Z"), "make_up").len(), 1, "lifted 24 h ago, ten seconds left");
    assert!(of(&late("2026-06-05T09:59:56Z"), "make_up").is_empty(), "four seconds are as good as none");
}

#[test]
fn categories_can_be_switched_off_and_everything_paused() {
    let mut preferences = Preferences::default();
    preferences.off.insert(Category::Milestone);
    let owed = berlin().owed_with(&preferences, utc("2026-06-01T10:00:00Z"));
    assert!(!owed.is_empty() && owed.iter().all(|owed| owed.category != Category::Milestone));
    preferences.paused = true;
    assert!(berlin().owed_with(&preferences, utc("2026-06-01T10:00:00Z")).is_empty());
}

#[test]
fn a_seq_leads_back_to_its_reminder() {
    let mut item = sample::version().item("cleanse").unwrap().clone();
    item.reminders.push(Reminder { text: Some("evening".to_owned()), ..item.reminders[0].clone() });
    assert_eq!(item.alert_seq(3, 1), 7);
    assert_eq!(item.reminder_of(7).unwrap().text.as_deref(), Some("evening"));
    assert_eq!(item.reminder_of(6).unwrap().text, None);
    item.reminders.clear();
    assert!(item.reminder_of(0).is_none());
}

#[test]
fn the_careful_protocol_owes_a_sane_number_of_alerts() {
    let mut case = berlin();
    case.version = Arc::clone(&builtin().unwrap()[0].version);
    let owed = case.owed();
    assert!((40..=60).contains(&owed.len()), "{}", owed.len());
}

const ZONES: [Tz; 6] =
    [Europe::Berlin, America::New_York, Australia::Lord_Howe, Pacific::Apia, Africa::Casablanca, Asia::Kathmandu];

pub(super) fn any_case() -> impl Strategy<Value = Case> {
    let moves = proptest::collection::vec((0usize..ZONES.len(), 0i64..60 * 24 * 45), 0..3);
    let hold = proptest::option::of((0i64..60 * 24 * 45, proptest::option::of(0i64..60 * 24 * 20)));
    (1_300_000_000i64..1_900_000_000, 0usize..ZONES.len(), moves, hold).prop_map(|(start, zone, mut moves, hold)| {
        let performed_at = DateTime::from_timestamp(start, 0).unwrap();
        let mut zones = ZoneHistory::fixed(ZONES[zone]);
        moves.sort_by_key(|(_, minutes)| *minutes);
        for (zone, minutes) in moves {
            zones.change(ZONES[zone], performed_at + TimeDelta::minutes(minutes));
        }
        let mut case = Case::new(Europe::Berlin, "2026-06-01T10:00:00Z");
        case.version = Arc::clone(&builtin().unwrap()[0].version);
        (case.performed_at, case.registered_at, case.zones) = (performed_at, performed_at, zones);
        case.conditions.holds = hold
            .map(|(from, length)| {
                let from = performed_at + TimeDelta::minutes(from);
                Hold { from, to: length.map(|length| from + TimeDelta::minutes(length)) }
            })
            .into_iter()
            .collect();
        case
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn every_alert_is_owed_once_in_time_and_outside_quiet_hours(case in any_case(), seed in any::<u128>()) {
        let preferences = Preferences::default();
        let patient = Uuid::from_u128(seed);
        let owed = owed(patient, &[case.running()], &preferences, &History::default(), case.registered_at);
        let keys: BTreeSet<&str> = owed.iter().map(|owed| owed.dedupe_key.as_str()).collect();
        prop_assert_eq!(keys.len(), owed.len());
        for alert in &owed {
            prop_assert!(alert.expires_at > alert.due_at, "{:?}", alert);
            if alert.fate == Fate::Due {
                prop_assert!(!is_expired(alert.due_at, alert.expires_at));
                let quiet = preferences.quiet.unwrap();
                prop_assert!(!quiet.contains(planner::time_of_day(&case.zones, alert.due_at)), "{:?}", alert);
            }
        }
        prop_assert_eq!(&owed, &super::owed(patient, &[case.running()], &preferences, &History::default(), case.registered_at));
    }

    #[test]
    fn planning_again_when_all_that_was_due_was_sent_moves_nothing(case in any_case(), later in 0i64..60 * 24 * 60) {
        let now = case.registered_at + TimeDelta::minutes(later);
        let preferences = Preferences::default();
        let first = case.owed_with(&preferences, case.registered_at);
        let history = History { told: all_told(&first, now), ..History::default() };
        let again = owed(PATIENT, &[case.running()], &preferences, &history, now);
        let ahead = |owed: &[Owed]| -> Vec<(String, DateTime<Utc>, Fate)> {
            let ahead = owed.iter().filter(|owed| owed.due_at > now && !matches!(owed.fate, Fate::Suppressed(_)));
            ahead.map(|owed| (owed.dedupe_key.clone(), owed.due_at, owed.fate.clone())).collect()
        };
        prop_assert_eq!(ahead(&first), ahead(&again));
        let told: BTreeSet<&str> = history.told.iter().map(|told| told.dedupe_key.as_str()).collect();
        let new = |owed: &&Owed| owed.fate == Fate::Due && owed.due_at <= now && !told.contains(owed.dedupe_key.as_str());
        prop_assert_eq!(again.iter().find(new), None, "nothing is due that was not");
    }

    #[test]
    fn no_day_gets_two_milestones(case in any_case(), apart in 0i64..60 * 24 * 30) {
        let mut other = case.clone();
        other.treatment = Uuid::from_u128(10);
        other.performed_at += TimeDelta::minutes(apart);
        other.registered_at = other.performed_at;
        let owed = owed(PATIENT, &[case.running(), other.running()], &Preferences::default(), &History::default(), case.registered_at);
        let days: Vec<NaiveDate> = owed
            .iter()
            .filter(|owed| owed.category == Category::Milestone && owed.fate == Fate::Due)
            .map(|owed| case.zones.date(owed.due_at))
            .collect();
        prop_assert_eq!(days.iter().collect::<BTreeSet<_>>().len(), days.len());
    }
}

/// Two treatments a few hours apart, so that milestones meet and some fall into the night.
fn stories_of(preferences: &Preferences, now: DateTime<Utc>) -> (Vec<Story>, Vec<Owed>) {
    let first = berlin();
    let mut second = Case::new(Europe::Berlin, "2026-06-01T18:30:00Z");
    second.treatment = Uuid::from_u128(10);
    let both = [first.running(), second.running()];
    let none = History::default();
    (stories(PATIENT, &both, preferences, &none, now), owed(PATIENT, &both, preferences, &none, now))
}

#[test]
fn the_story_is_the_plans_own_and_its_steps_lead_to_the_moment() {
    let hour = |hour: u16| DayTime::from_minutes(hour * 60).unwrap();
    let late = Preferences { preferred_time: hour(22), ..Preferences::default() };
    let off = Preferences { off: BTreeSet::from([Category::Milestone]), ..Preferences::default() };
    for preferences in [Preferences::default(), late, off] {
        for now in ["2026-06-01T10:00:00Z", "2026-06-01T20:30:00Z", "2026-06-04T12:00:00Z"] {
            let (stories, owed) = stories_of(&preferences, utc(now));
            let planned =
                stories.iter().filter(|story| matches!(story.end, End::Owed | End::Merged { .. } | End::Suppressed(_)));
            assert_eq!(planned.map(|story| story.alert.clone()).collect::<Vec<_>>(), owed, "{now}");
            for story in &stories {
                let mut at = story.wanted_at;
                for step in &story.moves {
                    assert_eq!(step.from, at, "{story:#?}");
                    at = step.to;
                }
                assert_eq!(at, story.alert.due_at, "{story:#?}");
            }
        }
    }
}

#[test]
fn what_is_not_owed_says_why() {
    let (told, _) = stories_of(&Preferences::default(), utc("2026-06-01T10:00:00Z"));
    let ends = |key: &str, treatment: u128| {
        let of = |story: &&Story| story.alert.item_key == key && story.alert.treatment_id == Uuid::from_u128(treatment);
        told.iter().filter(of).map(|story| story.end.clone()).collect::<Vec<_>>()
    };
    let gave_way = End::GaveWay { treatment_id: Uuid::from_u128(10), item_key: "flaking_may_start".to_owned() };
    assert_eq!(ends("flaking_may_start", 10), [End::Owed], "of equals the newer treatment's");
    assert_eq!(ends("flaking_may_start", 9), [gave_way]);

    let mut case = berlin();
    let of = |case: &Case, preferences: &Preferences| {
        stories(PATIENT, &[case.running()], preferences, &History::default(), case.registered_at)
    };
    let why = |stories: &[Story], key: &str| {
        stories.iter().find(|story| story.alert.item_key == key).map(|story| story.end.clone())
    };
    let paused = Preferences { paused: true, ..Preferences::default() };
    assert!(of(&case, &paused).iter().all(|story| story.end == End::LeftOut(LeftOut::Paused)));
    case.registered_at += TimeDelta::hours(6);
    assert_eq!(why(&of(&case, &Preferences::default()), "first_wash"), Some(End::LeftOut(LeftOut::BeforeRegistration)));
}
