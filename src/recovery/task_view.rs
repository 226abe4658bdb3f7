//! How a task looks to the outside, wherever tasks are shown.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::override_view::OverriddenView;
use crate::domain::compliance::{Standing, TaskState};
use crate::domain::overrides::Overridden;
use crate::domain::timeline::{Excluded, Task};

/// A task, as sent.
#[derive(Debug, Serialize)]
pub struct TaskView<'a> {
    id: Uuid,
    item_key: &'a str,
    title: &'a str,
    day_index: i32,
    local_date: NaiveDate,
    open_at: DateTime<Utc>,
    close_at: DateTime<Utc>,
    /// Until then it may still be ticked off, as late.
    grace_until: DateTime<Utc>,
    state: TaskState,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded_because: Option<Excluded>,
    /// Whether it enters compliance.
    counts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    overridden: Option<OverriddenView<'a>>,
}

impl<'a> TaskView<'a> {
    /// A task under its title, where it stands.
    pub fn new(task: &Task<'a>, title: &'a str, standing: Standing) -> Self {
        Self {
            id: task.id,
            item_key: &task.item.key,
            title,
            day_index: task.day_index,
            local_date: task.local_date,
            open_at: task.open_at,
            close_at: task.close_at,
            grace_until: task.closed_at(),
            state: standing.state,
            excluded_because: standing.excluded,
            counts: task.item.counts,
            overridden: None,
        }
    }

    /// The same with what was changed of its item for the treatment.
    pub fn with_override(self, there: Option<&'a Overridden>) -> Self {
        Self { overridden: there.map(OverriddenView::from), ..self }
    }
}
