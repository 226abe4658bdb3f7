//! The course that a treatment is a session of: the one that is named, else the patient's open one of that area.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::plan::NewTreatment;
use super::refusal::TreatmentError;
use super::store::Treatment;
pub(super) use crate::courses::store as sessions;
use crate::courses::store::Course;

/// The most sessions that a course may have.
const MOST_SESSIONS: i32 = 12;

const fn unfit(detail: &'static str) -> TreatmentError {
    TreatmentError::Invalid { pointer: "/course_id", detail }
}

/// The course that a treatment about to be registered joins, if any. `open_courses`: the areas of which the patient has one.
pub(super) async fn find_course(
    conn: &AsyncPgConnection,
    new: &NewTreatment,
    clinic_id: Uuid,
    open_courses: &[String],
) -> Result<Option<Course>, TreatmentError> {
    let (patient_id, area) = (new.patient_id, new.details.area.as_str());
    let Some(id) = new.details.course_id else {
        if !open_courses.iter().any(|open| open == area) {
            return Ok(None);
        }
        let open = sessions::find_open(conn, clinic_id, patient_id, area).await?;
        return Ok(open.filter(|(_, taken)| *taken < MOST_SESSIONS).map(|(course, _)| course));
    };
    Ok(Some(named(conn, clinic_id, id, patient_id, area).await?))
}

/// Whether an edited treatment fits its course. One that stays in it may do so after the course has ended.
pub(super) async fn check_course(
    conn: &mut AsyncPgConnection,
    after: &Treatment,
    before: Option<Uuid>,
) -> Result<(), TreatmentError> {
    match after.course_id {
        None => Ok(()),
        Some(id) if before == Some(id) => {
            let course = sessions::find_course(conn, after.clinic_id, id).await?;
            let detail = "is not the area of its course; send leave_course if it belongs to none";
            if course.area == after.area { Ok(()) } else { Err(TreatmentError::Invalid { pointer: "/area", detail }) }
        }
        Some(id) => named(conn, after.clinic_id, id, after.patient_id, &after.area).await.map(drop),
    }
}

async fn named(
    conn: &AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
    patient_id: Uuid,
    area: &str,
) -> Result<Course, TreatmentError> {
    let found = sessions::find_with_sessions(conn, clinic_id, id).await?;
    let (course, taken) = found
        .filter(|(course, _)| course.patient_id == patient_id)
        .ok_or_else(|| unfit("is no course of this patient"))?;
    if course.ended_at.is_some() {
        Err(unfit("names a course that was completed or cancelled"))
    } else if course.area != area {
        Err(unfit("names a course of another area"))
    } else if taken >= MOST_SESSIONS {
        Err(unfit("names a course that has its twelve sessions"))
    } else {
        Ok(course)
    }
}
