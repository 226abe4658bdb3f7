//! Members over HTTP.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::{self, ChangeError};
use super::store::{self, Member};
use crate::answer::private;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Administrator, ClientAddress};
use crate::auth::fields::ProofBody;
use crate::auth::reauthentication::{Proof, prove};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::role::Role;
use crate::error::{ApiError, Conflict};
use crate::paging::Page;
use crate::query::Query;

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::LastAdministrator => {
                Self::conflict(Conflict::State, "The clinic needs an administrator: appoint another one first.")
            }
            ChangeError::Patient => Self::invalid("/role", "patients do not become staff, nor staff patients"),
            ChangeError::NotAlone => {
                Self::conflict(Conflict::State, "Only the server's operator can reset this login.")
            }
            ChangeError::Oneself => Self::conflict(
                Conflict::State,
                "This login is your own: change its password and its second factor yourself, or ask another administrator.",
            ),
            ChangeError::NoSecondFactor => Self::conflict(Conflict::State, "The login has no second factor."),
            ChangeError::Db(error) => error.into(),
        }
    }
}

/// A member, as sent.
#[derive(Debug, Serialize)]
struct MemberView {
    id: Uuid,
    user_id: Uuid,
    email: String,
    display_name: String,
    role: String,
    second_factor: bool,
    created_at: DateTime<Utc>,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            id: member.id,
            user_id: member.user_id,
            email: member.email,
            display_name: member.display_name,
            role: member.role,
            second_factor: member.second_factor,
            created_at: member.created_at,
        }
    }
}

/// Which members, and which page of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberQuery {
    role: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Everybody who has a login at the clinic.
pub async fn list_members(
    state: web::Data<State>,
    Administrator(caller): Administrator,
    query: Query<MemberQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = Page::<Uuid>::read(query.limit, query.cursor.as_deref())?;
    let mut faults = Faults::default();
    let role = query.role.as_deref().and_then(|role| faults.parsed("role", role.parse::<Role>()));
    faults.finish()?;
    state.reads.note(Entry::of_list(&caller, "member.read", None)).await?;
    let members = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            Ok::<_, ApiError>(store::list_members(conn, caller.clinic_id, role, page.after, page.fetch()).await?)
        })
        .await?;
    Ok(private(HttpResponse::Ok(), &page.cut(members, |member| member.id).map(MemberView::from)))
}

/// One member.
pub async fn find_member(
    state: web::Data<State>,
    Administrator(caller): Administrator,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let member = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            Ok::<_, ApiError>(store::find_member(conn, caller.clinic_id, *id).await?)
        })
        .await?;
    state.reads.note(Entry::by(&caller, "member.read", "member", *id)).await?;
    Ok(private(HttpResponse::Ok(), &MemberView::from(member)))
}

/// Another role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberBody {
    role: Role,
}

/// Gives a member of the staff another role.
pub async fn update_member(
    state: web::Data<State>,
    Administrator(caller): Administrator,
    id: web::Path<Uuid>,
    body: Body<MemberBody>,
) -> Result<HttpResponse, ApiError> {
    let role = body.value.role;
    let member = change::role(&state.db, &state.clocks, &state.auth, &caller, *id, role).await?;
    Ok(private(HttpResponse::Ok(), &MemberView::from(member)))
}

/// Ends a membership.
pub async fn delete_member(
    state: web::Data<State>,
    Administrator(caller): Administrator,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    change::remove(&state.db, &state.clocks, &state.auth, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Serialize)]
struct ResetCodeView {
    code: String,
    expires_at: DateTime<Utc>,
}

/// A one-time code for a member who forgot the password; shown this once.
pub async fn create_reset_code(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    Administrator(caller): Administrator,
    id: web::Path<Uuid>,
    body: Body<ProofBody>,
) -> Result<HttpResponse, ApiError> {
    change::find_somebody_else(&state.db, &caller, *id).await?;
    prove(&state.db, &state.clocks, &state.auth, &caller, body.value.proof(address)).await?;
    let issued = change::issue_reset_code(&state.db, &state.clocks, &state.auth, &caller, *id).await?;
    let view = ResetCodeView { code: issued.code, expires_at: issued.expires_at };
    Ok(private(HttpResponse::Created(), &view))
}

/// Takes a member's second factor away.
pub async fn reset_second_factor(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    Administrator(caller): Administrator,
    id: web::Path<Uuid>,
    body: Body<ProofBody>,
) -> Result<HttpResponse, ApiError> {
    change::find_somebody_else(&state.db, &caller, *id).await?;
    prove(&state.db, &state.clocks, &state.auth, &caller, body.value.proof(address)).await?;
    change::reset_second_factor(&state.db, &state.clocks, &state.auth, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whom to sign out, and what shows that it is the administrator who asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOutBody {
    whom: Whom,
    current_password: String,
    code: Option<String>,
}

/// Whom a sign-out is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Whom {
    Staff,
    Everybody,
}

#[derive(Debug, Serialize)]
struct SignedOutView {
    ended_sessions: usize,
}

/// Ends every session of the clinic's people but the one that asks.
pub async fn sign_out_clinic(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    Administrator(caller): Administrator,
    body: Body<SignOutBody>,
) -> Result<HttpResponse, ApiError> {
    let SignOutBody { whom, current_password, code } = body.value;
    let proof = Proof { password: &current_password, code: code.as_deref(), address };
    prove(&state.db, &state.clocks, &state.auth, &caller, proof).await?;
    let patients_too = whom == Whom::Everybody;
    let ended_sessions = change::sign_out(&state.db, &state.clocks, &state.auth, &caller, patients_too).await?;
    Ok(private(HttpResponse::Ok(), &SignedOutView { ended_sessions }))
}
