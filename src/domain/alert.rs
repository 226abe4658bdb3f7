//! What an alert is, what a provider's answer means, and what becomes of the alert: pure decisions over values.
//! Who writes the resulting state is `alerts/queue.rs`; who talks to providers is `push/`.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};

use super::backoff;

/// Less time than this before `expires_at` counts as expired: nothing useful fits into it.
pub const MIN_TIME_LEFT: TimeDelta = TimeDelta::seconds(5);

/// Whom a throttle or pause concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Only the device that was addressed.
    Device,
    /// Everything that goes through this provider with our credentials.
    Provider,
}

/// A provider's own short word for what went wrong (`UNREGISTERED`, `http_503`, `timeout`): never a body, never an address.
pub type Reason = Cow<'static, str>;

/// What came of handing one message to one device's provider. Providers classify, [`decide`] decides, one file writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The provider took the message. Nobody can know more: this is not delivery.
    Accepted {
        /// The provider's own id of the message, where it gives one.
        provider_id: Option<String>,
    },
    /// The address is gone. It is removed if it was registered before `since` (always, where the provider gives no time).
    Unregistered {
        /// Since when the provider knows the address to be dead.
        since: Option<DateTime<Utc>>,
    },
    /// The address looks wrong, but a mistake of ours would look the same: quarantine it until the app registers again.
    AddressSuspect {
        /// The provider's word for it.
        reason: Reason,
    },
    /// Too many messages.
    Throttled {
        /// Only this device, or the whole provider.
        scope: Scope,
        /// How long the provider asked us to wait.
        retry_after: Option<TimeDelta>,
        /// The provider's word for it.
        reason: Reason,
    },
    /// The provider failed, timed out or cut the connection. It may have delivered all the same.
    Unavailable {
        /// How long the provider asked us to wait.
        retry_after: Option<TimeDelta>,
        /// What happened.
        reason: Reason,
    },
    /// The connection gave up before the request left: certainly not delivered.
    NotSent {
        /// What happened.
        reason: Reason,
    },
    /// Our credentials were refused. No device is to blame and no address is dropped.
    Unauthorized {
        /// The whole provider, or only what stands behind this device (the platform's key that FCM holds for us).
        scope: Scope,
        /// The provider's word for it.
        reason: Reason,
    },
    /// The message itself was refused: our mistake. No retry; the address stays.
    Rejected {
        /// The provider's word for it.
        reason: Reason,
    },
}

impl PushOutcome {
    /// The name used in attempts, metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Unregistered { .. } => "unregistered",
            Self::AddressSuspect { .. } => "address_suspect",
            Self::Throttled { scope: Scope::Device, .. } => "throttled_device",
            Self::Throttled { scope: Scope::Provider, .. } => "throttled_provider",
            Self::Unavailable { .. } => "unavailable",
            Self::NotSent { .. } => "not_sent",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// The provider's word for what went wrong, where there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Accepted { .. } | Self::Unregistered { .. } => None,
            Self::AddressSuspect { reason }
            | Self::Throttled { reason, .. }
            | Self::Unavailable { reason, .. }
            | Self::NotSent { reason }
            | Self::Unauthorized { reason, .. }
            | Self::Rejected { reason } => Some(reason),
        }
    }

    /// Whether another try may succeed, and how long to wait for it after the `tries`-th.
    /// The second value says that the try was not the message's fault and is given back.
    fn retry(&self, tries: i32, jitter_bp: u16) -> Option<Retry> {
        let asked = |least: &Option<TimeDelta>| backoff::lengthen(least.unwrap_or_default(), jitter_bp);
        let scheduled = |least: &Option<TimeDelta>| {
            let wait = backoff::wait_after(tries, jitter_bp)?;
            Some(Retry { wait: wait.max(asked(least)), refund: false })
        };
        let patient = |least: &Option<TimeDelta>| {
            let capped = tries.min(backoff::MAX_TRIES - 1);
            let wait = backoff::wait_after(capped, jitter_bp).unwrap_or_default();
            Some(Retry { wait: wait.max(asked(least)), refund: true })
        };
        match self {
            Self::Accepted { .. } | Self::Unregistered { .. } | Self::AddressSuspect { .. } | Self::Rejected { .. } => {
                None
            }
            Self::NotSent { .. } if tries <= 1 => Some(Retry { wait: TimeDelta::zero(), refund: false }),
            Self::NotSent { .. } => scheduled(&None),
            Self::Unavailable { retry_after, .. } => scheduled(retry_after),
            Self::Throttled { scope: Scope::Device, retry_after, .. } => scheduled(retry_after),
            Self::Throttled { scope: Scope::Provider, retry_after, .. } => patient(retry_after),
            Self::Unauthorized { .. } => patient(&None),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Retry {
    wait: TimeDelta,
    refund: bool,
}

/// What is known of one of the recipient's devices once a try is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceResult {
    /// An earlier try was accepted for this device; it was left alone.
    AlreadyAccepted,
    /// This try's outcome.
    Tried(PushOutcome),
    /// It was tried as often as a device may be, and is not tried again. The alert as a whole may still wait for others.
    UsedUp,
    /// Nothing was handed over this time, or nothing that says anything about the message: the device, its provider or the
    /// worker itself has to wait.
    LeftAlone {
        /// For how long.
        wait: TimeDelta,
        /// What for.
        reason: Reason,
    },
}

impl DeviceResult {
    /// The word for what went wrong, where there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::AlreadyAccepted => None,
            Self::UsedUp => Some("tries_used_up"),
            Self::Tried(outcome) => outcome.reason(),
            Self::LeftAlone { reason, .. } => Some(reason),
        }
    }

    fn retry(&self, tries: i32, jitter_bp: u16) -> Option<Retry> {
        match self {
            Self::AlreadyAccepted | Self::UsedUp => None,
            Self::Tried(outcome) => outcome.retry(tries, jitter_bp),
            // Jitter: what waits for the end of one pause must not all come back in one instant.
            Self::LeftAlone { wait, .. } => Some(Retry { wait: backoff::lengthen(*wait, jitter_bp), refund: true }),
        }
    }
}

/// The frame in which a decision is made.
#[derive(Debug, Clone, Copy)]
pub struct TryFrame {
    /// The moment of the decision.
    pub now: DateTime<Utc>,
    /// The moment from which the alert is owed.
    pub due_at: DateTime<Utc>,
    /// The moment from which the alert is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// Tries so far, this one included.
    pub tries: i32,
    /// Jitter for the next wait, in basis points up to [`backoff::MAX_JITTER_BP`].
    pub jitter_bp: u16,
}

/// What becomes of an alert after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Some device may still be reached.
    RetryAt {
        /// When to try again: never before the alert is due, never after it expires.
        at: DateTime<Utc>,
        /// Nothing was tried, or it was not the message's fault (our credentials): the try does not count.
        refund: bool,
    },
    /// At least one device's provider accepted it and nothing is left to try.
    Sent,
    /// The recipient has no device that could be addressed.
    NoDevice,
    /// Every device was tried for good and none accepted it.
    Failed,
    /// Its time is over.
    Expired,
}

/// Whether an alert that ends at `expires_at` is still worth sending at `now`.
pub fn is_expired(now: DateTime<Utc>, expires_at: DateTime<Utc>) -> bool {
    now + MIN_TIME_LEFT > expires_at
}

/// What becomes of the alert, given what happened at every live device.
pub fn decide(devices: &[DeviceResult], frame: TryFrame) -> Decision {
    let accepted = devices
        .iter()
        .any(|d| matches!(d, DeviceResult::AlreadyAccepted | DeviceResult::Tried(PushOutcome::Accepted { .. })));
    let retries: Vec<Retry> = devices.iter().filter_map(|device| device.retry(frame.tries, frame.jitter_bp)).collect();

    if let Some(wait) = retries.iter().map(|retry| retry.wait).min() {
        let at = (frame.now + wait).max(frame.due_at);
        if !is_expired(at, frame.expires_at) {
            return Decision::RetryAt { at, refund: retries.iter().all(|retry| retry.refund) };
        }
        // What was only left alone has one more chance at its very end: a service may come back sooner than it seems.
        let last_chance = frame.expires_at - MIN_TIME_LEFT - TimeDelta::seconds(1);
        if !accepted && last_chance > frame.now.max(frame.due_at) && retries.iter().any(|retry| retry.refund) {
            return Decision::RetryAt { at: last_chance, refund: retries.iter().all(|retry| retry.refund) };
        }
        return if accepted { Decision::Sent } else { Decision::Expired };
    }
    if accepted {
        return Decision::Sent;
    }
    if is_expired(frame.now, frame.expires_at) {
        return Decision::Expired;
    }
    let reachable = devices.iter().any(|device| {
        !matches!(device, DeviceResult::Tried(PushOutcome::Unregistered { .. } | PushOutcome::AddressSuspect { .. }))
    });
    if reachable { Decision::Failed } else { Decision::NoDevice }
}

#[cfg(test)]
mod tests {
    use super::backoff::MAX_JITTER_BP;
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn frame(tries: i32) -> TryFrame {
        TryFrame { now: at(0), due_at: at(-60), expires_at: at(100_000), tries, jitter_bp: 0 }
    }

    fn unavailable(retry_after: Option<i64>) -> DeviceResult {
        DeviceResult::Tried(PushOutcome::Unavailable {
            retry_after: retry_after.map(TimeDelta::seconds),
            reason: "http_503".into(),
        })
    }

    #[test]
    fn one_retryable_device_keeps_the_alert_alive_although_another_accepted() {
        let devices = [DeviceResult::Tried(PushOutcome::Accepted { provider_id: None }), unavailable(None)];
        assert_eq!(decide(&devices, frame(1)), Decision::RetryAt { at: at(10), refund: false });
    }

    #[test]
    fn retry_after_is_honoured_when_it_is_longer_than_the_schedule() {
        assert_eq!(decide(&[unavailable(Some(90))], frame(1)), Decision::RetryAt { at: at(90), refund: false });
        assert_eq!(decide(&[unavailable(Some(1))], frame(1)), Decision::RetryAt { at: at(10), refund: false });
    }

    #[test]
    fn the_eighth_try_is_the_last() {
        assert!(matches!(decide(&[unavailable(None)], frame(7)), Decision::RetryAt { .. }));
        assert_eq!(decide(&[unavailable(None)], frame(8)), Decision::Failed);
    }

    #[test]
    fn refused_credentials_never_use_up_the_tries() {
        for scope in [Scope::Provider, Scope::Device] {
            let refused = PushOutcome::Unauthorized { scope, reason: "UNAUTHENTICATED".into() };
            let decision = decide(&[DeviceResult::Tried(refused)], frame(8));
            assert!(matches!(decision, Decision::RetryAt { refund: true, .. }));
        }
    }

    fn left_alone(seconds: i64) -> DeviceResult {
        DeviceResult::LeftAlone { wait: TimeDelta::seconds(seconds), reason: "place_lost".into() }
    }

    #[test]
    fn a_try_in_which_nothing_was_handed_over_does_not_count_whichever_it_is() {
        assert_eq!(decide(&[left_alone(0)], frame(8)), Decision::RetryAt { at: at(0), refund: true });
        let beside_a_try = [left_alone(0), unavailable(None)];
        assert_eq!(decide(&beside_a_try, frame(2)), Decision::RetryAt { at: at(0), refund: false });
    }

    #[test]
    fn what_waits_for_the_end_of_a_pause_comes_back_spread_over_a_fifth_of_it() {
        let spread = TryFrame { jitter_bp: MAX_JITTER_BP, ..frame(1) };
        let throttled = PushOutcome::Throttled {
            scope: Scope::Provider,
            retry_after: Some(TimeDelta::seconds(600)),
            reason: "QUOTA_EXCEEDED".into(),
        };
        for waiting in [left_alone(600), DeviceResult::Tried(throttled)] {
            let waiting = [waiting];
            assert_eq!(decide(&waiting, frame(1)), Decision::RetryAt { at: at(600), refund: true });
            assert_eq!(decide(&waiting, spread), Decision::RetryAt { at: at(720), refund: true });
        }
    }

    #[test]
    fn a_retry_that_would_come_too_late_ends_the_alert() {
        let late = TryFrame { expires_at: at(12), ..frame(1) };
        assert_eq!(decide(&[unavailable(None)], late), Decision::Expired);
        let accepted = [DeviceResult::AlreadyAccepted, unavailable(None)];
        assert_eq!(decide(&accepted, late), Decision::Sent);
    }

    #[test]
    fn dead_addresses_leave_no_device_and_a_refused_message_is_a_failure() {
        let dead = DeviceResult::Tried(PushOutcome::Unregistered { since: None });
        let refused = DeviceResult::Tried(PushOutcome::Rejected { reason: "PayloadTooLarge".into() });
        assert_eq!(decide(&[], frame(1)), Decision::NoDevice);
        assert_eq!(decide(std::slice::from_ref(&dead), frame(1)), Decision::NoDevice);
        assert_eq!(decide(&[dead, refused], frame(1)), Decision::Failed);
    }

    #[test]
    fn a_device_that_was_tried_eight_times_is_not_tried_again_while_another_waits() {
        let waits = [DeviceResult::UsedUp, left_alone(60)];
        assert_eq!(decide(&waits, frame(8)), Decision::RetryAt { at: at(60), refund: true });
        assert_eq!(decide(&[DeviceResult::UsedUp], frame(8)), Decision::Failed);
        assert_eq!(decide(&[DeviceResult::UsedUp, DeviceResult::AlreadyAccepted], frame(8)), Decision::Sent);
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        prop_oneof![Just(Scope::Device), Just(Scope::Provider)]
    }

    fn any_outcome() -> impl Strategy<Value = PushOutcome> {
        let after = proptest::option::of((0i64..200_000).prop_map(TimeDelta::seconds));
        prop_oneof![
            Just(PushOutcome::Accepted { provider_id: None }),
            Just(PushOutcome::Unregistered { since: None }),
            Just(PushOutcome::AddressSuspect { reason: "x".into() }),
            (after.clone(), any_scope()).prop_map(|(retry_after, scope)| PushOutcome::Throttled {
                scope,
                retry_after,
                reason: "x".into()
            }),
            after.prop_map(|retry_after| PushOutcome::Unavailable { retry_after, reason: "x".into() }),
            Just(PushOutcome::NotSent { reason: "x".into() }),
            any_scope().prop_map(|scope| PushOutcome::Unauthorized { scope, reason: "x".into() }),
            Just(PushOutcome::Rejected { reason: "x".into() }),
        ]
    }

    fn any_device() -> impl Strategy<Value = DeviceResult> {
        prop_oneof![
            1 => Just(DeviceResult::AlreadyAccepted),
            1 => Just(DeviceResult::UsedUp),
            1 => (0i64..200_000).prop_map(left_alone),
            4 => any_outcome().prop_map(DeviceResult::Tried),
        ]
    }

    proptest! {
        #[test]
        fn a_retry_is_never_early_and_never_late(
            devices in proptest::collection::vec(any_device(), 0..5),
            tries in 1i32..12, due in -1000i64..1000, life in 0i64..300_000, jitter_bp in 0u16..2001,
        ) {
            let frame = TryFrame { now: at(0), due_at: at(due), expires_at: at(due + life), tries, jitter_bp };
            if let Decision::RetryAt { at, .. } = decide(&devices, frame) {
                prop_assert!(at >= frame.due_at && at >= frame.now);
                prop_assert!(at + MIN_TIME_LEFT <= frame.expires_at);
            }
        }

        #[test]
        fn an_accepted_alert_is_never_called_failed(
            devices in proptest::collection::vec(any_device(), 0..5), tries in 1i32..12,
        ) {
            let mut devices = devices;
            devices.push(DeviceResult::AlreadyAccepted);
            let decision = decide(&devices, frame(tries));
            prop_assert!(matches!(decision, Decision::Sent | Decision::RetryAt { at: _, refund: _ }), "{:?}", decision);
        }
    }
}
