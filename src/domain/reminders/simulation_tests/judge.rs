//! What a person thinks of an alert at the moment at which it arrives. Nothing is taken from the planner: clocks are read
//! anew, and what there is to do is laid out as it is now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};

use super::person::Person;
use super::queue::{Queue, Row, State};
use crate::domain::reminders::{Category, Owed, Snooze};

#[derive(Debug, Default)]
pub(super) struct Figures {
    pub plans: usize,
    /// Plans made because something could not be sent while its plan held.
    pub planned_anew: usize,
    pub snoozed: usize,
    /// In first plans, by what moved an alert.
    pub moved: BTreeMap<&'static str, usize>,
    /// By category, what came of it and why.
    ends: BTreeMap<(&'static str, String), usize>,
    late: usize,
    asked_for: usize,
    pub broken: Vec<String>,
}

#[derive(Default)]
pub(super) struct Judge {
    pub figures: Figures,
    heard: BTreeSet<String>,
    days: BTreeMap<NaiveDate, usize>,
    /// When the phone rang last, and whether it did so on time.
    last: Option<(DateTime<Utc>, bool)>,
}

impl Judge {
    /// Somebody's phone rings.
    pub(super) fn sent(&mut self, person: &Person, row: &Row, now: DateTime<Utc>) {
        let owed = &row.owed;
        let mut wrong = Vec::new();
        let local = now.with_timezone(&person.zones.at(now));
        if let Some(quiet) = person.wishes.quiet {
            let minute = local.hour() * 60 + local.minute();
            let (from, to) = (u32::from(quiet.from.minutes()), u32::from(quiet.to.minutes()));
            let asleep = if from <= to { minute >= from && minute < to } else { minute >= from || minute < to };
            if asleep {
                wrong.push(format!("in quiet hours {}-{}", quiet.from, quiet.to));
            }
        }
        if person.wishes.paused {
            wrong.push("while everything is paused".to_owned());
        }
        if now < owed.due_at {
            wrong.push("early".to_owned());
        }
        let told_with = person
            .queue
            .0
            .values()
            .filter(|other| other.state == State::Merged(owed.dedupe_key.clone()) && other.owed.expires_at > now);
        for told in told_with.map(|row| &row.owed).chain([owed]) {
            if !self.heard.insert(heard_as(told)) {
                wrong.push(format!("twice: {}", told.dedupe_key));
            }
            if let Some(stale) = stale(person, told, now) {
                wrong.push(format!("stale, {stale}: {}", told.dedupe_key));
            }
            if person.wishes.off.contains(&told.category) {
                wrong.push(format!("switched off: {}", told.dedupe_key));
            }
        }
        if owed.asked_for {
            self.figures.asked_for += 1;
        } else {
            let today = self.days.entry(local.date_naive()).or_default();
            *today += 1;
            if *today > person.wishes.daily_cap {
                wrong.push(format!("the {today}th of a day with at most {}", person.wishes.daily_cap));
            }
            let on_time = now == owed.due_at;
            if let Some((before, true)) = self.last.filter(|_| on_time)
                && now - before < person.wishes.minimum_gap
            {
                wrong.push(format!("{} after the one before", now - before));
            }
            self.last = Some((now, on_time));
        }
        if now > owed.due_at + TimeDelta::minutes(1) {
            self.figures.late += 1;
        }
        for what in wrong {
            self.figures.broken.push(format!("{what}; at {now} ({local}), patient {}: {row:#?}", person.id));
        }
    }

    /// What became of a row, when nothing is left to send.
    pub(super) fn ended(&mut self, row: &Row, queue: &Queue) {
        let end = match &row.state {
            State::Sent(_) => "sent".to_owned(),
            State::Merged(into) => match queue.0.get(into).map(|leader| &leader.state) {
                Some(State::Sent(_)) => "told with another".to_owned(),
                Some(State::Ended { state, reason }) => format!("with another that is {state}: {reason}"),
                other => {
                    self.figures.broken.push(format!("told by nobody, {other:?}: {row:#?}"));
                    return;
                }
            },
            State::Ended { state, reason } if !reason.is_empty() => format!("{state}: {reason}"),
            State::Scheduled | State::Ended { .. } => {
                self.figures.broken.push(format!("not accounted for: {row:#?}"));
                return;
            }
        };
        *self.figures.ends.entry((row.owed.category.as_str(), end)).or_default() += 1;
    }
}

/// What it is about, whatever its key. Told once more counts as something else: somebody asked for that.
fn heard_as(owed: &Owed) -> String {
    let again = if owed.dedupe_key.starts_with(Snooze::PREFIX) { owed.dedupe_key.as_str() } else { "" };
    format!("{} {} {} {} {again}", owed.treatment_id, owed.item_key, owed.day_index, owed.seq)
}

/// Why it is of no use any more, as things are now.
fn stale(person: &Person, owed: &Owed, now: DateTime<Utc>) -> Option<String> {
    if now >= owed.expires_at {
        return Some("expired".to_owned());
    }
    let treatment = person.treatments.iter().find(|treatment| treatment.id == owed.treatment_id && !treatment.ended);
    let Some(treatment) = treatment else { return Some("the treatment ended".to_owned()) };
    let windows = &treatment.windows;
    let of_tasks = matches!(owed.category, Category::Routine | Category::CheckIn);
    let (day, position) = if of_tasks { (owed.day_index, windows.position(owed)) } else { (0, 0) };
    let Some(window) = windows.of.get(&(owed.item_key.clone(), day, position)) else {
        return Some("there is no such thing".to_owned());
    };
    if window.task.is_some_and(|task| treatment.settled.contains(&task)) {
        return Some("it is done".to_owned());
    }
    if owed.category == Category::CheckIn && treatment.checked_in_on.contains(&window.local_date) {
        return Some("there was a check-in".to_owned());
    }
    let over = window.over_at.filter(|over| now >= *over);
    (now < window.open_at || over.is_some()).then(|| format!("{window:?}"))
}

impl Figures {
    fn sum(&self, end: &str) -> usize {
        self.ends.iter().filter(|((_, of), _)| of.starts_with(end)).map(|(_, count)| count).sum()
    }

    #[track_caller]
    pub(super) fn nothing_is_broken(&self) {
        let heads: Vec<&str> = self.broken.iter().filter_map(|broken| broken.lines().next()).take(20).collect();
        assert!(heads.is_empty(), "{} broken:\n{}\n{}", self.broken.len(), heads.join("\n"), self.broken[0]);
    }

    /// A simulation in which nothing happens shows nothing.
    pub(super) fn everything_happened(&self) {
        let ends =
            ["sent", "told with another", "expired", "cancelled", "suppressed: quiet_hours", "suppressed: daily_cap"];
        for end in ends {
            assert!(self.sum(end) > 0, "nothing {end}");
        }
        assert!(self.planned_anew > 0 && self.snoozed > 0 && self.asked_for > 0 && self.late > 0);
        for category in Category::ALL {
            assert!(self.ends.contains_key(&(category.as_str(), "sent".to_owned())), "no {}", category.as_str());
        }
        for moved in ["quiet_hours", "together", "minimum_gap", "daily_cap"] {
            assert!(self.moved.contains_key(moved), "nothing was moved by {moved}");
        }
    }

    pub(super) fn nothing_went_wrong(&self) {
        assert_eq!((self.late, self.planned_anew, self.snoozed), (0, 0, 0));
        let all: usize = self.ends.values().sum();
        assert_eq!(self.sum("sent") + self.sum("told with another") + self.sum("suppressed"), all);
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.plans += other.plans;
        self.planned_anew += other.planned_anew;
        self.snoozed += other.snoozed;
        self.late += other.late;
        self.asked_for += other.asked_for;
        self.broken.extend(other.broken);
        for (by, count) in other.moved {
            *self.moved.entry(by).or_default() += count;
        }
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.ends.values().sum();
        writeln!(
            f,
            "{} plans, {} of them because a plan no longer held; {all} alerts owed",
            self.plans, self.planned_anew
        )?;
        writeln!(
            f,
            "{} put off by patients; {} prompts that were asked for; {} late",
            self.snoozed, self.asked_for, self.late
        )?;
        for ((category, end), count) in &self.ends {
            writeln!(f, "{category:<12} {count:>7}  {end}")?;
        }
        for (by, count) in &self.moved {
            writeln!(f, "moved        {count:>7}  {by}")?;
        }
        Ok(())
    }
}
