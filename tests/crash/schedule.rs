//! What the seed says is to happen: who works, what is owed, which blows fall where, what people do meanwhile.

use mendline::failpoint::PLACES;

use crate::dice::Dice;
use crate::people::People;

/// What is done to a process, to the database or to both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Stop,
    /// The session that holds the worker's lock is ended.
    LoseLock,
    /// Every connection to the database is cut.
    Cut,
    /// The database is killed and recovers.
    Crash,
    /// The database is stopped and started.
    Restart,
    /// The database answers nothing for a while.
    Slow,
    /// The process stands still for longer than its leases last.
    Pause,
    /// Leases are over although their holders are well: the provider took longer.
    LeasesOver,
    /// The process's clock jumps forward.
    ClockAhead,
    /// The process's clock jumps back.
    ClockBehind,
    /// The database's disk is full for a while.
    DiskFull,
}

pub const BLOWS: [Blow; 12] = [
    Blow::Kill,
    Blow::Stop,
    Blow::LoseLock,
    Blow::Cut,
    Blow::Crash,
    Blow::Restart,
    Blow::Slow,
    Blow::Pause,
    Blow::LeasesOver,
    Blow::ClockAhead,
    Blow::ClockBehind,
    Blow::DiskFull,
];

/// Wherever the process happens to be.
pub const ANYWHERE: &str = "anywhere";

/// Whose places these are.
pub fn is_of_api(place: &str) -> bool {
    matches!(place, "plan:uncommitted" | "removal:uncommitted" | "device:registered")
}

/// One blow.
#[derive(Debug, Clone, Copy)]
pub struct Strike {
    pub place: &'static str,
    pub pass: i64,
    pub blow: Blow,
    /// Which of the workers, counted around.
    pub worker: usize,
    /// People go on acting while the process is held.
    pub acting: bool,
    /// How long whatever it is lasts.
    pub lasts_ms: i64,
    /// How long a worker that ended stays away.
    pub away_ms: i64,
}

/// What people and planners do.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// A patient is owed something else.
    Replan,
    /// More is owed, now: so that there is work to be struck over.
    Feed,
    /// Whoever was owed more just now is owed nothing any more.
    Withdraw,
    /// A patient chooses other preferences; nothing that was owed by hand is in the plan made of them.
    Prefer,
    /// An administrator removes a patient's membership.
    Remove,
    /// A patient registers a phone.
    AddPhone,
    /// A patient forgets a phone.
    DropPhone,
}

#[derive(Debug, Clone, Copy)]
pub enum Step {
    Strike(Strike),
    Deed(Deed),
    Wait(i64),
}

pub struct Schedule {
    pub workers: usize,
    pub concurrency: i64,
    pub people: People,
    pub steps: Vec<Step>,
    /// The push service takes everything at once.
    pub flawless_sink: bool,
}

impl Schedule {
    pub fn throw(dice: &mut Dice) -> Self {
        let people = People::throw(dice);
        let strikes = if dice.percent(6) { 0 } else { dice.between(1, 4) };
        let mut steps: Vec<Step> = (0..strikes).map(|_| Step::Strike(strike(dice))).collect();
        for _ in 0..dice.between(1, 5) {
            steps.insert(dice.index(steps.len() + 1), Step::Deed(deed(dice)));
        }
        for _ in 0..dice.between(0, 3) {
            steps.insert(dice.index(steps.len() + 1), Step::Wait(dice.between(10, 150)));
        }
        Self {
            workers: if dice.percent(50) { 2 } else { 4 },
            concurrency: dice.pick(&[1, 4, 32]),
            people,
            steps,
            flawless_sink: dice.percent(25),
        }
    }
}

fn deed(dice: &mut Dice) -> Deed {
    match dice.between(1, 100) {
        1..=45 => Deed::Replan,
        46..=65 => Deed::Prefer,
        66..=75 => Deed::Remove,
        76..=88 => Deed::AddPhone,
        _ => Deed::DropPhone,
    }
}

fn strike(dice: &mut Dice) -> Strike {
    let place = if dice.percent(12) { ANYWHERE } else { dice.pick(&PLACES) };
    let pass = match place {
        "send:before" | "send:accepted" => dice.between(1, 12),
        "claim:uncommitted" | "claim:committed" | "settle:attempts" | "settle:uncommitted" | "settle:committed" => {
            dice.between(1, 3)
        }
        _ => 1,
    };
    // What concerns a worker's lock, lease or clock means nothing to an API.
    let blow = match place {
        place if is_of_api(place) => dice.pick(&[
            Blow::Kill,
            Blow::Kill,
            Blow::Stop,
            Blow::Cut,
            Blow::Crash,
            Blow::Restart,
            Blow::Slow,
            Blow::DiskFull,
        ]),
        "stop:begun" | "stop:release" => dice.pick(&[
            Blow::Kill,
            Blow::LoseLock,
            Blow::Cut,
            Blow::Crash,
            Blow::Slow,
            Blow::LeasesOver,
            Blow::DiskFull,
        ]),
        _ if dice.percent(25) => Blow::Kill,
        _ => dice.pick(&BLOWS),
    };
    Strike {
        place,
        pass,
        blow,
        worker: dice.index(4),
        acting: dice.percent(40),
        lasts_ms: dice.between(50, 400),
        away_ms: dice.between(0, 500),
    }
}
