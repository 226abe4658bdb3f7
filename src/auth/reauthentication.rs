//! Showing once more that a caller is the login's owner, before something is changed that a found phone must not change:
//! the current password and, where there is a second factor, a code of it, in the body of the request itself.

use std::net::IpAddr;

use super::Auth;
use super::extract::Caller;
use super::refusal::Refusal;
use super::second_factor::{self, Verdict};
use super::store::{self, User};
use crate::clock::Clocks;
use crate::db::{Db, Scope};

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

/// The caller's login, if the proof holds. Wrong passwords are counted for the session: whoever guesses on a found phone
/// slows down that phone.
pub async fn prove(db: &Db, clocks: &Clocks, auth: &Auth, caller: &Caller, proof: Proof<'_>) -> Result<User, Refusal> {
    let account = format!("session:{}", caller.session_id);
    auth.throttle.pay(&account, proof.address, clocks.wall.now()).map_err(Refusal::Wait)?;
    let find = async |conn: &mut diesel_async::AsyncPgConnection| {
        Ok::<_, Refusal>(store::find_user(conn, caller.user_id).await?)
    };
    let user = db.scoped(Scope::User(caller.user_id), find).await?;
    if !auth.passwords.verify(proof.password, Some(&user.password_hash)).await? {
        return Err(WRONG_PASSWORD);
    }
    match second_factor::judge(db, clocks, auth, caller.user_id, proof.code).await? {
        Verdict::Off | Verdict::Fits => {}
        Verdict::Missing => return Err(Refusal::NotProven("/code", "is required: the login has a second factor")),
        Verdict::Wrong => return Err(second_factor::WRONG_CODE),
        Verdict::Wait(seconds) => return Err(Refusal::Wait(seconds)),
    }
    auth.throttle.refund(&account, proof.address);
    Ok(user)
}
