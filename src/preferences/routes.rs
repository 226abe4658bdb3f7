//! Notification preferences over HTTP: the caller's own.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};

use super::fields::{PreferencesFields, PreferencesView};
use super::{save, store};
use crate::app::State;
use crate::auth::extract::Caller;
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::ApiError;
use crate::preconditions::{IfMatch, version_header};

/// What holds for the caller: their own choices, else the clinic's and the house's figures.
pub async fn find_notification_preferences(state: web::Data<State>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let (view, version) = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            let (choices, version) = store::find_choices(conn, caller.user_id).await?;
            let clinic = store::find_clinic_quiet(conn, caller.clinic_id).await?;
            Ok::<_, ApiError>((PreferencesView::of(choices, clinic), version))
        })
        .await?;
    Ok(answer(view, version))
}

/// Replaces the caller's choices; with `If-Match`, only those that the caller has seen.
pub async fn put_notification_preferences(
    state: web::Data<State>,
    caller: Caller,
    if_match: IfMatch,
    body: Body<PreferencesFields>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let choices = body.value.read(&mut faults);
    faults.finish()?;
    let (view, version) = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            store::lock_preferences(conn, caller.user_id).await?;
            let (before, version) = store::find_choices(conn, caller.user_id).await?;
            if_match.check(version)?;
            let version =
                save::save(conn, &state.clocks, &state.protocols, &caller, &before, version, &choices).await?;
            let clinic = store::find_clinic_quiet(conn, caller.clinic_id).await?;
            Ok::<_, ApiError>((PreferencesView::of(choices, clinic), version))
        })
        .await?;
    Ok(answer(view, version))
}

fn answer(view: PreferencesView, version: i32) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).insert_header(version_header(version)).json(view)
}
