//! Excuses over HTTP, for staff.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};
use chrono::NaiveDate;
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use uuid::Uuid;

use super::change::{self, ExcuseError, MOST, NewExcuse, What};
use super::store;
use super::view::ExcuseView;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::Staff;
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::{ApiError, Conflict};
use crate::paging::List;
use crate::planning::PlanningError;
use crate::recovery::find_recovery;

/// The longest stretch that one excuse covers, in days: a protocol lasts some weeks.
const LONGEST: i64 = 366;

impl From<ExcuseError> for ApiError {
    fn from(error: ExcuseError) -> Self {
        match error {
            ExcuseError::IdTaken => {
                Self::conflict(Conflict::IdTaken, "Another excuse has this id: choose a fresh one.")
            }
            ExcuseError::Ended => Self::conflict(Conflict::State, "The treatment was completed or cancelled."),
            ExcuseError::TooMany => {
                let detail = format!("The treatment has {MOST} excuses: withdraw one, or excuse a period.");
                Self::conflict(Conflict::State, detail)
            }
            ExcuseError::UnknownTask => Self::invalid("/task_id", "the treatment has no such task"),
            ExcuseError::UnknownItem => Self::invalid("/item_key", "is no routine of the treatment's protocol"),
            ExcuseError::Planning(error) => error.into(),
        }
    }
}

/// The body of [`create_excuse`]: a task, or days of all items or of one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateExcuse {
    id: Option<Uuid>,
    task_id: Option<Uuid>,
    item_key: Option<String>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    reason: String,
}

impl CreateExcuse {
    fn read(self, fresh_id: Uuid) -> Result<NewExcuse, ApiError> {
        let mut faults = Faults::default();
        let reason = faults.text("/reason", &self.reason, 1..=500);
        let what = match (self.task_id, self.from) {
            (Some(task), None) if self.to.is_none() && self.item_key.is_none() => Some(What::Task(task)),
            (None, Some(from)) => {
                let to = self.to.unwrap_or(from);
                if to < from {
                    faults.push("/to", "must not lie before from");
                } else if (to - from).num_days() >= LONGEST {
                    faults.push("/to", format!("must lie within {LONGEST} days from from"));
                }
                Some(What::Days { item_key: self.item_key, from, to })
            }
            (Some(_), _) => {
                faults.push("/task_id", "stands alone: neither item_key nor dates go with it");
                None
            }
            (None, None) => {
                faults.push("/from", "is missing: name a task, or the days");
                None
            }
        };
        faults.finish()?;
        let what = what.ok_or_else(|| ApiError::invalid("/from", "is missing"))?;
        Ok(NewExcuse { id: self.id.unwrap_or(fresh_id), what, reason })
    }
}

/// `GET /v1/treatments/{id}/excuses`
pub async fn list_excuses(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let list = async |conn: &mut AsyncPgConnection| {
        let patient = find_recovery(conn, &caller, *path).await?.row.patient_id;
        Ok::<_, PlanningError>((patient, store::list_excuses(conn, caller.clinic_id, *path).await?))
    };
    let (patient, rows) = state.db.scoped(Scope::Clinic(caller.clinic_id), list).await?;
    state.reads.note(Entry::by(&caller, "excuse.read", "treatment", *path).about(patient)).await?;
    let views: Vec<ExcuseView> = rows.into_iter().map(ExcuseView::from).collect();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(List::whole(views)))
}

/// `POST /v1/treatments/{id}/excuses`
pub async fn create_excuse(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
    body: Body<CreateExcuse>,
) -> Result<HttpResponse, ApiError> {
    let new = body.value.read(state.clocks.fresh_id())?;
    let row = change::excuse(state.tools(), &caller, *path, new).await?;
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(ExcuseView::from(row)))
}

/// `DELETE /v1/treatments/{id}/excuses/{excuse_id}`
pub async fn withdraw_excuse(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<(Uuid, Uuid)>,
) -> Result<HttpResponse, ApiError> {
    let (treatment, id) = path.into_inner();
    change::withdraw(state.tools(), &caller, treatment, id).await?;
    Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish())
}
