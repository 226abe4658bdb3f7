//! When check-ins are expected, and how a report lies to that: early, on time, late; and which are overdue. Whoever reports
//! is thanked at any hour: this says what a clinic may wonder about, not what a patient did wrong.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::local_time::ZoneHistory;
use super::protocol::DayTime;
use super::timeline::Timeline;
use super::words::word_enum;

word_enum! {
    /// How a report lies to the window it answers.
    pub enum Timing {
        /// On the day of the window, before it opens.
        Early = "early",
        /// Within it.
        OnTime = "on_time",
        /// After it, and before the day of the next one.
        Late = "late",
    }
}

word_enum! {
    /// Where a window stands at a moment.
    pub enum WindowState {
        /// It opens later, and nobody has reported yet.
        Ahead = "ahead",
        /// It is open, and nobody has reported yet.
        Open = "open",
        /// It is over without a report; one that comes now is late.
        Overdue = "overdue",
        /// It is over without a report, and the day of the next one has begun.
        Missed = "missed",
        /// Answered before it opened.
        Early = "early",
        /// Answered within it.
        OnTime = "on_time",
        /// Answered after it.
        Late = "late",
    }
}

/// A stretch of a day in which the protocol asks how things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckInWindow {
    /// The item that asks.
    pub item_key: String,
    /// Day index.
    pub day_index: i32,
    /// The patient's date.
    pub local_date: NaiveDate,
    /// From here a report is on time.
    pub open_at: DateTime<Utc>,
    /// Until here.
    pub close_at: DateTime<Utc>,
    /// From here a report answers it: its day begins.
    pub answered_from: DateTime<Utc>,
    /// From here reports answer the next one; none: it is the last one.
    pub answered_until: Option<DateTime<Utc>>,
}

impl CheckInWindow {
    /// How a report lies to it; `None`: it answers another window, or none.
    pub fn timing(&self, recorded_at: DateTime<Utc>) -> Option<Timing> {
        if recorded_at < self.answered_from || self.answered_until.is_some_and(|until| recorded_at >= until) {
            None
        } else if recorded_at < self.open_at {
            Some(Timing::Early)
        } else if recorded_at < self.close_at {
            Some(Timing::OnTime)
        } else {
            Some(Timing::Late)
        }
    }

    /// Where it stands at `now`, and which of these reports answered it: one on time, else the first.
    pub fn stand(&self, reports: &[(Uuid, DateTime<Utc>)], now: DateTime<Utc>) -> (WindowState, Option<Uuid>) {
        let own = reports.iter().filter_map(|(id, at)| Some((self.timing(*at)?, *at, *id)));
        let answer = own.min_by_key(|(timing, at, id)| (*timing != Timing::OnTime, *at, *id));
        let state = match answer {
            Some((Timing::Early, ..)) => WindowState::Early,
            Some((Timing::OnTime, ..)) => WindowState::OnTime,
            Some((Timing::Late, ..)) => WindowState::Late,
            None if now < self.open_at => WindowState::Ahead,
            None if now < self.close_at => WindowState::Open,
            None if self.answered_until.is_some_and(|until| now >= until) => WindowState::Missed,
            None => WindowState::Overdue,
        };
        (state, answer.map(|(.., id)| id))
    }
}

/// The windows of a treatment in order of time. What was over before `since`, and what a journey left nothing of, was never
/// asked.
pub fn windows(laid: &Timeline<'_>, zones: &ZoneHistory, since: DateTime<Utc>) -> Vec<CheckInWindow> {
    let asked = laid.check_ins.iter().filter(|task| task.excluded.is_none() && task.close_at > since);
    let mut windows: Vec<CheckInWindow> = asked
        .map(|task| CheckInWindow {
            item_key: task.item_key().to_owned(),
            day_index: task.day_index,
            local_date: task.local_date,
            open_at: task.open_at,
            close_at: task.close_at,
            answered_from: zones.instant_on(task.local_date, DayTime::START).min(task.open_at),
            answered_until: None,
        })
        .collect();
    windows.sort_by_key(|window| (window.open_at, window.close_at));
    // Of two windows of one day the second takes over where the first ends; else the day of the next one is its own.
    for index in 1..windows.len() {
        let from = windows[index].answered_from.max(windows[index - 1].close_at);
        (windows[index - 1].answered_until, windows[index].answered_from) = (Some(from), from);
    }
    windows
}

/// The window that a report answers, and how it lies to it.
pub fn answered(windows: &[CheckInWindow], recorded_at: DateTime<Utc>) -> Option<(&CheckInWindow, Timing)> {
    windows.iter().find_map(|window| Some((window, window.timing(recorded_at)?)))
}

#[cfg(test)]
mod tests;
