//! Codes of authenticator apps (RFC 6238): made from a shared secret and the time, good for half a minute and once.
//!
//! SHA-1, six digits, thirty seconds: what every app takes. HMAC with SHA-1 is sound; what is broken of SHA-1 are
//! collisions.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use url::Url;
use zeroize::Zeroizing;

/// RFC 4226, requirement 6: 160 bits.
const SECRET_BYTES: usize = 20;
/// Seconds that a code is good for.
const STEP: i64 = 30;
/// Characters of a code.
const DIGITS: usize = 6;
/// How many steps a phone's clock may be wrong by, either way.
const DRIFT: i64 = 1;
/// Whom the app says that the code is for.
const ISSUER: &str = "mendline";
/// Wrong codes in a row that cost no wait.
const FREE_FAILURES: i32 = 5;
/// The wait after the first one that does; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait: 24 guesses a day, of which each has three codes in a million.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A shared secret.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A fresh one.
    pub fn fresh() -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES]);
        aws_lc_rs::rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// One that was stored.
    pub fn stored(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What is stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As people type it: base32 (RFC 4648) without padding.
    pub fn text(&self) -> String {
        base32(&self.0)
    }

    /// As apps scan it.
    pub fn uri(&self, account: &str) -> anyhow::Result<String> {
        let mut uri = Url::parse("otpauth://totp")?;
        let label = format!("{ISSUER}:{account}");
        uri.path_segments_mut().map_err(|()| anyhow::anyhow!("an address without a path"))?.push(&label);
        let (digits, period) = (DIGITS.to_string(), STEP.to_string());
        uri.query_pairs_mut()
            .append_pair("secret", &self.text())
            .append_pair("issuer", ISSUER)
            .append_pair("algorithm", "SHA1")
            .append_pair("digits", &digits)
            .append_pair("period", &period);
        Ok(uri.into())
    }

    /// The step whose code this is, around `now` and after the last one that was used.
    pub fn step_of(&self, code: &str, now: DateTime<Utc>, used: Option<i64>) -> Option<i64> {
        let current = now.timestamp().div_euclid(STEP);
        let steps = (current - DRIFT..=current + DRIFT).filter(|step| used.is_none_or(|used| *step > used));
        // All of them are compared, so that the time it takes does not tell which one fits.
        steps.fold(None, |found, step| {
            let fits = verify_slices_are_equal(self.code(step).as_bytes(), code.as_bytes()).is_ok();
            if fits { Some(step) } else { found }
        })
    }

    /// The code of one step (RFC 4226, 5.3).
    pub fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let window = tag.iter().skip(offset).take(4);
        let number = window.fold(0u32, |number, byte| (number << 8) | u32::from(*byte)) & 0x7fff_ffff;
        format!("{:0DIGITS$}", number % 10u32.pow(6))
    }
}

/// The last step whose code is taken at `now`.
pub fn last_step(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(STEP) + DRIFT
}

/// The code as it was typed, without blanks; `None` where it does not look like an app's.
pub fn typed(code: &str) -> Option<String> {
    let plain: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    (plain.len() == DIGITS && plain.bytes().all(|byte| byte.is_ascii_digit())).then_some(plain)
}

/// How many seconds must pass before another code is looked at. It is counted for the login, wherever the guesses come
/// from: only who knows the password gets as far as this, and recovery codes, which cannot be guessed, do not wait.
pub fn wait(failures: i32, failed_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<u32> {
    let doublings = u32::try_from(failures.checked_sub(FREE_FAILURES)?).ok()?;
    let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST_WAIT);
    let since = (now - failed_at?).to_std().unwrap_or_default();
    let left = wait.checked_sub(since).filter(|left| !left.is_zero())?;
    u32::try_from(left.as_millis().div_ceil(1000)).ok()
}

fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0u16, 0u32);
    for byte in bytes {
        held = (held << 8) | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[usize::from((held >> bits) & 31)]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[usize::from((held << (5 - bits)) & 31)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// RFC 6238, appendix B.
    fn published() -> Secret {
        Secret::stored(b"12345678901234567890".to_vec())
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_published_codes_come_out() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(published().code(seconds / STEP), code);
            assert_eq!(published().step_of(code, at(seconds), None), Some(seconds / STEP));
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_around_its_own_and_not_once_it_or_a_later_one_was_used() {
        let (secret, now) = (published(), at(1_800_000_000));
        let step = now.timestamp() / STEP;
        let code = secret.code(step);
        for (steps, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let then = now + TimeDelta::seconds(steps * STEP);
            assert_eq!(secret.step_of(&code, then, None), good.then_some(step), "{steps} steps away");
        }
        assert_eq!(secret.step_of(&code, now, Some(step - 1)), Some(step));
        assert_eq!(secret.step_of(&code, now, Some(step)), None);
        assert_eq!(secret.step_of(&code, now, Some(step + 1)), None);
        assert_eq!(secret.step_of("", now, None), None);
    }

    #[test]
    fn base32_is_that_of_the_published_examples() {
        let published =
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")];
        for (plain, text) in published.into_iter().chain([("foobar", "MZXW6YTBOI")]) {
            assert_eq!(base32(plain.as_bytes()), text);
        }
    }

    #[test]
    fn an_app_scans_whose_code_it_is() {
        assert_eq!(
            published().uri("jo+a@example.org").unwrap(),
            "otpauth://totp/mendline:jo+a@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=mendline\
             &algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn no_two_secrets_are_the_same() {
        let (one, other) = (Secret::fresh().unwrap(), Secret::fresh().unwrap());
        assert_eq!((one.bytes().len(), one.text().len()), (20, 32));
        assert_ne!(one.bytes(), other.bytes());
    }

    #[test]
    fn codes_are_typed_as_apps_show_them() {
        assert_eq!(typed(" 123 456\n").as_deref(), Some("123456"));
        for other in ["12345", "1234567", "12345a", "7K0QF-1ABCD", "１２３４５６"] {
            assert_eq!(typed(other), None, "{other}");
        }
    }

    #[test]
    fn wrong_codes_cost_a_wait_that_doubles_up_to_an_hour() {
        let now = at(1_800_000_000);
        let waits: Vec<_> = (0..16).map(|failures| wait(failures, (failures > 0).then_some(now), now)).collect();
        assert_eq!(waits[..5], [None; 5]);
        assert_eq!(waits[5..9], [Some(30), Some(60), Some(120), Some(240)]);
        assert_eq!(waits[12..], [Some(3600); 4]);
        assert_eq!(wait(i32::MAX, Some(now), now), Some(3600));
        assert_eq!(wait(5, Some(now), now + TimeDelta::milliseconds(29_500)), Some(1));
        assert_eq!(wait(5, Some(now), now + TimeDelta::seconds(30)), None);
        assert_eq!(wait(5, Some(now), now - TimeDelta::seconds(9)), Some(30), "another node's clock");
    }
}
