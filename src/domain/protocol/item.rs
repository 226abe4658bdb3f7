//! One entry of a protocol and the parts it is made of: windows, recurrences, reminders.
//! What they mean in real time is `timeline.rs`'s affair.

use serde::{Deserialize, Serialize};

use super::units::{DayTime, IsoDuration};
use crate::domain::words::word_enum;

word_enum! {
    /// What sort of entry an item is.
    pub enum Kind {
        /// Something people notice as they recover.
        Milestone = "milestone",
        /// Something that should wait.
        Restriction = "restriction",
        /// Something to do, once or again and again; its occurrences are tasks.
        Routine = "routine",
        /// A prompt to report how the skin looks and feels.
        CheckIn = "check_in",
        /// A sign that needs a professional's eye.
        RedFlag = "red_flag",
        /// What may be used, and from when.
        ProductAdvice = "product_advice",
        /// A visit or call that checks the recovery.
        FollowUp = "follow_up",
        /// The next treatment of the course.
        Session = "session",
        /// A question and its answer.
        Faq = "faq",
        /// What the clinic itself does to prevent trouble.
        ClinicPrevention = "clinic_prevention",
    }
}

word_enum! {
    /// How an item's window is meant.
    pub enum Relation {
        /// Seen within the window.
        In = "in",
        /// Begins within the window.
        StartsBy = "starts_by",
        /// Is strongest within the window.
        Peaks = "peaks",
        /// Is over by the window's end.
        EndsBy = "ends_by",
        /// Holds for the whole window.
        Lasts = "lasts",
    }
}

word_enum! {
    /// Who acts.
    pub enum Actor {
        /// The patient.
        Patient = "patient",
        /// The clinic: never asked of the patient.
        Clinic = "clinic",
    }
}

/// When an item holds. The three bases behave differently and are never mixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "basis", rename_all = "snake_case")]
pub enum Window {
    /// Absolute time from T0: travel and daylight saving do not move it.
    Elapsed {
        /// Start, counted from T0.
        from: IsoDuration,
        /// End (exclusive), counted from T0; none for advice that stays.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to: Option<IsoDuration>,
    },
    /// Wall clock in the patient's zone; day 0 is the local date of the treatment.
    LocalDay {
        /// First day index.
        from_day: i32,
        /// Last day index (inclusive); none for advice that stays.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to_day: Option<i32>,
        /// Time of day at which it opens (on every day, for recurring items).
        from_time: DayTime,
        /// Time of day at which it closes.
        to_time: DayTime,
    },
    /// Ends with a condition, within bounds counted from T0.
    Condition {
        /// Start, counted from T0.
        from: IsoDuration,
        /// It never ends before this.
        minimum: IsoDuration,
        /// The condition's key.
        until: String,
        /// It ends here at the latest, unless a flag of level soon or above is open.
        cap: IsoDuration,
    },
}

/// How long a restriction stays advisable after its hard bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Soft {
    /// Up to a moment counted from T0.
    Fixed {
        /// End, counted from T0.
        to: IsoDuration,
    },
    /// Until a condition ends, at the latest at a cap.
    Condition {
        /// The condition's key.
        until: String,
        /// It ends here at the latest, unless a flag of level soon or above is open.
        cap: IsoDuration,
    },
}

/// What the sources say, from the shortest to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The shortest figure.
    pub min: IsoDuration,
    /// The longest figure.
    pub max: IsoDuration,
}

/// A part of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Local time at which the task opens.
    pub from: DayTime,
    /// Local time at which it closes.
    pub to: DayTime,
}

/// How an item repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Recurrence {
    /// One task, from the window's start plus `offset` to its end.
    Once {
        /// Moves the start.
        offset: IsoDuration,
    },
    /// One task a day, from the window's `from_time` to its `to_time`.
    Daily,
    /// One task per slot and day.
    Times {
        /// The slots of a day, in order.
        times: Vec<Slot>,
        /// Only on these day indexes; empty: on every day of the window.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        days: Vec<i32>,
    },
    /// Every so many hours within a part of the day, only while a mode is on.
    Every {
        /// Hours between two tasks; each stays open until the next.
        hours: u16,
        /// Local time of the first.
        from: DayTime,
        /// Local time by which the last one closes.
        to: DayTime,
        /// The mode the patient switches on, such as `outdoors`.
        #[serde(rename = "while")]
        mode: String,
    },
    /// No tasks: shown as advice.
    AsNeeded,
}

word_enum! {
    /// What a reminder's moment is counted from.
    pub enum ReminderAt {
        /// The opening of the window or task.
        Open = "open",
        /// Its close (for a restriction: the hard bound).
        Close = "close",
        /// The patient's preferred local time.
        Preferred = "preferred",
    }
}

/// When an item's alert is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// What the moment is counted from.
    pub at: ReminderAt,
    /// Signed distance from it.
    pub offset: IsoDuration,
    /// For `preferred`: the day index, where it is not the window's first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub day: Option<i32>,
    /// For recurring items: not before this day index.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from_day: Option<i32>,
    /// For recurring items: not after this day index.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to_day: Option<i32>,
    /// For recurring items: only for these positions within the day; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub seq: Vec<i32>,
    /// The name of an alert text other than the item's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
}

impl Reminder {
    /// Whether a task on this day and at this position within it gets this reminder.
    pub fn applies(&self, day_index: i32, seq: i32) -> bool {
        self.from_day.is_none_or(|first| day_index >= first)
            && self.to_day.is_none_or(|last| day_index <= last)
            && (self.seq.is_empty() || self.seq.contains(&seq))
    }
}

/// One entry of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its name within the protocol.
    pub key: String,
    /// What sort of entry it is.
    pub kind: Kind,
    /// What it is about, shared with related items.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// How the window is meant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub relation: Option<Relation>,
    /// When it holds; none: always.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<Window>,
    /// For restrictions: how long it stays advisable after the hard bound.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub soft: Option<Soft>,
    /// What the sources say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub range: Option<Spread>,
    /// How it repeats.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recurrence: Option<Recurrence>,
    /// How long after its close a task may still be ticked off, as late.
    pub grace: IsoDuration,
    /// Who acts.
    pub actor: Actor,
    /// Whether its tasks enter compliance.
    pub counts: bool,
    /// What a task weighs there.
    pub weight: u16,
    /// Which of two milestones wins a day: the higher.
    pub priority: u8,
    /// Not sent while a flag of level soon or above is open.
    pub hold_on_flag: bool,
    /// When its alerts are due; empty: it sends none.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reminders: Vec<Reminder>,
    /// Items worth reading next.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub links: Vec<String>,
    /// Ids of the facts behind it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evidence: Vec<String>,
    /// Its figure is ours: no source gives it.
    pub product_decision: bool,
}

/// How long a task may be ticked off late unless its item says otherwise.
pub const DEFAULT_GRACE: IsoDuration = IsoDuration::hours(2);

/// The priority of an item that names none.
pub const DEFAULT_PRIORITY: u8 = 50;

impl Item {
    /// The hard bound counted from T0, where the window has one in elapsed time: the end, or the earliest end of a
    /// condition.
    pub fn hard(&self) -> Option<IsoDuration> {
        match self.window.as_ref()? {
            Window::Elapsed { to, .. } => *to,
            Window::Condition { minimum, .. } => Some(*minimum),
            Window::LocalDay { .. } => None,
        }
    }

    /// The latest soft bound counted from T0: the soft end or its cap, for conditions the cap.
    pub fn latest_soft(&self) -> Option<IsoDuration> {
        match (&self.soft, self.window.as_ref()?) {
            (Some(Soft::Fixed { to }), _) => Some(*to),
            (Some(Soft::Condition { cap, .. }), _) => Some(*cap),
            (None, Window::Condition { cap, .. }) => Some(*cap),
            (None, Window::Elapsed { .. } | Window::LocalDay { .. }) => None,
        }
    }
}
