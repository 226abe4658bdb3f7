//! The caller's own profile over HTTP.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;

use super::extract::{AccountHolder, Caller};
use super::profile::Me;
use super::store::{self, ProfileChange, User};
use crate::app::State;
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::ApiError;
use crate::preconditions::{IfMatch, version_header};

/// Profile and memberships.
pub async fn find_me(state: web::Data<State>, AccountHolder(caller): AccountHolder) -> Result<HttpResponse, ApiError> {
    let me = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            let user = store::find_user(conn, caller.user_id).await?;
            view(conn, &caller, user).await
        })
        .await?;
    Ok(answer(&me))
}

/// What a person may change about itself. Absent: as it was.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileBody {
    display_name: Option<String>,
    time_zone: Option<String>,
    locale: Option<String>,
}

/// Edits the profile. Naming the version that was read is optional: a person edits itself.
pub async fn update_me(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    if_match: IfMatch,
    body: Body<ProfileBody>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let body = body.value;
    let change = ProfileChange {
        display_name: body.display_name.map(|name| faults.text("/display_name", &name, 1..=200)),
        time_zone: body.time_zone.map(|zone| faults.time_zone("/time_zone", &zone).name().to_owned()),
        locale: body.locale.map(|locale| faults.locale("/locale", &locale)),
    };
    faults.finish()?;
    let me = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            let before = store::lock_user(conn, caller.user_id).await?;
            if_match.check(before.version)?;
            let after = store::update_profile(conn, &before, change).await?;
            view(conn, &caller, after).await
        })
        .await?;
    Ok(answer(&me))
}

async fn view(conn: &mut AsyncPgConnection, caller: &Caller, user: User) -> Result<Me, ApiError> {
    let memberships = store::list_memberships(conn, caller.user_id).await?;
    let active = memberships.iter().find(|membership| membership.id == caller.membership_id);
    let ended = || ApiError::Unauthenticated("The membership has ended: refresh the token.".into());
    Ok(Me::new(user, active.ok_or_else(ended)?, &memberships))
}

fn answer(me: &Me) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).insert_header(version_header(me.version)).json(me)
}
