//! A person's deletion of their login over HTTP: what it would mean, and the deed. Taking it back is a way of logging in
//! (`auth/routes.rs`), since no session is left.

pub mod page;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use diesel_async::AsyncPgConnection;

use super::erase;
use super::mark::{self, MarkError, Marked};
use super::view::{DeletionView, PlaceView};
use crate::answer::private;
use crate::app::State;
use crate::auth::extract::{AccountHolder, ClientAddress};
use crate::auth::fields::ProofBody;
use crate::auth::reauthentication::{User, WRONG_PASSWORD, prove};
use crate::body::Body;
use crate::db::Scope;
use crate::error::{ApiError, Conflict};

impl From<MarkError> for ApiError {
    fn from(error: MarkError) -> Self {
        match error {
            MarkError::LastAdministrator(_) => {
                Self::conflict(Conflict::State, "You are a clinic's last administrator: name another one first.")
            }
            MarkError::Changed => WRONG_PASSWORD.into(),
            MarkError::Db(error) => error.into(),
        }
    }
}

impl DeletionView {
    pub(super) fn new(marked: Marked, is_marked: bool) -> Self {
        let erase_at = marked.pending.erase_at;
        let clinics = marked.places.into_iter().map(|place| {
            let keeps_record = place.patient_id.is_some();
            PlaceView {
                last_administrator: marked.alone_at.contains(&place.clinic_id),
                keeps_record,
                retention_years: keeps_record.then_some(place.retention_years),
                purge_at: keeps_record.then(|| erase::kept_until(erase_at, place.retention_years)),
                clinic_id: place.clinic_id,
                clinic_name: place.clinic_name,
                role: place.role,
            }
        });
        Self {
            requested_at: is_marked.then_some(marked.pending.requested_at),
            erase_at,
            possible: marked.alone_at.is_empty(),
            clinics: clinics.collect(),
        }
    }
}

/// What would become of the caller's login, to be shown before they decide.
pub async fn find_deletion(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
) -> Result<HttpResponse, ApiError> {
    let (window, now) = (state.erasure_window, state.clocks.wall.now());
    let outlook = state.db.scoped(Scope::User(caller.user_id), async |conn| {
        Ok::<_, ApiError>(mark::preview(conn, caller.user_id, window, now).await?)
    });
    Ok(private(HttpResponse::Ok(), &DeletionView::new(outlook.await?, false)))
}

/// Marks the caller's login: from the commit on it opens nothing.
pub async fn delete_login(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<ProofBody>,
) -> Result<HttpResponse, ApiError> {
    let proven = prove(&state.db, &state.clocks, &state.auth, &caller, body.value.proof(address)).await?;
    let answer = DeletionView::new(end(&state, &proven).await?, true);
    Ok(HttpResponse::Accepted().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// Marks a login whose person has shown who they are, and has this node know of it at once.
async fn end(state: &State, proven: &User) -> Result<Marked, MarkError> {
    let marking =
        async |conn: &mut AsyncPgConnection| mark::mark(conn, &state.clocks, proven, state.erasure_window).await;
    let marked = state.db.scoped(Scope::User(proven.id), marking).await?;
    state.auth.revocations.note(proven.id, marked.pending.requested_at);
    Ok(marked)
}
