//! A bundle, as sent: the views of its parts, with what lets an app evaluate them at any moment by itself.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::bundle::Gathered;
use super::form_view::CheckInFormView;
use crate::alerts::routes::view::AlertView;
use crate::appointments::view::AppointmentView;
use crate::check_ins::read::standing_windows;
use crate::check_ins::view::WindowView;
use crate::conditions::view::ConditionView;
use crate::courses::view::CourseView;
use crate::domain::compliance::{TaskState, standing, standings};
use crate::domain::guidance::{Sources, ahead};
use crate::domain::protocol::Texts;
use crate::domain::timeline::{Excluded, Task, Timeline};
use crate::excuses::view::ExcusedView;
use crate::protocols::view::{FaqView, faqs};
use crate::recovery::task_view::TaskView;
use crate::treatments::ahead_view::AheadView;
use crate::treatments::timeline_view::TimelineView;
use crate::treatments::view::{ProtocolRef, TreatmentView};

/// All that an app needs of one treatment.
#[derive(Debug, Serialize)]
pub struct BundleView<'a> {
    treatment: TreatmentView,
    zones: Vec<ZoneView>,
    timeline: TimelineView<'a>,
    guidance: AheadView<'a>,
    tasks: Vec<TaskAheadView<'a>>,
    conditions: Vec<ConditionView<'a>>,
    check_in: CheckInFormView,
    faqs: Vec<FaqView>,
    excuses: Vec<ExcusedView>,
    appointments: Vec<AppointmentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    course: Option<CourseView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reminders: Option<&'a [AlertView]>,
}

/// Where the patient's clock is, and since when.
#[derive(Debug, Serialize)]
struct ZoneView {
    zone: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<DateTime<Utc>>,
}

/// A task, and where it stands at every moment.
#[derive(Debug, Serialize)]
struct TaskAheadView<'a> {
    #[serde(flatten)]
    task: TaskView<'a>,
    /// Guidance shows it on its date.
    in_guidance: bool,
    stands: Vec<StandView>,
}

#[derive(Debug, Serialize)]
struct StandView {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<DateTime<Utc>>,
    state: TaskState,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded_because: Option<Excluded>,
}

impl<'a> BundleView<'a> {
    /// What was gathered, in these words; `laid` is the treatment laid out.
    pub fn new(gathered: &'a Gathered, texts: &'a Texts, laid: &'a Timeline<'a>) -> Self {
        let Gathered { recovery, version, now, for_staff, .. } = gathered;
        let (now, for_staff) = (*now, *for_staff);
        let sources = Sources {
            version,
            texts,
            timeline: laid,
            zones: &recovery.zones,
            said: &recovery.said,
            starts_at: recovery.starts_at(now),
            ended_at: recovery.row.ended_at,
        };
        let conditions = version.structure.conditions.iter();
        let windows = standing_windows(recovery, version, &gathered.reports, now);
        let windows = windows.into_iter().map(WindowView::new).collect();
        Self {
            treatment: TreatmentView::new(gathered.treatment.clone(), ProtocolRef::of(version), for_staff),
            zones: recovery.zones.rows().map(|(from, zone)| ZoneView { zone: zone.name(), from }).collect(),
            timeline: TimelineView::new(recovery.row.id, version, texts, laid, now).with_overrides(
                version,
                texts,
                recovery.overrides(),
            ),
            guidance: AheadView::new(ahead(&sources), recovery),
            tasks: TaskAheadView::all(gathered, texts, laid),
            conditions: conditions
                .map(|condition| ConditionView::new(condition, recovery, (version, texts), laid, None))
                .collect(),
            check_in: CheckInFormView::new(version, texts, &gathered.manner, windows),
            faqs: faqs(version, texts),
            excuses: gathered.excuses.iter().cloned().map(ExcusedView::from).collect(),
            appointments: gathered.appointments.iter().cloned().map(AppointmentView::from).collect(),
            course: gathered.course.clone().map(|course| CourseView::new(course, None, now, for_staff)),
            reminders: gathered.reminders.as_deref(),
        }
    }
}

impl<'a> TaskAheadView<'a> {
    fn all(gathered: &'a Gathered, texts: &'a Texts, laid: &'a Timeline<'a>) -> Vec<Self> {
        let mut tasks: Vec<_> = laid.tasks.iter().collect();
        tasks.sort_by_key(|task| (task.open_at, task.close_at));
        tasks.into_iter().map(|task| Self::new(gathered, texts, task)).collect()
    }

    fn new(gathered: &'a Gathered, texts: &'a Texts, task: &'a Task<'a>) -> Self {
        let Gathered { recovery, version, now, .. } = gathered;
        let at = recovery.judged_at(*now);
        let stands_now = standing(task, &recovery.said, recovery.starts_at(at), at);
        let view = TaskView::new(task, recovery.title(version, texts, task), stands_now);
        let mut stands = standings(task, &recovery.said, |at| recovery.starts_at(at));
        // Once the treatment has ended a task stays where it stood.
        stands.retain(|(from, _)| from.is_none_or(|from| recovery.judged_at(from) == from));
        Self {
            task: view.with_override(recovery.override_of(version, task)),
            in_guidance: version.item(task.item_key()).is_some(),
            stands: stands
                .into_iter()
                .map(|(from, stands)| StandView { from, state: stands.state, excluded_because: stands.excluded })
                .collect(),
        }
    }
}
