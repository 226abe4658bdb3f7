//! Ending sessions: by logging out, one by one from another session, all others at once. A password that is changed ends
//! all others too.

use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::extract::Caller;
use super::password::refuse_derived;
use super::refusal::Refusal;
use super::sessions::hash;
use super::store::{self, EndedBecause, User};
use super::{Auth, reauthentication};
use crate::audit::{self, Entry};
use crate::clock::Clocks;
use crate::db::{Db, Scope, enter};

/// Which session to end.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// That of an access token.
    Caller(&'a Caller),
    /// That of a refresh token; an unknown one names none.
    Refresh(&'a str),
    /// One of the caller's, by its id.
    Own(&'a Caller, Uuid),
}

/// Ends a session and removes the device addresses it owns. Ending it twice is no error.
pub async fn end(db: &Db, clocks: &Clocks, auth: &Auth, which: Which<'_>) -> Result<(), Refusal> {
    let ended = db
        .scoped(Scope::Identity, async |conn| {
            let owner = match which {
                Which::Caller(caller) | Which::Own(caller, _) => Some((caller.session_id, caller.user_id)),
                Which::Refresh(presented) => store::find_token_owner(conn, &hash(presented)).await?,
            };
            let Some((of_caller, user_id)) = owner else { return Ok::<_, Refusal>(None) };
            enter(conn, Scope::User(user_id)).await?;
            let (session_id, because) = match which {
                Which::Caller(_) | Which::Refresh(_) => (of_caller, EndedBecause::Logout),
                Which::Own(_, id) if store::is_session_of(conn, user_id, id).await? => (id, EndedBecause::Elsewhere),
                Which::Own(..) => return Err(diesel::result::Error::NotFound.into()),
            };
            // Locked before the clock is read: a refresh on its way has issued its token by then.
            if store::lock_session(conn, session_id).await.optional()?.is_none() {
                return Ok(None);
            }
            let now = clocks.wall.now();
            store::end_session(conn, session_id, because, now).await?;
            Ok(Some((session_id, now)))
        })
        .await?;
    if let Some((session_id, at)) = ended {
        auth.revocations.note(session_id, at);
    }
    Ok(())
}

/// Ends every session of the caller's but the one that asks.
pub async fn end_others(db: &Db, clocks: &Clocks, auth: &Auth, caller: &Caller) -> Result<(), Refusal> {
    let (ended, at) = db
        .scoped(Scope::User(caller.user_id), async |conn| {
            store::lock_user(conn, caller.user_id).await?;
            let now = clocks.wall.now();
            let because = EndedBecause::Elsewhere;
            let ended = store::end_other_sessions(conn, caller.user_id, caller.session_id, because, now).await?;
            Ok::<_, Refusal>((ended, now))
        })
        .await?;
    note_all(auth, &ended, at);
    Ok(())
}

/// Gives the caller another password and ends every other session. `proven` is the login as it was when the caller showed
/// to know its password.
pub async fn change_password(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    caller: &Caller,
    proven: &User,
    password: &str,
) -> Result<(), Refusal> {
    let known =
        async |conn: &mut AsyncPgConnection| Ok::<_, Refusal>(store::list_known_words(conn, caller.user_id).await?);
    refuse_derived(password, &db.scoped(Scope::User(caller.user_id), known).await?)?;
    let password_hash = auth.passwords.hash(password).await?;
    let (ended, at) = db
        .scoped(Scope::User(caller.user_id), async |conn| {
            let current = store::lock_user(conn, caller.user_id).await?;
            if current.password_hash != proven.password_hash {
                return Err(reauthentication::WRONG_PASSWORD);
            }
            let now = clocks.wall.now();
            store::update_password(conn, caller.user_id, &password_hash).await?;
            store::delete_reset_codes(conn, caller.user_id, None).await?;
            let because = EndedBecause::Password;
            let ended = store::end_other_sessions(conn, caller.user_id, caller.session_id, because, now).await?;
            audit::record(conn, clocks, Entry::by(caller, "password.change", "user", caller.user_id)).await?;
            Ok((ended, now))
        })
        .await?;
    note_all(auth, &ended, at);
    Ok(())
}

/// Notes on this node what the others hear through the feed.
pub fn note_all(auth: &Auth, ended: &[Uuid], at: DateTime<Utc>) {
    for id in ended {
        auth.revocations.note(*id, at);
    }
}
