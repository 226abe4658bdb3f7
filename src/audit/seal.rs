//! Closing a clinic's day: once it is over, what the trail holds of it is counted, hashed and sealed under the server's key,
//! together with the seal of the day before. Days are UTC's, everywhere the same. `verify.rs` looks back.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::canon::{self, Day};
use super::store::seals::{self, Seal};
use super::store::trail;
use crate::auth::keys::Keys;
use crate::db::{Db, DbError, Scope};

/// How long after its end a day is sealed: whatever happened on it is in the trail by then.
pub const MARGIN: TimeDelta = TimeDelta::hours(1);
/// How many entries are read at a time.
const CHUNK: i64 = 5_000;

/// Seals every day of every clinic that is over and has no seal yet, each in a transaction of its own. How many. What keeps one
/// clinic's from being sealed keeps no other's.
pub async fn seal_due(db: &Db, keys: &Keys, now: DateTime<Utc>) -> Result<usize, DbError> {
    let list = async |conn: &mut AsyncPgConnection| Ok::<_, DbError>(seals::list_unsealed(conn, last_over(now)).await?);
    let (mut sealed, mut failed) = (0, None);
    for clinic_id in db.scoped(Scope::System, list).await? {
        let next = async |conn: &mut AsyncPgConnection| Ok::<_, DbError>(seal_next(conn, keys, clinic_id, now).await?);
        loop {
            match db.scoped(Scope::System, next).await {
                Ok(Some(seal)) => {
                    sealed += 1;
                    // In the log it is out of the reach of whoever can change the database.
                    tracing::info!(
                        clinic.id = %clinic_id, day = %seal.day, entries = seal.entries, seal = hexadecimal(&seal.seal),
                        "a day of the audit trail is sealed"
                    );
                }
                Ok(None) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
    }
    failed.map_or(Ok(sealed), Err)
}

/// Seals the day after a clinic's last sealed one, if it is over; the first is that of its first entry.
async fn seal_next(
    conn: &mut AsyncPgConnection,
    keys: &Keys,
    clinic_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<Seal>> {
    if !seals::hold(conn, clinic_id).await? {
        return Ok(None);
    }
    let last = seals::find_last(conn, clinic_id, None).await?;
    let day = match &last {
        Some(last) => last.day.succ_opt(),
        None => trail::find_first(conn, clinic_id).await?.map(|at| at.date_naive()),
    };
    let end = last_day(conn, clinic_id, now).await?;
    let Some(day) = day.filter(|day| end.is_some_and(|end| *day <= end)) else { return Ok(None) };
    let (entries, digest) = read_day(conn, clinic_id, day).await?;
    let previous = last.map(|last| last.seal);
    let mut seal = Seal { clinic_id, day, entries, digest, previous, seal: Vec::new(), sealed_at: now };
    seal.seal = keys.trail_seal(&sealed(&seal)).to_vec();
    seals::insert_seal(conn, &seal).await?;
    Ok(Some(seal))
}

/// The last day that may be sealed.
pub(super) fn last_over(now: DateTime<Utc>) -> NaiveDate {
    (now - MARGIN).date_naive() - Days::new(1)
}

/// The last day of a clinic that may be sealed. Of one that is gone nothing comes after its last entry; none are left once its
/// months were dropped.
pub(super) async fn last_day(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<NaiveDate>> {
    let over = last_over(now);
    if seals::is_there(conn, clinic_id).await? {
        return Ok(Some(over));
    }
    Ok(trail::find_last(conn, clinic_id).await?.map(|at| at.date_naive().min(over)))
}

/// How many entries a day has, and SHA-256 over them.
pub(super) async fn read_day(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    day: NaiveDate,
) -> QueryResult<(i64, Vec<u8>)> {
    let start = day.and_time(NaiveTime::MIN).and_utc();
    let span = (start, start + Days::new(1));
    let (mut read, mut after) = (Day::default(), None);
    loop {
        let lines = trail::list_in_order(conn, clinic_id, span, after, CHUNK).await?;
        lines.iter().for_each(|line| read.push(line));
        match lines.last() {
            Some(last) => after = Some((last.at, last.id)),
            None => return Ok(read.end()),
        }
    }
}

/// What the key seals of a day.
pub(super) fn sealed(seal: &Seal) -> Vec<u8> {
    let mut bytes = vec![canon::VERSION];
    bytes.extend_from_slice(seal.clinic_id.as_bytes());
    bytes.extend_from_slice(seal.day.to_string().as_bytes());
    bytes.extend_from_slice(&seal.entries.to_be_bytes());
    bytes.extend_from_slice(&seal.sealed_at.timestamp_micros().to_be_bytes());
    bytes.extend_from_slice(&seal.digest);
    // Last, since it may be absent.
    bytes.extend_from_slice(seal.previous.as_deref().unwrap_or_default());
    bytes
}

/// A seal as it is shown.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
