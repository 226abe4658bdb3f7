//! What staff may say about a course, as it is sent, and the checks of its values.

use std::ops::RangeInclusive;

use serde::Deserialize;
use uuid::Uuid;

use super::change::{Edits, NewCourse};
use crate::body::Faults;

/// The sources name three to six sessions and eight or more for some; twelve leave room.
const SESSIONS: RangeInclusive<i32> = 3..=12;
/// Sessions before there was a record.
const EARLIER: RangeInclusive<i32> = 0..=11;
/// Days between sessions. The sources say four to six weeks; nobody says two, and nobody plans further than a year.
const INTERVAL: RangeInclusive<i32> = 14..=365;

/// The body of `create_course`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateCourse {
    id: Option<Uuid>,
    patient_id: Uuid,
    area: Option<String>,
    protocol: Option<String>,
    planned_sessions: Option<i32>,
    earlier_sessions: Option<i32>,
    interval_min_days: Option<i32>,
    interval_max_days: Option<i32>,
    notes: Option<String>,
}

impl CreateCourse {
    /// Checks the values.
    pub fn read(self, faults: &mut Faults, fresh_id: Uuid) -> NewCourse {
        let plan = UpdateCourse {
            protocol: self.protocol,
            planned_sessions: self.planned_sessions,
            earlier_sessions: self.earlier_sessions,
            interval_min_days: self.interval_min_days,
            interval_max_days: self.interval_max_days,
            notes: self.notes,
        };
        NewCourse {
            id: self.id.unwrap_or(fresh_id),
            patient_id: self.patient_id,
            area: faults.text("/area", self.area.as_deref().unwrap_or("face"), 1..=60),
            plan: plan.read(faults),
        }
    }
}

/// The body of `update_course`. Absent: as it was; empty notes: no longer there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateCourse {
    protocol: Option<String>,
    planned_sessions: Option<i32>,
    earlier_sessions: Option<i32>,
    interval_min_days: Option<i32>,
    interval_max_days: Option<i32>,
    notes: Option<String>,
}

impl UpdateCourse {
    /// Checks the values.
    pub fn read(self, faults: &mut Faults) -> Edits {
        within(faults, "/planned_sessions", self.planned_sessions, &SESSIONS);
        within(faults, "/earlier_sessions", self.earlier_sessions, &EARLIER);
        within(faults, "/interval_min_days", self.interval_min_days, &INTERVAL);
        within(faults, "/interval_max_days", self.interval_max_days, &INTERVAL);
        Edits {
            protocol: self.protocol,
            planned_sessions: self.planned_sessions,
            earlier_sessions: self.earlier_sessions,
            interval_min_days: self.interval_min_days,
            interval_max_days: self.interval_max_days,
            notes: self.notes.map(|notes| faults.optional_text("/notes", Some(&notes), 1..=4000)),
        }
    }
}

fn within(faults: &mut Faults, pointer: &str, value: Option<i32>, bounds: &RangeInclusive<i32>) {
    if value.is_some_and(|value| !bounds.contains(&value)) {
        faults.push(pointer, format!("must lie between {} and {}", bounds.start(), bounds.end()));
    }
}
