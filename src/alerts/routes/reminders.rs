//! What is still to come, for apps that ring by themselves where no push arrives.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use uuid::Uuid;

use super::view::AlertView;
use super::{reader, view};
use crate::alerts::store;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::Caller;
use crate::body::Faults;
use crate::db::Scope;
use crate::error::ApiError;
use crate::language::{FALLBACK, Wanted};
use crate::paging::List;
use crate::preconditions::{IfNoneMatch, computed_answer};
use crate::query::{Query, instant};

/// How far ahead an app that does not say is told.
const AHEAD: TimeDelta = TimeDelta::days(14);
/// The longest stretch that may be asked for.
const LONGEST: TimeDelta = TimeDelta::days(62);
/// The most reminders of an answer, the next ones first. Phones take fewer: iOS keeps 64 at a time.
const MOST: i64 = 200;
/// The most alerts ahead among which those of one treatment are looked for: the greatest daily cap, every day.
const MOST_OF_ALL: i64 = 24 * 62;

/// Query of [`list_reminders`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemindersQuery {
    from: Option<String>,
    to: Option<String>,
}

impl RemindersQuery {
    fn read(&self, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), ApiError> {
        let mut faults = Faults::default();
        let mut read = |name: &str, text: Option<&str>| text.and_then(|text| faults.parsed(name, instant(text)));
        let from = read("from", self.from.as_deref()).unwrap_or(now).max(now);
        let to = read("to", self.to.as_deref());
        let to = to.unwrap_or_else(|| from.checked_add_signed(AHEAD).unwrap_or(from));
        if to.signed_duration_since(from) > LONGEST {
            faults.push("to", format!("must not lie more than {} days after from", LONGEST.num_days()));
        }
        faults.finish()?;
        Ok((from, to))
    }
}

/// What the caller is still to be told of a treatment, or of an appointment, as far ahead as may be asked, in the words of
/// the inbox.
pub async fn reminders_of(
    state: &State,
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    wanted: &Wanted,
    treatment: Uuid,
) -> Result<Vec<AlertView>, ApiError> {
    let now = state.clocks.care.now();
    let rows = store::list_ahead(conn, reader(caller), now, now + LONGEST, MOST_OF_ALL).await?;
    let rows = rows.into_iter().filter(|row| row.treatment_id.is_none_or(|of| of == treatment)).collect();
    let (found, accepted) = super::found(state, conn, caller, rows).await?;
    Ok(found.into_iter().map(|found| view(found, &accepted, wanted, false).0).collect())
}

/// `GET /v1/me/reminders`
pub async fn list_reminders(
    state: Data<State>,
    caller: Caller,
    wanted: Wanted,
    query: Query<RemindersQuery>,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (from, to) = query.read(state.clocks.care.now())?;
    state.reads.note(Entry::of_list(&caller, "alert.read", caller.patient_id)).await?;
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let rows = store::list_ahead(conn, reader(&caller), from, to, MOST).await?;
        super::found(&state, conn, &caller, rows).await
    });
    let (found, accepted) = found.await?;
    let (views, languages): (Vec<_>, Vec<_>) =
        found.into_iter().map(|found| view(found, &accepted, &wanted, false)).unzip();
    computed_answer(&known, languages.first().map_or(FALLBACK, String::as_str), &List::whole(views))
}
