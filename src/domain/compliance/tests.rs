//! Tests of folding and counting.

use super::*;
use crate::domain::ids;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{ProtocolVersion, sample};
use crate::domain::timeline::{Conditions, Excuse, Overrides, Plan, Timeline, timeline};
use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Europe;
use proptest::prelude::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The sample protocol for a treatment at noon of 1 June in Berlin, with the days of `excused` excused.
struct Case {
    version: ProtocolVersion,
    zones: ZoneHistory,
    overrides: Overrides,
    conditions: Conditions,
    outcomes: Vec<Outcome>,
}

impl Case {
    fn new() -> Self {
        Self {
            version: sample::version(),
            zones: ZoneHistory::fixed(Europe::Berlin),
            overrides: Overrides::default(),
            conditions: Conditions::default(),
            outcomes: Vec::new(),
        }
    }

    fn performed_at() -> DateTime<Utc> {
        utc("2026-06-01T10:00:00Z")
    }

    fn laid(&self) -> Timeline<'_> {
        timeline(&Plan {
            treatment: Uuid::from_u128(9),
            version: &self.version,
            performed_at: Self::performed_at(),
            anchor_on: NaiveDate::from_ymd_opt(2026, 6, 1).unwrap(),
            zones: &self.zones,
            overrides: &self.overrides,
            conditions: &self.conditions,
        })
    }

    fn say(&mut self, kind: OutcomeKind, task: (&str, i32, i32), recorded_at: &str) {
        let (key, day_index, seq) = task;
        self.outcomes.push(Outcome {
            id: Uuid::from_u128(100 + self.outcomes.len() as u128),
            task_id: ids::task_id(Uuid::from_u128(9), key, day_index, seq),
            kind,
            recorded_at: utc(recorded_at),
        });
    }

    fn report_since(&self, starts_at: DateTime<Utc>, at: &str) -> (Compliance, Compliance, u32) {
        let at = utc(at);
        let as_of = AsOf { starts_at, at, today: self.zones.date(at), streak_bp: WHOLE_BP };
        let laid = self.laid();
        let report = report(&laid.tasks, &Said::fold(&self.outcomes), &as_of);
        (report.to_date, report.last_7_days, report.streak.current)
    }

    fn report(&self, at: &str) -> (Compliance, Compliance, u32) {
        self.report_since(Self::performed_at(), at)
    }

    fn state(&self, task: (&str, i32, i32), at: &str) -> Standing {
        let laid = self.laid();
        let (key, day, seq) = task;
        let found = laid.tasks.iter().find(|t| (t.item_key(), t.day_index, t.seq) == (key, day, seq)).unwrap();
        standing(found, &Said::fold(&self.outcomes), Self::performed_at(), utc(at))
    }
}

/// The confirmation of a day is open all day (in Berlin from 22:00 UTC), with two hours of grace.
const KEPT: &str = "kept_it";

#[test]
fn nothing_closed_means_no_share_at_all() {
    let (to_date, _, streak) = Case::new().report("2026-06-01T12:00:00Z");
    assert_eq!((to_date.on_time_bp, to_date.completion_bp, to_date.closed_w, streak), (None, None, 0, 0));
    let json = serde_json::to_value(to_date).unwrap();
    assert!(json.get("on_time_bp").is_none() && json.get("closed_w").is_some());
}

#[test]
fn silence_is_unreported_once_close_and_grace_are_over() {
    let case = Case::new();
    assert_eq!(case.state((KEPT, 0, 0), "2026-06-01T23:59:59Z").state, TaskState::Open, "within the grace");
    let (to_date, ..) = case.report("2026-06-02T00:00:00Z");
    assert_eq!((to_date.counts.unreported, to_date.counts.closed, to_date.completion_bp), (1, 1, Some(0)));
    assert_eq!(case.state((KEPT, 2, 0), "2026-06-01T12:00:00Z").state, TaskState::Ahead);
}

#[test]
fn what_is_done_early_closes_at_once_and_what_is_skipped_closes_with_its_window() {
    let mut case = Case::new();
    case.say(OutcomeKind::Done, (KEPT, 0, 0), "2026-06-01T18:00:00Z");
    case.say(OutcomeKind::Skipped, (KEPT, 1, 0), "2026-06-02T08:00:00Z");
    let (to_date, _, streak) = case.report("2026-06-01T18:30:00Z");
    assert_eq!((to_date.on_time_bp, to_date.closed_w, streak), (Some(10_000), 2, 1));
    let (to_date, ..) = case.report("2026-06-02T12:00:00Z");
    assert_eq!((to_date.counts.closed, to_date.counts.skipped), (1, 0));
    assert_eq!(case.state((KEPT, 1, 0), "2026-06-02T12:00:00Z").state, TaskState::Skipped);
    let (to_date, _, streak) = case.report("2026-06-03T12:00:00Z");
    assert_eq!((to_date.counts.skipped, to_date.completion_bp, streak), (1, Some(5_000), 0));
}

#[test]
fn late_is_done_but_not_on_time() {
    let mut case = Case::new();
    case.say(OutcomeKind::Done, (KEPT, 0, 0), "2026-06-01T22:00:00Z"); // exactly at its close
    case.say(OutcomeKind::Done, (KEPT, 1, 0), "2026-06-04T09:00:00Z"); // long after its grace
    let (to_date, ..) = case.report("2026-06-03T12:00:00Z");
    assert_eq!((to_date.counts.done_on_time, to_date.counts.done_late), (1, 1));
    assert_eq!((to_date.on_time_bp, to_date.completion_bp), (Some(5_000), Some(10_000)));
    assert_eq!((to_date.on_time_w, to_date.done_w, to_date.closed_w), (2, 4, 4));
}

#[test]
fn counting_starts_late_for_whoever_came_late_and_excused_days_leave() {
    let mut case = Case::new();
    let (to_date, ..) = case.report_since(utc("2026-06-03T12:00:00Z"), "2026-06-05T12:00:00Z");
    // Days 0 and 1 had closed; day 2 and 3 of the confirmation, both cleansings of day 3 and the morning of day 4 count.
    assert_eq!((to_date.counts.excluded, to_date.counts.closed), (2, 5));
    let date = NaiveDate::from_ymd_opt(2026, 6, 4).unwrap();
    case.overrides.excused = vec![Excuse { item_key: Some("cleanse".to_owned()), seq: None, from: date, to: date }];
    let (to_date, ..) = case.report_since(utc("2026-06-03T12:00:00Z"), "2026-06-05T12:00:00Z");
    assert_eq!((to_date.counts.excluded, to_date.counts.closed), (4, 3));
    assert_eq!(case.state(("cleanse", 3, 0), "2026-06-05T12:00:00Z").excluded, Some(Excluded::Excused));
}

#[test]
fn a_streak_survives_an_unfinished_today_and_breaks_at_a_missed_day() {
    let mut case = Case::new();
    for (day, at) in [(0, "2026-06-01T18:00:00Z"), (1, "2026-06-02T18:00:00Z"), (2, "2026-06-03T18:00:00Z")] {
        case.say(OutcomeKind::Done, (KEPT, day, 0), at);
    }
    let streak = |case: &Case, at: &str| case.report(at).2;
    assert_eq!(streak(&case, "2026-06-04T09:30:00Z"), 3, "today has only just begun");
    assert_eq!(streak(&case, "2026-06-05T12:00:00Z"), 0, "day 3 was missed");
    for (task, at) in [((KEPT, 3, 0), "2026-06-06T00:00:00Z"), (("cleanse", 3, 0), "2026-06-04T06:00:00Z")] {
        case.say(OutcomeKind::Done, task, at);
    }
    assert_eq!(streak(&case, "2026-06-05T12:00:00Z"), 0, "the evening's cleansing is missing");
    case.say(OutcomeKind::Done, ("cleanse", 3, 1), "2026-06-04T18:00:00Z");
    assert_eq!(streak(&case, "2026-06-05T12:00:00Z"), 4, "late counts as done, and today is open");
}

#[test]
fn a_clinic_may_ask_for_less_than_everything_in_a_streak() {
    let mut case = Case::new();
    case.say(OutcomeKind::Done, (KEPT, 3, 0), "2026-06-04T12:00:00Z");
    case.say(OutcomeKind::Done, ("cleanse", 3, 0), "2026-06-04T06:00:00Z");
    let at = utc("2026-06-05T06:00:00Z");
    let mut as_of = AsOf { starts_at: utc("2026-06-04T02:00:00Z"), at, today: case.zones.date(at), streak_bp: 7_500 };
    let laid = case.laid();
    let said = Said::fold(&case.outcomes);
    assert_eq!(streaks(&laid.tasks, &said, &as_of).current, 1, "three of four parts of the weight");
    as_of.streak_bp = 7_501;
    assert_eq!(streaks(&laid.tasks, &said, &as_of).current, 0);
}

#[test]
fn the_last_seven_days_forget_what_lies_before() {
    let mut case = Case::new();
    case.say(OutcomeKind::Done, (KEPT, 0, 0), "2026-06-01T18:00:00Z");
    let (to_date, week, _) = case.report("2026-06-08T12:00:00Z"); // today is day 7
    assert_eq!((to_date.done_w, week.done_w), (2, 0));
    assert_eq!(to_date.counts.closed - week.counts.closed, 1);
}

#[test]
fn taking_back_and_repeating_follow_the_latest_word() {
    let mut case = Case::new();
    case.say(OutcomeKind::Done, (KEPT, 0, 0), "2026-06-01T18:00:00Z");
    case.say(OutcomeKind::Undone, (KEPT, 0, 0), "2026-06-01T18:05:00Z");
    assert_eq!(case.state((KEPT, 0, 0), "2026-06-01T19:00:00Z").state, TaskState::Open);
    case.say(OutcomeKind::Done, (KEPT, 0, 0), "2026-06-01T18:02:00Z"); // arrives late, was said before
    assert_eq!(case.state((KEPT, 0, 0), "2026-06-01T19:00:00Z").state, TaskState::Open);
    case.say(OutcomeKind::Done, (KEPT, 0, 0), "2026-06-01T18:10:00Z");
    assert_eq!(case.state((KEPT, 0, 0), "2026-06-01T19:00:00Z").state, TaskState::Done);
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    (0u128..6, 0u128..4, 0usize..3, 0i64..5).prop_map(|(id, task, kind, minute)| Outcome {
        id: Uuid::from_u128(id * 100 + task * 10 + u128::from(minute.unsigned_abs())),
        task_id: Uuid::from_u128(task),
        kind: OutcomeKind::ALL[kind],
        recorded_at: utc("2026-06-01T10:00:00Z") + TimeDelta::minutes(minute),
    })
}

proptest! {
    #[test]
    fn replays_and_order_of_arrival_change_nothing(
        outcomes in proptest::collection::vec(any_outcome(), 0..12), turn in 0usize..12, again in 0usize..12,
    ) {
        // One id is one entry: keep the first of each.
        let mut seen = std::collections::BTreeSet::new();
        let outcomes: Vec<Outcome> = outcomes.into_iter().filter(|outcome| seen.insert(outcome.id)).collect();
        let mut shuffled = outcomes.clone();
        shuffled.reverse();
        let turn = turn.min(shuffled.len());
        shuffled.rotate_left(turn);
        shuffled.extend(outcomes.get(again).copied());
        prop_assert_eq!(Said::fold(&shuffled), Said::fold(&outcomes));
    }

    #[test]
    fn shares_lie_between_nothing_and_everything(
        picks in proptest::collection::vec((0usize..40, 0usize..3, 0i64..60 * 24 * 14), 0..40), hours in 0i64..24 * 16,
    ) {
        let mut case = Case::new();
        let ids: Vec<Uuid> = case.laid().tasks.iter().map(|task| task.id).collect();
        for (n, (task, kind, minutes)) in picks.into_iter().enumerate() {
            case.outcomes.push(Outcome {
                id: Uuid::from_u128(n as u128),
                task_id: ids[task % ids.len()],
                kind: OutcomeKind::ALL[kind],
                recorded_at: Case::performed_at() + TimeDelta::minutes(minutes),
            });
        }
        let at = Case::performed_at() + TimeDelta::hours(hours);
        let as_of = AsOf { starts_at: Case::performed_at(), at, today: case.zones.date(at), streak_bp: WHOLE_BP };
        let laid = case.laid();
        let report = report(&laid.tasks, &Said::fold(&case.outcomes), &as_of);
        let whole = report.to_date;
        let counts = whole.counts;
        prop_assert!(whole.on_time_w <= whole.done_w && whole.done_w <= whole.closed_w);
        prop_assert_eq!(counts.closed, counts.done_on_time + counts.done_late + counts.skipped + counts.unreported);
        prop_assert_eq!(report.by_day.iter().map(|day| day.compliance.closed_w).sum::<i64>(), whole.closed_w);
        prop_assert_eq!(report.by_item.iter().map(|item| item.compliance.done_w).sum::<i64>(), whole.done_w);
        prop_assert_eq!(whole.on_time_bp.is_none(), whole.closed_w == 0);
    }
}

fn reason_of(given: &[(&str, i32, i32, &str)]) -> HashMap<Uuid, SkipReason> {
    let task = |key: &str, day: i32, seq: i32| ids::task_id(Uuid::from_u128(9), key, day, seq);
    given.iter().map(|(key, day, seq, said)| (task(key, *day, *seq), SkipReason::of(Some(said)))).collect()
}

#[test]
fn own_words_and_silence_are_reasons_too() {
    assert_eq!(SkipReason::of(Some("no_time")), SkipReason::NoTime);
    assert_eq!(SkipReason::of(Some("It stung.")), SkipReason::Other);
    assert_eq!(SkipReason::of(None), SkipReason::NotSaid);
}

#[test]
fn what_is_missed_most_and_why_it_is_skipped() {
    let mut case = Case::new();
    for day in 0..4 {
        case.say(OutcomeKind::Done, (KEPT, day, 0), &format!("2026-06-0{}T18:00:00Z", day + 1));
    }
    case.say(OutcomeKind::Skipped, ("cleanse", 3, 0), "2026-06-04T06:00:00Z");
    case.say(OutcomeKind::Skipped, ("cleanse", 3, 1), "2026-06-04T18:00:00Z");
    case.say(OutcomeKind::Skipped, ("cleanse", 4, 0), "2026-06-05T06:00:00Z");
    let at = utc("2026-06-05T12:00:00Z");
    let as_of = AsOf { starts_at: Case::performed_at(), at, today: case.zones.date(at), streak_bp: WHOLE_BP };
    let (laid, said) = (case.laid(), Said::fold(&case.outcomes));
    let judged = judge(&laid.tasks, &said, &as_of);
    let given = reason_of(&[("cleanse", 3, 0, "irritated"), ("cleanse", 4, 0, "irritated")]);
    let deep = depth(&judged, as_of.today, true, None, &given);
    let missed = deep.most_missed.unwrap();
    assert_eq!((missed.item_key, missed.missed, missed.closed, missed.missed_bp), ("cleanse", 3, 3, 10_000));
    let counts: Vec<_> = deep.skip_reasons.iter().map(|count| (count.reason, count.tasks)).collect();
    assert_eq!(counts, [(SkipReason::Irritated, 2), (SkipReason::NotSaid, 1)]);
    assert!(deep.by_group.iter().any(|group| group.group == "washing"), "{:?}", deep.by_group);
    let silent = depth(&judged, as_of.today, false, None, &given);
    assert_eq!(silent.most_missed, None);
    assert!(silent.by_group.iter().all(|group| group.compliance.completion_bp.is_none()));
}

#[test]
fn a_change_needs_a_share_on_both_sides() {
    let mut case = Case::new();
    case.say(OutcomeKind::Done, (KEPT, 0, 0), "2026-06-01T18:00:00Z");
    let at = utc("2026-06-04T09:30:00Z");
    let as_of = AsOf { starts_at: Case::performed_at(), at, today: case.zones.date(at), streak_bp: WHOLE_BP };
    let (laid, said) = (case.laid(), Said::fold(&case.outcomes));
    let judged = judge(&laid.tasks, &said, &as_of);
    let visited = |at: &str| {
        let visit = Visit { kind: VisitKind::Appointment, at: utc(at) };
        depth(&judged, as_of.today, true, Some(visit), &HashMap::new()).since_last_visit.unwrap()
    };
    // Before the visit all was done, after it nothing.
    let since = visited("2026-06-02T10:00:00Z");
    assert_eq!((since.before.completion_bp, since.after.completion_bp), (Some(10_000), Some(0)));
    assert_eq!(since.change.completion_change_bp, Some(-10_000));
    let session = visited("2026-06-01T10:00:00Z");
    assert_eq!((session.before.completion_bp, session.change), (None, Change::default()));
    assert_eq!(depth(&judged, as_of.today, true, None, &HashMap::new()).trend, Change::default(), "no week before");
}

#[test]
fn the_longest_streak_outlives_the_current_one() {
    let mut case = Case::new();
    for day in 0..3 {
        case.say(OutcomeKind::Done, (KEPT, day, 0), &format!("2026-06-0{}T18:00:00Z", day + 1));
    }
    let at = utc("2026-06-05T12:00:00Z");
    let as_of = AsOf { starts_at: Case::performed_at(), at, today: case.zones.date(at), streak_bp: WHOLE_BP };
    let laid = case.laid();
    let found = streaks(&laid.tasks, &Said::fold(&case.outcomes), &as_of);
    assert_eq!((found.current, found.longest), (0, 3));
}

proptest! {
    #[test]
    fn every_breakdown_adds_up_to_the_whole(
        picks in proptest::collection::vec((0usize..40, 0usize..3, 0i64..60 * 24 * 14), 0..40), hours in 0i64..24 * 16,
        visited in 0i64..24 * 16,
    ) {
        let mut case = Case::new();
        let ids: Vec<Uuid> = case.laid().tasks.iter().map(|task| task.id).collect();
        for (n, (task, kind, minutes)) in picks.into_iter().enumerate() {
            case.outcomes.push(Outcome {
                id: Uuid::from_u128(n as u128),
                task_id: ids[task % ids.len()],
                kind: OutcomeKind::ALL[kind],
                recorded_at: Case::performed_at() + TimeDelta::minutes(minutes),
            });
        }
        let at = Case::performed_at() + TimeDelta::hours(hours);
        let as_of = AsOf { starts_at: Case::performed_at(), at, today: case.zones.date(at), streak_bp: WHOLE_BP };
        let (laid, said) = (case.laid(), Said::fold(&case.outcomes));
        let report = report(&laid.tasks, &said, &as_of);
        let judged = judge(&laid.tasks, &said, &as_of);
        let visit = Visit { kind: VisitKind::Session, at: Case::performed_at() + TimeDelta::hours(visited) };
        let deep = depth(&judged, as_of.today, true, Some(visit), &HashMap::new());
        let add = |parts: &mut dyn Iterator<Item = Compliance>| {
            parts.fold(Compliance::default(), |whole, part| whole.plus(&part))
        };
        let whole = report.to_date;
        prop_assert_eq!(sum(&judged), whole);
        prop_assert_eq!(add(&mut deep.by_group.iter().map(|group| group.compliance)), whole);
        prop_assert_eq!(add(&mut by_item(&judged).iter().map(|item| item.compliance)), whole);
        let anchor_on = NaiveDate::from_ymd_opt(2026, 6, 1).unwrap();
        let weeks = by_week(&judged, anchor_on);
        prop_assert_eq!(add(&mut weeks.iter().map(|week| week.compliance)), whole);
        prop_assert!(weeks.windows(2).all(|pair| pair[0].to < pair[1].from));
        let since = deep.since_last_visit.unwrap();
        prop_assert_eq!(since.before.plus(&since.after), whole);
        prop_assert_eq!(deep.skip_reasons.iter().map(|count| count.tasks).sum::<i64>(), whole.counts.skipped);
        let missed = deep.most_missed.map_or(0, |most| most.missed);
        prop_assert!(report.by_item.iter().all(|item| item.compliance.missed() <= missed));
        let found = report.streak;
        prop_assert!(found.current <= found.longest && found.longest as usize <= report.by_day.len());
    }
}
