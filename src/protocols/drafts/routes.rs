//! Drafts over HTTP: clinicians and administrators write them, administrators publish.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, HttpResponseBuilder};
use uuid::Uuid;

use super::fields::{CreateDraft, MAX_DRAFT_BODY, PutDraft};
use super::publish::{MOST_PUBLISHED, PublishError, publish};
use super::read::{DraftFault, ReadError, Reading, read};
use super::store::{self, Draft};
use super::view::{DraftView, ListedView};
use super::write::{self, DraftError, MOST_DRAFTS};
use crate::app::State;
use crate::auth::extract::{Administrator, Caller, Staff};
use crate::body::Body;
use crate::db::{DbError, Scope};
use crate::domain::protocol::ProtocolVersion;
use crate::error::{ApiError, Conflict, FieldError};
use crate::paging::List;
use crate::preconditions::{IfMatch, version_header};
use crate::protocols::summary_view::PublishedView;

impl From<DraftError> for ApiError {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::TooMany => {
                Self::conflict(Conflict::State, format!("The clinic has {MOST_DRAFTS} drafts: publish or delete one."))
            }
            DraftError::Invalid { pointer, detail } => Self::invalid(pointer, detail),
            DraftError::Seen(error) => error,
            DraftError::Db(error) => error.into(),
        }
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Faulty(faults) => faulty(faults),
            PublishError::TooMany => {
                Self::conflict(Conflict::State, format!("The clinic has published {MOST_PUBLISHED} versions."))
            }
            PublishError::Seen(error) => error,
            PublishError::Db(error) => error.into(),
            PublishError::Unreadable(error) => Self::Internal(error),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::Internal(error.into())
    }
}

/// A draft that is no protocol, with everything that is wrong with it.
fn faulty(faults: Vec<DraftFault>) -> ApiError {
    let entry = |fault: DraftFault| FieldError {
        pointer: fault.pointer,
        detail: format!("line {}: {}", fault.line, fault.reason),
    };
    ApiError::Invalid(faults.into_iter().map(entry).collect())
}

/// `GET /v1/protocol-drafts`
pub async fn list_drafts(state: Data<State>, Staff(caller): Staff) -> Result<HttpResponse, ApiError> {
    let listed = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            Ok::<_, DbError>(store::list_drafts(conn, caller.clinic_id).await?)
        })
        .await?;
    let list = List::whole(listed.into_iter().map(ListedView::from).collect());
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

/// `POST /v1/protocol-drafts`
pub async fn create_draft(
    state: Data<State>,
    Staff(caller): Staff,
    body: Body<CreateDraft, MAX_DRAFT_BODY>,
) -> Result<HttpResponse, ApiError> {
    let beginning = body.value.read()?;
    let draft = write::create(&state.db, &state.clocks, &caller, beginning).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/v1/protocol-drafts/{}", draft.id)));
    respond(answer, draft).await
}

/// `GET /v1/protocol-drafts/{id}`
pub async fn find_draft(state: Data<State>, Staff(caller): Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    respond(HttpResponse::Ok(), load(&state, &caller, *id).await?).await
}

/// `PUT /v1/protocol-drafts/{id}`
pub async fn put_draft(
    state: Data<State>,
    Staff(caller): Staff,
    id: Path<Uuid>,
    seen: IfMatch,
    body: Body<PutDraft, MAX_DRAFT_BODY>,
) -> Result<HttpResponse, ApiError> {
    let files = body.value.read()?;
    let seen = |version| seen.require(version);
    respond(HttpResponse::Ok(), write::update(&state.db, &state.clocks, &caller, *id, seen, files).await?).await
}

/// `DELETE /v1/protocol-drafts/{id}`
pub async fn delete_draft(
    state: Data<State>,
    Staff(caller): Staff,
    id: Path<Uuid>,
    seen: IfMatch,
) -> Result<HttpResponse, ApiError> {
    write::delete(&state.db, &state.clocks, &caller, *id, |version| seen.check(version)).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}

/// `POST /v1/protocol-drafts/{id}/publish`
pub async fn publish_draft(
    state: Data<State>,
    Administrator(caller): Administrator,
    id: Path<Uuid>,
    seen: IfMatch,
) -> Result<HttpResponse, ApiError> {
    let published = publish(state.tools(), &caller, *id, |version| seen.require(version)).await?;
    let view = PublishedView::new(&published);
    let place = format!("/v1/protocols/{}/versions/{}", published.version.key(), published.version.number());
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, place))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(view))
}

async fn load(state: &State, caller: &Caller, id: Uuid) -> Result<Draft, ApiError> {
    let find =
        async |conn: &mut diesel_async::AsyncPgConnection| Ok(store::find_draft(conn, caller.clinic_id, id).await?);
    state.db.scoped(Scope::Clinic(caller.clinic_id), find).await
}

/// A draft of the caller's clinic as the protocol that it would be; else what is wrong with it.
pub async fn sound(state: &State, caller: &Caller, id: Uuid) -> Result<std::sync::Arc<ProtocolVersion>, ApiError> {
    match read(&load(state, caller, id).await?).await? {
        Reading::Sound(version) => Ok(version),
        Reading::Faulty(faults) => Err(faulty(faults)),
    }
}

async fn respond(mut answer: HttpResponseBuilder, draft: Draft) -> Result<HttpResponse, ApiError> {
    let reading = read(&draft).await?;
    answer.insert_header(version_header(draft.version)).insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(answer.json(DraftView::new(draft, reading)))
}
