//! Second factors: an authenticator app is set up, confirmed by its first code, asked for at every login, and taken away
//! again. The codes themselves are made in `totp.rs`.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::extract::Caller;
use super::keys::Keys;
use super::refusal::Refusal;
use super::store::{self, CodeHash, EndedBecause, SecondFactor};
use super::totp::{self, Secret};
use super::{Auth, codes, ending};
use crate::audit::{self, Entry};
use crate::clock::Clocks;
use crate::db::{Db, Scope};

/// How long a secret waits for its first code.
const CONFIRM_WITHIN: TimeDelta = TimeDelta::hours(1);
/// Recovery codes that a person is given at once.
const RECOVERY_CODES: usize = 10;

/// The answer to a code that does not fit.
pub const WRONG_CODE: Refusal = Refusal::NotProven("/code", "does not fit, or was used before: send the next one");

/// What a code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The login has no second factor: none is asked for.
    Off,
    /// It fits.
    Fits(Fitting),
    /// One is asked for, and none was sent.
    Missing,
    /// It does not fit.
    Wrong,
    /// Too many did not: it was not looked at, and will not be for so many seconds.
    Wait(u32),
}

/// A code that fits, and is not used up yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fitting {
    /// Of the authenticator app that was set up at this moment: the code of this time step.
    Step(DateTime<Utc>, i64),
    /// A recovery code, by its hash.
    Recovery(CodeHash),
}

/// A secret for the app. Without `Debug`: it is shown to nobody else.
pub struct Enrolment {
    /// As it is typed.
    pub secret: String,
    /// As it is scanned.
    pub uri: String,
}

impl Verdict {
    /// Uses up the code that fits; nothing where none was asked for. False where it opens nothing: somebody else has just used
    /// it, or what it belonged to is gone.
    pub async fn use_up(self, conn: &mut AsyncPgConnection, user_id: Uuid) -> Result<bool, Refusal> {
        Ok(match self {
            Self::Off => true,
            Self::Fits(Fitting::Step(set_up_at, step)) => store::use_step(conn, user_id, set_up_at, step).await?,
            Self::Fits(Fitting::Recovery(hash)) => store::use_recovery_code(conn, user_id, &hash).await?,
            Self::Missing | Self::Wrong | Self::Wait(_) => false,
        })
    }
}

/// Judges a code, in a transaction of its own: what is counted must stay, whatever becomes of the login. One that fits is used
/// up together with what it opens ([`Verdict::use_up`]), so that a login that comes to nothing costs none.
pub async fn judge(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    user_id: Uuid,
    code: Option<&str>,
) -> Result<Verdict, Refusal> {
    let judging = async |conn: &mut AsyncPgConnection| look(conn, clocks, auth, user_id, code).await;
    db.scoped(Scope::User(user_id), judging).await
}

/// The same, and uses it up at once: for what somebody shows before they ask for anything.
pub async fn judge_and_use_up(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    user_id: Uuid,
    code: Option<&str>,
) -> Result<Verdict, Refusal> {
    db.scoped(Scope::User(user_id), async |conn| {
        let verdict = look(conn, clocks, auth, user_id, code).await?;
        let lost = matches!(verdict, Verdict::Fits(_)) && !verdict.use_up(conn, user_id).await?;
        Ok(if lost { Verdict::Wrong } else { verdict })
    })
    .await
}

async fn look(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    auth: &Auth,
    user_id: Uuid,
    code: Option<&str>,
) -> Result<Verdict, Refusal> {
    let factor = store::lock_second_factor(conn, user_id).await?;
    let Some(factor) = factor.filter(|factor| factor.confirmed_at.is_some()) else { return Ok(Verdict::Off) };
    let Some(code) = code else { return Ok(Verdict::Missing) };
    let Some(digits) = totp::typed(code) else {
        let hash = codes::hash(code);
        let known = store::has_recovery_code(conn, user_id, &hash).await?;
        return Ok(if known { Verdict::Fits(Fitting::Recovery(hash)) } else { Verdict::Wrong });
    };
    let now = clocks.wall.now();
    if let Some(seconds) = totp::wait(factor.failures, factor.failed_at, now) {
        return Ok(Verdict::Wait(seconds));
    }
    match open(&auth.keys, &factor)?.step_of(&digits, now, factor.last_step) {
        Some(step) => Ok(Verdict::Fits(Fitting::Step(factor.created_at, step))),
        None => {
            store::note_failure(conn, user_id, now).await?;
            Ok(Verdict::Wrong)
        }
    }
}

/// Makes a secret that waits for its first code.
pub async fn begin(db: &Db, clocks: &Clocks, auth: &Auth, caller: &Caller) -> Result<Enrolment, Refusal> {
    let secret = Secret::fresh().map_err(anyhow::Error::from)?;
    let sealed = auth.keys.seal(&bound_to(caller.user_id), secret.bytes()).map_err(anyhow::Error::from)?;
    let user = db
        .scoped(Scope::User(caller.user_id), async |conn| {
            let user = store::lock_user(conn, caller.user_id).await?;
            if !store::put_second_factor(conn, user.id, &sealed, clocks.wall.now()).await? {
                return Err(Refusal::SecondFactorState("There is a second factor already: disable it first."));
            }
            Ok(user)
        })
        .await?;
    Ok(Enrolment { secret: secret.text(), uri: secret.uri(&user.email)? })
}

/// Asks for the second factor from now on, if the app's first code fits; every other session ends. Brings recovery codes.
pub async fn confirm(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    caller: &Caller,
    code: &str,
) -> Result<Vec<String>, Refusal> {
    let (recovery_codes, ended, at) = db
        .scoped(Scope::User(caller.user_id), async |conn| {
            store::lock_user(conn, caller.user_id).await?;
            let now = clocks.wall.now();
            let factor = store::lock_second_factor(conn, caller.user_id).await?;
            let waiting = factor.filter(|factor| factor.confirmed_at.is_none() && now < waits_until(factor));
            let nothing = "No second factor waits for its first code: begin again.";
            let factor = waiting.ok_or(Refusal::SecondFactorState(nothing))?;
            let digits = totp::typed(code).ok_or(WRONG_CODE)?;
            let step = open(&auth.keys, &factor)?.step_of(&digits, now, None).ok_or(WRONG_CODE)?;
            store::confirm_second_factor(conn, caller.user_id, step, now).await?;
            store::delete_reset_codes(conn, caller.user_id, None).await?;
            let recovery_codes = fresh_codes(conn, &auth.keys, caller.user_id, now).await?;
            let because = EndedBecause::SecondFactor;
            let ended = store::end_other_sessions(conn, caller.user_id, caller.session_id, because, now).await?;
            audit::record(conn, clocks, Entry::by(caller, "second_factor.enable", "user", caller.user_id)).await?;
            Ok::<_, Refusal>((recovery_codes, ended, now))
        })
        .await?;
    ending::note_all(auth, &ended, at);
    Ok(recovery_codes)
}

/// Replaces the recovery codes.
pub async fn renew_codes(db: &Db, clocks: &Clocks, auth: &Auth, caller: &Caller) -> Result<Vec<String>, Refusal> {
    db.scoped(Scope::User(caller.user_id), async |conn| {
        let factor = store::lock_second_factor(conn, caller.user_id).await?;
        factor.filter(|factor| factor.confirmed_at.is_some()).ok_or(NONE)?;
        let renewed = fresh_codes(conn, &auth.keys, caller.user_id, clocks.wall.now()).await?;
        audit::record(conn, clocks, Entry::by(caller, "second_factor.renew_codes", "user", caller.user_id)).await?;
        Ok(renewed)
    })
    .await
}

/// Takes the caller's second factor away. Access tokens are called back: what they are good for may have changed.
pub async fn disable(db: &Db, clocks: &Clocks, auth: &Auth, caller: &Caller) -> Result<(), Refusal> {
    let at = db
        .scoped(Scope::User(caller.user_id), async |conn| {
            store::lock_user(conn, caller.user_id).await?;
            let now = clocks.wall.now();
            if !store::delete_second_factor(conn, caller.user_id).await? {
                return Err(NONE);
            }
            store::call_back_tokens(conn, caller.user_id, now).await?;
            audit::record(conn, clocks, Entry::by(caller, "second_factor.disable", "user", caller.user_id)).await?;
            Ok(now)
        })
        .await?;
    auth.revocations.note(caller.user_id, at);
    Ok(())
}

const NONE: Refusal = Refusal::SecondFactorState("The login has no second factor.");

fn waits_until(factor: &SecondFactor) -> DateTime<Utc> {
    factor.created_at + CONFIRM_WITHIN
}

async fn fresh_codes(
    conn: &mut AsyncPgConnection,
    keys: &Keys,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<String>, Refusal> {
    let fresh: Vec<String> = (0..RECOVERY_CODES).map(|_| keys.code(Uuid::new_v4())).collect();
    let hashes: Vec<_> = fresh.iter().map(|code| codes::hash(code)).collect();
    store::put_recovery_codes(conn, user_id, &hashes, now).await?;
    Ok(fresh)
}

fn open(keys: &Keys, factor: &SecondFactor) -> Result<Secret, Refusal> {
    let bytes = keys.open(&bound_to(factor.user_id), &factor.secret_sealed).map_err(anyhow::Error::from)?;
    Ok(Secret::stored(bytes))
}

/// What a sealed secret opens with, so that it opens for this login alone and for nothing else that is sealed.
fn bound_to(user_id: Uuid) -> Vec<u8> {
    [b"second factor ".as_slice(), user_id.as_bytes()].concat()
}
