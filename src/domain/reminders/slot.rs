//! How long a plan holds for each alert. What could not be sent by then, because a push service was down or a worker was, is
//! not simply sent later: at night it would wake somebody, beside the next alert it would crowd them, on the next day it
//! would count there. So it is planned anew.

use chrono::{DateTime, TimeDelta, Utc};

use super::quiet::end_of_day;
use super::ration::When;
use super::{Fate, Owed};

/// No slot is shorter than this for the next alert's sake.
const SHORTEST: TimeDelta = TimeDelta::minutes(15);

/// Gives each alert the end of its slot. They come in order of time.
pub(super) fn cut(owed: &mut [Owed], when: &When<'_>) {
    let counted: Vec<_> =
        owed.iter().filter(|alert| alert.fate == Fate::Due && !alert.asked_for).map(|alert| alert.due_at).collect();
    let mut open: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
    for alert in owed.iter_mut().filter(|alert| alert.fate == Fate::Due) {
        let from = alert.due_at.max(when.now);
        let next = counted.get(counted.partition_point(|due| *due <= from)).filter(|_| !alert.asked_for);
        let crowded = next.map(|next| (*next - when.preferences.minimum_gap).max(from + SHORTEST));
        // Several alerts have one day's evening before them.
        let evening = match open {
            Some((since, evening)) if since <= from && from < evening => evening,
            _ => evening(when, from),
        };
        open = Some((from, evening));
        alert.slot_ends_at = crowded.map_or(evening, |crowded| crowded.min(evening)).min(alert.expires_at);
    }
}

/// When quiet hours begin or the day ends, whichever is first.
fn evening(when: &When<'_>, from: DateTime<Utc>) -> DateTime<Utc> {
    let day = end_of_day(when.zones.at(from), from);
    let quiet = when.preferences.quiet.and_then(|quiet| quiet.next_start(when.zones, from));
    quiet.map_or(day, |quiet| quiet.min(day))
}
