//! Switching "outdoors" on for a while, and off: in one transaction with the plan that follows from it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;

use super::store::{self, Span};
use crate::auth::extract::PatientCaller;
use crate::db::{Lock, Scope};
use crate::domain::protocol::DayTime;
use crate::domain::timeline::ModeSpan;
use crate::planning::{self, Person, PlanningError, Tools, through_planning};

/// The mode's name in protocols.
const OUTDOORS: &str = "outdoors";
/// The longest stretch that can be switched on at once: whoever forgets it is not asked for days.
pub const LONGEST: TimeDelta = TimeDelta::hours(24);

/// How often it can be switched on within [`LONGEST`].
pub const MOST: usize = 50;

/// Why it is not switched on.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// It would be over before it began, or go on for too long.
    #[error("the end is out of bounds")]
    End,
    /// It was switched on too often.
    #[error("switched on too often")]
    TooOften,
    /// The plan could not be made.
    #[error(transparent)]
    Planning(PlanningError),
}

through_planning!(SwitchError: PlanningError, crate::db::DbError, diesel::result::Error);

/// Whether it is on, from when until when.
pub async fn look(tools: Tools<'_>, PatientCaller(caller): &PatientCaller) -> Result<Option<Span>, PlanningError> {
    let whose = (caller.clinic_id, caller.patient_id.ok_or(PlanningError::NotFound)?);
    let now = tools.clocks.care.now();
    let find = async |conn: &mut _| Ok(store::find_open(conn, whose, OUTDOORS, now).await?);
    tools.db.scoped(Scope::Clinic(caller.clinic_id), find).await
}

/// Switches it on until `until`, or the end of the patient's day. One that is on already ends then instead.
pub async fn on(tools: Tools<'_>, caller: &PatientCaller, until: Option<DateTime<Utc>>) -> Result<Span, SwitchError> {
    change(tools, caller, async |conn, person, open, now| {
        let until = until.unwrap_or_else(|| person.zones.instant_on(person.zones.date(now), DayTime::END));
        if until <= now || until - now > LONGEST {
            return Err(SwitchError::End);
        }
        let lately = person.modes.iter().filter(|span| span.mode == OUTDOORS && span.from > now - LONGEST).count();
        if open.is_none() && lately >= MOST {
            return Err(SwitchError::TooOften);
        }
        let from = open.map_or(now, |(from, _)| from);
        set(conn, person, from, until).await?;
        Ok((from, until))
    })
    .await
}

/// Switches it off.
pub async fn off(tools: Tools<'_>, caller: &PatientCaller) -> Result<(), SwitchError> {
    change(tools, caller, async |conn, person, open, now| {
        if let Some((from, _)) = open {
            set(conn, person, from, now).await?;
        }
        Ok(())
    })
    .await
}

/// The stretch that begins at `from` ends at `to`. One that ends where it begins never was.
async fn set(
    conn: &mut AsyncPgConnection,
    person: &mut Person,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<(), SwitchError> {
    let whose = (person.clinic_id, person.patient_id);
    let modes = &mut person.modes;
    modes.retain(|span| (span.mode.as_str(), span.from) != (OUTDOORS, from));
    if from < to {
        modes.push(ModeSpan { mode: OUTDOORS.to_owned(), from, to });
        store::upsert_span(conn, whose, OUTDOORS, (from, to)).await?;
    } else {
        store::delete_span(conn, whose, OUTDOORS, from).await?;
    }
    Ok(())
}

/// A change under the patient's lock, of whom `write` is told whether it is on, and the plan after it.
async fn change<T>(
    tools: Tools<'_>,
    PatientCaller(caller): &PatientCaller,
    write: impl AsyncFnOnce(&mut AsyncPgConnection, &mut Person, Option<Span>, DateTime<Utc>) -> Result<T, SwitchError>,
) -> Result<T, SwitchError> {
    let whose = (caller.clinic_id, caller.patient_id.ok_or(PlanningError::NotFound)?);
    let now = tools.clocks.care.now();
    let change = async |conn: &mut AsyncPgConnection| {
        let mut person = planning::locked(conn, whose.0, whose.1).await?;
        let open = store::find_open(conn, whose, OUTDOORS, now).await?;
        let written = write(conn, &mut person, open, now).await?;
        person.replan(conn, tools.catalogue, now).await?;
        Ok(written)
    };
    tools.db.scoped_under(Scope::Clinic(whose.0), Lock::Patient(whose.0, whose.1), change).await
}
