//! How fast one process may send. What providers say they take is the default.

use super::Vars;

/// A second, and at once. Zero is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// Messages a second.
    pub rate: u32,
    /// Messages in flight.
    pub concurrency: u32,
}

/// The limits of a process, in all and by provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// `MENDLINE_PUSH_RATE`: messages a second over all providers.
    pub rate: u32,
    /// Firebase Cloud Messaging.
    pub fcm: Limit,
    /// Apple's own service.
    pub apns: Limit,
    /// All Web Push services together.
    pub web_push: Limit,
    /// Expo's relay.
    pub expo: Limit,
}

/// What FCM takes from one project: 600,000 a minute.
const FCM_RATE: u32 = 10_000;
/// What Expo takes from one project, a second.
const EXPO_RATE: u32 = 600;
/// Expo wants six connections at most, each with a hundred messages in one request.
const EXPO_CONCURRENCY: u32 = 600;

const MOST: u32 = 1_000_000;

impl Limits {
    pub(super) fn read(vars: &mut Vars) -> Self {
        let rate = vars.number("MENDLINE_PUSH_RATE", 0, 0, MOST);
        let mut limit = |(rate, per_second), (concurrency, at_once)| Limit {
            rate: vars.number(rate, per_second, 0, MOST),
            concurrency: vars.number(concurrency, at_once, 0, MOST),
        };
        Self {
            rate,
            fcm: limit(("MENDLINE_FCM_RATE", FCM_RATE), ("MENDLINE_FCM_CONCURRENCY", 0)),
            apns: limit(("MENDLINE_APNS_RATE", 0), ("MENDLINE_APNS_CONCURRENCY", 0)),
            web_push: limit(("MENDLINE_WEB_PUSH_RATE", 0), ("MENDLINE_WEB_PUSH_CONCURRENCY", 0)),
            expo: limit(("MENDLINE_EXPO_RATE", EXPO_RATE), ("MENDLINE_EXPO_CONCURRENCY", EXPO_CONCURRENCY)),
        }
    }
}
