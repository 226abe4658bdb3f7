//! A thousand patients, six weeks, a fixed clock: random zones, journeys, wishes, moved treatments, outages. The planner is
//! the real one, and so is what decides about a failed try; the queue and the worker are a model of their rules
//! (`queue.rs`), the people are drawn by lot (`person.rs`), and whoever receives an alert judges it (`judge.rs`).
//!
//! Nothing may be sent in quiet hours, twice, stale or above the cap, and everything that was owed is sent or says why not.
//! `cargo test --lib simulation -- --nocapture` prints the figures.

mod dice;
mod judge;
mod person;
mod queue;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::tests::utc;
use dice::Dice;
use judge::Figures;
use person::{Deed, Person};

const PATIENTS: u64 = 1_000;
const DAYS: i64 = 42;
const SEED: u64 = 20_260_302;

/// When push services, or all workers, are down.
#[derive(Clone)]
pub(super) struct Outages {
    service: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    worker: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Outages {
    fn drawn(start: DateTime<Utc>) -> Self {
        let mut dice = Dice::new(SEED);
        let mut several = |most_hours: u64| {
            let mut outages: Vec<_> = (0..6)
                .map(|_| {
                    let from = start + TimeDelta::minutes(dice.minutes(DAYS));
                    (from, from + TimeDelta::minutes(5 + dice.below(most_hours * 60)))
                })
                .collect();
            outages.sort_unstable();
            outages
        };
        Self { service: several(14), worker: several(6) }
    }

    const fn none() -> Self {
        Self { service: Vec::new(), worker: Vec::new() }
    }

    fn service_is_down(&self, at: DateTime<Utc>) -> bool {
        self.service.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    /// `at`, or when there is a worker again.
    fn worker_at(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.worker.iter().fold(at, |at, (from, to)| if (*from..*to).contains(&at) { *to } else { at })
    }
}

/// Lives through one patient's six weeks, and on until nothing is left to send.
fn live(number: u64, start: DateTime<Utc>, outages: &Outages, eventful: bool) -> Figures {
    let mut dice = Dice::new(SEED ^ (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut person = Person::drawn(number, start, &mut dice);
    let mut deeds: BTreeMap<(DateTime<Utc>, usize), Deed> = BTreeMap::new();
    if eventful {
        deeds = Deed::drawn(start, &mut dice);
    }
    person.replan(start);
    person.note_moves(start);
    let mut clock = start;
    loop {
        let deed = deeds.keys().next().copied();
        let alert = person.queue.next().map(|at| outages.worker_at(at.max(clock)));
        match (deed, alert) {
            (Some(deed), alert) if alert.is_none_or(|alert| deed.0 <= alert) => {
                clock = deed.0;
                if let Some(what) = deeds.remove(&deed) {
                    person.act(&what, deed.0, &mut dice);
                }
            }
            (_, Some(at)) => {
                clock = at;
                person.work(at, outages, eventful, &mut dice);
            }
            (Some(_) | None, None) => break,
        }
    }
    person.finish()
}

fn simulate(patients: u64, outages: &Outages, eventful: bool) -> Figures {
    let start = utc("2026-03-02T00:00:00Z");
    let threads = std::thread::available_parallelism().map_or(2, |count| u64::try_from(count.get()).unwrap_or(2));
    std::thread::scope(|scope| {
        let lives = |thread: u64| {
            let mut figures = Figures::default();
            for number in (0..patients).filter(|number| number % threads == thread) {
                figures += live(number, start, outages, eventful);
            }
            figures
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || lives(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).fold(Figures::default(), |mut all, some| {
            all += some;
            all
        })
    })
}

#[test]
fn a_thousand_patients_are_left_alone_when_they_wish_and_told_what_they_are_owed() {
    let outages = Outages::drawn(utc("2026-03-02T00:00:00Z"));
    let figures = simulate(PATIENTS, &outages, true);
    println!("{PATIENTS} patients, {DAYS} days, seed {SEED}\n{figures}");
    figures.nothing_is_broken();
    figures.everything_happened();
}

#[test]
fn in_quiet_weeks_everything_is_told_at_its_moment() {
    let figures = simulate(60, &Outages::none(), false);
    println!("{figures}");
    figures.nothing_is_broken();
    figures.nothing_went_wrong();
}
