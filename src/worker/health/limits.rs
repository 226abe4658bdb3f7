//! How many messages may leave this process: a second, and at a time, in all and by provider. Whoever is over waits in
//! place for a moment, since its turn is near; beyond that its alert is put off, to a moment of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limit;
use crate::domain::pace::Pace;
use crate::domain::provider::Provider;

/// How long somebody waits in place: well below any lease.
pub(super) const BRIEF: Duration = Duration::from_secs(1);
/// What a ramp ends at where no rate is set: more than a process sends.
const NO_LIMIT: u32 = 20_000;

/// A pace and where it stands.
#[derive(Debug)]
struct Metre {
    pace: Pace,
    next: AtomicU64,
    /// The same for those who were put off.
    later: AtomicU64,
}

impl Metre {
    fn of(rate: u32) -> Option<Self> {
        Some(Self { pace: Pace::per_second(rate)?, next: AtomicU64::new(0), later: AtomicU64::new(0) })
    }

    /// Takes the next turn, if it comes within [`BRIEF`].
    fn turn(&self, now: u64) -> Result<Duration, TimeDelta> {
        let mut before = self.next.load(Relaxed);
        loop {
            let turn = self.pace.turn(before, now);
            if turn.wait > BRIEF {
                return Err(self.put_off(before, now));
            }
            match self.next.compare_exchange_weak(before, turn.next, Relaxed, Relaxed) {
                Ok(_) => return Ok(turn.wait),
                Err(found) => before = found,
            }
        }
    }

    /// A turn after all those that are taken. It is not kept for whoever was put off, but nobody else is sent to it.
    fn put_off(&self, next: u64, now: u64) -> TimeDelta {
        let mut before = self.later.load(Relaxed);
        loop {
            let turn = self.pace.turn(before.max(next), now);
            match self.later.compare_exchange_weak(before, turn.next, Relaxed, Relaxed) {
                Ok(_) => return TimeDelta::from_std(turn.wait.max(BRIEF)).unwrap_or(TimeDelta::MAX),
                Err(found) => before = found,
            }
        }
    }
}

#[derive(Debug)]
struct Limiter {
    metre: Option<Metre>,
    slots: Option<Arc<Semaphore>>,
    rate: u32,
}

impl Limiter {
    fn new(limit: Limit) -> Self {
        let slots = usize::try_from(limit.concurrency).ok().filter(|slots| *slots > 0);
        let slots = slots.map(|slots| Arc::new(Semaphore::new(slots)));
        Self { metre: Metre::of(limit.rate), slots, rate: limit.rate }
    }

    /// A place in flight, if one becomes free within [`BRIEF`].
    async fn place(&self) -> Result<Option<OwnedSemaphorePermit>, Over> {
        let Some(slots) = &self.slots else { return Ok(None) };
        match tokio::time::timeout(BRIEF, Arc::clone(slots).acquire_owned()).await {
            Ok(place) => Ok(place.ok()),
            Err(_) => Err((TimeDelta::seconds(1), "concurrency_limit")),
        }
    }
}

/// Places among those in flight, at the provider and in all, where they are counted.
pub(super) type Slot = [Option<OwnedSemaphorePermit>; 2];

/// Why and for how long somebody is put off.
pub(super) type Over = (TimeDelta, &'static str);

/// The limits of this process.
#[derive(Debug)]
pub(super) struct Limits {
    started: Instant,
    all: Limiter,
    each: Vec<(&'static Provider, Limiter)>,
}

impl Limits {
    pub(super) fn new(all: Limit, each: impl Iterator<Item = (&'static Provider, Limit)>) -> Self {
        let each = each.map(|(provider, limit)| (provider, Limiter::new(limit))).collect();
        Self { started: Instant::now(), all: Limiter::new(all), each }
    }

    /// There are a handful of providers, told apart by reference.
    fn of(&self, provider: &Provider) -> Option<&Limiter> {
        self.each.iter().find_map(|(of, limiter)| (*of == provider).then_some(limiter))
    }

    /// What a ramp of this provider ends at.
    pub(super) fn full_rate(&self, provider: &Provider) -> f64 {
        let rates = [self.all.rate, self.of(provider).map_or(0, |limiter| limiter.rate)];
        f64::from(rates.into_iter().filter(|rate| *rate > 0).min().unwrap_or(NO_LIMIT))
    }

    /// Waits for a turn, or says how long to wait for a better one.
    pub(super) async fn turn(&self, provider: &Provider) -> Result<Slot, Over> {
        let limiter = self.of(provider);
        let at_provider = match limiter {
            Some(limiter) => limiter.place().await?,
            None => None,
        };
        // The whole first: a turn that it refuses must not use up the provider's.
        let metres = [self.all.metre.as_ref(), limiter.and_then(|limiter| limiter.metre.as_ref())];
        let mut wait = Duration::ZERO;
        for metre in metres.into_iter().flatten() {
            let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            wait = wait.max(metre.turn(now).map_err(|wait| (wait, "rate_limit"))?);
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        // The place among all comes last: whoever waits for a provider must not keep others from one that they could use.
        Ok([at_provider, self.all.place().await?])
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::poll_immediate;

    use super::*;
    use crate::domain::address::AddressForm;
    use crate::domain::provider::Services;

    static SLOW: Provider = provider("slow");
    static QUICK: Provider = provider("quick");

    const fn provider(word: &'static str) -> Provider {
        let address = AddressForm::of(|_| Ok(()));
        Provider { word, believed_for: TimeDelta::days(1), address, services: Services::One }
    }

    /// One place in all; one message a second and one place at the slow provider.
    fn limits() -> Limits {
        let (one_place, slow) = (Limit { rate: 0, concurrency: 1 }, Limit { rate: 1, concurrency: 1 });
        Limits::new(one_place, [(&SLOW, slow), (&QUICK, Limit::default())].into_iter())
    }

    #[tokio::test]
    async fn whoever_waits_for_a_slow_providers_turn_keeps_nobody_else_from_a_place() {
        let limits = limits();
        drop(limits.turn(&SLOW).await);
        let mut waits = std::pin::pin!(limits.turn(&SLOW));
        assert!(poll_immediate(&mut waits).await.is_none(), "the next turn is a second away");
        assert!(
            limits.turn(&QUICK).now_or_never().is_some_and(|turn| turn.is_ok()),
            "the only place is free meanwhile"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_refused_frees_what_was_taken_before() {
        let limits = limits();
        let quick = limits.turn(&QUICK).await;
        assert_eq!(limits.turn(&SLOW).await.err(), Some((TimeDelta::seconds(1), "concurrency_limit")));
        let places = limits.of(&SLOW).and_then(|limiter| limiter.slots.as_ref()).map(|slots| slots.available_permits());
        assert_eq!(places, Some(1));
        drop(quick);
        assert!(limits.all.place().now_or_never().is_some_and(|place| place.is_ok()));
    }
}
