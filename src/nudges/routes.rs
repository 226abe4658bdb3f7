//! Nudges over HTTP, for staff.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::act;
use super::store::{self, Nudge};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::Staff;
use crate::db::Scope;
use crate::error::ApiError;
use crate::paging::{At, InTime, Page};
use crate::query::Query;

/// A nudge, as sent.
#[derive(Debug, Serialize)]
struct NudgeView {
    id: Uuid,
    patient_id: Uuid,
    patient_name: String,
    treatment_id: Uuid,
    raised_at: DateTime<Utc>,
    completion_bp: i32,
    below_bp: i32,
    days: i32,
    closed_tasks: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_as: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<Uuid>,
}

impl From<(Nudge, String)> for NudgeView {
    fn from((nudge, patient_name): (Nudge, String)) -> Self {
        Self {
            id: nudge.id,
            patient_id: nudge.patient_id,
            patient_name,
            treatment_id: nudge.treatment_id,
            raised_at: nudge.raised_at,
            completion_bp: nudge.completion_bp,
            below_bp: nudge.below_bp,
            days: nudge.days,
            closed_tasks: nudge.closed_tasks,
            ended_at: nudge.ended_at,
            ended_as: nudge.ended_as,
            ended_by: nudge.ended_by,
        }
    }
}

/// The query of [`list_nudges`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListNudges {
    limit: Option<u32>,
    cursor: Option<String>,
    live: Option<bool>,
}

/// `GET /v1/nudges`
pub async fn list_nudges(
    state: Data<State>,
    Staff(caller): Staff,
    query: Query<ListNudges>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let live = query.live.unwrap_or(true);
    state.reads.note(Entry::of_list(&caller, "nudge.read", None)).await?;
    let list = async |conn: &mut AsyncPgConnection| {
        let rows = store::list_nudges(conn, caller.clinic_id, live, page.after_time(), page.fetch()).await?;
        Ok::<_, ApiError>(rows)
    };
    let rows = state.db.scoped(Scope::Clinic(caller.clinic_id), list).await?;
    let list = page.cut(rows, |(nudge, _)| (At(nudge.raised_at), nudge.id)).map(NudgeView::from);
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(list))
}

/// `POST /v1/nudges/{id}/acknowledge`
pub async fn acknowledge_nudge(
    state: Data<State>,
    Staff(caller): Staff,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    act::acknowledge(&state.db, &state.clocks, &caller, *id).await?;
    let find =
        async |conn: &mut AsyncPgConnection| Ok::<_, ApiError>(store::find_nudge(conn, caller.clinic_id, *id).await?);
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), find).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(NudgeView::from(found)))
}
