//! Sessions: opening one, refreshing its tokens, switching its clinic. How they end stands in `ending.rs`.
//!
//! Refresh tokens rotate. The successor is computed from the token presented, so a lost answer can be asked for again
//! and brings the same successor, until that successor is used for the first time. A token that comes back after that
//! is in two hands: the whole session ends (RFC 9700, 4.14).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::codes::sha256;
use super::extract::Caller;
use super::profile::Me;
use super::refusal::Refusal;
use super::store::{self, EndedBecause, Membership, Session, TokenHash};
use super::{Auth, token};
use crate::clock::Clocks;
use crate::db::{Db, Scope, enter};

/// A session ends if it is not used for this long.
const IDLE: TimeDelta = TimeDelta::days(180);
/// A session ends after this long in any case.
const LONGEST: TimeDelta = TimeDelta::days(365);

/// What an app needs to act for its user.
#[derive(Debug, Serialize)]
pub struct TokenPair {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    expires_in: i64,
}

/// An open session.
#[derive(Debug, Serialize)]
pub struct Opened {
    /// Whose.
    pub user: Me,
    /// How to use it.
    pub tokens: TokenPair,
}

/// What is stored of a refresh token.
pub fn hash(token: &str) -> TokenHash {
    sha256(token.as_bytes())
}

/// Where a session begins, and on what.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// The clinic to act at; where the person was last, or else the oldest membership, if it is absent.
    pub clinic: Option<Uuid>,
    /// What the app calls the phone or browser it runs on.
    pub device_name: Option<String>,
}

/// Opens a session, in the person's scope.
pub async fn open(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    auth: &Auth,
    user_id: Uuid,
    opening: Opening,
) -> Result<Opened, Refusal> {
    let user = store::share_user(conn, user_id).await?;
    let now = clocks.wall.now();
    let memberships = store::list_memberships(conn, user_id).await?;
    let wanted = match opening.clinic {
        Some(clinic) => Some(clinic),
        None => store::find_last_clinic(conn, user_id).await?,
    };
    let at_wanted = memberships.iter().find(|membership| Some(membership.clinic_id) == wanted);
    let active = at_wanted.or(memberships.first()).ok_or(Refusal::NoClinic)?;
    let session = Session {
        id: clocks.fresh_id(),
        user_id,
        clinic_id: active.clinic_id,
        created_at: now,
        last_used_at: now,
        idle_expires_at: now + IDLE,
        expires_at: now + LONGEST,
        revoked_at: None,
        device_name: opening.device_name,
    };
    store::insert_session(conn, &session).await?;
    let refresh_token = fresh_token()?;
    store::insert_token(conn, session.id, &hash(&refresh_token), None, now).await?;
    answer(conn, auth, Me::new(user, active, &memberships), active, session.id, refresh_token, now).await
}

/// 256 random bits.
fn fresh_token() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(anyhow::Error::from)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

async fn answer(
    conn: &mut AsyncPgConnection,
    auth: &Auth,
    user: Me,
    active: &Membership,
    session_id: Uuid,
    refresh_token: String,
    now: DateTime<Utc>,
) -> Result<Opened, Refusal> {
    let caller = Caller {
        user_id: user.user_id,
        clinic_id: active.clinic_id,
        membership_id: active.id,
        role: active.role,
        patient_id: active.patient_id,
        session_id,
    };
    let access_token = if active.needs_second_factor && !store::has_second_factor(conn, user.user_id).await? {
        auth.tokens.issue_limited(&caller, now)?
    } else {
        auth.tokens.issue(&caller, now)?
    };
    let expires_in = token::LIFETIME.num_seconds();
    let tokens = TokenPair { access_token, refresh_token, token_type: "Bearer", expires_in };
    Ok(Opened { user, tokens })
}

/// How a refresh ended. A reuse is no error to the transaction: what it ends must be committed.
enum Refreshed {
    Opened(Box<Opened>),
    Ended { session_id: Uuid, at: DateTime<Utc> },
}

/// Exchanges a refresh token for the next pair.
pub async fn refresh(db: &Db, clocks: &Clocks, auth: &Auth, presented: &str) -> Result<Opened, Refusal> {
    let refreshed = db
        .scoped(Scope::Identity, async |conn| {
            let presented_hash = hash(presented);
            let owner = store::find_token_owner(conn, &presented_hash).await?;
            let (session_id, user_id) = owner.ok_or(Refusal::SessionEnded)?;
            enter(conn, Scope::User(user_id)).await?;
            // The user first, then the session: whoever calls tokens back locks in this order too.
            let user = store::share_user(conn, user_id).await?;
            let session = store::lock_session(conn, session_id).await?;
            let now = clocks.wall.now();
            if session.revoked_at.is_some() || now >= session.expires_at || now >= session.idle_expires_at {
                return Err(Refusal::SessionEnded);
            }
            let stored = store::find_token(conn, &presented_hash).await?;
            if stored.rotated_at.is_some() && store::is_successor_used(conn, &presented_hash).await? {
                store::end_session(conn, session_id, EndedBecause::Reuse, now).await?;
                return Ok(Refreshed::Ended { session_id, at: now });
            }
            if stored.rotated_at.is_none() {
                store::rotate_token(conn, &presented_hash, now).await?;
                if let Some(parent) = stored.parent_hash {
                    store::delete_siblings(conn, &presented_hash, &parent).await?;
                }
            }
            let successor = URL_SAFE_NO_PAD.encode(auth.keys.refresh_successor(presented.as_bytes()));
            store::insert_token(conn, session_id, &hash(&successor), Some(&presented_hash), now).await?;
            store::update_session(conn, session_id, session.clinic_id, now, now + IDLE).await?;
            let memberships = store::list_memberships(conn, user_id).await?;
            let active = memberships.iter().find(|membership| membership.clinic_id == session.clinic_id);
            let active = active.ok_or(Refusal::SessionEnded)?;
            let user = Me::new(user, active, &memberships);
            let opened = answer(conn, auth, user, active, session_id, successor, now).await?;
            Ok(Refreshed::Opened(Box::new(opened)))
        })
        .await?;
    match refreshed {
        Refreshed::Opened(opened) => Ok(*opened),
        Refreshed::Ended { session_id, at } => {
            auth.revocations.note(session_id, at);
            tracing::warn!(session.id = %session_id, "a refresh token came back after its successor was used");
            Err(Refusal::SessionEnded)
        }
    }
}

/// Changes the session's clinic. The app gets a new pair; until it uses the new refresh token, the one it had still
/// works, so that a lost answer costs nothing.
pub async fn switch(db: &Db, clocks: &Clocks, auth: &Auth, caller: &Caller, clinic: Uuid) -> Result<Opened, Refusal> {
    db.scoped(Scope::User(caller.user_id), async |conn| {
        let user = store::share_user(conn, caller.user_id).await?;
        let session = store::lock_session(conn, caller.session_id).await?;
        let now = clocks.wall.now();
        if session.revoked_at.is_some() || session.user_id != caller.user_id {
            return Err(Refusal::SessionEnded);
        }
        let memberships = store::list_memberships(conn, caller.user_id).await?;
        let active = memberships.iter().find(|membership| membership.clinic_id == clinic);
        let active = active.ok_or(diesel::result::Error::NotFound)?;
        let parent = store::find_newest_token(conn, session.id).await?;
        let refresh_token = fresh_token()?;
        if let Some(parent) = &parent {
            store::rotate_token(conn, parent, now).await?;
        }
        store::insert_token(conn, session.id, &hash(&refresh_token), parent.as_deref(), now).await?;
        store::update_session(conn, session.id, clinic, now, now + IDLE).await?;
        answer(conn, auth, Me::new(user, active, &memberships), active, session.id, refresh_token, now).await
    })
    .await
}
