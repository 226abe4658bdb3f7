//! Putting treatments under another protocol version: one, previewed first; or everybody whom a version treats, page by page.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::refusal::TreatmentError;
use super::super::store;
use super::super::transfer::{Seen, Target, check_target, overrides_after, transfer};
use super::super::transfer_view::{Side, TransferPreview, TransferView, TreatedView};
use super::super::view::ProtocolRef;
use super::{load, respond};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Administrator, Caller, Staff};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::overrides::{apply, carried};
use crate::domain::timeline::{Plan, timeline};
use crate::error::{ApiError, EntryProblem};
use crate::language::Wanted;
use crate::paging::{List, Page, PageQuery};
use crate::planning::PlanningError;
use crate::preconditions::{IfMatch, IfNoneMatch, computed_answer};
use crate::protocols::{Accepted, DiffView, Published, words_of_both};
use crate::query::Query;
use crate::recovery;

/// Where to, in a query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct To {
    to: String,
}

/// Where to, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTransfer {
    to: String,
    reason: String,
}

/// The same for many: those after a cursor, at most so many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTransfers {
    to: String,
    reason: String,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A version's key and number, from `own-gentle@2`.
fn named(pointer: &'static str, text: &str) -> Result<(String, i32), ApiError> {
    let name = text.rsplit_once('@').and_then(|(key, number)| Some((key.to_owned(), number.parse::<i32>().ok()?)));
    name.filter(|(_, number)| *number > 0)
        .ok_or_else(|| ApiError::invalid(pointer, "is no version such as conservative@2"))
}

async fn version(
    conn: &mut AsyncPgConnection,
    state: &State,
    caller: &Caller,
    (key, number): &(String, i32),
) -> Result<Option<Published>, PlanningError> {
    Ok(state.protocols.named(conn, caller.clinic_id, key, *number).await?)
}

/// The version that a body names, and the reason.
async fn target(state: &State, caller: &Caller, to: &str, reason: &str) -> Result<Target, ApiError> {
    let mut faults = Faults::default();
    let reason = faults.text("/reason", reason, 1..=500);
    faults.finish()?;
    let name = named("/to", to)?;
    let found = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| version(conn, state, caller, &name).await)
        .await?;
    let version = found.ok_or_else(|| ApiError::invalid("/to", "there is no such version"))?;
    Ok(Target { version, reason })
}

/// `GET /v1/treatments/{id}/transfers/preview`
pub async fn preview_transfer(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
    query: Query<To>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let name = named("to", &query.to)?;
    let treatment = load(&state, &caller, *path).await?;
    let entry = Entry::by(&caller, "treatment.read", "treatment", *path).about(treatment.patient_id);
    state.reads.note(entry).await?;
    let now = state.clocks.care.now();
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let mut recovery = recovery::find_recovery(conn, &caller, treatment.id).await?;
        let before = recovery.version(conn, &state.protocols, caller.clinic_id).await?;
        let Some(after) = version(conn, &state, &caller, &name).await? else { return Ok(None) };
        let accepted = Accepted::by(conn, caller.clinic_id).await?;
        let refused = match check_target(conn, &after, &treatment).await {
            Ok(()) if !treatment.is_running() => Some("the treatment was completed or cancelled"),
            Ok(()) => None,
            Err(TreatmentError::Invalid { detail, .. }) => Some(detail),
            Err(error) => return Err(error),
        };
        Ok::<_, TreatmentError>(Some((recovery, before, after, accepted, refused)))
    });
    let missing = || ApiError::invalid("to", "there is no such version");
    let (recovery, before, after, accepted, refused) = found.await?.ok_or_else(missing)?;
    let one = (&*before, accepted.of(recovery.row.protocol_version_id));
    let other = (&*after.version, accepted.of(after.id));
    let texts = words_of_both(one, other, &wanted, &recovery.locales());
    let (laid, overrides) = (recovery.timeline(&before), overrides_after(&recovery, &before, now));
    let fates = carried(&after.version, &recovery.overrides().changes());
    let own = apply(&after.version, &fates.0);
    let conditions = recovery.conditions(&own);
    let becomes = timeline(&Plan { overrides: &overrides, conditions: &conditions, ..recovery.plan(&own) });
    let sides = (
        Side { version: &before, texts: texts.0, laid: &laid },
        Side { version: &own, texts: texts.1, laid: &becomes },
    );
    let pinned = state.protocols.cached(recovery.row.protocol_version_id).unwrap_or_else(|| Arc::clone(&before));
    let diff = DiffView::new(&pinned, &after.version, texts);
    let view = TransferPreview::new((treatment.id, treatment.version), sides, now, refused, fates, diff);
    computed_answer(&known, &texts.1.locale, &view)
}

/// `POST /v1/treatments/{id}/transfers`
pub async fn create_transfer(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
    seen: IfMatch,
    body: Body<CreateTransfer>,
) -> Result<HttpResponse, ApiError> {
    let before = load(&state, &caller, *path).await?;
    seen.require(before.version)?;
    let target = target(&state, &caller, &body.value.to, &body.value.reason).await?;
    let treatment = transfer(state.tools(), &caller, before.id, Seen::Version(before.version), &target).await?;
    respond(&state, &caller, HttpResponse::Ok(), treatment).await
}

/// `GET /v1/treatments/{id}/transfers`
pub async fn list_transfers(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let treatment = load(&state, &caller, *path).await?;
    let entry = Entry::by(&caller, "treatment.read", "treatment", *path).about(treatment.patient_id);
    state.reads.note(entry).await?;
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let mut views = Vec::new();
        for transfer in store::list_transfers(conn, caller.clinic_id, treatment.id).await? {
            let from = ProtocolRef::of(&*state.protocols.version(conn, transfer.from_version_id).await?);
            let to = ProtocolRef::of(&*state.protocols.version(conn, transfer.to_version_id).await?);
            views.push(TransferView::new(transfer, from, to));
        }
        Ok::<_, PlanningError>(views)
    });
    let list = List::whole(found.await?);
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

/// `GET /v1/protocols/{key}/versions/{number}/treatments`
pub async fn list_treated(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<(String, i32)>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<Uuid> = Page::read(query.limit, query.cursor.as_deref())?;
    state.reads.note(Entry::of_list(&caller, "treatment.read", None)).await?;
    let name = path.into_inner();
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let Some(version) = version(conn, &state, &caller, &name).await? else { return Ok(None) };
        let rows = store::list_treated(conn, caller.clinic_id, version.id, page.after, page.fetch()).await?;
        Ok::<_, PlanningError>(Some(rows))
    });
    let rows = found.await?.ok_or(ApiError::NotFound)?;
    let list = page.cut(rows, |row| row.treatment_id).map(TreatedView::from);
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

#[derive(Debug, Serialize)]
struct Results {
    results: Vec<TransferResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What became of one treatment.
#[derive(Debug, Serialize)]
struct TransferResult {
    treatment_id: Uuid,
    patient_id: Uuid,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<EntryProblem>,
}

/// `POST /v1/protocols/{key}/versions/{number}/transfers`: each treatment in a transaction of its own. What was put under
/// the other version is no longer found under this one, so that asking again goes on where it ended.
pub async fn create_transfers(
    state: Data<State>,
    Administrator(caller): Administrator,
    path: Path<(String, i32)>,
    body: Body<CreateTransfers>,
) -> Result<HttpResponse, ApiError> {
    let body = body.value;
    let page: Page<Uuid> = Page::read(body.limit, body.cursor.as_deref())?;
    let name = path.into_inner();
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let Some(version) = version(conn, &state, &caller, &name).await? else { return Ok(None) };
        let rows = store::list_treated(conn, caller.clinic_id, version.id, page.after, page.fetch()).await?;
        Ok::<_, PlanningError>(Some((version.id, rows)))
    });
    let (from, rows) = found.await?.ok_or(ApiError::NotFound)?;
    let target = target(&state, &caller, &body.to, &body.reason).await?;
    let List { items, next_cursor } = page.cut(rows, |row| row.treatment_id);
    let mut results = Vec::with_capacity(items.len());
    for row in items {
        let moved = transfer(state.tools(), &caller, row.treatment_id, Seen::Following(from), &target).await;
        let (status, problem) = match moved {
            Ok(treatment) if treatment.protocol_version_id == target.version.id => ("transferred", None),
            Ok(_) => ("unchanged", None),
            Err(TreatmentError::Planning(PlanningError::Db(error))) => return Err(error.into()),
            Err(error) => ("rejected", Some(ApiError::from(error).of_entry())),
        };
        results.push(TransferResult { treatment_id: row.treatment_id, patient_id: row.patient_id, status, problem });
    }
    let answer = Results { results, next_cursor };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}
