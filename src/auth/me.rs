//! The caller's own profile over HTTP.

use actix_web::http::header::{CACHE_CONTROL, ETag, EntityTag};
use actix_web::{HttpResponse, web};

use super::extract::Caller;
use super::profile::Me;
use super::store;
use crate::app::State;
use crate::db::Scope;
use crate::error::ApiError;

/// Profile and memberships.
pub async fn find_me(state: web::Data<State>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let me = state
        .db
        .scoped(Scope::Identity, async |conn| {
            let user = store::find_user(conn, caller.user_id).await?;
            let memberships = store::list_memberships(conn, caller.user_id).await?;
            let active = memberships.iter().find(|membership| membership.id == caller.membership_id);
            Ok::<_, ApiError>(active.map(|active| Me::new(user, active, &memberships)))
        })
        .await?
        .ok_or(ApiError::Unauthenticated("The membership has ended: refresh the token.".into()))?;
    Ok(answer(&me))
}

fn answer(me: &Me) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(ETag(EntityTag::new_strong(me.version.to_string())))
        .json(me)
}
