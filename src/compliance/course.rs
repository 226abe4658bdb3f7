//! A course's compliance: its sessions, each counted by itself, and those of which anything was heard counted together.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::treatment::{given, last_visit};
use crate::auth::extract::Caller;
use crate::courses::store::{self, Session};
use crate::domain::compliance::{SkipReason, Visit};
use crate::domain::protocol::ProtocolVersion;
use crate::planning::PlanningError;
use crate::protocols::Catalogue;
use crate::recovery::{Recovery, list_recoveries};

/// A session, ready to be counted.
#[derive(Debug)]
pub struct Sat {
    /// Which one.
    pub session: Session,
    /// Its recovery.
    pub recovery: Recovery,
    /// Its pinned version.
    pub version: Arc<ProtocolVersion>,
}

/// A course with all that its report says.
#[derive(Debug)]
pub struct Course {
    /// The course.
    pub id: Uuid,
    /// Whose it is.
    pub patient_id: Uuid,
    /// When it was planned: since then there is anything to count.
    pub created_at: DateTime<Utc>,
    /// Its sessions in order of time, cancelled ones left out.
    pub sessions: Vec<Sat>,
    /// The last time its patient was at the clinic.
    pub visit: Option<Visit>,
    /// Why tasks were skipped, by task.
    pub given: HashMap<Uuid, SkipReason>,
}

/// Reads a course for somebody who may see it: staff of its clinic, or its patient.
pub async fn find_course(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    caller: &Caller,
    id: Uuid,
    at: DateTime<Utc>,
) -> Result<Course, PlanningError> {
    let clinic = caller.clinic_id;
    let course = store::find_course(conn, clinic, id).await?;
    if !caller.role.is_staff() && caller.patient_id != Some(course.patient_id) {
        return Err(PlanningError::NotFound);
    }
    let listed = store::list_sessions(conn, clinic, id).await?;
    let ids: Vec<Uuid> = listed.iter().map(|session| session.id).collect();
    let recoveries = list_recoveries(conn, caller, ids.clone()).await?;
    let mut recoveries: HashMap<Uuid, Recovery> =
        recoveries.into_iter().map(|recovery| (recovery.row.id, recovery)).collect();
    let mut sessions = Vec::with_capacity(listed.len());
    for session in listed {
        let mut recovery = recoveries.remove(&session.id).ok_or(PlanningError::NotFound)?;
        let version = recovery.version(conn, catalogue, clinic).await?;
        sessions.push(Sat { session, recovery, version });
    }
    let visit = last_visit(conn, clinic, course.patient_id, at).await?;
    let given = given(conn, clinic, ids).await?;
    Ok(Course { id, patient_id: course.patient_id, created_at: course.created_at, sessions, visit, given })
}
