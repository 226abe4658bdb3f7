//! Every try at an alert, device by device: for administrators. Never an address.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::alerts::store::{self, TryRow};
use crate::answer::private;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::Administrator;
use crate::db::Scope;
use crate::error::ApiError;
use crate::paging::{At, InTime, Page, PageQuery};
use crate::query::Query;
use crate::recovery::list_recoveries;

/// One try at one device.
#[derive(Debug, Serialize)]
struct AttemptView {
    at: DateTime<Utc>,
    device_id: Uuid,
    claim: i32,
    provider: String,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_message_id: Option<String>,
    duration_ms: i32,
}

impl From<TryRow> for AttemptView {
    fn from(row: TryRow) -> Self {
        Self {
            at: row.at,
            device_id: row.device_id,
            claim: row.claim_no,
            provider: row.provider,
            outcome: row.outcome,
            reason: row.reason,
            provider_message_id: row.provider_message_id,
            duration_ms: row.duration_ms,
        }
    }
}

/// `GET /v1/alerts/{id}/attempts`
pub async fn list_attempts(
    state: Data<State>,
    Administrator(caller): Administrator,
    id: Path<Uuid>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let clinic = caller.clinic_id;
    let (rows, patient_id) = state
        .db
        .scoped(Scope::Clinic(clinic), async |conn| {
            let alert = store::list_by_id(conn, clinic, vec![*id]).await?.pop().ok_or(ApiError::NotFound)?;
            // Whose record the look is at: the patient's who was to be told, or of whom staff were.
            let patient_id = match (alert.recipient_kind.as_str(), alert.treatment_id) {
                ("patient", _) => Some(alert.recipient_id),
                (_, Some(treatment)) => {
                    list_recoveries(conn, &caller, vec![treatment]).await?.pop().map(|recovery| recovery.row.patient_id)
                }
                (_, None) => None,
            };
            let rows = store::list_tries(conn, clinic, vec![*id], page.after_time(), page.fetch()).await?;
            Ok::<_, ApiError>((rows, patient_id))
        })
        .await?;
    state.reads.note(Entry { patient_id, ..Entry::by(&caller, "alert.read", "alert", *id) }).await?;
    Ok(private(HttpResponse::Ok(), &page.cut(rows, |row| (At(row.at), row.device_id)).map(AttemptView::from)))
}
