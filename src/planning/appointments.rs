//! Appointments between the database and the pure core, and what is owed of them on its way to the queue.

use super::planned;
use super::store::PersonRow;
use crate::alerts::queue;
use crate::domain::appointment::{Appointment, Reminder};

impl PersonRow {
    /// The person's appointments, as far as planning goes.
    pub(super) fn appointments(&self) -> anyhow::Result<Vec<Appointment>> {
        let times = self.appointments_at.iter().zip(&self.appointments_set);
        let announced = self.announced_no.iter().zip(&self.announced_at);
        let whats = self.appointments.iter().zip(&self.appointment_kinds).zip(&self.appointment_courses);
        let columns = whats.zip(times).zip(announced);
        let appointments =
            columns.map(|((((id, kind), course_id), (starts_at, is_set)), (announced_no, announced_at))| {
                Ok(Appointment {
                    id: *id,
                    kind: kind.parse().map_err(anyhow::Error::msg)?,
                    course_id: *course_id,
                    starts_at: *starts_at,
                    is_set: *is_set,
                    announced_no: *announced_no,
                    announced_at: *announced_at,
                })
            });
        appointments.collect()
    }
}

impl From<Reminder> for queue::Owed {
    fn from(reminder: Reminder) -> Self {
        Self {
            dedupe_key: reminder.dedupe_key,
            category: reminder.category.as_str(),
            urgent: false,
            treatment_id: None,
            flag_id: None,
            device_id: None,
            protocol_version_id: None,
            item_key: Some(reminder.subject.to_string()),
            day_index: None,
            seq: None,
            due_at: reminder.due_at,
            expires_at: reminder.expires_at,
            state: planned(reminder.fate),
        }
    }
}
