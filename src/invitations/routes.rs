//! Invitations over HTTP. Clinicians invite patients and see their invitations; administrators anyone's.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::invite::{self, InviteError, Whom};
use super::link;
use super::store::{self, Invitation};
use crate::answer::private;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::email;
use crate::auth::extract::{Caller, Staff};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::role::Role;
use crate::error::{ApiError, Conflict};
use crate::idempotency::IdempotencyKey;
use crate::paging::{Page, PageQuery};
use crate::patients::fields::PatientFields;
use crate::query::Query;

impl From<InviteError> for ApiError {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::NoPatient => Self::invalid("/patient_id", "is not a patient of this clinic"),
            InviteError::TooMany => Self::conflict(
                Conflict::State,
                format!("{} invitations are open: take back those that nobody needs.", invite::MOST_OPEN),
            ),
            InviteError::Detached => Self::detached(),
            InviteError::Linked => Self::conflict(Conflict::State, "This patient record has a login already."),
            InviteError::Accepted => Self::conflict(Conflict::State, "It was accepted: end the membership instead."),
            InviteError::Patient(error) => error.into(),
            InviteError::Idempotency(error) => error.into(),
            InviteError::Db(error) => error.into(),
        }
    }
}

/// Whom to invite, as what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationBody {
    role: Role,
    email: Option<String>,
    patient_id: Option<Uuid>,
    patient: Option<PatientFields>,
}

/// An invitation, as sent.
#[derive(Debug, Serialize)]
struct InvitationView {
    id: Uuid,
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    state: &'static str,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<DateTime<Utc>>,
}

/// An invitation with its code, which is shown to whoever made it and never again.
#[derive(Debug, Serialize)]
struct NewInvitationView {
    #[serde(flatten)]
    invitation: InvitationView,
    code: String,
    link: String,
}

impl InvitationView {
    fn new(invitation: Invitation, now: DateTime<Utc>) -> Self {
        let state = match () {
            () if invitation.accepted_at.is_some() => "accepted",
            () if invitation.revoked_at.is_some() => "revoked",
            () if invitation.expires_at <= now => "expired",
            () => "open",
        };
        Self {
            id: invitation.id,
            role: invitation.role,
            patient_id: invitation.patient_id,
            email: invitation.email,
            state,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
            accepted_at: invitation.accepted_at,
        }
    }
}

/// The only role whose invitations this member of the staff deals with; `None` for all.
fn only(caller: &Caller) -> Option<Role> {
    (caller.role != Role::Administrator).then_some(Role::Patient)
}

/// Invites somebody. The answer to a repeated request holds the code again.
pub async fn create_invitation(
    state: web::Data<State>,
    Staff(caller): Staff,
    key: IdempotencyKey,
    body: Body<InvitationBody>,
) -> Result<HttpResponse, ApiError> {
    let request = key.of(&caller, "create_invitation", &body.raw);
    let InvitationBody { role, email, patient_id, patient } = body.value;
    if only(&caller).is_some_and(|only| only != role) {
        return Err(ApiError::Forbidden("Only administrators invite staff.".into()));
    }
    let mut faults = Faults::default();
    let email = email.map(|email| email::check(&mut faults, "/email", &email));
    let fresh = state.clocks.fresh_id();
    let patient = patient.map(|fields| fields.read(&mut faults, "/patient", fresh, Some(caller.user_id)));
    let whom = match (role, patient_id, patient) {
        (Role::Patient, Some(id), None) => Some(Whom::Patient(id)),
        (Role::Patient, None, Some(new)) => Some(Whom::NewPatient(new)),
        (Role::Clinician | Role::Administrator, None, None) => Some(Whom::Staff(role)),
        (Role::Patient, _, _) => {
            faults.push("/patient_id", "a patient's invitation names either a record or a new patient");
            None
        }
        (Role::Clinician | Role::Administrator, _, _) => {
            faults.push("/role", "an invitation to the staff names no patient");
            None
        }
    };
    faults.finish()?;
    let whom = whom.ok_or_else(|| ApiError::invalid("/role", "cannot be invited so"))?;
    let (db, clocks, keys) = (&state.db, &state.clocks, &state.keys);
    let invitation = invite::invite(db, clocks, keys, &caller, request, whom, email).await?;
    let code = keys.code(invitation.id);
    let view = NewInvitationView {
        link: link(&state.public_url, &code),
        code,
        invitation: InvitationView::new(invitation, clocks.wall.now()),
    };
    Ok(private(HttpResponse::Created(), &view))
}

/// Invitations, the newest first.
pub async fn list_invitations(
    state: web::Data<State>,
    Staff(caller): Staff,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = Page::<Uuid>::read(query.limit, query.cursor.as_deref())?;
    state.reads.note(Entry::of_list(&caller, "invitation.read", None)).await?;
    let (clinic_id, only) = (caller.clinic_id, only(&caller));
    let found = state
        .db
        .scoped(Scope::Clinic(clinic_id), async |conn| {
            Ok::<_, ApiError>(store::list_invitations(conn, clinic_id, only, page.after, page.fetch()).await?)
        })
        .await?;
    let now = state.clocks.wall.now();
    let list = page.cut(found, |invitation| invitation.id).map(|invitation| InvitationView::new(invitation, now));
    Ok(private(HttpResponse::Ok(), &list))
}

/// Takes an invitation back.
pub async fn delete_invitation(
    state: web::Data<State>,
    Staff(caller): Staff,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    invite::revoke(&state.db, &state.clocks, &caller, *id, only(&caller)).await?;
    Ok(HttpResponse::NoContent().finish())
}
