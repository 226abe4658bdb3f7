//! What is computed of a treatment, over HTTP: its timeline, and guidance for a moment. Nothing is written here.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::guidance_view::GuidanceView;

use super::timeline_view::TimelineView;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::Caller;
use crate::body::Faults;
use crate::db::Scope;
use crate::domain::guidance::{Sources, guidance, topics};
use crate::domain::protocol::ProtocolVersion;
use crate::domain::timeline::Task;
use crate::error::ApiError;
use crate::language::Wanted;
use crate::planning::PlanningError;
use crate::preconditions::{IfNoneMatch, computed_answer, computed_answer_like};
use crate::protocols::{Accepted, words};
use crate::query::{Query, instant};
use crate::recovery::{self, Recovery};

/// How far ahead of a treatment may be looked whose plan has no end.
const FURTHEST: TimeDelta = TimeDelta::days(366);

/// A treatment that the caller may see, with its protocol version and the languages that the clinic has accepted. The look is
/// recorded as `action`.
async fn load(
    state: &State,
    caller: &Caller,
    id: Uuid,
    action: &'static str,
) -> Result<(Recovery, Arc<ProtocolVersion>, Accepted), ApiError> {
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let mut recovery = recovery::find_recovery(conn, caller, id).await?;
        let version = recovery.version(conn, &state.protocols, caller.clinic_id).await?;
        Ok::<_, PlanningError>((recovery, version, Accepted::by(conn, caller.clinic_id).await?))
    });
    let found = found.await?;
    let entry = Entry::by(caller, action, "treatment", id).about(found.0.row.patient_id);
    state.reads.note(entry).await?;
    Ok(found)
}

/// `GET /v1/treatments/{id}/timeline`
pub async fn find_timeline(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (recovery, version, accepted) = load(&state, &caller, path.into_inner(), "timeline.read").await?;
    let texts = words(&version, accepted.of(recovery.row.protocol_version_id), &wanted, &recovery.locales());
    let laid = recovery.timeline(&version);
    let view = TimelineView::new(recovery.row.id, &version, texts, &laid, state.clocks.care.now());
    let view = view.with_overrides(&version, texts, recovery.overrides());
    computed_answer(&known, &texts.locale, &view)
}

/// The query of [`find_guidance`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidanceQuery {
    at: Option<String>,
    topic: Option<String>,
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
    let (recovery, version, accepted) = load(&state, &caller, path.into_inner(), "guidance.read").await?;
    let now = state.clocks.care.now();
    let at = asked.unwrap_or(now);
    let texts = words(&version, accepted.of(recovery.row.protocol_version_id), &wanted, &recovery.locales());
    let laid = recovery.timeline(&version);
    let mut faults = Faults::default();
    if asked.is_some() {
        check_moment(&mut faults, at, now, recovery.row.performed_at, laid.ends_at());
    }
    if let Some(topic) = query.topic.as_deref() {
        check_topic(&mut faults, topic, &version);
    }
    faults.finish()?;
    let sources = Sources {
        version: &version,
        texts,
        timeline: &laid,
        zones: &recovery.zones,
        said: &recovery.said,
        starts_at: recovery.starts_at(recovery.judged_at(at)),
        ended_at: recovery.row.ended_at,
    };
    let mut guidance = guidance(&sources, at);
    // What was closed under another version is called as it was then, as among the tasks.
    for today in &mut guidance.today {
        today.title = recovery.title(&version, texts, &today.task);
    }
    if let Some(topic) = query.topic.as_deref() {
        guidance.retain(topic);
    }
    let of_task = |task: &Task<'_>| recovery.override_of(&version, task);
    let lasting = GuidanceView::new(guidance.clone(), asked, None, of_task).with_overrides(&recovery);
    let view = GuidanceView::new(guidance, asked, Some(at), of_task).with_overrides(&recovery);
    computed_answer_like(&known, &texts.locale, &view, &lasting)
}

/// A moment lies in the plan from the treatment to the plan's end, or to now where the plan is over.
fn check_moment(
    faults: &mut Faults,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
    performed_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
) {
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    // While a flag keeps a plan open its end is as far away as anybody may look.
    let last = ends_at.unwrap_or(performed_at + FURTHEST).max(now);
    if at < performed_at {
        faults.push("at", format!("lies before the treatment ({})", text(performed_at)));
    } else if at > last {
        faults.push("at", format!("lies after the end of the plan ({})", text(last)));
    }
}

fn check_topic(faults: &mut Faults, topic: &str, version: &ProtocolVersion) {
    let topics = topics(version);
    if !topics.contains(topic) {
        let known: Vec<_> = topics.into_iter().collect();
        faults.push("topic", format!("is none of: {}", known.join(", ")));
    }
}
