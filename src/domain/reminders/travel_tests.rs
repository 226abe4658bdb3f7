//! Journeys and clocks that jump, through the whole planner: nothing is told twice, nothing is left out that a day of the
//! traveller's has, and whoever does what there is to do keeps their streak.

use super::tests::{Case, PATIENT, utc};
use super::*;
use crate::domain::compliance::{AsOf, Outcome, OutcomeKind, Said, WHOLE_BP, report};
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::builtin;
use chrono::TimeDelta;
use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific, Tz};
use std::sync::Arc;

/// A treatment, and where its patient goes afterwards.
struct Vector {
    what: &'static str,
    home: Tz,
    performed_at: &'static str,
    moves: &'static [(&'static str, Tz)],
}

const fn stays(what: &'static str, home: Tz, performed_at: &'static str) -> Vector {
    Vector { what, home, performed_at, moves: &[] }
}

const VECTORS: &[Vector] = &[
    stays("the clock goes forward in Berlin on 29 March 2026", Europe::Berlin, "2026-03-27T15:00:00Z"),
    stays("the clock goes back in Berlin on 25 October 2026", Europe::Berlin, "2026-10-23T15:00:00Z"),
    stays("the clock goes forward in New York on 8 March 2026", America::New_York, "2026-03-06T18:00:00Z"),
    stays("the clock goes back in New York on 1 November 2026", America::New_York, "2026-10-30T18:00:00Z"),
    stays("half an hour forward on Lord Howe on 4 October 2026", Australia::Lord_Howe, "2026-10-02T03:00:00Z"),
    stays("half an hour back on Lord Howe on 5 April 2026", Australia::Lord_Howe, "2026-04-03T03:00:00Z"),
    stays("30 December 2011 does not exist in Apia", Pacific::Apia, "2011-12-28T22:00:00Z"),
    stays("Casablanca leaves summer time for Ramadan on 15 February 2026", Africa::Casablanca, "2026-02-13T15:00:00Z"),
    stays("five hours and three quarters in Kathmandu", Asia::Kathmandu, "2026-06-01T06:00:00Z"),
    stays("23:59 by the patient's clock", Europe::Berlin, "2026-06-01T21:59:00Z"),
    stays("over the leap day", Europe::Berlin, "2028-02-27T12:00:00Z"),
    Vector {
        what: "eastwards, Berlin to Tokyo",
        home: Europe::Berlin,
        performed_at: "2026-06-01T10:00:00Z",
        moves: &[("2026-06-04T21:30:00Z", Asia::Tokyo)],
    },
    Vector {
        what: "westwards, Tokyo to Los Angeles: a date comes twice",
        home: Asia::Tokyo,
        performed_at: "2026-06-01T03:00:00Z",
        moves: &[("2026-06-04T14:00:00Z", America::Los_Angeles)],
    },
    Vector {
        what: "westwards over the date line, Kiritimati to Honolulu",
        home: Pacific::Kiritimati,
        performed_at: "2026-06-01T00:00:00Z",
        moves: &[("2026-06-04T20:00:00Z", Pacific::Honolulu)],
    },
    Vector {
        what: "eastwards over the date line: a date is missing",
        home: Pacific::Honolulu,
        performed_at: "2026-06-01T20:00:00Z",
        moves: &[("2026-06-05T05:00:00Z", Pacific::Kiritimati)],
    },
    Vector {
        what: "there and back within a week",
        home: Europe::Berlin,
        performed_at: "2026-06-01T10:00:00Z",
        moves: &[("2026-06-03T11:00:00Z", America::New_York), ("2026-06-07T06:00:00Z", Europe::Berlin)],
    },
];

/// Everything that is told on the way, each at its moment: planned at registration and anew at each arrival, everything
/// sent when it is due.
fn told_on_the_way(case: &mut Case, moves: &[(&str, Tz)]) -> Vec<(DateTime<Utc>, Owed)> {
    let mut history = History::default();
    let mut told: Vec<(DateTime<Utc>, Owed)> = Vec::new();
    let mut now = case.registered_at;
    let arrivals = moves.iter().map(|(at, zone)| (utc(at), Some(*zone)));
    for (until, zone) in arrivals.chain([(case.registered_at + TimeDelta::days(60), None)]) {
        let plan = owed(PATIENT, &[case.running()], &Preferences::default(), &history, now);
        let sent: Vec<Owed> = plan
            .iter()
            .filter(|alert| alert.fate == Fate::Due && alert.due_at < until)
            .filter(|alert| history.told.iter().all(|told| told.dedupe_key != alert.dedupe_key))
            .cloned()
            .collect();
        for alert in sent {
            let with = plan.iter().filter(|other| other.fate == Fate::Merged { into: alert.dedupe_key.clone() });
            for told_alert in with.chain([&alert]) {
                let teller = (told_alert != &alert).then(|| alert.dedupe_key.clone());
                history.told.push(Told {
                    dedupe_key: told_alert.dedupe_key.clone(),
                    treatment_id: Some(told_alert.treatment_id),
                    item_key: Some(told_alert.item_key.clone()),
                    at: Some(alert.due_at.max(now)),
                    merged_into: teller,
                });
                told.push((alert.due_at.max(now), told_alert.clone()));
            }
        }
        if let Some(zone) = zone {
            case.zones.change(zone, until);
        }
        now = until;
    }
    told
}

fn case(vector: &Vector) -> Case {
    let mut case = Case::new(vector.home, vector.performed_at);
    case.version = Arc::clone(&builtin().unwrap()[0].version);
    case
}

#[test]
fn nobody_is_told_twice_or_at_night_wherever_they_go() {
    for vector in VECTORS {
        let mut case = case(vector);
        let told = told_on_the_way(&mut case, vector.moves);
        let quiet = Preferences::default().quiet.unwrap();
        let mut heard = BTreeSet::new();
        for (at, alert) in &told {
            let what = (alert.item_key.clone(), alert.day_index, alert.seq);
            assert!(heard.insert(what.clone()), "{}: {what:?} twice", vector.what);
            assert!(!quiet.hold(&case.zones, *at), "{}: {what:?} at {at}", vector.what);
        }
        let milestones: Vec<NaiveDate> = told
            .iter()
            .filter(|(_, alert)| alert.category == Category::Milestone)
            .map(|(at, _)| case.zones.date(*at))
            .collect();
        let days: BTreeSet<&NaiveDate> = milestones.iter().collect();
        assert_eq!(days.len(), milestones.len(), "{}: two milestones on a day", vector.what);
        assert!(told.len() > 35, "{}: only {} were told", vector.what, told.len());
    }
}

/// Of every task that is to be reminded of and was not skipped by a jump, somebody who is awake hears once.
#[test]
fn every_day_of_the_traveller_has_its_reminders() {
    for vector in VECTORS {
        let mut case = case(vector);
        let told = told_on_the_way(&mut case, vector.moves);
        let laid = case.running().laid;
        let reminded = |key: &str, day: i32| told.iter().any(|(_, a)| a.item_key == key && a.day_index == day);
        let mut days = 0;
        for task in laid.tasks.iter().filter(|task| task.item.key == "sunscreen" && (1..=10).contains(&task.day_index))
        {
            let reminder = task.open_at + TimeDelta::minutes(150);
            if task.excluded.is_none() && reminder < task.close_at {
                assert!(reminded("sunscreen", task.day_index), "{}: day {}", vector.what, task.day_index);
                days += 1;
            }
        }
        assert!((9..=10).contains(&days), "{}: {days} days", vector.what);
    }
}

#[test]
fn whoever_does_what_there_is_to_do_keeps_the_streak() {
    for vector in VECTORS {
        let mut case = case(vector);
        told_on_the_way(&mut case, vector.moves);
        let laid = case.running().laid;
        let done: Vec<Outcome> = laid
            .tasks
            .iter()
            .filter(|task| task.excluded.is_none())
            .map(|task| Outcome { id: task.id, task_id: task.id, kind: OutcomeKind::Done, recorded_at: task.open_at })
            .collect();
        let at = case.performed_at + TimeDelta::days(20);
        let as_of = AsOf { starts_at: case.performed_at, at, today: case.zones.date(at), streak_bp: WHOLE_BP };
        let report = report(&laid.tasks, &Said::fold(&done), &as_of);
        let dates: BTreeSet<NaiveDate> =
            laid.tasks.iter().filter(|task| task.counts()).map(|task| task.local_date).collect();
        assert_eq!(usize::try_from(report.streak.current), Ok(dates.len()), "{}", vector.what);
        assert_eq!(report.to_date.on_time_bp, Some(WHOLE_BP), "{}", vector.what);
        assert!(dates.len() >= 12, "{}: {} days", vector.what, dates.len());
    }
}

#[test]
fn a_flight_moves_what_is_ahead_to_the_new_mornings_and_nothing_that_was() {
    let mut case = case(&VECTORS[11]);
    let before = owed(PATIENT, &[case.running()], &Preferences::default(), &History::default(), case.registered_at);
    let landed = utc("2026-06-04T21:30:00Z");
    let told = told_on_the_way(&mut case, &[("2026-06-04T21:30:00Z", Asia::Tokyo)]);
    for (at, alert) in told.iter().filter(|(at, _)| *at < landed) {
        let planned = before.iter().find(|planned| planned.dedupe_key == alert.dedupe_key).unwrap();
        assert!(*at >= planned.due_at, "{alert:?}");
    }
    let sunscreen = told.iter().find(|(_, alert)| alert.item_key == "sunscreen" && alert.day_index == 6).unwrap();
    // 08:30 in Tokyo; or with the milestone of nine o'clock.
    let local = ZoneHistory::fixed(Asia::Tokyo).local(sunscreen.0).time();
    assert!((8..=9).contains(&chrono::Timelike::hour(&local)), "{local}");
}
