//! Flags over HTTP, for staff.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use serde::Deserialize;
use uuid::Uuid;

use super::act::{self, ActError, Deed};
use super::store::{self, Filter};
use super::view::{FlagHistory, FlagView};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, Staff};
use crate::body::{Faults, OptionalBody};
use crate::db::Scope;
use crate::domain::flag::{Act, Status};
use crate::domain::protocol::Level;
use crate::error::{ApiError, Conflict};
use crate::paging::{At, Page};
use crate::preconditions::{IfMatch, version_header};
use crate::query::Query;

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        let conflict = |detail: &'static str| Self::conflict(Conflict::State, detail);
        match error {
            ActError::Illegal(was) if was.0 == Status::Open => conflict("The flag is open: acknowledge it first."),
            ActError::Illegal(_) => conflict("The flag is resolved: reopen it first."),
            ActError::ResolvedOtherwise => conflict("The flag was resolved with another outcome: reopen it first."),
            ActError::Overtaken => conflict("The same was reported again since: there is a later flag."),
            ActError::Changed => Self::PreconditionFailed,
            ActError::Planning(error) => error.into(),
        }
    }
}

/// Query of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFlags {
    status: Option<String>,
    level: Option<String>,
    patient_id: Option<Uuid>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListFlags {
    fn filter(&self) -> Result<Filter, ApiError> {
        let mut faults = Faults::default();
        let status = self.status.as_deref().and_then(|word| faults.parsed("status", word.parse::<Status>()));
        let level = self.level.as_deref().and_then(|word| {
            let level = word.parse::<Level>().ok().filter(|level| *level != Level::None);
            if level.is_none() {
                faults.push("level", "is none of: routine, soon, urgent, emergency");
            }
            level.map(Level::as_str)
        });
        faults.finish()?;
        Ok(Filter { status: status.map(Status::as_str), level, patient_id: self.patient_id })
    }
}

/// `GET /v1/flags`
pub async fn list_flags(
    state: Data<State>,
    Staff(caller): Staff,
    query: Query<ListFlags>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<(i32, At, Uuid)> = Page::read(query.limit, query.cursor.as_deref())?;
    let after = page.after.map(|(rank, at, id)| (rank, at.0, id));
    let filter = query.filter()?;
    state.reads.note(Entry::of_list(&caller, "flag.read", query.patient_id)).await?;
    let rows = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            Ok::<_, ApiError>(store::list_flags(conn, caller.clinic_id, filter, after, page.fetch()).await?)
        })
        .await?;
    let list = page.cut(rows, |(row, flag)| (row.rank, At(flag.opened_at), flag.id));
    let list = list.map(|(row, flag)| FlagView::new(flag, row.patient_name));
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

/// `GET /v1/flags/{id}`
pub async fn find_flag(state: Data<State>, Staff(caller): Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let (patient_id, answer) = respond(&state, &caller, *id).await?;
    state.reads.note(Entry::by(&caller, "flag.read", "flag", *id).about(patient_id)).await?;
    Ok(answer)
}

/// What somebody says about what they do.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    note: Option<String>,
}

/// What somebody says who resolves a flag.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    note: Option<String>,
    outcome: Option<String>,
}

impl From<Remark> for Resolution {
    fn from(remark: Remark) -> Self {
        Self { note: remark.note, outcome: None }
    }
}

/// `POST /v1/flags/{id}/acknowledge`
pub async fn acknowledge_flag(
    state: Data<State>,
    staff: Staff,
    id: Path<Uuid>,
    seen: IfMatch,
    body: OptionalBody<Remark>,
) -> Result<HttpResponse, ApiError> {
    act(&state, &staff.0, *id, &seen, Act::Acknowledge, body.0.into()).await
}

/// `POST /v1/flags/{id}/contacted`
pub async fn contact_about_flag(
    state: Data<State>,
    staff: Staff,
    id: Path<Uuid>,
    seen: IfMatch,
    body: OptionalBody<Remark>,
) -> Result<HttpResponse, ApiError> {
    act(&state, &staff.0, *id, &seen, Act::Contacted, body.0.into()).await
}

/// `POST /v1/flags/{id}/resolve`
pub async fn resolve_flag(
    state: Data<State>,
    staff: Staff,
    id: Path<Uuid>,
    seen: IfMatch,
    body: OptionalBody<Resolution>,
) -> Result<HttpResponse, ApiError> {
    act(&state, &staff.0, *id, &seen, Act::Resolve, body.0).await
}

/// `POST /v1/flags/{id}/reopen`
pub async fn reopen_flag(
    state: Data<State>,
    staff: Staff,
    id: Path<Uuid>,
    seen: IfMatch,
    body: OptionalBody<Remark>,
) -> Result<HttpResponse, ApiError> {
    act(&state, &staff.0, *id, &seen, Act::Reopen, body.0.into()).await
}

async fn act(
    state: &State,
    caller: &Caller,
    id: Uuid,
    seen: &IfMatch,
    act: Act,
    said: Resolution,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let note = faults.optional_text("/note", said.note.as_deref(), 1..=2000);
    let outcome = faults.optional_text("/outcome", said.outcome.as_deref(), 1..=500);
    faults.finish()?;
    let tools = state.tools();
    let deed = Deed { act, note, outcome };
    act::act(tools, caller, id, |version| seen.check(version).is_ok(), &deed).await?;
    Ok(respond(state, caller, id).await?.1)
}

/// A flag with its history, and whose it is.
async fn respond(state: &State, caller: &Caller, id: Uuid) -> Result<(Uuid, HttpResponse), ApiError> {
    let (flag, name, events) = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let (flag, name) = store::find_flag_with_name(conn, caller.clinic_id, id).await?;
            let events = store::list_events(conn, caller.clinic_id, id).await?;
            Ok::<_, ApiError>((flag, name, events))
        })
        .await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store")).insert_header(version_header(flag.version));
    Ok((flag.patient_id, response.json(FlagHistory::new(flag, name, events))))
}
