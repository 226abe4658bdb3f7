//! What has changed, as sent: each thing as its own read shows it, or that it is gone.

use serde::Serialize;
use uuid::Uuid;

use crate::appointments::view::AppointmentView;
use crate::check_ins::view::CheckInView;
use crate::courses::view::CourseView;
use crate::domain::sync::SyncKind;
use crate::excuses::view::ExcusedView;
use crate::outcomes::view::OutcomeView;
use crate::preferences::fields::PreferencesView;
use crate::treatments::view::TreatmentView;

/// One thing that changed, as it is now.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncItem {
    /// A treatment, or what follows from it: its bundle is another one.
    Treatment {
        /// Which.
        id: Uuid,
        /// As it is.
        treatment: Box<TreatmentView>,
    },
    /// An entry about a task.
    Outcome {
        /// Which.
        id: Uuid,
        /// As it is.
        outcome: Box<OutcomeView>,
    },
    /// A check-in, or what the clinic did about it.
    CheckIn {
        /// Which.
        id: Uuid,
        /// As it is.
        check_in: Box<CheckInView>,
    },
    /// What the clinic excused.
    Excuse {
        /// Which.
        id: Uuid,
        /// As it is.
        excuse: Box<ExcusedView>,
    },
    /// An appointment.
    Appointment {
        /// Which.
        id: Uuid,
        /// As it is.
        appointment: Box<AppointmentView>,
    },
    /// A course, or how far it has come.
    Course {
        /// Which.
        id: Uuid,
        /// As it is.
        course: Box<CourseView>,
    },
    /// What the person wants to be told.
    NotificationPreferences {
        /// Whose login.
        id: Uuid,
        /// As they are.
        notification_preferences: Box<PreferencesView>,
    },
    /// It is no more.
    Gone {
        /// Which.
        id: Uuid,
        /// What it was.
        what: SyncKind,
    },
}
