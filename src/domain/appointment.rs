//! Appointments: what a patient is told of one and when. That one was set, moved or called off at once; that it is near a
//! day before, and two hours before. Setting and moving them is the slice's business.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::alert::is_expired;
use super::local_time::ZoneHistory;
use super::reminders::{Category, Fate, PROMPT_LASTS, Preferences};
use super::words::word_enum;

/// How long before the start the first reminder comes.
const DAY_BEFORE: TimeDelta = TimeDelta::hours(24);
/// How long before the start the second one comes, and the first is worth nothing any more.
const HOURS_BEFORE: TimeDelta = TimeDelta::hours(2);

word_enum! {
    /// What an appointment is for.
    pub enum AppointmentKind {
        /// The next treatment.
        Session = "session",
        /// A look at the recovery.
        FollowUp = "follow_up",
    }
}

impl AppointmentKind {
    /// What a person switches off who wants to hear nothing of such appointments.
    pub const fn category(self) -> Category {
        match self {
            Self::Session => Category::Session,
            Self::FollowUp => Category::FollowUp,
        }
    }

    /// The kind of appointment that makes a prompt of this category needless.
    pub const fn of(category: Category) -> Option<Self> {
        match category {
            Category::Session => Some(Self::Session),
            Category::FollowUp => Some(Self::FollowUp),
            _ => None,
        }
    }
}

word_enum! {
    /// What a patient is told of an appointment.
    pub enum Told {
        /// It was set.
        Set = "set",
        /// It is at another time now.
        Moved = "moved",
        /// It was called off.
        Cancelled = "cancelled",
        /// It is tomorrow.
        DayBefore = "day_before",
        /// It is in two hours.
        HoursBefore = "hours_before",
    }
}

/// An appointment, as far as planning goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Its id.
    pub id: Uuid,
    /// What it is for.
    pub kind: AppointmentKind,
    /// The course that a session belongs to.
    pub course_id: Option<Uuid>,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// It was not called off.
    pub is_set: bool,
    /// Counts settings, moves and cancellations.
    pub announced_no: i32,
    /// When the last of them was.
    pub announced_at: DateTime<Utc>,
}

/// One thing to tell a patient about an appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// The name under which it is owed once.
    pub dedupe_key: String,
    /// Which appointment, and what about it.
    pub subject: Subject,
    /// What it is about.
    pub category: Category,
    /// From here it is owed.
    pub due_at: DateTime<Utc>,
    /// From here it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// What is to become of it.
    pub fate: Fate,
}

/// What an alert about an appointment refers to; it stands where alerts of a protocol name their item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The appointment.
    pub appointment_id: Uuid,
    /// What is told of it.
    pub told: Told,
}

/// No item of a protocol is called so: their names have no colon.
const PREFIX: &str = "appointment:";

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{PREFIX}{}:{}", self.appointment_id, self.told)
    }
}

impl Subject {
    /// Reads what [`Display`](std::fmt::Display) wrote; `None` for a protocol's item.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, told) = text.strip_prefix(PREFIX)?.split_once(':')?;
        Some(Self { appointment_id: Uuid::try_parse(id).ok()?, told: told.parse().ok()? })
    }
}

/// What a patient is still to be told of their appointments, in no particular order.
///
/// These are no part of a day's ration: a cap on routine reminders must not keep anybody from an appointment.
pub fn reminders(
    appointments: &[Appointment],
    preferences: &Preferences,
    zones: &ZoneHistory,
    now: DateTime<Utc>,
) -> Vec<Reminder> {
    if preferences.paused {
        return Vec::new();
    }
    let wanted = appointments.iter().filter(|appointment| !preferences.off.contains(&appointment.kind.category()));
    wanted
        .flat_map(|appointment| appointment.moments().into_iter().map(move |moment| (appointment, moment)))
        .filter(|(_, moment)| !is_expired(now, moment.expires_at))
        .map(|(appointment, moment)| {
            let (due_at, fate) = moment.kept_quiet(preferences, zones, now);
            Reminder {
                dedupe_key: format!("t:{}:{}:{}", appointment.id, moment.told, appointment.announced_no),
                subject: Subject { appointment_id: appointment.id, told: moment.told },
                category: appointment.kind.category(),
                due_at,
                expires_at: moment.expires_at,
                fate,
            }
        })
        .collect()
}

/// When something would be told if nobody slept.
#[derive(Debug, Clone, Copy)]
struct Moment {
    told: Told,
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Appointment {
    /// What was last announced of it.
    fn news(&self) -> Told {
        match (self.is_set, self.announced_no) {
            (false, _) => Told::Cancelled,
            (true, ..=1) => Told::Set,
            (true, _) => Told::Moved,
        }
    }

    /// What there is to tell since it was last announced. Whoever hears of it an hour before needs no reminder.
    fn moments(&self) -> Vec<Moment> {
        let (start, announced_at) = (self.starts_at, self.announced_at);
        let news = Moment { told: self.news(), at: announced_at, expires_at: start.min(announced_at + PROMPT_LASTS) };
        let mut moments = vec![news];
        if self.is_set {
            let reminders = [
                Moment { told: Told::DayBefore, at: start - DAY_BEFORE, expires_at: start - HOURS_BEFORE },
                Moment { told: Told::HoursBefore, at: start - HOURS_BEFORE, expires_at: start },
            ];
            moments.extend(reminders.into_iter().filter(|reminder| reminder.at > announced_at));
        }
        moments
    }
}

impl Moment {
    /// Quiet hours put it off to their end, also what was due before `now` if now is night. Where that would be too late, a
    /// date that changed is told at once, since a push at night is better than a journey for nothing; a reminder is left out.
    fn kept_quiet(&self, preferences: &Preferences, zones: &ZoneHistory, now: DateTime<Utc>) -> (DateTime<Utc>, Fate) {
        let awake = |at| preferences.quiet.map_or(at, |quiet| quiet.after(zones, at));
        let mut due_at = awake(self.at);
        if due_at <= now && awake(now) > now {
            due_at = awake(now);
        }
        if !is_expired(due_at, self.expires_at) {
            (due_at, Fate::Due)
        } else if matches!(self.told, Told::Moved | Told::Cancelled) {
            (self.at, Fate::Due)
        } else {
            (self.at, Fate::Suppressed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reminders::QuietHours;
    use chrono_tz::Europe;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Set on Monday noon for Thursday, 10:30 in Berlin.
    fn appointment() -> Appointment {
        Appointment {
            id: Uuid::from_u128(3),
            kind: AppointmentKind::FollowUp,
            course_id: None,
            starts_at: utc("2026-02-05T09:30:00Z"),
            is_set: true,
            announced_no: 1,
            announced_at: utc("2026-02-02T12:00:00Z"),
        }
    }

    fn plan(appointment: &Appointment, now: &str) -> Vec<(Told, DateTime<Utc>, Fate)> {
        let zones = ZoneHistory::fixed(Europe::Berlin);
        let told = reminders(std::slice::from_ref(appointment), &Preferences::default(), &zones, utc(now));
        told.into_iter().map(|reminder| (reminder.subject.told, reminder.due_at, reminder.fate)).collect()
    }

    #[test]
    fn it_is_told_when_set_and_a_day_and_two_hours_before() {
        let told = plan(&appointment(), "2026-02-02T12:00:00Z");
        let expected = [
            (Told::Set, utc("2026-02-02T12:00:00Z"), Fate::Due),
            (Told::DayBefore, utc("2026-02-04T09:30:00Z"), Fate::Due),
            (Told::HoursBefore, utc("2026-02-05T07:30:00Z"), Fate::Due),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn night_puts_a_reminder_off_and_leaves_one_out_that_would_come_too_late() {
        let early = Appointment { starts_at: utc("2026-02-05T07:30:00Z"), ..appointment() };
        let told = plan(&early, "2026-02-02T12:00:00Z");
        assert_eq!(told[2], (Told::HoursBefore, utc("2026-02-05T07:00:00Z"), Fate::Due), "06:30 becomes 08:00");
        let earlier = Appointment { starts_at: utc("2026-02-05T06:30:00Z"), ..appointment() };
        assert_eq!(plan(&earlier, "2026-02-02T12:00:00Z")[2].2, Fate::Suppressed);
    }

    #[test]
    fn what_was_called_off_is_told_at_night_rather_than_too_late() {
        let off = Appointment {
            starts_at: utc("2026-02-03T06:30:00Z"),
            is_set: false,
            announced_no: 2,
            announced_at: utc("2026-02-02T22:00:00Z"),
            ..appointment()
        };
        assert_eq!(plan(&off, "2026-02-02T22:00:00Z"), [(Told::Cancelled, off.announced_at, Fate::Due)]);
        let later = Appointment { starts_at: utc("2026-02-03T12:30:00Z"), ..off };
        assert_eq!(plan(&later, "2026-02-02T22:00:00Z"), [(Told::Cancelled, utc("2026-02-03T07:00:00Z"), Fate::Due)]);
    }

    #[test]
    fn a_subject_survives_being_written_and_no_item_is_one() {
        for told in Told::ALL.iter().copied() {
            let subject = Subject { appointment_id: Uuid::from_u128(77), told };
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
        assert_eq!(Subject::parse("next_session"), None);
        assert_eq!(Subject::parse("appointment:x:set"), None);
    }

    proptest! {
        #[test]
        fn nothing_is_told_late_twice_or_to_who_does_not_want_it(
            ahead in 1i64..60 * 24 * 30, later in 0i64..60 * 24 * 30, quiet_from in 0u16..1440, quiet_to in 0u16..1440,
            is_set: bool, announced_no in 1i32..4, off: bool, paused: bool,
        ) {
            let announced_at = utc("2026-03-20T12:00:00Z");
            let appointment = Appointment {
                starts_at: announced_at + TimeDelta::minutes(ahead), is_set, announced_no, announced_at, ..appointment()
            };
            let time = |minutes| crate::domain::protocol::DayTime::from_minutes(minutes).unwrap();
            let preferences = Preferences {
                quiet: Some(QuietHours { from: time(quiet_from), to: time(quiet_to) }),
                off: off.then_some(Category::FollowUp).into_iter().collect(),
                paused,
                ..Preferences::default()
            };
            let zones = ZoneHistory::fixed(Europe::Berlin);
            let now = announced_at + TimeDelta::minutes(later);
            let told = reminders(std::slice::from_ref(&appointment), &preferences, &zones, now);
            prop_assert!(told.is_empty() || !(off || paused));
            let keys: BTreeSet<_> = told.iter().map(|reminder| &reminder.dedupe_key).collect();
            prop_assert_eq!(keys.len(), told.len());
            for reminder in &told {
                prop_assert!(reminder.due_at < reminder.expires_at && reminder.expires_at <= appointment.starts_at);
                prop_assert!(reminder.due_at >= announced_at);
                let is_news = !matches!(reminder.subject.told, Told::DayBefore | Told::HoursBefore);
                prop_assert!(is_set || is_news);
            }
        }
    }
}
