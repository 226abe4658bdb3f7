//! Archives over HTTP: a person's own, and a clinic's of one record. Whoever asks shows once more who they are: a found phone
//! must not give away everything at once.

use std::net::IpAddr;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use uuid::Uuid;

use super::archive;
use super::desk::{Busy, Turn};
use super::gather::{self, File, GatherError};
use crate::app::State;
use crate::auth::extract::{AccountHolder, Caller, ClientAddress, Staff};
use crate::auth::fields::ProofBody;
use crate::auth::reauthentication::prove;
use crate::body::Body;
use crate::error::ApiError;
use crate::sending::Sending;

/// After how many seconds somebody may come again whose archive is being made or sent.
const COME_AGAIN: u32 = 10;

impl From<GatherError> for ApiError {
    fn from(error: GatherError) -> Self {
        match error {
            GatherError::TooMuch => Self::Internal(anyhow::anyhow!("more than an archive may hold")),
            GatherError::Db(error) => error.into(),
        }
    }
}

impl From<Busy> for ApiError {
    fn from(busy: Busy) -> Self {
        match busy {
            Busy::Oneself => Self::TooMany { retry_after: COME_AGAIN },
            Busy::Others => Self::Unavailable("as many archives as can be are being made or sent".to_owned()),
        }
    }
}

/// Everything that is kept of the caller.
pub async fn export_me(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<ProofBody>,
) -> Result<HttpResponse, ApiError> {
    let turn = begin(&state, &caller, &body.value, address).await?;
    let files = gather::of_login(&state.db, &state.clocks, &caller).await?;
    answer(&state, turn, files).await
}

/// Everything that the caller's clinic keeps of one patient, whether or not they have left.
pub async fn export_patient(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    Staff(caller): Staff,
    id: web::Path<Uuid>,
    body: Body<ProofBody>,
) -> Result<HttpResponse, ApiError> {
    gather::find_record(&state.db, &caller, *id).await?;
    let turn = begin(&state, &caller, &body.value, address).await?;
    let files = gather::of_record(&state.db, &state.clocks, &caller, *id).await?;
    answer(&state, turn, files).await
}

async fn begin(state: &State, caller: &Caller, shown: &ProofBody, address: IpAddr) -> Result<Turn, ApiError> {
    prove(&state.db, &state.clocks, &state.auth, caller, shown.proof(address)).await?;
    Ok(state.exports.take(caller.user_id)?)
}

async fn answer(state: &State, turn: Turn, files: Vec<File>) -> Result<HttpResponse, ApiError> {
    let made_at = state.clocks.wall.now();
    // The work goes on where a client has hung up, and so long it has its turn.
    let work = move || archive::pack(files, made_at).map(|packed| (packed, turn));
    let (packed, turn) = web::block(work).await.map_err(anyhow::Error::from)??;
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"export.zip\""))
        .body(Sending::new(Bytes::from(packed), turn)))
}
