//! What the patient and the clinician do and when: the part of the story that is written beforehand.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use super::cast::ZONE;

/// What the patient or the clinician does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// The patient opens the app and ticks off what is open.
    TickOff,
    /// The patient goes for a long walk in the sun.
    GoOutdoors,
    /// The patient lands far away.
    FlyAway,
    /// And is home again.
    FlyHome,
    /// The clinic sets a date for the next session.
    ArrangeSession,
    /// Which has ended.
    SecondSession,
    /// The patient answers the check-in: all as expected.
    ReportWell,
    /// The patient reports what should not be.
    ReportWorry,
    /// Another clinician takes the flag on.
    Acknowledge,
    /// And has called.
    Contact,
    /// The clinician closes the flag.
    Resolve,
}

/// Days on which the patient does not open the app at all; the last two are a journey.
const ABSENT: [i64; 3] = [6, 9, 10];
/// The day of the worrying report.
const WORRY_DAY: i64 = 3;
/// The day of the walk.
const WALK_DAY: i64 = 7;
/// The days of the journey's two flights.
const JOURNEY: [i64; 2] = [9, 11];
/// The day on which the second session is arranged: the protocol asks for that four weeks after the first.
const ARRANGED_DAY: i64 = 28;
/// The day of the second session: a weekday like the first one's.
pub const SECOND_SESSION_DAY: i64 = 35;
/// When the app is opened, local time.
const VISITS: [(u32, u32); 4] = [(8, 40), (13, 10), (18, 30), (20, 50)];

/// The patient's visits to the app, two weeks after the first session and one after the second, and what happens besides.
pub fn deeds(start: DateTime<Utc>) -> BTreeSet<(DateTime<Utc>, Deed)> {
    let first = start.with_timezone(&ZONE).date_naive();
    let mut deeds = BTreeSet::new();
    let mut add = |day: i64, (hour, minute): (u32, u32), deed: Deed| {
        let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default();
        let local = (first + TimeDelta::days(day)).and_time(time).and_local_timezone(ZONE).earliest();
        if let Some(at) = local.map(|local| local.to_utc()).filter(|at| *at > start) {
            deeds.insert((at, deed));
        }
    };
    for day in (0..15).chain(SECOND_SESSION_DAY + 1..SECOND_SESSION_DAY + 8).filter(|day| !ABSENT.contains(day)) {
        for visit in VISITS {
            add(day, visit, Deed::TickOff);
        }
    }
    add(WORRY_DAY, (19, 20), Deed::ReportWorry);
    add(WALK_DAY, (9, 30), Deed::GoOutdoors);
    let [away, back] = JOURNEY;
    add(away, (16, 0), Deed::FlyAway);
    add(back, (7, 30), Deed::FlyHome);
    add(ARRANGED_DAY, (15, 10), Deed::ArrangeSession);
    add(SECOND_SESSION_DAY, (10, 30), Deed::SecondSession);
    deeds
}
