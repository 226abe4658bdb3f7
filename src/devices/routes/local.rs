//! What a phone rings for by itself, over HTTP. Its push waits, and is not sent once the app says that it was shown: the
//! person hears of everything once, and a phone that was off is still reached.

use std::collections::BTreeSet;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::State;
use crate::auth::extract::PatientCaller;
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::devices::store;
use crate::error::ApiError;

/// The most that a phone rings for by itself: what `GET /v1/me/reminders` answers with at most.
const MOST: usize = 200;
/// How long a promise holds at most. Whoever does not open the app for so long is pushed to like everybody.
const LONGEST: TimeDelta = TimeDelta::days(14);

/// The body of [`put_local_reminders`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalRemindersBody {
    reminders: Vec<LocalReminder>,
    until: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalReminder {
    alert_id: Uuid,
    due_at: DateTime<Utc>,
}

/// The body of [`show_local_reminders`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownBody {
    alert_ids: BTreeSet<Uuid>,
}

/// What the phone may ring for.
#[derive(Debug, Serialize)]
struct LocalRemindersView {
    /// Their pushes wait.
    held: Vec<Uuid>,
    /// Not owed any more, or at another moment: not to be rung for.
    outdated: Vec<Uuid>,
    until: DateTime<Utc>,
}

/// `PUT /v1/me/devices/{device_id}/local-reminders`
pub async fn put_local_reminders(
    state: web::Data<State>,
    PatientCaller(caller): PatientCaller,
    id: web::Path<Uuid>,
    body: Body<LocalRemindersBody>,
) -> Result<HttpResponse, ApiError> {
    let LocalRemindersBody { reminders, until } = body.value;
    let now = state.clocks.care.now();
    let mut faults = Faults::default();
    if reminders.len() > MOST {
        faults.push("/reminders", format!("must be {MOST} at most"));
    }
    let mut seen = BTreeSet::new();
    for (index, reminder) in reminders.iter().enumerate() {
        if !seen.insert(reminder.alert_id) {
            faults.push(format!("/reminders/{index}/alert_id"), "is there twice");
        }
    }
    if until <= now || until - now > LONGEST {
        faults.push("/until", format!("must lie ahead, at most {} days", LONGEST.num_days()));
    }
    faults.finish()?;
    let rings: Vec<_> = reminders.iter().map(|reminder| (reminder.alert_id, reminder.due_at)).collect();
    let held = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let device = store::find_device(conn, caller.user_id, *id).await?;
            let held = store::list_owed(conn, caller.user_id, caller.clinic_id, &rings).await?;
            let held: Vec<_> = rings.iter().copied().filter(|(alert, _)| held.contains(alert)).collect();
            store::replace_rings(conn, device.id, caller.clinic_id, &held, until).await?;
            Ok::<_, ApiError>(held)
        })
        .await?;
    let held: Vec<Uuid> = held.into_iter().map(|(alert, _)| alert).collect();
    let outdated = rings.iter().map(|(alert, _)| *alert).filter(|alert| !held.contains(alert)).collect();
    let view = LocalRemindersView { held, outdated, until };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(view))
}

/// `POST /v1/me/devices/{device_id}/local-reminders/shown`
pub async fn show_local_reminders(
    state: web::Data<State>,
    PatientCaller(caller): PatientCaller,
    id: web::Path<Uuid>,
    body: Body<ShownBody>,
) -> Result<HttpResponse, ApiError> {
    let alerts = body.value.alert_ids;
    let mut faults = Faults::default();
    if !(1..=MOST).contains(&alerts.len()) {
        faults.push("/alert_ids", format!("must be 1 to {MOST}"));
    }
    faults.finish()?;
    let now = state.clocks.care.now();
    state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            let device = store::find_device(conn, caller.user_id, *id).await?;
            store::mark_shown(conn, device.id, alerts.into_iter().collect(), now).await?;
            Ok::<_, ApiError>(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
