//! Passwords: what is acceptable, and hashing off the async threads, a few at a time.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::guessable;
use super::refusal::Refusal;
use crate::body::Faults;

/// NIST SP 800-63B-4: a password that is the only factor has at least 15 characters.
const SHORTEST: usize = 15;
/// Long enough for any passphrase, short enough to hash.
const LONGEST: usize = 128;
/// Logins that may be in line for each turn, at work or waiting; more are asked to come again. A hash takes some 30 ms, three
/// times that on a busy machine: nobody waits much longer than a second.
const LINE: usize = 16;
/// Takes exactly as much work to verify as a real hash, and fits no password anybody knows.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bWVuZGxpbmUtZGVjb3ktcw$8nZ1H2VQxwYJ0m3f3F5t0c3bq4K0u5y7l1o9R6s2T8g";

/// Hashes and verifies. Cheap to clone; all clones share the turns.
#[derive(Debug, Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

/// A password could not be hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// More logins at once than the machine can take.
    #[error("too many logins at once")]
    Busy,
    /// Hashing failed.
    #[error("hashing a password: {0}")]
    Broken(String),
}

impl Default for Passwords {
    /// Half the cores: a wave of logins must not starve everything else.
    fn default() -> Self {
        let turns = (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1);
        Self { turns: Arc::new(Semaphore::new(turns)), queue: Arc::new(Semaphore::new(turns * LINE)) }
    }
}

impl Passwords {
    /// The PHC string of a new password.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        self.in_turn(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| PasswordError::Broken(error.to_string()))
        })
        .await?
    }

    /// Whether the password fits. Without a hash (nobody has that address) the work is the same, and nothing fits.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        let known = hash.is_some();
        let hash = hash.unwrap_or(DECOY).to_owned();
        self.in_turn(move || known & Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok())
            .await
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let broken = |error: String| PasswordError::Broken(error);
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_full| PasswordError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| broken(error.to_string()))?;
        // Both move into the work: a client that hangs up does not make room before the work is done.
        let worked = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((turn, place));
            result
        });
        worked.await.map_err(|error| broken(error.to_string()))
    }
}

/// What is said of a password that would be guessed.
pub const GUESSABLE: &str = "is too easy to guess: choose a few unrelated words";

/// Notes what is wrong with a new password: its length, that it is common or a mere pattern, or that it is made of what
/// others know of the person.
pub fn check(faults: &mut Faults, pointer: &str, password: &str, known: &[&str]) {
    let length = password.chars().count();
    if !(SHORTEST..=LONGEST).contains(&length) {
        return faults.push(pointer, format!("must have {SHORTEST} to {LONGEST} characters"));
    }
    if guessable::is_common(password) || guessable::is_derived(password, known) {
        faults.push(pointer, GUESSABLE);
    }
}

/// Refuses a new password that is made of what others know, once that has been looked up.
pub fn refuse_derived(password: &str, known: &[String]) -> Result<(), Refusal> {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    if guessable::is_derived(password, &known) { Err(Refusal::Guessable) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::phc::PasswordHash;

    use super::*;
    use crate::error::ApiError;

    fn acceptable(password: &str) -> bool {
        let mut faults = Faults::default();
        check(&mut faults, "/password", password, &["jo.smith@clinic.example"]);
        match faults.finish() {
            Ok(()) => true,
            Err(ApiError::Invalid(errors)) => {
                assert_eq!(errors[0].pointer, "/password");
                false
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn length_and_commonness_decide_not_composition() {
        assert!(acceptable("plain words in a row"));
        assert!(acceptable("ünïcödé wörter éins"));
        for weak in [
            "fourteen chars",
            &"x".repeat(129),
            "aaaaaaaaaaaaaaaaaaaa",
            "Password-Password",
            "1234567890 123456",
            "jo.smith@clinic.example",
        ] {
            assert!(!acceptable(weak), "{weak}");
        }
    }

    #[tokio::test]
    async fn a_hash_fits_its_own_password_only() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse stapler").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$"));
        assert!(passwords.verify("correct horse stapler", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horse staplar", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horse stapler", None).await.unwrap());
    }

    #[tokio::test]
    async fn whoever_comes_when_the_line_is_full_is_sent_away_at_once() {
        let passwords = Passwords::default();
        let turns = passwords.turns.available_permits();
        let _busy = Arc::clone(&passwords.turns).acquire_many_owned(u32::try_from(turns).unwrap()).await.unwrap();
        let places = turns * LINE;
        let mut line: Vec<_> = (0..places).map(|_| Box::pin(passwords.verify("correct horse stapler", None))).collect();
        for waiting in &mut line {
            assert!(futures_util::poll!(waiting).is_pending());
        }
        let refused = futures_util::poll!(Box::pin(passwords.verify("correct horse stapler", None)));
        assert!(matches!(refused, std::task::Poll::Ready(Err(PasswordError::Busy))));
        // Who hangs up makes room.
        line.truncate(1);
        assert_eq!(passwords.queue.available_permits(), places - 1);
    }

    #[tokio::test]
    async fn the_decoy_costs_what_a_real_hash_costs() {
        let real = Passwords::default().hash("correct horse stapler").await.unwrap();
        let (real, decoy) = (PasswordHash::new(&real).unwrap(), PasswordHash::new(DECOY).unwrap());
        assert_eq!((decoy.algorithm, decoy.version, decoy.params), (real.algorithm, real.version, real.params));
        assert_eq!(decoy.hash.unwrap().len(), real.hash.unwrap().len());
        assert_eq!(decoy.salt.unwrap().len(), real.salt.unwrap().len());
    }
}
