//! One patient: where they are, what they wish, what they do, what is planned for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific, Tz};
use uuid::Uuid;

use super::dice::Dice;
use super::judge::{Figures, Judge};
use super::queue::{Claimed, Queue, State};
use super::{DAYS, Outages};
use crate::domain::alert::{PushOutcome, is_expired};
use crate::domain::course::WhatFollows;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{DayTime, Kind, ProtocolVersion, builtin};
use crate::domain::reminders::{
    Category, History, Owed, PROMPT_LASTS, Preferences, QuietHours, RunningTreatment, Snooze, owed, stories,
};
use crate::domain::timeline::{Conditions, Hold, ModeSpan, Overrides, Plan, Timeline, timeline};

static VERSIONS: LazyLock<Vec<Arc<ProtocolVersion>>> =
    LazyLock::new(|| builtin().unwrap().iter().map(|built_in| Arc::clone(&built_in.version)).collect());

const ZONES: [Tz; 9] = [
    Europe::Berlin,
    America::New_York,
    Australia::Lord_Howe,
    Pacific::Apia,
    Africa::Casablanca,
    Asia::Kathmandu,
    America::Los_Angeles,
    Asia::Tokyo,
    Pacific::Kiritimati,
];

pub(super) struct Treatment {
    pub id: Uuid,
    version: Arc<ProtocolVersion>,
    performed_at: DateTime<Utc>,
    anchor_on: NaiveDate,
    registered_at: DateTime<Utc>,
    pub settled: BTreeSet<Uuid>,
    pub checked_in_on: BTreeSet<NaiveDate>,
    conditions: Conditions,
    pub ended: bool,
    /// As things stand since somebody last did something.
    pub windows: Windows,
}

/// When each thing that alerts are about is worth telling, as it is laid out now.
#[derive(Default)]
pub(super) struct Windows {
    /// By item, day index and position within the day; zeros for what is no task.
    pub of: BTreeMap<(String, i32, i32), Window>,
    reminders: BTreeMap<String, i32>,
    /// Tasks that somebody is reminded of, and until when they can be done.
    tasks: Vec<(Uuid, DateTime<Utc>)>,
}

#[derive(Debug)]
pub(super) struct Window {
    pub task: Option<Uuid>,
    pub local_date: NaiveDate,
    pub open_at: DateTime<Utc>,
    pub over_at: Option<DateTime<Utc>>,
}

impl Windows {
    fn of(laid: &Timeline<'_>) -> Self {
        let mut windows = Self::default();
        for laid in &laid.items {
            let reminders = i32::try_from(laid.item.reminders.len()).unwrap();
            windows.reminders.insert(laid.item.key.clone(), reminders.max(1));
            let (open_at, over_at) = match laid.item.kind {
                // What is told is that it has ended.
                Kind::Restriction => (laid.close_at.unwrap_or(DateTime::<Utc>::MAX_UTC), None),
                Kind::Milestone => (laid.open_at, None),
                _ => (laid.open_at, laid.close_at.map(|close| close + PROMPT_LASTS)),
            };
            let window = Window { task: None, local_date: laid.open_on, open_at, over_at };
            windows.of.insert((laid.item.key.clone(), 0, 0), window);
        }
        for task in laid.tasks.iter().chain(&laid.check_ins).filter(|task| !task.item.reminders.is_empty()) {
            let over_at = if task.item.kind == Kind::CheckIn { task.close_at } else { task.closed_at() };
            let window = Window {
                task: Some(task.id),
                local_date: task.local_date,
                open_at: task.open_at,
                over_at: Some(over_at),
            };
            windows.of.insert((task.item.key.clone(), task.day_index, task.seq), window);
        }
        let reminded = laid.tasks.iter().filter(|task| !task.item.reminders.is_empty());
        windows.tasks = reminded.map(|task| (task.id, task.closed_at())).collect();
        windows
    }

    /// The position of an alert's task within its day.
    pub(super) fn position(&self, owed: &Owed) -> i32 {
        owed.seq / self.reminders.get(&owed.item_key).copied().unwrap_or(1)
    }
}

pub(super) struct Person {
    pub id: Uuid,
    pub zones: ZoneHistory,
    pub wishes: Preferences,
    overrides: Overrides,
    snoozes: Vec<Snooze>,
    pub treatments: Vec<Treatment>,
    pub queue: Queue,
    judge: Judge,
}

/// Something that happens in a patient's life.
pub(super) enum Deed {
    Travel,
    ChangeWishes,
    Pause,
    Resume,
    MoveTreatment,
    AnotherTreatment,
    EndTreatment,
    DoTask,
    CheckIn,
    FlagOpens,
    FlagResolved,
    GoOutdoors,
    Snooze,
}

/// A deed, how often it happens at most, and in how many percent of these cases.
type Habit = (fn() -> Deed, u64, u64);

impl Deed {
    /// What happens when.
    pub(super) fn drawn(start: DateTime<Utc>, dice: &mut Dice) -> BTreeMap<(DateTime<Utc>, usize), Self> {
        let mut deeds = BTreeMap::new();
        let mut number = 0;
        let mut at = |minutes: i64, deed: Self| {
            number += 1;
            deeds.insert((start + TimeDelta::minutes(minutes), number), deed);
        };
        let kinds: [Habit; 9] = [
            (|| Self::Travel, 4, 100),
            (|| Self::ChangeWishes, 3, 100),
            (|| Self::MoveTreatment, 1, 40),
            (|| Self::AnotherTreatment, 1, 50),
            (|| Self::EndTreatment, 1, 8),
            (|| Self::DoTask, 8, 100),
            (|| Self::CheckIn, 4, 100),
            (|| Self::GoOutdoors, 2, 100),
            (|| Self::Snooze, 4, 100),
        ];
        for (deed, most, percent) in kinds {
            for _ in 0..dice.below(most + 1) {
                let days = if most > 2 { 16 } else { DAYS };
                if dice.happens(percent) {
                    at(dice.minutes(days), deed());
                }
            }
        }
        for (begin, end) in [(Self::Pause, Self::Resume), (Self::FlagOpens, Self::FlagResolved)] {
            if dice.happens(25) {
                let from = dice.minutes(DAYS - 8);
                at(from, begin);
                at(from + dice.minutes(6), end);
            }
        }
        deeds
    }
}

fn day_time(dice: &mut Dice) -> DayTime {
    DayTime::from_minutes(u16::try_from(dice.below(24 * 12) * 5).unwrap()).unwrap()
}

fn wishes(dice: &mut Dice) -> Preferences {
    let quiet = QuietHours { from: day_time(dice), to: day_time(dice) };
    // Most sleep at night.
    let usual = Preferences::default();
    Preferences {
        preferred_time: if dice.happens(50) { usual.preferred_time } else { day_time(dice) },
        quiet: if dice.happens(60) { usual.quiet } else { Some(quiet) },
        off: Category::ALL.iter().copied().filter(|_| dice.happens(8)).collect(),
        paused: false,
        daily_cap: usize::try_from(1 + dice.below(6)).unwrap(),
        minimum_gap: *dice.one_of(&[0, 15, 30, 30, 60, 120].map(TimeDelta::minutes)),
    }
}

impl Treatment {
    fn drawn(id: u128, performed_at: DateTime<Utc>, zones: &ZoneHistory, dice: &mut Dice) -> Self {
        Self {
            id: Uuid::from_u128(id),
            version: Arc::clone(dice.one_of(&VERSIONS)),
            performed_at,
            anchor_on: zones.date(performed_at),
            registered_at: performed_at + TimeDelta::minutes(dice.below(90)),
            settled: BTreeSet::new(),
            checked_in_on: BTreeSet::new(),
            conditions: Conditions::default(),
            ended: false,
            windows: Windows::default(),
        }
    }
}

impl Person {
    pub(super) fn drawn(number: u64, start: DateTime<Utc>, dice: &mut Dice) -> Self {
        let zones = ZoneHistory::fixed(*dice.one_of(&ZONES));
        let first =
            Treatment::drawn(u128::from(number) << 8 | 1, start - TimeDelta::minutes(dice.below(60)), &zones, dice);
        Self {
            id: Uuid::from_u128(u128::from(number).wrapping_mul(0x1234_5678_9ABC_DEF1)),
            zones,
            wishes: wishes(dice),
            overrides: Overrides::default(),
            snoozes: Vec::new(),
            treatments: vec![Treatment { registered_at: start, ..first }],
            queue: Queue::default(),
            judge: Judge::default(),
        }
    }

    pub(super) fn plan<'a>(&'a self, treatment: &'a Treatment) -> Plan<'a> {
        Plan {
            treatment: treatment.id,
            version: &treatment.version,
            performed_at: treatment.performed_at,
            anchor_on: treatment.anchor_on,
            zones: &self.zones,
            overrides: &self.overrides,
            conditions: &treatment.conditions,
        }
    }

    fn running(&self) -> Vec<RunningTreatment<'_>> {
        let latest = self.treatments.iter().map(|treatment| treatment.performed_at).max();
        let running = self.treatments.iter().filter(|treatment| !treatment.ended).map(|treatment| {
            let plan = self.plan(treatment);
            RunningTreatment {
                plan,
                laid: timeline(&plan),
                registered_at: treatment.registered_at,
                settled: &treatment.settled,
                checked_in_on: &treatment.checked_in_on,
                follows: WhatFollows { continued: Some(treatment.performed_at) != latest, ..WhatFollows::default() },
                completed: false,
                recalled: false,
            }
        });
        running.collect()
    }

    pub(super) fn replan(&mut self, now: DateTime<Utc>) {
        let history = History { told: self.queue.told(), snoozes: self.snoozes.clone() };
        let running = self.running();
        let plan = owed(self.id, &running, &self.wishes, &history, now);
        let windows: Vec<Windows> = running.iter().map(|running| Windows::of(&running.laid)).collect();
        for (treatment, windows) in self.treatments.iter_mut().filter(|treatment| !treatment.ended).zip(windows) {
            treatment.windows = windows;
        }
        self.judge.figures.plans += 1;
        self.queue.replace_plan(plan);
    }

    /// What stood in the way of the first plan.
    pub(super) fn note_moves(&mut self, now: DateTime<Utc>) {
        for story in stories(self.id, &self.running(), &self.wishes, &History::default(), now) {
            for step in &story.moves {
                *self.judge.figures.moved.entry(step.by.as_str()).or_default() += 1;
            }
        }
    }

    pub(super) fn act(&mut self, deed: &Deed, now: DateTime<Utc>, dice: &mut Dice) {
        match deed {
            Deed::Travel => self.zones.change(*dice.one_of(&ZONES), now),
            Deed::ChangeWishes => self.wishes = Preferences { paused: self.wishes.paused, ..wishes(dice) },
            Deed::Pause => self.wishes.paused = true,
            Deed::Resume => self.wishes.paused = false,
            Deed::MoveTreatment => {
                let treatment = self.treatments.last_mut().unwrap();
                treatment.performed_at += TimeDelta::minutes(dice.minutes(2) - 24 * 60);
                treatment.performed_at = treatment.performed_at.min(now);
                treatment.anchor_on = self.zones.date(treatment.performed_at);
            }
            Deed::AnotherTreatment => {
                let id = self.treatments[0].id.as_u128() + 1;
                let performed_at = now - TimeDelta::minutes(30);
                self.treatments
                    .push(Treatment { registered_at: now, ..Treatment::drawn(id, performed_at, &self.zones, dice) });
            }
            Deed::EndTreatment => self.treatments[0].ended = true,
            Deed::DoTask => {
                let tasks = self.treatments[0].windows.tasks.iter();
                let open: Vec<Uuid> =
                    tasks.filter(|(_, closed_at)| *closed_at > now).take(3).map(|(id, _)| *id).collect();
                if !open.is_empty() {
                    let done = *dice.one_of(&open);
                    self.treatments[0].settled.insert(done);
                }
            }
            Deed::CheckIn => {
                let today = self.zones.date(now);
                for treatment in &mut self.treatments {
                    treatment.checked_in_on.insert(today);
                }
            }
            Deed::FlagOpens => self.treatments[0].conditions.holds = vec![Hold { from: now, to: None }],
            Deed::FlagResolved => {
                for treatment in &mut self.treatments {
                    treatment.conditions.holds.iter_mut().for_each(|hold| hold.to = Some(now));
                }
            }
            Deed::GoOutdoors => {
                let to = now + TimeDelta::minutes(30 + dice.below(10 * 60));
                self.overrides.modes.push(ModeSpan { mode: "outdoors".to_owned(), from: now, to });
            }
            Deed::Snooze => self.snooze(now, dice),
        }
        self.replan(now);
    }

    /// Puts off something that was told a while ago, or that is told soon.
    fn snooze(&mut self, now: DateTime<Utc>, dice: &mut Dice) {
        let until = now + TimeDelta::minutes(5 + dice.below(115));
        let near = |key: &&String, row: &super::queue::Row| {
            let told = match row.state {
                State::Sent(_) => true,
                State::Scheduled => row.owed.due_at < now + TimeDelta::hours(2),
                _ => false,
            };
            told && !is_expired(until, row.owed.expires_at) && !key.starts_with(Snooze::PREFIX)
        };
        let keys: Vec<String> =
            self.queue.0.iter().filter(|(key, row)| near(key, row)).map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return;
        }
        let dedupe_key = dice.one_of(&keys).clone();
        let earlier = self.snoozes.iter().position(|snooze| snooze.dedupe_key == dedupe_key);
        let times = earlier.map_or(0, |index| self.snoozes.remove(index).times) + 1;
        self.snoozes.push(Snooze { dedupe_key, times, until });
        self.judge.figures.snoozed += 1;
    }

    /// What a worker does at `now`.
    pub(super) fn work(&mut self, now: DateTime<Utc>, outages: &Outages, eventful: bool, dice: &mut Dice) {
        let Some(key) = self.queue.due(now) else { return };
        match self.queue.claim(&key, now) {
            Claimed::Over => {}
            Claimed::PlanAnew => {
                self.judge.figures.planned_anew += 1;
                self.replan(now);
                self.judge_progress(&key, now);
            }
            Claimed::Send(row) => {
                let down = outages.service_is_down(now) || eventful && dice.happens(4);
                let outcome = match down {
                    true => PushOutcome::Unavailable { retry_after: None, reason: "down".into() },
                    false => PushOutcome::Accepted { provider_id: None },
                };
                if !down {
                    let mut judge = std::mem::take(&mut self.judge);
                    judge.sent(self, &row, now);
                    self.judge = judge;
                }
                let jitter = u16::try_from(dice.below(2001)).unwrap();
                self.queue.settle(&key, now, outcome, jitter);
            }
        }
    }

    /// What was planned anew has a plan that holds.
    fn judge_progress(&mut self, key: &str, now: DateTime<Utc>) {
        let row = self.queue.0.get(key);
        let stuck = row.is_some_and(|row| row.state == State::Scheduled && row.owed.slot_ends_at <= now);
        if stuck {
            let row = &self.queue.0[key];
            self.judge.figures.broken.push(format!("planned anew into the past at {now}: {row:?}"));
        }
    }

    pub(super) fn finish(self) -> Figures {
        let mut judge = self.judge;
        for row in self.queue.0.values() {
            judge.ended(row, &self.queue);
        }
        judge.figures
    }
}
