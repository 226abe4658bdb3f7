//! Whether the trail still is what was sealed. Nothing is mended: whoever reads of a fault compares with a backup and the log.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::seal::{last_day, last_over, read_day, sealed};
use super::store::seals::{self, Seal};
use super::store::trail;
use crate::auth::keys::Keys;
use crate::db::{Db, DbError, Scope};

/// For how long months are kept, in months. They go as a whole.
pub const KEEP_MONTHS: Months = Months::new(72);
/// How long workers may take to seal what can be sealed.
const GRACE: TimeDelta = TimeDelta::days(1);

/// What is wrong with a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is over for long and has no seal.
    NoSeal,
    /// Its seal was not made with this server's key, or not of this.
    Forged,
    /// Its seal does not follow from the one before.
    Unlinked,
    /// There are fewer entries than were sealed.
    Removed(i64),
    /// There are more.
    Added(i64),
    /// There are as many, and they are not the same.
    Changed,
    /// It lies before the clinic's first seal and has entries.
    Older,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeal => f.write_str("the seal is missing"),
            Self::Forged => f.write_str("the seal does not fit: it was altered, or made under another secret key"),
            Self::Unlinked => f.write_str("the seal does not follow from the one before"),
            Self::Removed(entries) => write!(f, "{entries} fewer entries than were sealed"),
            Self::Added(entries) => write!(f, "{entries} more entries than were sealed"),
            Self::Changed => f.write_str("the entries are not those that were sealed"),
            Self::Older => f.write_str("entries from before the first seal"),
        }
    }
}

/// How a clinic's trail stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Days that were looked at.
    pub days: u32,
    /// Entries that they have.
    pub entries: i64,
    /// Days that are over and that a worker will seal yet.
    pub pending: u32,
    /// What is wrong, in order.
    pub faults: Vec<(NaiveDate, Fault)>,
    /// The newest seal that was looked at, to be kept elsewhere.
    pub newest: Option<(NaiveDate, Vec<u8>)>,
}

/// Looks at a clinic's days from `from` to `to`, or at all that there are.
pub async fn verify(
    db: &Db,
    keys: &Keys,
    clinic_id: Uuid,
    (from, to): (Option<NaiveDate>, Option<NaiveDate>),
    now: DateTime<Utc>,
) -> Result<Verdict, DbError> {
    let begin = async |conn: &mut AsyncPgConnection| {
        let first_seal = seals::find_first_day(conn, clinic_id).await?;
        let first_entry = trail::find_first(conn, clinic_id).await?.map(|at| at.date_naive());
        let Some(first) = first_seal.or(first_entry) else { return Ok::<_, DbError>(None) };
        let last_seal = seals::find_last(conn, clinic_id, None).await?.map(|seal| seal.day);
        // Days after the last seal are looked at too: they should have one.
        let end = last_day(conn, clinic_id, now).await?.max(last_seal).unwrap_or(first).min(last_over(now));
        let (from, to) = (from.unwrap_or(first).max(first), to.unwrap_or(NaiveDate::MAX).min(end));
        let before = seals::find_last(conn, clinic_id, Some(from)).await?;
        Ok(Some((first, first_entry, from, to, before, seals::list_seals(conn, clinic_id, (from, to)).await?)))
    };
    let mut verdict = Verdict::default();
    let Some((first, first_entry, start, to, before, seals)) = db.scoped(Scope::System, begin).await? else {
        return Ok(verdict);
    };
    if let Some(older) = first_entry.filter(|older| *older < first && from.is_none_or(|from| from <= *older)) {
        verdict.faults.push((older, Fault::Older));
    }
    let seals: HashMap<NaiveDate, Seal> = seals.into_iter().map(|seal| (seal.day, seal)).collect();
    let mut previous = before.as_ref();
    for day in start.iter_days().take_while(|day| *day <= to) {
        let Some(seal) = seals.get(&day) else {
            match day <= sealed_by(now) {
                true => verdict.faults.push((day, Fault::NoSeal)),
                false => verdict.pending += 1,
            }
            continue;
        };
        verdict.days += 1;
        if seal.previous.as_ref() != previous.map(|previous| &previous.seal) {
            verdict.faults.push((day, Fault::Unlinked));
        }
        if keys.trail_seal(&sealed(seal)).as_slice() != seal.seal {
            verdict.faults.push((day, Fault::Forged));
        }
        if !is_gone(day, now) {
            let read = async |conn: &mut AsyncPgConnection| Ok::<_, DbError>(read_day(conn, clinic_id, day).await?);
            let (entries, digest) = db.scoped(Scope::System, read).await?;
            verdict.entries += entries;
            match entries - seal.entries {
                0 if digest == seal.digest => {}
                0 => verdict.faults.push((day, Fault::Changed)),
                fewer @ ..0 => verdict.faults.push((day, Fault::Removed(-fewer))),
                more => verdict.faults.push((day, Fault::Added(more))),
            }
        }
        verdict.newest = Some((day, seal.seal.clone()));
        previous = Some(seal);
    }
    Ok(verdict)
}

/// The last day that has no excuse for being without a seal.
pub fn sealed_by(now: DateTime<Utc>) -> NaiveDate {
    last_over(now - GRACE)
}

/// Whether the day's entries were dropped with their month, which was kept long enough.
fn is_gone(day: NaiveDate, now: DateTime<Utc>) -> bool {
    let month = day.with_day(1).unwrap_or(day);
    month + Months::new(1) <= kept_from(now)
}

/// Months that were over by this day are dropped. A day later than they might be: the database's clock has a word in it too.
pub fn kept_from(now: DateTime<Utc>) -> NaiveDate {
    now.date_naive() - KEEP_MONTHS - Days::new(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_gone_once_its_last_day_is_six_years_old() {
        let now: DateTime<Utc> = "2032-03-02T12:00:00Z".parse().unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(kept_from(now), day("2026-03-01"));
        assert!(is_gone(day("2026-02-28"), now) && is_gone(day("2026-02-01"), now));
        assert!(!is_gone(day("2026-03-01"), now));
    }
}
