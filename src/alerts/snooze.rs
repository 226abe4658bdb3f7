//! "Remind me later": the wish is written down and the patient planned anew. The plan keeps it from then on, whatever else
//! changes, and forgets it with the task that it is about.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store;
use crate::auth::extract::PatientCaller;
use crate::db::{Lock, Scope};
use crate::domain::alert::is_expired;
use crate::domain::ids;
use crate::domain::reminders::Snooze;
use crate::planning::{self, PlanningError, Tools, through_planning};

/// How often one alert can be put off.
pub const MOST_TIMES: i32 = 10;

/// Why an alert is not put off.
#[derive(Debug, thiserror::Error)]
pub enum SnoozeError {
    /// It is of no plan.
    #[error("this alert is of no plan")]
    NotPlanned,
    /// It was called off, or could not be sent.
    #[error("this alert cannot be put off")]
    NotOwed,
    /// It was put off too often.
    #[error("this alert was put off too often")]
    TooOften,
    /// It is not due before then.
    #[error("this alert comes no sooner anyway")]
    NoLater,
    /// It would be worth nothing by then, or quiet hours outlast it.
    #[error("this alert will be over by then")]
    OverByThen,
    /// The plan could not be made.
    #[error(transparent)]
    Planning(PlanningError),
}

through_planning!(SnoozeError: PlanningError, crate::db::DbError, diesel::result::Error);

/// Puts an alert of the caller's off until a moment; returns which alert will tell it. Where the caller named the moment
/// itself, the same wish sent again is the same wish, whatever has become of it by then.
pub async fn snooze(
    tools: Tools<'_>,
    PatientCaller(caller): &PatientCaller,
    alert: Uuid,
    until: DateTime<Utc>,
    absolute: bool,
) -> Result<Uuid, SnoozeError> {
    let whose = (caller.clinic_id, caller.patient_id.ok_or(PlanningError::NotFound)?);
    let now = tools.clocks.care.now();
    let write = async |conn: &mut AsyncPgConnection| {
        let mut person = planning::locked(conn, whose.0, whose.1).await?;
        let asked = store::find_snoozable(conn, whose.0, &[whose.1, caller.membership_id], alert).await?;
        let key = Snooze::original(&asked.dedupe_key);
        let before = store::find_snooze(conn, whose, key).await?;
        if let Some((times, _)) = before.filter(|(_, before)| absolute && *before == until) {
            let again = Snooze { dedupe_key: key.to_owned(), times, until };
            return Ok(find_teller(conn, whose, &again, |_| true).await?.unwrap_or(alert));
        }
        let planned = ["t:", "m:", Snooze::PREFIX].iter().any(|prefix| asked.dedupe_key.starts_with(prefix));
        // What is told of an appointment cannot wait, and a test of a phone is told at once or not at all.
        if !planned || asked.treatment_id.is_none() {
            return Err(SnoozeError::NotPlanned);
        }
        if !["scheduled", "sending", "sent", "merged"].contains(&asked.state.as_str()) {
            return Err(SnoozeError::NotOwed);
        }
        let woken = person.preferences.quiet.map_or(until, |quiet| quiet.after(&person.zones, until));
        // What was put off already may be put off for less.
        if before.is_none() && asked.state == "scheduled" && until <= asked.due_at {
            return Err(SnoozeError::NoLater);
        }
        if until <= now || is_expired(woken, asked.expires_at) {
            return Err(SnoozeError::OverByThen);
        }
        if before.is_some_and(|(times, _)| times >= MOST_TIMES) {
            return Err(SnoozeError::TooOften);
        }
        let times = store::upsert_snooze(conn, whose, key, until).await?;
        let again = Snooze { dedupe_key: key.to_owned(), times, until };
        person.history.snoozes.retain(|snooze| snooze.dedupe_key != key);
        person.history.snoozes.push(again.clone());
        person.replan(conn, tools.catalogue, now).await?;
        // Done meanwhile, or switched off: there is nothing left to be reminded of.
        find_teller(conn, whose, &again, |state| state == "scheduled").await?.ok_or(SnoozeError::NotOwed)
    };
    tools.db.scoped_under(Scope::Clinic(whose.0), Lock::Patient(whose.0, whose.1), write).await
}

/// The alert that tells what was put off, of a state that will do: once more, or for the first time.
async fn find_teller(
    conn: &mut AsyncPgConnection,
    whose: (Uuid, Uuid),
    again: &Snooze,
    will_do: impl Fn(&str) -> bool,
) -> QueryResult<Option<Uuid>> {
    for key in [again.key(), again.dedupe_key.clone()] {
        let id = ids::alert_id(whose.0, whose.1, &key);
        match store::find_snoozable(conn, whose.0, &[whose.1], id).await {
            Ok(planned) if will_do(&planned.state) => return Ok(Some(id)),
            Ok(_) | Err(diesel::result::Error::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
