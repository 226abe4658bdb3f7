//! What is computed of a treatment, over HTTP: its timeline, and guidance for a moment. Nothing is written here.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::TimeDelta;
use serde::Deserialize;
use uuid::Uuid;

use super::guidance_view::GuidanceView;

use super::timeline_view::TimelineView;
use crate::app::State;
use crate::auth::extract::Caller;
use crate::db::Scope;
use crate::domain::guidance::{Sources, guidance};
use crate::domain::protocol::ProtocolVersion;
use crate::error::ApiError;
use crate::language::Wanted;
use crate::planning::PlanningError;
use crate::preconditions::{IfNoneMatch, computed_answer};
use crate::protocols::{Accepted, words};
use crate::query::{Query, instant};
use crate::recovery::{self, Recovery};

/// How far from the treatment guidance may be asked for.
const AROUND: TimeDelta = TimeDelta::days(3 * 366);

/// A treatment that the caller may see, with its protocol version and the languages that the clinic has accepted.
async fn load(
    state: &State,
    caller: &Caller,
    id: Uuid,
) -> Result<(Recovery, Arc<ProtocolVersion>, Accepted), ApiError> {
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let recovery = recovery::find_recovery(conn, caller, id).await?;
        let version = state.protocols.version(conn, recovery.row.protocol_version_id).await?;
        Ok::<_, PlanningError>((recovery, version, Accepted::by(conn, caller.clinic_id).await?))
    });
    Ok(found.await?)
}

/// `GET /v1/treatments/{id}/timeline`
pub async fn find_timeline(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (recovery, version, accepted) = load(&state, &caller, path.into_inner()).await?;
    let texts = words(&version, accepted.of(recovery.row.protocol_version_id), &wanted, &recovery.locales());
    let laid = recovery.timeline(&version);
    let view = TimelineView::new(recovery.row.id, &version, texts, &laid, state.clocks.care.now());
    computed_answer(&known, &texts.locale, &view)
}

/// The query of [`find_guidance`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidanceQuery {
    at: Option<String>,
}

/// `GET /v1/treatments/{id}/guidance`
pub async fn find_guidance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    query: Query<GuidanceQuery>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let asked = query.at.as_deref().map(instant).transpose().map_err(|error| ApiError::invalid("at", error))?;
    let (recovery, version, accepted) = load(&state, &caller, path.into_inner()).await?;
    let at = asked.unwrap_or_else(|| state.clocks.care.now());
    if (at - recovery.row.performed_at).abs() > AROUND {
        return Err(ApiError::invalid("at", "must lie within three years of the treatment"));
    }
    let texts = words(&version, accepted.of(recovery.row.protocol_version_id), &wanted, &recovery.locales());
    let laid = recovery.timeline(&version);
    let sources = Sources {
        version: &version,
        texts,
        timeline: &laid,
        zones: &recovery.zones,
        said: &recovery.said,
        starts_at: recovery.starts_at(at),
    };
    let view = GuidanceView::new(guidance(&sources, at), asked);
    computed_answer(&known, &texts.locale, &view)
}
