//! Showing once more that a caller is the login's owner, before something is changed that a found phone must not change:
//! the current password and, where there is a second factor, a code of it, in the body of the request itself. And showing it
//! without a session, by the login's address.

use std::net::IpAddr;

use diesel_async::AsyncPgConnection;

use super::Auth;
use super::extract::Caller;
use super::refusal::Refusal;
use super::second_factor::{self, Verdict};
use super::store;
use crate::clock::Clocks;
use crate::db::{Db, Scope};

pub use super::store::User;

/// The answer to a password that is not the current one.
pub const WRONG_PASSWORD: Refusal = Refusal::NotProven("/current_password", "is not the current password");

/// What a caller shows. Without `Debug`: it is nobody else's business.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    /// The current password.
    pub password: &'a str,
    /// A code of the authenticator app, or a recovery code.
    pub code: Option<&'a str>,
    /// Where the request comes from.
    pub address: IpAddr,
}

/// What somebody shows who has no session.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// Lower-cased.
    pub email: &'a str,
    /// As typed.
    pub password: &'a str,
    /// A code of the authenticator app, or a recovery code.
    pub code: Option<&'a str>,
    /// Where the request comes from.
    pub address: IpAddr,
}

/// Why somebody is not known by what they showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Something is wrong; what, is not told.
    Wrong,
    /// The password is right and does not do alone.
    CodeRequired,
    /// Too many were wrong: so many seconds must pass.
    Wait(u32),
}

/// The login that somebody shows to be theirs, outside of any session. What is wrong is counted as at the login.
pub async fn recognise(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    shown: Credentials<'_>,
) -> Result<Result<User, Unknown>, Refusal> {
    let Credentials { email, password, code, address } = shown;
    if let Err(seconds) = auth.throttle.pay(email, address, clocks.wall.now()) {
        return Ok(Err(Unknown::Wait(seconds)));
    }
    let known = match match_login(db, clocks, auth, email, password, code).await {
        Ok((user, verdict)) => {
            let spend = async |conn: &mut AsyncPgConnection| verdict.use_up(conn, user.id).await;
            if !db.scoped(Scope::User(user.id), spend).await? {
                return Ok(Err(Unknown::Wrong));
            }
            Ok(user)
        }
        Err(Refusal::SecondFactorRequired) => Err(Unknown::CodeRequired),
        Err(Refusal::Credentials) => return Ok(Err(Unknown::Wrong)),
        Err(Refusal::Wait(seconds)) => return Ok(Err(Unknown::Wait(seconds))),
        Err(other) => return Err(other),
    };
    auth.throttle.refund(email, address);
    Ok(known)
}

/// The login of an address whose password and code are right, and what the code was worth, which is left to be used up. The same
/// answer and the same time for an address that nobody has.
pub(super) async fn match_login(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    email: &str,
    password: &str,
    code: Option<&str>,
) -> Result<(User, Verdict), Refusal> {
    let find = async |conn: &mut AsyncPgConnection| Ok::<_, Refusal>(store::find_user_by_email(conn, email).await?);
    let known = db.scoped(Scope::Identity, find).await?;
    let fits = auth.passwords.verify(password, known.as_ref().map(|user| user.password_hash.as_str())).await?;
    let user = known.filter(|_| fits).ok_or(Refusal::Credentials)?;
    match second_factor::judge(db, clocks, auth, user.id, code).await? {
        verdict @ (Verdict::Off | Verdict::Fits(_)) => Ok((user, verdict)),
        Verdict::Missing => Err(Refusal::SecondFactorRequired),
        Verdict::Wrong => Err(Refusal::Credentials),
        Verdict::Wait(seconds) => Err(Refusal::Wait(seconds)),
    }
}

/// The caller's login, if the proof holds. Wrong passwords are counted for the session: whoever guesses on a found phone
/// slows down that phone.
pub async fn prove(db: &Db, clocks: &Clocks, auth: &Auth, caller: &Caller, proof: Proof<'_>) -> Result<User, Refusal> {
    let account = format!("session:{}", caller.session_id);
    auth.throttle.pay(&account, proof.address, clocks.wall.now()).map_err(Refusal::Wait)?;
    let find = async |conn: &mut AsyncPgConnection| Ok::<_, Refusal>(store::find_user(conn, caller.user_id).await?);
    let user = db.scoped(Scope::User(caller.user_id), find).await?;
    if !auth.passwords.verify(proof.password, Some(&user.password_hash)).await? {
        return Err(WRONG_PASSWORD);
    }
    match second_factor::judge_and_use_up(db, clocks, auth, caller.user_id, proof.code).await? {
        Verdict::Off | Verdict::Fits(_) => {}
        Verdict::Missing => return Err(Refusal::NotProven("/code", "is required: the login has a second factor")),
        Verdict::Wrong => return Err(second_factor::WRONG_CODE),
        Verdict::Wait(seconds) => return Err(Refusal::Wait(seconds)),
    }
    auth.throttle.refund(&account, proof.address);
    Ok(user)
}
