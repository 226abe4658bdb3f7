//! Who keeps to it, over HTTP: of one treatment, of the treatment a patient is recovering from, of a course and of the
//! whole clinic.

mod download;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::clinic::{self, Clinic};
use super::clinic_view::{ClinicComplianceView, ItemView};
use super::course::{self, Course};
use super::treatment::Ground;
use super::view::{CourseReportView, ReportView, SessionCompliance};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, Staff};
use crate::db::Scope;
use crate::domain::compliance::{by_item, by_week, depth, sum};
use crate::error::ApiError;
use crate::language::{FALLBACK, Wanted};
use crate::planning::PlanningError;
use crate::preconditions::{IfNoneMatch, computed_answer};
use crate::protocols::words;
use crate::recovery::compliance_view::ComplianceView;
use crate::recovery::{find_current, find_known_since, find_recovery};

pub use download::{
    download_clinic_compliance, download_course_compliance, download_patient_compliance, download_treatment_compliance,
};

/// What a look at figures is recorded as.
const READ: &str = "compliance.read";

/// `GET /v1/treatments/{id}/compliance`
pub async fn find_treatment_compliance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    let ground = of_treatment(&state, &caller, *path, now, READ).await?;
    with_report(&ground, now, |report| computed_answer(&known, FALLBACK, &report))
}

/// `GET /v1/patients/{id}/compliance`
pub async fn find_patient_compliance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    match of_patient(&state, &caller, *path, now, READ).await? {
        Ok(ground) => with_report(&ground, now, |report| computed_answer(&known, FALLBACK, &report)),
        Err(since) => computed_answer(&known, FALLBACK, &ReportView::nothing(since)),
    }
}

/// `GET /v1/courses/{id}/compliance`
pub async fn find_course_compliance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    let course = of_course(&state, &caller, *path, now, READ).await?;
    with_course(&course, now, |report| computed_answer(&known, FALLBACK, &report))
}

/// `GET /v1/clinic/compliance`
pub async fn find_clinic_compliance(
    state: Data<State>,
    Staff(caller): Staff,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let clinic = of_clinic(&state, &caller, READ).await?;
    let locales: Vec<&str> = clinic.locales.iter().map(String::as_str).collect();
    let mut language = FALLBACK;
    let items = clinic.by_item.iter().map(|item| {
        let texts = words(&item.version, &item.accepted_locales, &wanted, &locales);
        language = &texts.locale;
        let title = item.version.item_text(texts, &item.item_key).map_or("", |text| text.title.as_str());
        ItemView::new(item.version.key(), &item.item_key, title, item.compliance)
    });
    let view = ClinicComplianceView::new(&clinic, items.collect());
    computed_answer(&known, language, &view)
}

async fn of_treatment(
    state: &State,
    caller: &Caller,
    id: Uuid,
    at: DateTime<Utc>,
    action: &'static str,
) -> Result<Ground, ApiError> {
    let find = async |conn: &mut AsyncPgConnection| {
        let recovery = find_recovery(conn, caller, id).await?;
        Ground::of(conn, &state.protocols, caller.clinic_id, recovery, at).await
    };
    let ground = state.db.scoped(Scope::Clinic(caller.clinic_id), find).await?;
    let entry = Entry::by(caller, action, "treatment", id).about(ground.recovery.row.patient_id);
    state.reads.note(entry).await?;
    Ok(ground)
}

/// What a patient recovers from, or since when somebody is known who was never treated.
async fn of_patient(
    state: &State,
    caller: &Caller,
    id: Uuid,
    at: DateTime<Utc>,
    action: &'static str,
) -> Result<Result<Ground, DateTime<Utc>>, ApiError> {
    if !caller.role.is_staff() && caller.patient_id != Some(id) {
        return Err(ApiError::NotFound);
    }
    let find = async |conn: &mut AsyncPgConnection| {
        let Some(recovery) = find_current(conn, caller, id).await? else {
            return Ok::<_, PlanningError>(Err(find_known_since(conn, caller, id).await?));
        };
        Ground::of(conn, &state.protocols, caller.clinic_id, recovery, at).await.map(Ok)
    };
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), find).await?;
    state.reads.note(Entry::by(caller, action, "patient", id).about(id)).await?;
    Ok(found)
}

async fn of_course(
    state: &State,
    caller: &Caller,
    id: Uuid,
    at: DateTime<Utc>,
    action: &'static str,
) -> Result<Course, ApiError> {
    let find = async |conn: &mut AsyncPgConnection| course::find_course(conn, &state.protocols, caller, id, at).await;
    let course = state.db.scoped(Scope::Clinic(caller.clinic_id), find).await?;
    state.reads.note(Entry::by(caller, action, "course", id).about(course.patient_id)).await?;
    Ok(course)
}

async fn of_clinic(state: &State, caller: &Caller, action: &'static str) -> Result<Clinic, ApiError> {
    state.reads.note(Entry::of_list(caller, action, None)).await?;
    let now = state.clocks.care.now();
    let count = async |conn: &mut AsyncPgConnection| clinic::count(conn, &state.protocols, caller, now).await;
    Ok(state.db.scoped(Scope::Clinic(caller.clinic_id), count).await?)
}

/// The report on a treatment, for whoever puts it into a form.
fn with_report<T>(ground: &Ground, at: DateTime<Utc>, show: impl FnOnce(ReportView<'_>) -> T) -> T {
    let Ground { recovery, version, visit, given } = ground;
    let laid = recovery.timeline(version);
    let judged = recovery.judged(&laid.tasks, at);
    let today = recovery.zones.date(recovery.judged_at(at));
    let mut weeks = by_week(&judged, recovery.row.anchor_on);
    if !recovery.reported() {
        weeks.iter_mut().for_each(|week| week.compliance.silence());
    }
    let depth = depth(&judged, today, recovery.reported(), *visit, given);
    show(ReportView::new(recovery, recovery.report(&laid.tasks, at), weeks, depth))
}

/// The report on a course: sessions of which nothing was heard are shown, and enter nothing else.
fn with_course<T>(course: &Course, at: DateTime<Utc>, show: impl FnOnce(CourseReportView<'_>) -> T) -> T {
    let laid: Vec<_> = course.sessions.iter().map(|sat| (sat, sat.recovery.timeline(&sat.version))).collect();
    let mut heard = Vec::new();
    let mut by_session = Vec::with_capacity(laid.len());
    for (sat, timeline) in &laid {
        let (recovery, judged) = (&sat.recovery, sat.recovery.judged(&timeline.tasks, at));
        let mut compliance = sum(&judged);
        if recovery.reported() {
            heard.extend(judged);
        } else {
            compliance.silence();
        }
        by_session.push(SessionCompliance {
            treatment_id: sat.session.id,
            session_number: sat.session.session_number,
            performed_at: sat.session.performed_at,
            compliance: ComplianceView::new(recovery.reported(), compliance, recovery.since()),
        });
    }
    let reported = course.sessions.iter().any(|sat| sat.recovery.reported());
    let since = course.sessions.first().map_or(course.created_at, |sat| sat.recovery.since());
    let today = course.sessions.last().map_or_else(|| at.date_naive(), |sat| sat.recovery.zones.date(at));
    let last_7_days = heard.iter().filter(|judged| {
        let age = (today - judged.task.local_date).num_days();
        (0..7).contains(&age)
    });
    show(CourseReportView {
        course_id: course.id,
        to_date: ComplianceView::new(reported, sum(&heard), since),
        last_7_days: sum(last_7_days),
        by_session,
        by_item: by_item(&heard),
        depth: depth(&heard, today, reported, course.visit, &course.given),
    })
}
