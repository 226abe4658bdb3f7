//! Why an alert is due when it is, or not owed at all: what the planner says while it plans, heard by whoever asks. There
//! is no second implementation that could tell another story, and who does not ask pays nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Fate, Owed, Unsaid};
use crate::domain::protocol::ReminderAt;
use crate::domain::words::word_enum;

word_enum! {
    /// What moved an alert to another moment.
    pub enum MovedBy {
        /// The person is left alone then.
        QuietHours = "quiet_hours",
        /// A few minutes of the person's own, so that a city does not ring at once.
        Spread = "spread",
        /// A flag kept results and session prompts back.
        Flag = "flag",
        /// What it is about had not begun.
        Window = "window",
        /// The plan was made at night, when it was due already.
        PlannedAtNight = "planned_at_night",
        /// It is told with others that are due soon after it.
        Together = "together",
        /// It would have followed another too closely.
        Gap = "minimum_gap",
        /// The day before was full.
        DailyCap = "daily_cap",
        /// The person asked to hear it later.
        Snooze = "snooze",
    }
}

word_enum! {
    /// Why something is not owed.
    pub enum LeftOut {
        /// The person wants nothing at all for now.
        Paused = "paused",
        /// The person does not want such alerts.
        SwitchedOff = "switched_off",
        /// The clinic has recalled the protocol version.
        Recalled = "recalled",
        /// The treatment was completed.
        Completed = "completed",
        /// The next treatment of the course is registered.
        CourseContinued = "course_continued",
        /// It was the last session of the course, or the clinic has ended that.
        CourseOver = "course_over",
        /// An appointment is set.
        Arranged = "arranged",
        /// The task was done or skipped.
        TaskSettled = "task_settled",
        /// A check-in came in on that day.
        CheckedIn = "checked_in",
        /// The task does not count: excused, skipped on a journey, or over before counting began.
        Excluded = "excluded",
        /// A jump of the person's clock, or a late treatment, left too little of its window.
        WindowOver = "window_over",
        /// A flag of level soon or above is open.
        FlagOpen = "flag_open",
        /// It was due before the treatment was registered.
        BeforeRegistration = "before_registration",
        /// Its time was over when the plan was made.
        Expired = "expired",
        /// A milestone that this treatment's plan told on another day, before it was moved.
        Told = "told",
        /// Another milestone was told on that day.
        DayTaken = "day_taken",
    }
}

/// One step of an alert through time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Move {
    /// What moved it.
    pub by: MovedBy,
    /// Where it was.
    pub from: DateTime<Utc>,
    /// Where it went.
    pub to: DateTime<Utc>,
}

/// How the story ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is owed.
    Owed,
    /// It is told with this other one.
    Merged {
        /// The key of the one that is sent.
        into: String,
    },
    /// It is recorded and not sent.
    Suppressed(Unsaid),
    /// There is one milestone a day, and this other one has it.
    GaveWay {
        /// The treatment that it is of.
        treatment_id: Uuid,
        /// The item that has the day.
        item_key: String,
    },
    /// It is not owed.
    LeftOut(LeftOut),
}

impl End {
    fn of(fate: &Fate) -> Self {
        match fate {
            Fate::Due => Self::Owed,
            Fate::Merged { into } => Self::Merged { into: into.clone() },
            Fate::Suppressed(why) => Self::Suppressed(*why),
        }
    }
}

/// One alert on its way through the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The alert as it is planned, or would be.
    pub alert: Owed,
    /// What its moment is counted from.
    pub at: ReminderAt,
    /// When it would be due if nothing stood against it.
    pub wanted_at: DateTime<Utc>,
    /// What moved it from there, in order.
    pub moves: Vec<Move>,
    /// What came of it.
    pub end: End,
}

/// Whom the planner tells what it does.
pub(super) trait Witness {
    /// Whether it wants to hear of what is not owed, too.
    const CURIOUS: bool;

    /// The planner looks for the moment of one more alert.
    fn begin(&mut self, at: ReminderAt, wanted_at: DateTime<Utc>);
    /// The moment moved.
    fn moved(&mut self, by: MovedBy, from: DateTime<Utc>, to: DateTime<Utc>);
    /// The moment is found.
    fn placed(&mut self, alert: &Owed, left_out: Option<LeftOut>);
    /// Another milestone has the day.
    fn gave_way(&mut self, alert: &Owed, to: &Owed);
    /// The moment that was found moved once more.
    fn shifted(&mut self, alert: &Owed, by: MovedBy, to: DateTime<Utc>);
    /// This is what becomes of it.
    fn decided(&mut self, alert: &Owed);
}

/// Nobody asks: nothing is kept.
pub(super) struct Nobody;

impl Witness for Nobody {
    const CURIOUS: bool = false;

    fn begin(&mut self, _: ReminderAt, _: DateTime<Utc>) {}
    fn moved(&mut self, _: MovedBy, _: DateTime<Utc>, _: DateTime<Utc>) {}
    fn placed(&mut self, _: &Owed, _: Option<LeftOut>) {}
    fn gave_way(&mut self, _: &Owed, _: &Owed) {}
    fn shifted(&mut self, _: &Owed, _: MovedBy, _: DateTime<Utc>) {}
    fn decided(&mut self, _: &Owed) {}
}

/// Writes everything down.
#[derive(Default)]
pub(super) struct Scribe {
    pub(super) stories: Vec<Story>,
    begun: Option<(ReminderAt, DateTime<Utc>)>,
    moves: Vec<Move>,
}

impl Scribe {
    /// The story of an alert, which may have changed since it was placed. Two milestones may stand under one key.
    fn story_of(&mut self, alert: &Owed) -> Option<&mut Story> {
        self.stories.iter_mut().find(|story| {
            let told = &story.alert;
            matches!(story.end, End::Owed | End::Merged { .. } | End::Suppressed(_))
                && (&told.dedupe_key, told.treatment_id, &told.item_key)
                    == (&alert.dedupe_key, alert.treatment_id, &alert.item_key)
        })
    }
}

impl Witness for Scribe {
    const CURIOUS: bool = true;

    fn begin(&mut self, at: ReminderAt, wanted_at: DateTime<Utc>) {
        self.begun = Some((at, wanted_at));
        self.moves.clear();
    }

    fn moved(&mut self, by: MovedBy, from: DateTime<Utc>, to: DateTime<Utc>) {
        if from != to {
            self.moves.push(Move { by, from, to });
        }
    }

    fn placed(&mut self, alert: &Owed, left_out: Option<LeftOut>) {
        let Some((at, wanted_at)) = self.begun.take() else { return };
        let end = left_out.map_or_else(|| End::of(&alert.fate), End::LeftOut);
        let moves = std::mem::take(&mut self.moves);
        self.stories.push(Story { alert: alert.clone(), at, wanted_at, moves, end });
    }

    fn gave_way(&mut self, alert: &Owed, to: &Owed) {
        if let Some(story) = self.stories.iter_mut().find(|story| story.alert == *alert) {
            story.end = End::GaveWay { treatment_id: to.treatment_id, item_key: to.item_key.clone() };
        }
    }

    fn shifted(&mut self, alert: &Owed, by: MovedBy, to: DateTime<Utc>) {
        let Some(story) = self.story_of(alert).filter(|story| story.alert.due_at != to) else { return };
        story.moves.push(Move { by, from: story.alert.due_at, to });
        story.alert.due_at = to;
    }

    fn decided(&mut self, alert: &Owed) {
        if let Some(story) = self.story_of(alert) {
            story.end = End::of(&alert.fate);
            story.alert = alert.clone();
        }
    }
}
