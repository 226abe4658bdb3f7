//! The day in sentences, by the patient's clock.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::day::{Day, NotOwed, Planned, Told, Try};
use crate::domain::reminders::{LeftOut, MovedBy, Unsaid};

/// The whole day.
pub(super) fn tell(day: &Day) -> String {
    let clock = Clock(day.time_zone);
    let mut text = format!("Patient {} of clinic {}\n", day.patient_id, day.clinic_id);
    line(&mut text, &format!("{} in {} ({} to {})", day.on.format("%A, %F"), day.time_zone, day.from, day.to));
    let wishes = &day.wishes;
    let quiet = wishes.quiet_hours.as_deref().unwrap_or("none");
    let off = if wishes.switched_off.is_empty() { "nothing".to_owned() } else { wishes.switched_off.join(", ") };
    let paused = if wishes.paused { ", everything paused" } else { "" };
    line(
        &mut text,
        &format!(
            "Now wants: preferred time {}, quiet hours {quiet}, switched off: {off}{paused}",
            wishes.preferred_time
        ),
    );
    for treated in &day.treatments {
        let when = treated.performed_at.with_timezone(&day.time_zone).format("%F %H:%M");
        line(&mut text, &format!("Treatment {}: {}, {when}, {}", treated.id, treated.status, treated.protocol));
    }
    for device in &day.devices {
        let reach = if device.reachable { "reachable" } else { "not reachable" };
        let seen = device.last_seen_at.format("%F %H:%MZ");
        line(
            &mut text,
            &format!(
                "Device {}: {}, {reach}, permission {}, last seen {seen}",
                device.id, device.provider, device.permission
            ),
        );
    }
    if day.devices.is_empty() {
        line(&mut text, "No device");
    }
    if day.alerts.is_empty() {
        line(&mut text, "\nNothing was owed on this day.");
    }
    for alert in &day.alerts {
        text.push('\n');
        tell_alert(&mut text, alert, clock);
    }
    if !day.not_owed.is_empty() {
        line(&mut text, "\nIn the protocol for this day, and no alert of its own:");
        for left in &day.not_owed {
            line(&mut text, &format!("  {}", not_owed(left, clock)));
        }
    }
    text.trim_end().to_owned()
}

fn line(text: &mut String, said: &str) {
    text.push_str(said);
    text.push('\n');
}

/// The patient's clock.
#[derive(Clone, Copy)]
struct Clock(Tz);

impl Clock {
    fn at(self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.0).format("%H:%M:%S").to_string()
    }

    fn on(self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.0).format("%F %H:%M:%S").to_string()
    }
}

fn tell_alert(text: &mut String, alert: &Told, clock: Clock) {
    let item = alert.item.as_deref().unwrap_or("-");
    line(text, &format!("{}  {}  {}  {item}", clock.at(alert.due_at), alert.state, alert.category));
    let mut detail = |name: &str, said: &str| {
        let _ = writeln!(text, "  {name:<11} {said}");
    };
    detail("alert", &format!("{}, key {}", alert.id, alert.key));
    if let (Some(protocol), Some(treatment)) = (&alert.protocol, alert.treatment_id) {
        let day = alert.day_index.map(|day| format!(", day {day}")).unwrap_or_default();
        detail(
            "planned by",
            &format!("{item}{day} of {protocol}, treatment {treatment}, revision {}", alert.plan_revision),
        );
    }
    if let Some(planned) = &alert.planned {
        for said in why(planned, clock) {
            detail("because", &said);
        }
        if planned.due_at != alert.due_at {
            detail("but", &format!("as the plan stands now it would be {}", clock.on(planned.due_at)));
        }
        if let Some(left_out) = planned.left_out {
            detail("since then", left_out_words(left_out));
        }
    }
    for other in &alert.instead_of {
        detail("instead of", &format!("{other}: one milestone a day"));
    }
    for attempt in &alert.attempts {
        detail("try", &tried(attempt, clock));
    }
    detail("came of it", &end(alert, clock));
    if let Some(opened) = alert.opened_at {
        detail("opened", &clock.on(opened));
    }
}

/// How the plan comes to a moment, step by step.
fn why(planned: &Planned, clock: Clock) -> Vec<String> {
    let counted = match planned.counted_from {
        "open" => "it begins then",
        "close" => "it ends then",
        _ => "that is the preferred time",
    };
    let mut said = vec![format!("{}: {counted}", clock.on(planned.wanted_at))];
    for step in &planned.moves {
        said.push(format!("{} instead of {}: {}", clock.on(step.to), clock.at(step.from), moved_words(step.by)));
    }
    said
}

fn tried(attempt: &Try, clock: Clock) -> String {
    let reason = attempt.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let message = attempt.provider_message_id.as_deref().map(|id| format!(", message {id}")).unwrap_or_default();
    format!(
        "{} claim {}: {} device {}: {}{reason} after {} ms{message}",
        clock.on(attempt.at),
        attempt.claim,
        attempt.provider,
        attempt.device_id,
        attempt.outcome,
        attempt.duration_ms
    )
}

fn end(alert: &Told, clock: Clock) -> String {
    let reason = alert.reason.as_deref();
    let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let ended = alert.ended_at.map(|at| clock.on(at)).unwrap_or_default();
    match alert.state.as_str() {
        "sent" => {
            let late = alert.sent_at.map_or(0, |sent| (sent - alert.due_at).num_seconds());
            format!("sent at {ended}, {late} s after it was due; a provider took it, more nobody can know")
        }
        "scheduled" => {
            format!("to be tried at {} until {}{because}", clock.on(alert.next_attempt_at), clock.on(alert.expires_at))
        }
        "sending" => "on its way".to_owned(),
        "suppressed" => format!("suppressed{because}: {}", unsaid_words(reason)),
        "merged" => "told with another alert of the same time".to_owned(),
        "no_device" => format!("nothing to send to at {ended}"),
        "cancelled" => format!("called off at {ended}{because}"),
        "expired" => {
            format!("too late at {ended}{because}; it was worth something until {}", clock.on(alert.expires_at))
        }
        other => format!("{other} at {ended} after {} tries{because}", alert.tries),
    }
}

fn not_owed(left: &NotOwed, clock: Clock) -> String {
    let why = match (&left.gave_way_to, left.planned.left_out) {
        (Some(winner), _) => format!("merged into the day's milestone: {winner} has the day"),
        (None, Some(left_out)) => left_out_words(left_out).to_owned(),
        (None, None) => "quiet hours outlast it".to_owned(),
    };
    format!("{}  {}  {}, day {}: {why}", clock.at(left.planned.wanted_at), left.category, left.item, left.day_index)
}

/// Why something is recorded and not sent.
fn unsaid_words(reason: Option<&str>) -> &'static str {
    match reason.and_then(|reason| reason.parse().ok()) {
        None | Some(Unsaid::QuietHours) => "it would have been stale after quiet hours",
        Some(Unsaid::MinimumGap) => "it would have been stale before it might follow another",
        Some(Unsaid::DailyCap) => "the day was full of what matters more",
    }
}

fn moved_words(by: MovedBy) -> &'static str {
    match by {
        MovedBy::QuietHours => "quiet hours",
        MovedBy::Spread => "the few minutes by which this patient's alerts are spread",
        MovedBy::Flag => "an open flag kept it back until then",
        MovedBy::Window => "what it is about had not begun",
        MovedBy::PlannedAtNight => "the plan was made at night, when it was due already",
        MovedBy::Together => "it is told with what is due soon after it",
        MovedBy::Gap => "it would have followed another too closely",
        MovedBy::DailyCap => "the day before was full",
        MovedBy::Snooze => "the patient asked to hear it later",
    }
}

fn left_out_words(why: LeftOut) -> &'static str {
    match why {
        LeftOut::Paused => "the patient has paused everything",
        LeftOut::SwitchedOff => "the patient has switched such alerts off",
        LeftOut::Recalled => "the clinic has recalled the protocol version",
        LeftOut::Completed => "the treatment was completed",
        LeftOut::CourseContinued => "the next treatment is registered",
        LeftOut::CourseOver => "the course needs no further session",
        LeftOut::Arranged => "an appointment is set",
        LeftOut::TaskSettled => "the task was done or skipped",
        LeftOut::CheckedIn => "a check-in came in on that day",
        LeftOut::Excluded => "the task does not count: excused, skipped on a journey, or over before counting began",
        LeftOut::WindowOver => "too little is left of its window",
        LeftOut::FlagOpen => "a flag is open and keeps it back",
        LeftOut::BeforeRegistration => "it was due before the treatment was registered",
        LeftOut::Expired => "its time was over when the plan was made",
        LeftOut::Told => "it was told before the treatment was moved",
        LeftOut::DayTaken => "another milestone was told on that day",
    }
}
