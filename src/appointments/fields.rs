//! What staff may say about an appointment, as it is sent, and the checks of its values.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;
use uuid::Uuid;

use super::change::{Edits, NewAppointment};
use crate::body::Faults;
use crate::domain::appointment::AppointmentKind;
use crate::domain::protocol::DayTime;

/// How long an appointment may take.
const MINUTES: RangeInclusive<i32> = 5..=480;
/// How long one takes unless somebody says otherwise.
const USUAL_MINUTES: i32 = 30;

/// The body of `create_appointment`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAppointment {
    id: Option<Uuid>,
    patient_id: Uuid,
    kind: AppointmentKind,
    course_id: Option<Uuid>,
    date: NaiveDate,
    time: DayTime,
    minutes: Option<i32>,
    note: Option<String>,
}

impl CreateAppointment {
    /// Checks the values.
    pub fn read(self, faults: &mut Faults, fresh_id: Uuid) -> NewAppointment {
        if self.kind == AppointmentKind::FollowUp && self.course_id.is_some() {
            faults.push("/course_id", "is for sessions only");
        }
        NewAppointment {
            id: self.id.unwrap_or(fresh_id),
            patient_id: self.patient_id,
            kind: self.kind,
            course_id: self.course_id,
            date: date(faults, self.date),
            time: time(faults, self.time),
            minutes: minutes(faults, self.minutes).unwrap_or(USUAL_MINUTES),
            note: faults.optional_text("/note", self.note.as_deref(), 1..=500),
        }
    }
}

/// The body of `update_appointment`. Absent: as it was; an empty note: no longer there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateAppointment {
    date: Option<NaiveDate>,
    time: Option<DayTime>,
    minutes: Option<i32>,
    note: Option<String>,
}

impl UpdateAppointment {
    /// Checks the values.
    pub fn read(self, faults: &mut Faults) -> Edits {
        Edits {
            date: self.date.map(|on| date(faults, on)),
            time: self.time.map(|at| time(faults, at)),
            minutes: minutes(faults, self.minutes),
            note: self.note.map(|note| faults.optional_text("/note", Some(&note), 1..=500)),
        }
    }
}

/// A date that a calendar shows; which of them will do is decided by the clock.
fn date(faults: &mut Faults, date: NaiveDate) -> NaiveDate {
    if !(1970..=9999).contains(&date.year()) {
        faults.push("/date", "must lie between 1970 and 9999");
    }
    date
}

/// A time that a clock shows.
fn time(faults: &mut Faults, time: DayTime) -> DayTime {
    if time == DayTime::END {
        faults.push("/time", "must lie between 00:00 and 23:59");
    }
    time
}

fn minutes(faults: &mut Faults, minutes: Option<i32>) -> Option<i32> {
    if minutes.is_some_and(|minutes| !MINUTES.contains(&minutes)) {
        faults.push("/minutes", format!("must lie between {} and {}", MINUTES.start(), MINUTES.end()));
    }
    minutes
}
