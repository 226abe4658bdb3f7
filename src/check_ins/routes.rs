//! Check-ins over HTTP: taking one, listing a treatment's.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use uuid::Uuid;

use super::fields::CheckInFields;
use super::read::{self, Answer, Voice};
use super::submit::{self, MOST, SubmitError};
use super::view::{CheckInView, WindowView};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::Caller;
use crate::body::{Body, Faults};
use crate::domain::protocol::Texts;
use crate::error::{ApiError, Conflict};
use crate::language::{Wanted, content_language};
use crate::paging::{At, InTime, List, Page, PageQuery};
use crate::protocols::words;
use crate::query::Query;

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::IdTaken => {
                Self::conflict(Conflict::IdTaken, "Another check-in has this id: choose a fresh one.")
            }
            SubmitError::Cancelled => Self::conflict(
                Conflict::State,
                "The treatment was cancelled, so nobody would look at this check-in: call the clinic.",
            ),
            SubmitError::TooMany => {
                let detail = format!("The treatment has {MOST} check-ins: nobody could read more. Call the clinic.");
                Self::conflict(Conflict::State, detail)
            }
            SubmitError::TooEarly => Self::invalid("/recorded_at", "lies before the treatment"),
            SubmitError::Planning(error) => error.into(),
        }
    }
}

/// `POST /v1/treatments/{id}/check-ins`
pub async fn create_check_in(
    state: Data<State>,
    caller: Caller,
    wanted: Wanted,
    treatment: Path<Uuid>,
    body: Body<CheckInFields>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let new = body.value.read(&mut faults, state.clocks.care.now(), state.clocks.fresh_id());
    faults.finish()?;
    let Answer { told, voice } = submit::submit(state.tools(), &caller, *treatment, new).await?;
    let texts = texts(&voice, &wanted);
    let view = CheckInView::new(told, &voice, texts, caller.role.is_staff());
    Ok(answer(HttpResponse::Created(), texts, &view))
}

/// `GET /v1/treatments/{id}/check-ins`
pub async fn list_check_ins(
    state: Data<State>,
    caller: Caller,
    wanted: Wanted,
    treatment: Path<Uuid>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let (told, voice) = read::list(state.tools(), &caller, *treatment, page.after_time(), page.fetch()).await?;
    let entry = Entry::by(&caller, "check_in.read", "treatment", *treatment).about(voice.patient_id);
    state.reads.note(entry).await?;
    let list = page.cut(told, |told| (At(told.check_in.recorded_at), told.check_in.id));
    let texts = texts(&voice, &wanted);
    let list = list.map(|told| CheckInView::new(told, &voice, texts, caller.role.is_staff()));
    Ok(answer(HttpResponse::Ok(), texts, &list))
}

/// `GET /v1/treatments/{id}/check-ins/windows`
pub async fn list_check_in_windows(
    state: Data<State>,
    caller: Caller,
    treatment: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let (windows, patient_id) = read::list_windows(state.tools(), &caller, *treatment).await?;
    state.reads.note(Entry::by(&caller, "check_in.read", "treatment", *treatment).about(patient_id)).await?;
    let list = List::whole(windows.into_iter().map(WindowView::new).collect());
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

fn texts<'v>(voice: &'v Voice, wanted: &Wanted) -> &'v Texts {
    let manner = &voice.manner;
    words(&voice.version, &voice.accepted, wanted, &[&manner.user_locale, &manner.clinic_locale])
}

fn answer(mut response: HttpResponseBuilder, texts: &Texts, body: &impl Serialize) -> HttpResponse {
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    for header in content_language(&texts.locale) {
        response.insert_header(header);
    }
    response.json(body)
}
