//! "Remind me later": the wish is written down and the patient planned anew. The plan keeps it from then on, whatever else
//! changes, and forgets it with the task that it is about.

use chrono::TimeDelta;
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
    /// It is of no plan, or was called off, or could not be sent.
    #[error("this alert cannot be put off")]
    NotOwed,
    /// It was put off too often.
    #[error("this alert was put off too often")]
    TooOften,
    /// It would be worth nothing by then, or quiet hours outlast it.
    #[error("this alert will be over by then")]
    OverByThen,
    /// The plan could not be made.
    #[error(transparent)]
    Planning(PlanningError),
}

through_planning!(SnoozeError: PlanningError, crate::db::DbError, diesel::result::Error);

/// Puts an alert of the caller's off; returns which alert will tell it.
pub async fn snooze(
    tools: Tools<'_>,
    PatientCaller(caller): &PatientCaller,
    alert: Uuid,
    wait: TimeDelta,
) -> Result<Uuid, SnoozeError> {
    let whose = (caller.clinic_id, caller.patient_id.ok_or(PlanningError::NotFound)?);
    let now = tools.clocks.care.now();
    let until = now + wait;
    let write = async |conn: &mut AsyncPgConnection| {
        let mut person = planning::locked(conn, whose.0, whose.1).await?;
        let asked = store::find_snoozable(conn, whose, alert).await?;
        let planned = ["t:", "m:", Snooze::PREFIX].iter().any(|prefix| asked.dedupe_key.starts_with(prefix));
        // What is told of an appointment cannot wait.
        if !planned
            || asked.treatment_id.is_none()
            || !["scheduled", "sending", "sent", "merged"].contains(&asked.state.as_str())
        {
            return Err(SnoozeError::NotOwed);
        }
        let woken = person.preferences.quiet.map_or(until, |quiet| quiet.after(&person.zones, until));
        if is_expired(woken, asked.expires_at) {
            return Err(SnoozeError::OverByThen);
        }
        let key = Snooze::original(&asked.dedupe_key);
        if store::find_times(conn, whose, key).await? >= MOST_TIMES {
            return Err(SnoozeError::TooOften);
        }
        let times = store::upsert_snooze(conn, whose, key, until).await?;
        let again = Snooze { dedupe_key: key.to_owned(), times, until };
        person.history.snoozes.retain(|snooze| snooze.dedupe_key != key);
        person.history.snoozes.push(again.clone());
        person.replan(conn, tools.catalogue, now).await?;
        for key in [again.key(), again.dedupe_key] {
            let id = ids::alert_id(whose.0, whose.1, &key);
            match store::find_snoozable(conn, whose, id).await {
                Ok(planned) if planned.state == "scheduled" => return Ok(id),
                Ok(_) | Err(diesel::result::Error::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Done meanwhile, or switched off: there is nothing left to be reminded of.
        Err(SnoozeError::NotOwed)
    };
    tools.db.scoped_under(Scope::Clinic(whose.0), Lock::Patient(whose.0, whose.1), write).await
}
