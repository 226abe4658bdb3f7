//! The bundle of a treatment and what has changed, over HTTP.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, VARY};
use actix_web::web::{Data, Path};
use uuid::Uuid;

use super::bundle::gather;
use super::bundle_view::BundleView;
use super::sync::{Position, changes};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, PatientCaller};
use crate::error::ApiError;
use crate::language::Wanted;
use crate::paging::{Page, PageQuery};
use crate::preconditions::{IfNoneMatch, computed_answer};
use crate::protocols::words;
use crate::query::Query;

/// `GET /v1/treatments/{id}/bundle`
pub async fn find_bundle(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let gathered = gather(&state, &caller, *path, &wanted).await?;
    let (recovery, version) = (&gathered.recovery, &gathered.version);
    let entry = Entry::by(&caller, "bundle.read", "treatment", *path).about(recovery.row.patient_id);
    state.reads.note(entry).await?;
    let accepted = gathered.accepted.of(recovery.row.protocol_version_id);
    let texts = words(version, accepted, &wanted, &recovery.locales());
    let laid = recovery.timeline(version);
    computed_answer(&known, &texts.locale, &BundleView::new(&gathered, texts, &laid))
}

/// `GET /v1/sync`
pub async fn list_changes(
    state: Data<State>,
    PatientCaller(caller): PatientCaller,
    wanted: Wanted,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<Position> = Page::read(query.limit, query.cursor.as_deref())?;
    let patient = caller.patient_id.ok_or(ApiError::NotFound)?;
    state.reads.note(Entry::by(&caller, "sync.read", "patient", patient).about(patient)).await?;
    let feed = changes(&state, &caller, &wanted, &page).await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((VARY, "accept-language"));
    Ok(answer.json(feed))
}
