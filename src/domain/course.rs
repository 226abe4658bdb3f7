//! A course: when its next session is due, and what has been arranged for the time after one. How its prompts are told is
//! `reminders.rs`.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::appointment::{Appointment, AppointmentKind};
use super::local_time::day;
use super::protocol::{IsoDuration, Series};
use super::words::word_enum;

word_enum! {
    /// Where a course stands, as it is stored.
    pub enum CourseStatus {
        /// No session has taken place.
        Planned = "planned",
        /// Sessions have taken place, and others may follow.
        Running = "running",
        /// The clinic has ended it.
        Completed = "completed",
        /// It is not to be followed.
        Cancelled = "cancelled",
    }
}

impl CourseStatus {
    /// Whether sessions may join.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Planned | Self::Running)
    }
}

word_enum! {
    /// How the next session stands to its window.
    pub enum Due {
        /// Too early for it.
        Ahead = "ahead",
        /// It is time.
        Due = "due",
        /// It should have taken place.
        Overdue = "overdue",
    }
}

/// Days from one session to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Until it is due.
    pub min_days: i32,
    /// Until it is overdue; more than the former.
    pub max_days: i32,
}

/// When the next session is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextDue {
    /// The first of the patient's dates on which it is due.
    pub due_on: NaiveDate,
    /// The first on which it is overdue.
    pub overdue_on: NaiveDate,
}

impl Spacing {
    /// The interval that a protocol calls usual.
    pub fn usual(series: &Series) -> Self {
        Self { min_days: days(series.interval_min), max_days: days(series.interval_max) }
    }

    /// When the session after one of that date is due.
    pub fn after(self, last_on: NaiveDate) -> NextDue {
        NextDue { due_on: day(last_on, self.min_days), overdue_on: day(last_on, self.max_days) }
    }

    /// Where a day index that was written for the `usual` interval lies with this one: what goes by the end of the interval
    /// moves with its end, everything before with its beginning.
    pub fn moved(self, usual: Self, day_index: i32) -> i32 {
        if day_index >= usual.max_days - 1 {
            day_index + self.max_days - usual.max_days
        } else {
            day_index + self.min_days - usual.min_days
        }
    }
}

impl NextDue {
    /// How it stands on a date.
    pub fn on(&self, today: NaiveDate) -> Due {
        if today >= self.overdue_on {
            Due::Overdue
        } else if today >= self.due_on {
            Due::Due
        } else {
            Due::Ahead
        }
    }
}

fn days(duration: IsoDuration) -> i32 {
    i32::try_from(duration.delta().num_days()).unwrap_or(i32::MAX)
}

/// What has been arranged for the time after a treatment.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhatFollows<'a> {
    /// The course the treatment is a session of.
    pub course_id: Option<Uuid>,
    /// The next session is registered.
    pub continued: bool,
    /// It was the last that is planned, or the clinic has ended the course.
    pub over: bool,
    /// The patient's appointments.
    pub appointments: &'a [Appointment],
}

impl WhatFollows<'_> {
    /// Whether an appointment of this kind is set for `at` or later: whoever has one needs no prompt to make one. Once it is
    /// over without a treatment it excuses nobody any more.
    pub fn is_arranged(&self, kind: AppointmentKind, at: DateTime<Utc>) -> bool {
        let ours = |appointment: &Appointment| match (appointment.course_id, self.course_id) {
            (Some(theirs), Some(ours)) => theirs == ours,
            _ => true,
        };
        let set = self.appointments.iter().filter(|appointment| appointment.is_set && appointment.kind == kind);
        set.filter(|appointment| ours(appointment)).any(|appointment| appointment.starts_at >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    const USUAL: Spacing = Spacing { min_days: 28, max_days: 42 };

    fn on(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_session_is_due_after_four_weeks_and_overdue_after_six() {
        let next = USUAL.after(on("2026-02-02"));
        assert_eq!((next.due_on, next.overdue_on), (on("2026-03-02"), on("2026-03-16")));
        let standing = ["2026-03-01", "2026-03-02", "2026-03-15", "2026-03-16"].map(|date| next.on(on(date)));
        assert_eq!(standing, [Due::Ahead, Due::Due, Due::Due, Due::Overdue]);
    }

    #[test]
    fn another_interval_moves_the_window_of_the_prompt_and_what_comes_after_it() {
        let ours = Spacing { min_days: 35, max_days: 56 };
        let moved = [28, 41, 42, 48].map(|day| ours.moved(USUAL, day));
        assert_eq!(moved, [35, 55, 56, 62]);
    }

    #[test]
    fn an_appointment_of_another_course_or_kind_or_one_that_was_cancelled_arranges_nothing() {
        let at: DateTime<Utc> = "2026-03-02T09:00:00Z".parse().unwrap();
        let set = Appointment {
            id: Uuid::from_u128(1),
            kind: AppointmentKind::Session,
            course_id: Some(Uuid::from_u128(2)),
            starts_at: at,
            is_set: true,
            announced_no: 1,
            announced_at: at - TimeDelta::days(9),
        };
        let arranged = |appointment: Appointment, course: Option<u128>, kind| {
            let appointments = [appointment];
            let course_id = course.map(Uuid::from_u128);
            WhatFollows { course_id, appointments: &appointments, ..WhatFollows::default() }.is_arranged(kind, at)
        };
        let (session, follow_up) = (AppointmentKind::Session, AppointmentKind::FollowUp);
        assert!(arranged(set.clone(), Some(2), session) && arranged(set.clone(), None, session));
        assert!(!arranged(set.clone(), Some(3), session));
        assert!(!arranged(set.clone(), Some(2), follow_up));
        assert!(!arranged(Appointment { is_set: false, ..set.clone() }, Some(2), session));
        assert!(!arranged(Appointment { starts_at: at - TimeDelta::seconds(1), ..set }, Some(2), session));
    }

    proptest! {
        #[test]
        fn a_window_stays_a_window_whatever_the_interval(min in 14i32..90, more in 1i32..90, from in 28i32..48, to in 28i32..48) {
            let ours = Spacing { min_days: min, max_days: min + more };
            let (from, to) = (from.min(to), from.max(to));
            let (moved_from, moved_to) = (ours.moved(USUAL, from), ours.moved(USUAL, to));
            prop_assert!(moved_from >= ours.min_days);
            // What fits between the two ends of the usual interval need not fit between ours, but for the whole of it.
            prop_assert!((from, to) != (28, 41) || moved_from <= moved_to);
        }
    }
}
