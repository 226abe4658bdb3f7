//! The step between showing who one is and deciding, for a page without a session: a sealed word that the page carries from one
//! to the other. It is good for a while, for one login, and for as long as its password stays.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::OptionalExtension;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::auth::codes;
use crate::auth::keys::{KeyError, Keys};
use crate::auth::store::{self as logins, User};
use crate::db::{Db, DbError, Scope};

/// How long somebody may read before they decide.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(15);
/// So that nothing else that is sealed opens here.
const PURPOSE: &[u8] = b"account deletion";

/// For whoever has just shown who they are.
pub(super) fn issue(keys: &Keys, user: &User, now: DateTime<Utc>) -> Result<String, KeyError> {
    let word = [
        user.id.as_bytes().as_slice(),
        &now.timestamp_micros().to_be_bytes(),
        &codes::sha256(user.password_hash.as_bytes()),
    ];
    Ok(URL_SAFE_NO_PAD.encode(keys.seal(PURPOSE, &word.concat())?))
}

/// The login that it was issued for, if it is still good.
pub(super) async fn redeem(db: &Db, keys: &Keys, token: &str, now: DateTime<Utc>) -> Result<Option<User>, DbError> {
    let Some((id, issued_at, fingerprint)) = read(keys, token) else { return Ok(None) };
    if !(issued_at..issued_at + GOOD_FOR).contains(&now) {
        return Ok(None);
    }
    let find = async |conn: &mut AsyncPgConnection| Ok(logins::find_user(conn, id).await.optional()?);
    let found: Result<Option<User>, DbError> = db.scoped(Scope::User(id), find).await;
    Ok(found?.filter(|user| codes::sha256(user.password_hash.as_bytes()) == fingerprint))
}

fn read(keys: &Keys, token: &str) -> Option<(Uuid, DateTime<Utc>, [u8; 32])> {
    let word = keys.open(PURPOSE, &URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (id, word) = word.split_first_chunk::<16>()?;
    let (micros, fingerprint) = word.split_first_chunk::<8>()?;
    let issued_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    Some((Uuid::from_bytes(*id), issued_at, fingerprint.try_into().ok()?))
}
