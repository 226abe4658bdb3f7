//! Changing items of a plan for one treatment over HTTP.

use std::str::FromStr;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use serde::Deserialize;
use uuid::Uuid;

use super::super::overriding::{self, NewOverride};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, Staff};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::overrides::{Bounds, ItemChange};
use crate::error::ApiError;
use crate::paging::List;
use crate::planning::PlanningError;
use crate::recovery::override_view::OverrideView;
use crate::recovery::{self, Recovery};

/// What an item becomes, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutOverride {
    #[serde(default)]
    off: bool,
    window: Option<PutWindow>,
    #[serde(default)]
    acknowledge_shorter: bool,
    reason: String,
}

/// Bounds as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutWindow {
    from: Option<String>,
    to: Option<String>,
    minimum: Option<String>,
    cap: Option<String>,
    soft_to: Option<String>,
    from_day: Option<i32>,
    to_day: Option<i32>,
    from_time: Option<String>,
    to_time: Option<String>,
}

impl PutWindow {
    fn read(self, faults: &mut Faults) -> Bounds {
        fn bound<T: FromStr<Err = String>>(faults: &mut Faults, name: &str, text: Option<String>) -> Option<T> {
            faults.parsed(&format!("/window/{name}"), text?.parse())
        }
        Bounds {
            from: bound(faults, "from", self.from),
            to: bound(faults, "to", self.to),
            minimum: bound(faults, "minimum", self.minimum),
            cap: bound(faults, "cap", self.cap),
            soft_to: bound(faults, "soft_to", self.soft_to),
            from_day: self.from_day,
            to_day: self.to_day,
            from_time: bound(faults, "from_time", self.from_time),
            to_time: bound(faults, "to_time", self.to_time),
        }
    }
}

/// `GET /v1/treatments/{id}/overrides`
pub async fn list_overrides(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let recovery = find(&state, &caller, *path).await?;
    let entry = Entry::by(&caller, "treatment.read", "treatment", *path).about(recovery.row.patient_id);
    state.reads.note(entry).await?;
    let items = recovery.overrides().items.iter().map(OverrideView::from).collect();
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(List::whole(items)))
}

async fn find(state: &State, caller: &Caller, id: Uuid) -> Result<Recovery, ApiError> {
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let mut recovery = recovery::find_recovery(conn, caller, id).await?;
        recovery.version(conn, &state.protocols, caller.clinic_id).await?;
        Ok::<_, PlanningError>(recovery)
    });
    Ok(found.await?)
}

/// `PUT /v1/treatments/{id}/overrides/{item_key}`
pub async fn put_override(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<(Uuid, String)>,
    body: Body<PutOverride>,
) -> Result<HttpResponse, ApiError> {
    let (treatment, key) = path.into_inner();
    let PutOverride { off, window, acknowledge_shorter, reason } = body.value;
    let mut faults = Faults::default();
    let reason = faults.text("/reason", &reason, 1..=500);
    let window = window.map(|window| window.read(&mut faults));
    faults.finish()?;
    let new = NewOverride { change: ItemChange { off, window, acknowledge_shorter }, reason };
    let there = overriding::put(state.tools(), &caller, treatment, &key, new).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(OverrideView::from(&there)))
}

/// `DELETE /v1/treatments/{id}/overrides/{item_key}`
pub async fn delete_override(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<(Uuid, String)>,
) -> Result<HttpResponse, ApiError> {
    let (treatment, key) = path.into_inner();
    overriding::lift(state.tools(), &caller, treatment, &key).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}
