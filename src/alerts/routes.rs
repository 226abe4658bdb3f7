//! Alerts over HTTP: everybody's own. The push said that something waits; here it is. `unsent.rs` is what administrators
//! see of the others.

mod attempts;
mod reminders;
mod snooze;
mod statistics;
mod unsent;
pub mod view;

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

use super::open::open;
use super::store::{self, InboxRow, Reader};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{AlertReader, Caller};
use crate::db::Scope;
use crate::domain::protocol::ProtocolVersion;
use crate::error::ApiError;
use crate::language::{FALLBACK, Wanted, content_language};
use crate::paging::{At, InTime, Page, PageQuery};
use crate::planning::PlanningError;
use crate::protocols::Accepted;
use crate::query::Query;

use view::{Found, view};

pub use attempts::list_attempts;
pub use reminders::{list_reminders, reminders_of};
pub use snooze::snooze_alert;
pub use statistics::find_alert_statistics;
pub use unsent::{list_failed_alerts, replay_alert, replay_failed_alerts};

/// `GET /v1/alerts`
pub async fn list_alerts(
    state: Data<State>,
    caller: Caller,
    wanted: Wanted,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    state.reads.note(Entry::of_list(&caller, "alert.read", caller.patient_id)).await?;
    let now = state.clocks.care.now();
    let found = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let rows = store::list_inbox(conn, reader(&caller), now, page.after_time(), page.fetch()).await?;
            found(&state, conn, &caller, rows).await
        })
        .await?;
    let (found, accepted) = found;
    let mut language = None;
    let list = page.cut(found, |found| (At(found.row.due_at), found.row.id)).map(|found| {
        let (view, spoken) = view(found, &accepted, &wanted, false);
        language.get_or_insert(spoken);
        view
    });
    Ok(answer(HttpResponse::Ok(), language.as_deref().unwrap_or(FALLBACK), &list))
}

/// `GET /v1/alerts/{id}`
pub async fn find_alert(
    state: Data<State>,
    reader: AlertReader,
    wanted: Wanted,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    for caller in &reader.readers {
        match respond(&state, caller, &wanted, *id, reader.is_extension).await {
            Err(ApiError::NotFound) => {}
            found => return found,
        }
    }
    Err(ApiError::NotFound)
}

/// `POST /v1/alerts/{id}/opened`
pub async fn open_alert(
    state: Data<State>,
    caller: Caller,
    wanted: Wanted,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let opened = async |conn: &mut _| Ok::<_, ApiError>(open(conn, &state.clocks, &caller, *id).await?);
    state.db.scoped(Scope::Clinic(caller.clinic_id), opened).await?;
    respond(&state, &caller, &wanted, *id, false).await
}

fn reader(caller: &Caller) -> Reader {
    Reader {
        clinic_id: caller.clinic_id,
        user_id: caller.user_id,
        membership_id: caller.membership_id,
        patient_id: caller.patient_id,
    }
}

async fn respond(
    state: &State,
    caller: &Caller,
    wanted: &Wanted,
    id: Uuid,
    on_lock_screen: bool,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    let found = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let row = store::find_own(conn, reader(caller), id, now).await?;
            found(state, conn, caller, vec![row]).await
        })
        .await?;
    let (found, accepted) = found;
    let found = found.into_iter().next().ok_or(ApiError::NotFound)?;
    let entry = Entry::by(caller, "alert.read", "alert", id);
    let patient_id = caller.patient_id.or(found.row.about_patient);
    state.reads.note(Entry { patient_id, ..entry }).await?;
    let (view, language) = view(found, &accepted, wanted, on_lock_screen);
    Ok(answer(HttpResponse::Ok(), &language, &view))
}

/// Alerts of the caller's with all that their words are made of, and the languages that the clinic accepted.
async fn found(
    state: &State,
    conn: &mut diesel_async::AsyncPgConnection,
    caller: &Caller,
    rows: Vec<InboxRow>,
) -> Result<(Vec<Found>, Accepted), ApiError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let others = if ids.is_empty() { Vec::new() } else { store::list_told_with(conn, reader(caller), ids).await? };
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let version = version(state, conn, &row).await?;
        found.push(Found { row, version, with: Vec::new() });
    }
    for other in others {
        let version = version(state, conn, &other).await?;
        if let Some(teller) = found.iter_mut().find(|found| other.merged_into == Some(found.row.id)) {
            teller.with.push((other, version));
        }
    }
    Ok((found, Accepted::by(conn, caller.clinic_id).await?))
}

async fn version(
    state: &State,
    conn: &mut diesel_async::AsyncPgConnection,
    row: &InboxRow,
) -> Result<Option<Arc<ProtocolVersion>>, ApiError> {
    match row.protocol_version_id {
        Some(id) => Ok(Some(state.protocols.version(conn, id).await.map_err(PlanningError::from)?)),
        None => Ok(None),
    }
}

fn answer(mut response: HttpResponseBuilder, language: &str, body: &impl Serialize) -> HttpResponse {
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    for header in content_language(language) {
        response.insert_header(header);
    }
    response.json(body)
}
