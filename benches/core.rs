//! What the pure core costs. Run with `cargo bench --bench core`; orders of magnitude count, not digits.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros declare undocumented items; a bench may panic"
)]

use std::collections::BTreeSet;
use std::hint::black_box;

use chrono::TimeDelta;
use chrono::{DateTime, Utc};
use chrono_tz::Europe;
use criterion::{Criterion, criterion_group, criterion_main};
use mendline::app::Ledger;
use mendline::domain::closing::{ClosingWeights, DoneWeights, shares};
use mendline::domain::course::WhatFollows;
use mendline::domain::local_time::ZoneHistory;
use mendline::domain::pace::Pace;
use mendline::domain::protocol::{builtin, builtin_files, load};
use mendline::domain::reminders::{History, Preferences, RunningTreatment, owed};
use mendline::domain::timeline::{Conditions, Overrides, Plan, timeline};
use uuid::Uuid;

fn core(criterion: &mut Criterion) {
    let version = builtin().unwrap()[0].version.as_ref();
    let performed_at: DateTime<Utc> = "2026-06-01T13:20:00Z".parse().unwrap();
    let zones = ZoneHistory::fixed(Europe::Berlin);
    let (overrides, conditions) = (Overrides::default(), Conditions::default());
    let plan = Plan {
        treatment: Uuid::from_u128(7),
        version,
        performed_at,
        anchor_on: zones.date(performed_at),
        zones: &zones,
        overrides: &overrides,
        conditions: &conditions,
    };

    criterion.bench_function("pay for a request, one of 10,000 accounts (target: < 1 us)", |bencher| {
        let ledger = Ledger::new(Pace::per_minute(1_000_000).unwrap());
        let mut account = 0;
        bencher.iter(|| {
            account = (account + 1) % 10_000;
            ledger.pay(black_box(account), performed_at)
        });
    });
    criterion.bench_function("lay out the conservative timeline (target: < 200 us)", |bencher| {
        bencher.iter(|| timeline(black_box(&plan)));
    });
    criterion.bench_function("plan every alert of a treatment", |bencher| {
        let (settled, checked_in_on) = (BTreeSet::new(), BTreeSet::new());
        let running = || RunningTreatment {
            plan,
            laid: timeline(&plan),
            registered_at: performed_at,
            settled: &settled,
            checked_in_on: &checked_in_on,
            follows: WhatFollows::default(),
            completed: false,
            recalled: false,
        };
        let preferences = Preferences::default();
        bencher.iter(|| {
            owed(Uuid::from_u128(8), black_box(&[running()]), &preferences, &History::default(), performed_at)
        });
    });

    let weights = ClosingWeights::of(version);
    let done = DoneWeights { done_w: 40, on_time_w: 30, early_w: 0 };
    let at = performed_at + TimeDelta::days(9);
    criterion.bench_function("a treatment's compliance, version cached (target: <= 2 us)", |bencher| {
        bencher.iter(|| shares(weights.ended(black_box(&plan), performed_at, at), done));
    });
    let spring: DateTime<Utc> = "2026-03-25T13:20:00Z".parse().unwrap();
    let jumping = Plan { performed_at: spring, anchor_on: zones.date(spring), ..plan };
    criterion.bench_function("the same across a change of clocks", |bencher| {
        bencher.iter(|| shares(weights.ended(black_box(&jumping), spring, spring + TimeDelta::days(9)), done));
    });
    criterion.bench_function("load the conservative protocol", |bencher| {
        let files = builtin_files().remove(0);
        bencher.iter(|| load(black_box(&files)).unwrap());
    });
}

criterion_group!(benches, core);
criterion_main!(benches);
