//! Request keys: a create that is sent twice makes one thing and gets the same answer, rendered anew from what is
//! stored. Only that a request succeeded, and what it made, is remembered; a refused one may be corrected and sent again
//! under its key. What the operations do is the slices' business.
//!
//! ```text
//! let request = key.of(&caller, "create_treatment", &body.raw);
//! let id = clocks.fresh_id();
//! state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
//!     if let Some(before) = request.begin(conn, id, wall_now).await? {
//!         return Ok(find_treatment(conn, caller.clinic_id, before).await?);
//!     }
//!     insert_treatment(conn, id, ..).await
//! })
//! ```

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use aws_lc_rs::digest::{Context, SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::auth::extract::Caller;
use crate::db::hot::hot_query;
use crate::error::{ApiError, Conflict, FieldError};
use crate::schema::idempotency_keys;

/// The request header.
const HEADER: &str = "Idempotency-Key";

/// How long an answered request is remembered at least.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// The `Idempotency-Key` header of a request, if it has one: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(HEADER);
        let (first, second) = (values.next(), values.next());
        ready(match (first, second) {
            (None, _) => Ok(Self(None)),
            (Some(value), None) => value.to_str().unwrap_or_default().trim().parse(),
            (Some(_), Some(_)) => Err(malformed("must be sent once")),
        })
    }
}

impl FromStr for IdempotencyKey {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(Some(text.to_owned())))
        } else {
            Err(malformed("must be 1 to 255 visible ASCII characters"))
        }
    }
}

fn malformed(detail: &str) -> ApiError {
    let error = FieldError { pointer: HEADER.to_owned(), detail: detail.to_owned() };
    ApiError::Malformed { detail: format!("{HEADER} {detail}"), errors: vec![error] }
}

impl IdempotencyKey {
    /// Binds the key to who asks for what: `operation` is the handler's name, `body` the bytes as they came.
    pub fn of(&self, caller: &Caller, operation: &'static str, body: &[u8]) -> KeyedRequest {
        let Some(key) = self.0.clone() else { return KeyedRequest(None) };
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, body).as_ref());
        KeyedRequest(Some(Keyed { clinic_id: caller.clinic_id, user_id: caller.user_id, key, operation, fingerprint }))
    }
}

/// A request that may carry a key. Without one it is simply carried out, at no cost.
#[derive(Debug)]
pub struct KeyedRequest(Option<Keyed>);

#[derive(Debug, Clone)]
struct Keyed {
    clinic_id: Uuid,
    user_id: Uuid,
    key: String,
    operation: &'static str,
    fingerprint: [u8; 32],
}

/// Why a request with a key is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The key was used for another body or another operation.
    #[error("the key was used for another request")]
    Mismatch,
    /// The same request is being carried out by somebody else.
    #[error("the same request is being carried out")]
    InFlight,
    /// The database refused a statement.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

impl From<IdempotencyError> for ApiError {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::Mismatch => Self::IdempotencyMismatch,
            IdempotencyError::InFlight => {
                Self::conflict(Conflict::InFlight, "The first request with this key has not been answered yet.")
            }
            IdempotencyError::Query(error) => error.into(),
        }
    }
}

hot_query! {
    /// Column order of `idempotency_keys` as migrated: `$2` to `$8`.
    struct Begin {
        lock: i64 as BigInt,
        clinic: Uuid as SqlUuid,
        user: Uuid as SqlUuid,
        key: String as Text,
        operation: &'static str as Text,
        fingerprint: Vec<u8> as Bytea,
        resource: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns (Nullable<Text>, Nullable<Bytea>, Nullable<SqlUuid>, Bool);
    ", mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS free), there AS (
        SELECT operation, fingerprint, resource_id FROM idempotency_keys
         WHERE clinic_id = $2 AND user_id = $3 AND key = $4
    ), made AS (
        INSERT INTO idempotency_keys (clinic_id, user_id, key, operation, fingerprint, resource_id, created_at)
        SELECT $2, $3, $4, $5, $6, $7, $8 FROM mine WHERE mine.free AND NOT EXISTS (SELECT 1 FROM there)
        ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT (SELECT operation FROM there), (SELECT fingerprint FROM there), (SELECT resource_id FROM there),
           EXISTS (SELECT 1 FROM made)"
}

impl KeyedRequest {
    /// Looks the key up and, if it is new, records it for what will be made under `resource_id`: one statement, none
    /// without a key. The record goes if the transaction fails. `Some` is what an earlier request made.
    ///
    /// The lookup may see less than the lock suggests (the first request can commit between the two); the insertion, which
    /// then finds the key taken, has the last word.
    pub async fn begin(
        self,
        conn: &mut AsyncPgConnection,
        resource_id: Uuid,
        wall_now: DateTime<Utc>,
    ) -> Result<Option<Uuid>, IdempotencyError> {
        let Some(keyed) = self.0 else { return Ok(None) };
        let query = Begin {
            lock: keyed.lock(),
            clinic: keyed.clinic_id,
            user: keyed.user_id,
            key: keyed.key.clone(),
            operation: keyed.operation,
            fingerprint: keyed.fingerprint.to_vec(),
            resource: resource_id,
            now: wall_now,
        };
        type Row = (Option<String>, Option<Vec<u8>>, Option<Uuid>, bool);
        match query.get_result::<Row>(conn).await? {
            (Some(operation), Some(fingerprint), before, _) => {
                let same = (operation, fingerprint) == (keyed.operation.to_owned(), keyed.fingerprint.to_vec());
                if same { Ok(before) } else { Err(IdempotencyError::Mismatch) }
            }
            (_, _, _, true) => Ok(None),
            _ => Err(IdempotencyError::InFlight),
        }
    }
}

impl Keyed {
    /// The advisory lock that stands for this key.
    fn lock(&self) -> i64 {
        let mut hash = Context::new(&SHA256);
        hash.update(self.clinic_id.as_bytes());
        hash.update(self.user_id.as_bytes());
        hash.update(self.key.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finish().as_ref()[..8]);
        i64::from_be_bytes(first)
    }
}

/// Forgets requests answered more than [`KEPT_FOR`] ago; returns how many.
pub async fn prune(conn: &mut AsyncPgConnection, wall_now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::created_at.lt(wall_now - KEPT_FOR)))
        .execute(conn)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    async fn read(values: &[&str]) -> Result<IdempotencyKey, ApiError> {
        let request = values.iter().fold(TestRequest::default(), |r, value| r.append_header((HEADER, *value)));
        IdempotencyKey::extract(&request.to_http_request()).await
    }

    #[tokio::test]
    async fn a_key_is_read_once_or_not_at_all() {
        assert_eq!(read(&[]).await.unwrap(), IdempotencyKey(None));
        assert_eq!(read(&["abc-1"]).await.unwrap(), IdempotencyKey(Some("abc-1".to_owned())));
        for bad in [&["a", "b"][..], &[""], &["a b"], &["\u{fc}"], &["x".repeat(256).as_str()]] {
            assert!(matches!(read(bad).await, Err(ApiError::Malformed { .. })), "{bad:?}");
        }
    }
}
