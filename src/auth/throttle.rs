//! Slowing down whoever guesses passwords and codes: by account and address together, and by address alone. An account
//! alone is never throttled, or a stranger could lock a patient out. Each node counts for itself and forgets at a restart.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::codes::sha256;
use crate::domain::forgetting::forget_a_quarter;

/// Guesses at one account from one address before each costs a wait; one comes back every so often.
const PAIR: Rate = Rate { burst: 10.0, every: TimeDelta::seconds(60) };
/// Guesses from one address, at whatever accounts: many people may share it.
const ADDRESS: Rate = Rate { burst: 100.0, every: TimeDelta::seconds(6) };
/// Letters with a code to one login, whoever asks for them.
const LETTERS: Rate = Rate { burst: 3.0, every: TimeDelta::minutes(20) };
/// Buckets kept at most. Those that are full again go first, then those that soonest will be.
const MOST: usize = 100_000;

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: f64,
    every: TimeDelta,
}

/// Neither an address nor an e-mail is kept readable.
type Key = [u8; 32];

#[derive(Debug, Clone, Copy)]
struct Bucket {
    rate: Rate,
    left: f64,
    at: DateTime<Utc>,
}

impl Bucket {
    /// What is left at `now`.
    fn filled(self, now: DateTime<Utc>) -> f64 {
        let since = (now - self.at).max(TimeDelta::zero()).as_seconds_f64();
        (self.left + since / self.rate.every.as_seconds_f64()).min(self.rate.burst)
    }

    /// How long it takes until all of it is there again.
    fn until_full(self, now: DateTime<Utc>) -> Duration {
        let missing = self.rate.burst - self.filled(now);
        Duration::try_from_secs_f64(missing * self.rate.every.as_seconds_f64()).unwrap_or_default()
    }
}

/// The counts of one node. Cheap to clone; all clones share them.
#[derive(Debug, Clone, Default)]
pub struct Throttle(Arc<Mutex<HashMap<Key, Bucket>>>);

impl Throttle {
    /// Pays for one try at `account` from `address`, or says how many seconds to wait for the next.
    pub fn pay(&self, account: &str, address: IpAddr, now: DateTime<Utc>) -> Result<(), u32> {
        self.pay_for(&keys(account, address), now)
    }

    /// The same for a try at what belongs to no account: a one-time code.
    pub fn pay_address(&self, address: IpAddr, now: DateTime<Utc>) -> Result<(), u32> {
        self.pay_for(&[alone(address)], now)
    }

    /// The same for a letter to a login, from whatever address it is asked for: a mailbox is not to be filled.
    pub fn pay_letter(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<(), u32> {
        self.pay_for(&[(sha256(format!("letter:{user_id}").as_bytes()), LETTERS)], now)
    }

    fn pay_for(&self, keys: &[(Key, Rate)], now: DateTime<Utc>) -> Result<(), u32> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            buckets.retain(|_, bucket| bucket.filled(now) < bucket.rate.burst);
            if buckets.len() >= MOST {
                forget_a_quarter(&mut buckets, |bucket| bucket.until_full(now));
            }
        }
        for (key, rate) in keys {
            let left = buckets.get(key).map_or(rate.burst, |bucket| bucket.filled(now));
            if left < 1.0 {
                let wait = rate.every.as_seconds_f64() * (1.0 - left);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 0 and twenty minutes"
                )]
                return Err((wait.ceil() as u32).max(1));
            }
        }
        for (key, rate) in keys {
            let left = buckets.get(key).map_or(rate.burst, |bucket| bucket.filled(now));
            buckets.insert(*key, Bucket { rate: *rate, left: left - 1.0, at: now });
        }
        Ok(())
    }

    /// Gives back what a right try cost the address, so that it goes on costing what was tried alone.
    pub fn refund_address(&self, address: IpAddr) {
        self.refund_for(&[alone(address)]);
    }

    /// Gives back what a try cost that turned out to be right.
    pub fn refund(&self, account: &str, address: IpAddr) {
        self.refund_for(&keys(account, address));
    }

    fn refund_for(&self, keys: &[(Key, Rate)]) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, rate) in keys {
            if let Some(bucket) = buckets.get_mut(key) {
                bucket.left = (bucket.left + 1.0).min(rate.burst);
            }
        }
    }
}

fn keys(account: &str, address: IpAddr) -> [(Key, Rate); 2] {
    let pair = format!("{}\u{1f}{account}", network(address));
    [(sha256(pair.as_bytes()), PAIR), alone(address)]
}

fn alone(address: IpAddr) -> (Key, Rate) {
    (sha256(network(address).to_string().as_bytes()), ADDRESS)
}

/// What one household or host holds: an IPv4 address, or the 64 bits that an IPv6 network is given as a whole.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

/// Who is at the other end: the peer, or what the trusted proxies in front of us say of it. Only what they wrote is
/// believed: `X-Forwarded-For` is read from the right, up to the first address that is not one of theirs.
pub fn client_address(peer: IpAddr, forwarded: &[&str], trusted: &[IpAddr]) -> IpAddr {
    let mut client = peer;
    let hops = forwarded.iter().flat_map(|line| line.split(',')).map(str::trim);
    for hop in hops.collect::<Vec<_>>().into_iter().rev() {
        if !trusted.contains(&client.to_canonical()) {
            break;
        }
        let Ok(hop) = hop.parse() else { break };
        client = hop;
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn guessing_slows_down_and_a_right_try_costs_nothing() {
        let (throttle, now) = (Throttle::default(), DateTime::UNIX_EPOCH);
        for _ in 0..10 {
            assert_eq!(throttle.pay("jo", ip("192.0.2.1"), now), Ok(()));
        }
        assert_eq!(throttle.pay("jo", ip("192.0.2.1"), now), Err(60));
        assert_eq!(throttle.pay("jo", ip("192.0.2.1"), now + TimeDelta::seconds(45)), Err(15));
        assert_eq!(throttle.pay("jo", ip("192.0.2.1"), now + TimeDelta::seconds(60)), Ok(()));
        throttle.refund("jo", ip("192.0.2.1"));
        assert_eq!(throttle.pay("jo", ip("192.0.2.1"), now + TimeDelta::seconds(60)), Ok(()));
    }

    #[test]
    fn a_stranger_does_not_lock_out_whose_account_it_is() {
        let (throttle, now) = (Throttle::default(), DateTime::UNIX_EPOCH);
        while throttle.pay("jo", ip("198.51.100.9"), now).is_ok() {}
        assert_eq!(throttle.pay("jo", ip("192.0.2.1"), now), Ok(()));
    }

    #[test]
    fn one_address_cannot_try_many_accounts_nor_an_ipv6_network_pass_for_many() {
        for address in [|_| ip("192.0.2.1"), |n: u32| ip(&format!("2001:db8::{n:x}"))] {
            let (throttle, now) = (Throttle::default(), DateTime::UNIX_EPOCH);
            let paid = (0..200).filter(|n| throttle.pay(&n.to_string(), address(*n), now).is_ok()).count();
            assert_eq!(paid, 100);
        }
    }

    #[test]
    fn many_networks_do_not_make_forgotten_what_one_has_spent() {
        let (throttle, now) = (Throttle::default(), DateTime::UNIX_EPOCH);
        while throttle.pay("jo", ip("192.0.2.1"), now).is_ok() {}
        for number in 0..60_000_u128 {
            let network = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (number << 64));
            throttle.pay("jo", IpAddr::V6(network), now).unwrap();
        }
        assert!(throttle.pay("jo", ip("192.0.2.1"), now).is_err());
        assert!(throttle.0.lock().unwrap().len() <= MOST + 1);
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let trusted = [ip("10.0.0.1"), ip("10.0.0.2")];
        let client = |peer, forwarded: &[&str]| client_address(ip(peer), forwarded, &trusted).to_string();
        assert_eq!(client("203.0.113.5", &["192.0.2.1"]), "203.0.113.5");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 192.0.2.1", "10.0.0.2"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.1, nonsense"]), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
    }
}
