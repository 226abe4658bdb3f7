//! Appointments over HTTP: staff set, move and cancel them; patients read their own.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, HttpResponseBuilder};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use uuid::Uuid;

use super::change::{self, AppointmentError, Change, MOST};
use super::fields::{CreateAppointment, UpdateAppointment};
use super::store::{self, Appointment, Filter};
use super::view::AppointmentView;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, Staff};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::role::Role;
use crate::error::{ApiError, Conflict};
use crate::paging::{At, InTime, Page};
use crate::preconditions::{IfMatch, version_header};
use crate::query::{Query, instant};

impl From<AppointmentError> for ApiError {
    fn from(error: AppointmentError) -> Self {
        match error {
            AppointmentError::IdTaken => {
                Self::conflict(Conflict::IdTaken, "Another appointment has this id: choose a fresh one.")
            }
            AppointmentError::Cancelled => {
                Self::conflict(Conflict::State, "The appointment was cancelled: set another one.")
            }
            AppointmentError::TooMany => Self::conflict(
                Conflict::State,
                format!("The patient has had {MOST} appointments: move one that is set."),
            ),
            AppointmentError::Changed => Self::PreconditionFailed,
            AppointmentError::Invalid { pointer, detail } => Self::invalid(pointer, detail),
            AppointmentError::Planning(error) => error.into(),
        }
    }
}

/// `POST /v1/appointments`
pub async fn create_appointment(
    state: Data<State>,
    Staff(caller): Staff,
    body: Body<CreateAppointment>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let new = body.value.read(&mut faults, state.clocks.fresh_id());
    faults.finish()?;
    let appointment = change::create(state.tools(), &caller, new).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, format!("/v1/appointments/{}", appointment.id)));
    Ok(answer(response, appointment))
}

/// `GET /v1/appointments/{id}`
pub async fn find_appointment(state: Data<State>, caller: Caller, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let found = load(&state, &caller, *path).await?;
    state.reads.note(Entry::by(&caller, "appointment.read", "appointment", *path).about(found.patient_id)).await?;
    Ok(answer(HttpResponse::Ok(), found))
}

/// Query of [`list_appointments`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListAppointments {
    patient_id: Option<Uuid>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /v1/appointments`
pub async fn list_appointments(
    state: Data<State>,
    caller: Caller,
    query: Query<ListAppointments>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let mut faults = Faults::default();
    let mut read = |name: &str, text: Option<&str>| text.and_then(|text| faults.parsed(name, instant(text)));
    let (from, to) = (read("from", query.from.as_deref()), read("to", query.to.as_deref()));
    faults.finish()?;
    let patient_id = match caller.role {
        Role::Patient => Some(caller.patient_id.unwrap_or_default()),
        Role::Clinician | Role::Administrator => query.patient_id,
    };
    state.reads.note(Entry::of_list(&caller, "appointment.read", patient_id)).await?;
    let filter = Filter { patient_id, from, to };
    let list = async |conn: &mut AsyncPgConnection| {
        let rows = store::list_appointments(conn, caller.clinic_id, filter, page.after_time(), page.fetch());
        Ok::<_, ApiError>(rows.await?)
    };
    let rows = state.db.scoped(Scope::Clinic(caller.clinic_id), list).await?;
    let list = page.cut(rows, |row| (At(row.starts_at), row.id)).map(AppointmentView::from);
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

/// `PATCH /v1/appointments/{id}`
pub async fn update_appointment(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
    seen: IfMatch,
    body: Body<UpdateAppointment>,
) -> Result<HttpResponse, ApiError> {
    let before = load(&state, &caller, *path).await?;
    seen.require(before.version)?;
    let mut faults = Faults::default();
    let edits = body.value.read(&mut faults);
    faults.finish()?;
    let seen = |version| version == before.version;
    let appointment = change::change(state.tools(), &caller, before.id, seen, Change::Edit(edits)).await?;
    Ok(answer(HttpResponse::Ok(), appointment))
}

/// `DELETE /v1/appointments/{id}`
pub async fn cancel_appointment(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    change::change(state.tools(), &caller, *path, |_| true, Change::Cancel).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}

/// An appointment that the caller may see; any other is not found.
async fn load(state: &State, caller: &Caller, id: Uuid) -> Result<Appointment, ApiError> {
    let find = async |conn: &mut AsyncPgConnection| {
        Ok::<_, ApiError>(store::find_appointment(conn, caller.clinic_id, id).await?)
    };
    let appointment = state.db.scoped(Scope::Clinic(caller.clinic_id), find).await?;
    let own = caller.patient_id == Some(appointment.patient_id);
    if own || caller.role.is_staff() { Ok(appointment) } else { Err(ApiError::NotFound) }
}

fn answer(mut response: HttpResponseBuilder, appointment: Appointment) -> HttpResponse {
    response.insert_header(version_header(appointment.version)).insert_header((header::CACHE_CONTROL, "no-store"));
    response.json(AppointmentView::from(appointment))
}
