//! The two clocks, and the only file that asks what time it is.
//!
//! `care` is what the story is about: due moments, windows, expiry, tasks. `wall` is what machines agree on: tokens,
//! rate limits, provider pauses. In production both are the system's. Tests and the demo step `care` by hand; a
//! development server's runs like the system's and may be put forward.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use uuid::{NoContext, Timestamp, Uuid};

/// What the runtime's timers may be late by.
const BLUNT: TimeDelta = TimeDelta::milliseconds(2);

/// The longest that anybody sleeps at a stretch.
const LONGEST_NAP: std::time::Duration = std::time::Duration::from_secs(5);

/// One source of time; cheap to clone, all clones agree.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<watch::Sender<Hand>>),
}

/// Where a manual clock stands.
#[derive(Debug, Clone, Copy)]
enum Hand {
    /// Still, at this instant.
    At(DateTime<Utc>),
    /// It runs with the system's time, so much ahead of it.
    Running(TimeDelta),
}

impl Hand {
    fn shows(self) -> DateTime<Utc> {
        match self {
            Self::At(instant) => instant,
            Self::Running(ahead) => machine_time() + ahead,
        }
    }
}

impl Clock {
    /// The system's time.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until somebody sets it.
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual(Arc::new(watch::Sender::new(Hand::At(start)))))
    }

    /// A clock that runs with the system's time, so much ahead of it, and may be put forward.
    pub fn running(ahead: TimeDelta) -> Self {
        Self(Source::Manual(Arc::new(watch::Sender::new(Hand::Running(ahead)))))
    }

    /// What time it is, to the microsecond (as Postgres keeps it).
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.0 {
            Source::System => machine_time(),
            Source::Manual(hand) => hand.borrow().shows(),
        };
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// Moves a manual clock to `instant`, waking everybody who slept until then. A system clock ignores it.
    pub fn set(&self, instant: DateTime<Utc>) {
        if let Source::Manual(hand) = &self.0 {
            hand.send_replace(Hand::At(instant));
        }
    }

    /// Lets a manual clock go: from now on it shows the system's time.
    pub fn release(&self) {
        if let Source::Manual(hand) = &self.0 {
            hand.send_replace(Hand::Running(TimeDelta::zero()));
        }
    }

    /// Puts a manual clock forward to `instant`, waking everybody who slept until then; if it runs, it runs on from there.
    /// It is never put back, and a system clock ignores it.
    pub fn put_forward(&self, instant: DateTime<Utc>) {
        if let Source::Manual(hand) = &self.0 {
            hand.send_modify(|hand| {
                let by = (instant - hand.shows()).max(TimeDelta::zero());
                match hand {
                    Hand::At(now) => *now += by,
                    Hand::Running(ahead) => *ahead += by,
                }
            });
        }
    }

    /// How far a running clock is ahead of the system's time; zero for any other.
    pub fn ahead(&self) -> TimeDelta {
        match &self.0 {
            Source::System => TimeDelta::zero(),
            Source::Manual(hand) => match *hand.borrow() {
                Hand::At(_) => TimeDelta::zero(),
                Hand::Running(ahead) => ahead,
            },
        }
    }

    /// Moves a manual clock forward. A system clock ignores it.
    pub fn advance(&self, by: TimeDelta) {
        self.set(self.now() + by);
    }

    /// Returns once this clock shows `instant` or later.
    pub async fn sleep_until(&self, instant: DateTime<Utc>) {
        let Source::Manual(hand) = &self.0 else { return self.sleep_off(instant).await };
        let mut hand = hand.subscribe();
        loop {
            // Seen before it is compared: whoever moves it from here on ends the nap.
            let stands = matches!(*hand.borrow_and_update(), Hand::At(_));
            let Ok(left) = (instant - self.now()).to_std() else { return };
            if left.is_zero() {
                return;
            }
            let nap = async {
                match stands {
                    true => std::future::pending().await,
                    false => tokio::time::sleep(left.min(LONGEST_NAP)).await,
                }
            };
            tokio::select! {
                () = nap => {}
                moved = hand.changed() => if moved.is_err() {
                    std::future::pending::<()>().await;
                },
            }
        }
    }

    /// The same to a tenth of a millisecond: the runtime's timers tick in milliseconds, and round up. Costs a thread for the
    /// last two of them.
    pub async fn sleep_until_sharp(&self, instant: DateTime<Utc>) {
        self.sleep_until(instant - BLUNT).await;
        if let Source::Manual(hand) = &self.0
            && matches!(*hand.borrow(), Hand::At(_))
        {
            return self.sleep_until(instant).await;
        }
        while let Ok(left) = (instant - self.now()).to_std()
            && !left.is_zero()
        {
            if tokio::task::spawn_blocking(move || std::thread::sleep(left)).await.is_err() {
                return self.sleep_until(instant).await;
            }
        }
    }

    async fn sleep_off(&self, instant: DateTime<Utc>) {
        // In steps: a laptop that slept, or a stepped system clock, must not stretch a long wait.
        while let Ok(left) = (instant - self.now()).to_std() {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_NAP)).await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one file that asks for the time")]
fn machine_time() -> DateTime<Utc> {
    let now = Utc::now();
    #[cfg(feature = "failpoints")]
    let now = now + crate::failpoint::clock_skew();
    now
}

/// Both clocks together.
#[derive(Debug, Clone)]
pub struct Clocks {
    /// The time of the recovery story.
    pub care: Clock,
    /// The time machines agree on.
    pub wall: Clock,
}

impl Clocks {
    /// Production: one time for everything.
    pub fn system() -> Self {
        Self { care: Clock::system(), wall: Clock::system() }
    }

    /// A stepped story in real machine time.
    pub fn stepped(care_start: DateTime<Utc>) -> Self {
        Self { care: Clock::manual(care_start), wall: Clock::system() }
    }

    /// A development server's: real time, `care` so much ahead of it and ready to be put forward.
    pub fn of_development(ahead: TimeDelta) -> Self {
        Self { care: Clock::running(ahead), wall: Clock::system() }
    }

    /// A fresh time-ordered id (UUIDv7 of the wall clock).
    pub fn fresh_id(&self) -> Uuid {
        let now = self.wall.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_whoever_slept_until_then() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let clock = Clock::manual(start);
        let sleeper = clock.clone();
        let woken = async { sleeper.sleep_until(start + TimeDelta::hours(1)).await };
        let step = async {
            clock.advance(TimeDelta::minutes(59));
            clock.advance(TimeDelta::minutes(1));
        };
        tokio::join!(woken, step);
        assert_eq!(clock.now(), start + TimeDelta::hours(1));
    }

    #[tokio::test]
    async fn a_running_clock_wakes_whoever_slept_when_it_is_put_forward() {
        let clock = Clock::running(TimeDelta::days(1));
        let alarm = clock.now() + TimeDelta::weeks(6);
        let sleeper = clock.clone();
        let (soft, sharp) = (sleeper.sleep_until(alarm), clock.sleep_until_sharp(alarm));
        let step = async {
            clock.put_forward(alarm - TimeDelta::hours(1));
            tokio::task::yield_now().await;
            clock.put_forward(alarm);
        };
        tokio::join!(soft, sharp, step);
        assert!(clock.now() >= alarm);
    }

    #[test]
    fn no_clock_is_put_back_and_the_systems_is_not_put_forward() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let (manual, running, system) = (Clock::manual(start), Clock::running(TimeDelta::hours(1)), Clock::system());
        for clock in [&manual, &running, &system] {
            let before = clock.now();
            clock.put_forward(before - TimeDelta::days(1));
            assert!(clock.now() >= before);
        }
        let ahead = |clock: &Clock| (clock.now() - machine_time()).num_minutes();
        for clock in [&manual, &running, &system] {
            clock.put_forward(clock.now() + TimeDelta::hours(2));
        }
        assert_eq!(manual.now(), start + TimeDelta::hours(2));
        assert!((178..=180).contains(&ahead(&running)), "{}", ahead(&running));
        assert_eq!((ahead(&system), system.ahead(), manual.ahead()), (0, TimeDelta::zero(), TimeDelta::zero()));
        assert!((179..=180).contains(&running.ahead().num_minutes()));
    }

    #[test]
    fn fresh_ids_are_version_seven_and_differ() {
        let clocks = Clocks::system();
        let (one, other) = (clocks.fresh_id(), clocks.fresh_id());
        assert_eq!(one.get_version_num(), 7);
        assert_ne!(one, other);
    }
}
