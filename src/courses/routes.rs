//! Courses over HTTP: staff plan, edit and end them; patients read their own.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, HttpResponseBuilder};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use uuid::Uuid;

use super::change::{self, Change, CourseError};
use super::fields::{CreateCourse, UpdateCourse};
use super::store::{self, CourseRow, Filter};
use super::view::{CourseView, SessionView};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, Staff};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::role::Role;
use crate::error::{ApiError, Conflict};
use crate::paging::{At, InTime, Page};
use crate::preconditions::{IfMatch, version_header};
use crate::query::Query;
use crate::recovery::compliance_view::ComplianceView;
use crate::recovery::list_recoveries;

impl From<CourseError> for ApiError {
    fn from(error: CourseError) -> Self {
        match error {
            CourseError::IdTaken => {
                Self::conflict(Conflict::IdTaken, "Another course has this id: choose a fresh one.")
            }
            CourseError::OpenThere => Self::conflict(
                Conflict::State,
                "The patient has an open course of this area: complete or cancel it before another one is planned.",
            ),
            CourseError::TooMany => Self::conflict(
                Conflict::State,
                format!("The patient has had {} courses: edit the one that is open.", change::MOST),
            ),
            CourseError::Ended => Self::conflict(Conflict::State, "The course was completed or cancelled."),
            CourseError::Changed => Self::PreconditionFailed,
            CourseError::Invalid { pointer, detail } => Self::invalid(pointer, detail),
            CourseError::Planning(error) => error.into(),
        }
    }
}

/// `POST /v1/courses`
pub async fn create_course(
    state: Data<State>,
    Staff(caller): Staff,
    body: Body<CreateCourse>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let new = body.value.read(&mut faults, state.clocks.fresh_id());
    faults.finish()?;
    let id = change::create(state.tools(), &caller, new).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/v1/courses/{id}")));
    respond(&state, &caller, answer, id).await
}

/// `GET /v1/courses/{id}`
pub async fn find_course(state: Data<State>, caller: Caller, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let (patient_id, answer) = found(&state, &caller, HttpResponse::Ok(), *path).await?;
    state.reads.note(Entry::by(&caller, "course.read", "course", *path).about(patient_id)).await?;
    Ok(answer)
}

/// Query of [`list_courses`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListCourses {
    patient_id: Option<Uuid>,
    open: Option<bool>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /v1/courses`
pub async fn list_courses(
    state: Data<State>,
    caller: Caller,
    query: Query<ListCourses>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let patient_id = match caller.role {
        Role::Patient => Some(caller.patient_id.unwrap_or_default()),
        Role::Clinician | Role::Administrator => query.patient_id,
    };
    state.reads.note(Entry::of_list(&caller, "course.read", patient_id)).await?;
    let (now, filter) = (state.clocks.care.now(), Filter { patient_id, open: query.open });
    let list = async |conn: &mut AsyncPgConnection| {
        let rows = store::list_rows(conn, caller.clinic_id, filter, now, page.after_time(), page.fetch());
        Ok::<_, ApiError>(rows.await?)
    };
    let rows = state.db.scoped(Scope::Clinic(caller.clinic_id), list).await?;
    let list = page.cut(rows, |row| (At(row.created_at), row.id));
    let list = list.map(|row| CourseView::new(row, None, now, caller.role.is_staff()));
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

/// `PATCH /v1/courses/{id}`
pub async fn update_course(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
    seen: IfMatch,
    body: Body<UpdateCourse>,
) -> Result<HttpResponse, ApiError> {
    let before = load(&state, &caller, *path).await?;
    seen.require(before.version)?;
    let mut faults = Faults::default();
    let edits = body.value.read(&mut faults);
    faults.finish()?;
    let seen = |version| version == before.version;
    change::change(state.tools(), &caller, before.id, seen, Change::Edit(edits)).await?;
    respond(&state, &caller, HttpResponse::Ok(), before.id).await
}

/// `DELETE /v1/courses/{id}`
pub async fn cancel_course(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    change::change(state.tools(), &caller, *path, |_| true, Change::Cancel).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}

/// `POST /v1/courses/{id}/complete`
pub async fn complete_course(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    change::change(state.tools(), &caller, *path, |_| true, Change::Complete).await?;
    respond(&state, &caller, HttpResponse::Ok(), *path).await
}

/// A course that the caller may see; any other is not found.
async fn load(state: &State, caller: &Caller, id: Uuid) -> Result<CourseRow, ApiError> {
    let find = async |conn: &mut AsyncPgConnection| find(state, conn, caller, id).await;
    state.db.scoped(Scope::Clinic(caller.clinic_id), find).await
}

async fn find(state: &State, conn: &mut AsyncPgConnection, caller: &Caller, id: Uuid) -> Result<CourseRow, ApiError> {
    let row = store::find_row(conn, caller.clinic_id, id, state.clocks.care.now()).await?;
    let own = caller.patient_id == Some(row.patient_id);
    if own || caller.role.is_staff() { Ok(row) } else { Err(ApiError::NotFound) }
}

async fn respond(
    state: &State,
    caller: &Caller,
    answer: HttpResponseBuilder,
    id: Uuid,
) -> Result<HttpResponse, ApiError> {
    Ok(found(state, caller, answer, id).await?.1)
}

/// A course with its sessions, and whose it is.
async fn found(
    state: &State,
    caller: &Caller,
    mut answer: HttpResponseBuilder,
    id: Uuid,
) -> Result<(Uuid, HttpResponse), ApiError> {
    let now = state.clocks.care.now();
    let read = async |conn: &mut AsyncPgConnection| {
        let row = find(state, conn, caller, id).await?;
        let mut sessions = Vec::new();
        let listed = store::list_sessions(conn, caller.clinic_id, id).await?;
        let mut recoveries = list_recoveries(conn, caller, listed.iter().map(|session| session.id).collect()).await?;
        for session in listed {
            let recovery =
                recoveries.iter_mut().find(|recovery| recovery.row.id == session.id).ok_or(ApiError::NotFound)?;
            let version = recovery.version(conn, &state.protocols, caller.clinic_id).await?;
            let report = recovery.report(&recovery.timeline(&version).tasks, now);
            let compliance = ComplianceView::new(recovery.reported(), report.to_date, recovery.since());
            sessions.push(SessionView::new(session, compliance));
        }
        Ok::<_, ApiError>((row, sessions))
    };
    let (row, sessions) = state.db.scoped(Scope::Clinic(caller.clinic_id), read).await?;
    answer.insert_header(version_header(row.version)).insert_header((header::CACHE_CONTROL, "no-store"));
    Ok((row.patient_id, answer.json(CourseView::new(row, Some(sessions), now, caller.role.is_staff()))))
}
