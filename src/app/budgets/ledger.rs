//! What everybody has left of one budget. The accounts are spread over many locks, each held for the time of a look-up, so
//! that requests do not wait for each other; their number is bounded, since who makes up addresses makes up accounts.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::domain::forgetting::forget_a_quarter;
use crate::domain::pace::Pace;

/// Locks.
const SHARDS: usize = 64;
/// Accounts behind each lock: 131,072 in all, about 4 MB.
const MOST: usize = 2048;

/// When the next request of an account may come.
type Accounts = HashMap<u128, u64>;

/// One budget's accounts.
#[derive(Debug)]
pub struct Ledger {
    pace: Pace,
    shards: Vec<Mutex<Accounts>>,
    hasher: RandomState,
}

impl Ledger {
    /// Accounts that are all full.
    pub fn new(pace: Pace) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { pace, shards, hasher: RandomState::new() }
    }

    /// Pays for one request: how many are left, or how many seconds to wait for one.
    pub fn pay(&self, account: u128, now: DateTime<Utc>) -> Result<u64, u32> {
        let now = u64::try_from(now.timestamp_micros()).unwrap_or(0).saturating_mul(1_000);
        let mut accounts = self.shard(account).lock().unwrap_or_else(PoisonError::into_inner);
        // If the clock was put back, what was paid under it is forgotten: nobody waits for an hour to come again.
        let known = accounts.get(&account).copied().filter(|next| self.pace.is_of(*next, now));
        let turn = self.pace.turn(known.unwrap_or(0), now);
        if !turn.wait.is_zero() {
            let seconds = turn.wait.as_secs() + u64::from(turn.wait.subsec_nanos() > 0);
            return Err(u32::try_from(seconds).unwrap_or(u32::MAX).max(1));
        }
        if known.is_none() && accounts.len() >= MOST {
            // Who has all of it has as much as somebody who is not known.
            accounts.retain(|_, next| *next > now && self.pace.is_of(*next, now));
            if accounts.len() >= MOST {
                forget_a_quarter(&mut accounts, |next| *next);
            }
        }
        accounts.insert(account, turn.next);
        Ok(self.pace.left(turn.next, now))
    }

    fn shard(&self, account: u128) -> &Mutex<Accounts> {
        let hash = self.hasher.hash_one(account);
        let at = usize::try_from(hash % self.shards.len() as u64).unwrap_or(0);
        &self.shards[at]
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn ledger(requests: u32) -> (Ledger, DateTime<Utc>) {
        (Ledger::new(Pace::per_minute(requests).unwrap()), DateTime::from_timestamp(1_790_000_000, 0).unwrap())
    }

    #[test]
    fn an_account_is_spent_by_itself_and_comes_back() {
        let (ledger, now) = ledger(30);
        for left in (0..30).rev() {
            assert_eq!(ledger.pay(1, now), Ok(left));
        }
        assert_eq!(ledger.pay(1, now), Err(2));
        assert_eq!(ledger.pay(2, now), Ok(29));
        assert_eq!(ledger.pay(1, now + TimeDelta::seconds(2)), Ok(0));
        assert_eq!(ledger.pay(1, now + TimeDelta::seconds(90)), Ok(29));
    }

    #[test]
    fn a_clock_put_back_shuts_nobody_out() {
        let (ledger, now) = ledger(2);
        let spend = |at| (0..3).map(|_| ledger.pay(1, at)).collect::<Vec<_>>();
        assert_eq!(spend(now), [Ok(1), Ok(0), Err(30)]);
        assert_eq!(spend(now - TimeDelta::hours(1)), [Ok(1), Ok(0), Err(30)]);
    }

    #[test]
    fn nobody_gets_a_fresh_budget_by_making_up_others() {
        let (ledger, now) = ledger(600);
        for _ in 0..600 {
            ledger.pay(u128::MAX, now).unwrap();
        }
        for account in 0..600_000 {
            ledger.pay(account, now).unwrap();
        }
        assert_eq!(ledger.pay(u128::MAX, now), Err(1));
    }

    #[test]
    fn however_many_accounts_are_made_up_only_so_many_are_kept() {
        let (ledger, now) = ledger(600);
        for account in 0..600_000 {
            ledger.pay(account, now).unwrap();
        }
        assert!(ledger.len() <= SHARDS * MOST, "{}", ledger.len());
        // Those that have all of it again make room without anybody being forgotten who has not.
        let later = now + TimeDelta::seconds(1);
        for _ in 0..600 {
            ledger.pay(u128::MAX, later).unwrap();
        }
        for account in 0..300_000 {
            ledger.pay(account, later + TimeDelta::milliseconds(i64::try_from(account / 1000).unwrap())).unwrap();
        }
        assert_eq!(ledger.pay(u128::MAX, later), Err(1));
    }
}
