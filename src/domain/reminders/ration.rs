//! How much a day bears. What is due close together becomes one alert; two alerts keep their distance; a date has its most,
//! and what matters least gives way: to a later alert of the same day, to the next morning, or to silence with a reason.
//!
//! Nothing is ever told before its own moment, and nothing that was asked for is counted or moved.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::planner::Candidate;
use super::story::{MovedBy, Witness};
use super::{Category, Fate, Owed, Preferences, Unsaid};
use crate::domain::alert::is_expired;
use crate::domain::local_time::{ZoneHistory, day};

/// What is due this close together is told as one. (Half an hour, as `busy.rs` counts interruptions: our choice.)
pub const TOGETHER: TimeDelta = TimeDelta::minutes(30);

/// Whose day it is, and from when on it is planned.
pub(super) struct When<'a> {
    pub preferences: &'a Preferences,
    pub zones: &'a ZoneHistory,
    pub spread: TimeDelta,
    pub now: DateTime<Utc>,
}

impl When<'_> {
    /// `at`, or the end of the quiet hours that it lies in.
    pub fn awake(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.preferences.quiet.map_or(at, |quiet| quiet.after(self.zones, at))
    }

    /// When what is ready at `at` is due: at night neither then nor, if that is past, now.
    pub fn due(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let due = self.awake(at);
        let now = self.awake(self.now);
        if due <= self.now && now > self.now { now } else { due }
    }

    /// The next day's preferred time.
    fn next_morning(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let tomorrow = day(self.zones.date(at), 1);
        let preferred = self.zones.instant_on(tomorrow, self.preferences.preferred_time) + self.spread;
        self.awake(preferred.max(at))
    }
}

/// What matters most when a day is full. A report may bring something to light; what somebody waits for or has to do comes
/// before what is nice to know.
fn weight(category: Category) -> u8 {
    match category {
        Category::CheckIn => 6,
        Category::Restriction => 5,
        Category::Routine => 4,
        Category::FollowUp => 3,
        Category::Session => 2,
        Category::Milestone => 1,
    }
}

type Weight = (u8, u8);

/// Alerts that are told as one.
struct Group {
    /// When it is told; late if that is over.
    at: DateTime<Utc>,
    members: Vec<Candidate>,
}

impl Group {
    fn weight(&self) -> Weight {
        self.members.iter().map(|member| (weight(member.owed.category), member.priority)).max().unwrap_or_default()
    }

    fn outlived_by(&self, owed: &Owed) -> bool {
        !is_expired(self.at, owed.expires_at)
    }
}

/// What waits for its place: by when it would be told.
type Waiting = BTreeMap<(DateTime<Utc>, String), Candidate>;

struct Rationing<'a, 'w, W> {
    when: &'a When<'a>,
    /// How often the person was disturbed on a date, or will be.
    disturbed: BTreeMap<NaiveDate, usize>,
    waiting: Waiting,
    owed: Vec<Owed>,
    witness: &'w mut W,
}

/// Finds each candidate its place in a day, around the moments at which the person was disturbed already.
pub(super) fn ration<W: Witness>(
    candidates: Vec<Candidate>,
    disturbed: &[DateTime<Utc>],
    when: &When<'_>,
    witness: &mut W,
) -> Vec<Owed> {
    let mut rationing = Rationing {
        when,
        disturbed: BTreeMap::new(),
        waiting: BTreeMap::new(),
        owed: Vec::with_capacity(candidates.len()),
        witness,
    };
    for at in disturbed {
        *rationing.disturbed.entry(when.zones.date(*at)).or_default() += 1;
    }
    for candidate in candidates {
        if candidate.owed.asked_for || candidate.owed.fate != Fate::Due {
            rationing.owed.push(candidate.owed);
        } else {
            rationing.wait(candidate.owed.due_at, candidate);
        }
    }
    let mut last = disturbed.iter().copied().max();
    while let Some(date) = rationing.waiting.keys().next().map(|(at, _)| when.zones.date(*at)) {
        let groups = rationing.day(date, &mut last);
        rationing.keep_the_cap(date, groups);
    }
    rationing.owed
}

impl<W: Witness> Rationing<'_, '_, W> {
    fn wait(&mut self, at: DateTime<Utc>, candidate: Candidate) {
        let key = (at.max(self.when.now), candidate.owed.dedupe_key.clone());
        self.waiting.insert(key, candidate);
    }

    /// The groups of the next date, at their distance from each other.
    fn day(&mut self, date: NaiveDate, last: &mut Option<DateTime<Utc>>) -> Vec<Group> {
        let gap = self.when.preferences.minimum_gap;
        let mut groups = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            if self.when.zones.date(entry.key().0) != date {
                break;
            }
            let ((at, _), candidate) = entry.remove_entry();
            match last.map(|last| last + gap).filter(|free| at < *free) {
                Some(free) => self.put_off(candidate, free),
                None => {
                    let group = self.gather(date, at, candidate);
                    *last = Some(group.at);
                    groups.push(group);
                }
            }
        }
        groups
    }

    /// Too close to the alert before it.
    fn put_off(&mut self, mut candidate: Candidate, free: DateTime<Utc>) {
        let at = self.when.awake(free);
        if is_expired(at, candidate.owed.expires_at) {
            return self.silence(candidate, Unsaid::MinimumGap);
        }
        self.witness.shifted(&candidate.owed, MovedBy::Gap, at);
        candidate.owed.due_at = at;
        self.wait(at, candidate);
    }

    /// What is due soon after `first` and can be told with it, as long as nothing of it is over by then.
    fn gather(&mut self, date: NaiveDate, at: DateTime<Utc>, first: Candidate) -> Group {
        let until = at + TOGETHER.min(self.when.preferences.minimum_gap);
        let mut group = Group { at, members: vec![first] };
        while let Some(entry) = self.waiting.first_entry() {
            let next = entry.key().0;
            let over = group.members.iter().any(|member| is_expired(next, member.owed.expires_at));
            if next > until || over || self.when.zones.date(next) != date {
                break;
            }
            group.at = next;
            group.members.push(entry.remove());
        }
        group
    }

    /// Of too many groups those go that matter least, the later of equals first.
    fn keep_the_cap(&mut self, date: NaiveDate, mut groups: Vec<Group>) {
        // Whoever flies far enough west lives a date twice.
        let before = self.disturbed.get(&date).copied().unwrap_or_default();
        let free = self.when.preferences.daily_cap.saturating_sub(before);
        while groups.len() > free {
            let least = (0..groups.len()).min_by_key(|index| (groups.get(*index).map(Group::weight), Reverse(*index)));
            let Some(least) = least else { break };
            let Group { at, members } = groups.remove(least);
            for member in members {
                match groups.iter_mut().skip(least).find(|later| later.outlived_by(&member.owed)) {
                    Some(later) => later.members.push(member),
                    None => self.put_over(member, at),
                }
            }
        }
        *self.disturbed.entry(date).or_default() += groups.len();
        groups.into_iter().for_each(|group| self.tell(group));
    }

    /// The day is full: the next morning, if it is worth telling by then.
    fn put_over(&mut self, mut candidate: Candidate, at: DateTime<Utc>) {
        let morning = self.when.next_morning(at);
        if is_expired(morning, candidate.owed.expires_at) || self.when.zones.date(morning) == self.when.zones.date(at) {
            return self.silence(candidate, Unsaid::DailyCap);
        }
        self.witness.shifted(&candidate.owed, MovedBy::DailyCap, morning);
        candidate.owed.due_at = morning;
        self.wait(morning, candidate);
    }

    fn silence(&mut self, candidate: Candidate, why: Unsaid) {
        self.owed.push(Owed { fate: Fate::Suppressed(why), ..candidate.owed });
    }

    /// The one that is worth telling longest speaks for all: whatever becomes of it, none of the others is lost sooner.
    fn tell(&mut self, group: Group) {
        let due_at = group.members.iter().map(|member| member.owed.due_at).max().unwrap_or(group.at);
        let due_at = if group.at > self.when.now { group.at } else { due_at };
        let speaks = |member: &&Candidate| {
            let owed = &member.owed;
            (owed.expires_at, weight(owed.category), member.priority, Reverse(owed.dedupe_key.clone()))
        };
        let Some(leader) = group.members.iter().max_by_key(speaks).map(|leader| leader.owed.dedupe_key.clone()) else {
            return;
        };
        for Candidate { mut owed, .. } in group.members {
            if owed.dedupe_key == leader {
                self.witness.shifted(&owed, MovedBy::Together, due_at);
                owed.due_at = due_at;
            } else {
                owed.fate = Fate::Merged { into: leader.clone() };
            }
            self.owed.push(owed);
        }
    }
}
