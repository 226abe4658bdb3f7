//! Check-ins with all that is said about them: by the one who submits and by those who read them later.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::raise;
pub use super::store::CheckIn;
use super::store::{self, Manner, Position};
use super::submit::SubmitError;
use crate::auth::extract::Caller;
use crate::db::Scope;
use crate::domain::check_in_windows::{self, CheckInWindow, WindowState};
use crate::domain::protocol::ProtocolVersion;
use crate::domain::role::Role;
use crate::escalation::store as escalation;
use crate::flags::store as flags;
pub use crate::flags::store::Flag;
use crate::patients;
use crate::planning::{PlanningError, Tools};
use crate::protocols::{Accepted, Catalogue};
use crate::recovery::{self, Recovery};
use crate::treatments::store::{self as treatments, Treatment};

/// A check-in and the flags that it raised or confirmed, as they are by now.
#[derive(Debug, Clone)]
pub struct Told {
    /// The report.
    pub check_in: CheckIn,
    /// Its flags, the most pressing first.
    pub flags: Vec<Flag>,
    /// The patient entered it, not staff.
    pub by_patient: bool,
    /// Somebody must look now, nobody has, and nobody can be reached.
    pub unreached: bool,
}

/// What the words are taken from.
#[derive(Debug, Clone)]
pub struct Voice {
    /// The pinned protocol version.
    pub version: Arc<ProtocolVersion>,
    /// Unreviewed translations of it that the clinic has accepted.
    pub accepted: Vec<String>,
    /// The clinic's lines and languages.
    pub manner: Manner,
    /// When check-ins are expected.
    pub windows: Vec<CheckInWindow>,
    /// T0 of the treatment.
    pub performed_at: DateTime<Utc>,
    /// Whose it is.
    pub patient_id: Uuid,
}

/// One check-in, ready to be put into words.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What is said.
    pub told: Told,
    /// In which words.
    pub voice: Voice,
}

/// A treatment that the caller may see; any other is not found.
pub(super) async fn visible(conn: &mut AsyncPgConnection, caller: &Caller, id: Uuid) -> Result<Treatment, SubmitError> {
    let treatment = treatments::find_treatment(conn, caller.clinic_id, id).await?;
    match caller.role {
        Role::Patient if caller.patient_id != Some(treatment.patient_id) => Err(PlanningError::NotFound.into()),
        Role::Patient | Role::Clinician | Role::Administrator => Ok(treatment),
    }
}

/// What is answered to one check-in.
pub(super) async fn answer(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    caller: &Caller,
    treatment: &Treatment,
    manner: Manner,
    check_in: CheckIn,
) -> Result<Answer, SubmitError> {
    let mut recovery = recovery::find_recovery(conn, caller, treatment.id).await?;
    let version = recovery.version(conn, tools.catalogue, caller.clinic_id).await?;
    let windows = windows(&recovery, &version);
    let mut told = tell(conn, treatment, vec![check_in]).await?;
    let told = told.pop().ok_or(PlanningError::NotFound)?;
    let accepted = Accepted::by(conn, treatment.clinic_id).await?.of(treatment.protocol_version_id).to_vec();
    let Treatment { performed_at, patient_id, .. } = *treatment;
    Ok(Answer { told, voice: Voice { version, accepted, manner, windows, performed_at, patient_id } })
}

/// A page of a treatment's check-ins, newest first: at most `limit` after `after`.
pub async fn list(
    tools: Tools<'_>,
    caller: &Caller,
    treatment_id: Uuid,
    after: Option<Position>,
    limit: i64,
) -> Result<(Vec<Told>, Voice), SubmitError> {
    tools
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let treatment = visible(conn, caller, treatment_id).await?;
            let voice = voice(conn, tools.catalogue, caller, &treatment).await?;
            let rows = store::list_check_ins(conn, caller.clinic_id, treatment_id, after, limit).await?;
            Ok((tell(conn, &treatment, rows).await?, voice))
        })
        .await
}

/// Those of these check-ins that are the patient's, treatment by treatment, each with its words.
pub async fn list_named(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    caller: &Caller,
    patient_id: Uuid,
    ids: &[Uuid],
) -> Result<Vec<(Vec<Told>, Voice)>, SubmitError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = store::list_named(conn, (caller.clinic_id, patient_id), ids).await?;
    let mut named = Vec::new();
    for rows in rows.chunk_by(|one, other| one.treatment_id == other.treatment_id) {
        let Some(first) = rows.first() else { continue };
        let treatment = visible(conn, caller, first.treatment_id).await?;
        let voice = voice(conn, catalogue, caller, &treatment).await?;
        named.push((tell(conn, &treatment, rows.to_vec()).await?, voice));
    }
    Ok(named)
}

/// In which words a treatment's check-ins are answered.
async fn voice(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    caller: &Caller,
    treatment: &Treatment,
) -> Result<Voice, SubmitError> {
    let manner = store::find_manner(conn, caller.clinic_id, caller.user_id).await?;
    let mut recovery = recovery::find_recovery(conn, caller, treatment.id).await?;
    let version = recovery.version(conn, catalogue, caller.clinic_id).await?;
    let windows = windows(&recovery, &version);
    let accepted = Accepted::by(conn, caller.clinic_id).await?.of(treatment.protocol_version_id).to_vec();
    let Treatment { performed_at, patient_id, .. } = *treatment;
    Ok(Voice { version, accepted, manner, windows, performed_at, patient_id })
}

/// A window in which a check-in is expected, where it stands, and the check-in that answered it.
pub type StandingWindow = (CheckInWindow, WindowState, Option<Uuid>);

/// When a treatment's check-ins are expected, in order of time, and whose they are.
pub async fn list_windows(
    tools: Tools<'_>,
    caller: &Caller,
    treatment_id: Uuid,
) -> Result<(Vec<StandingWindow>, Uuid), SubmitError> {
    let (recovery, version, reports) = tools
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let mut recovery = recovery::find_recovery(conn, caller, treatment_id).await?;
            let version = recovery.version(conn, tools.catalogue, caller.clinic_id).await?;
            let reports = store::list_recorded(conn, caller.clinic_id, treatment_id).await?;
            Ok::<_, SubmitError>((recovery, version, reports))
        })
        .await?;
    let windows = standing_windows(&recovery, &version, &reports, tools.clocks.care.now());
    Ok((windows, recovery.row.patient_id))
}

/// The windows of a treatment, as they stand at `now` after these reports.
pub fn standing_windows(
    recovery: &Recovery,
    version: &ProtocolVersion,
    reports: &[(Uuid, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> Vec<StandingWindow> {
    let at = recovery.judged_at(now);
    let stand = |window: CheckInWindow| {
        let (state, answered_by) = window.stand(reports, at);
        (window, state, answered_by)
    };
    windows(recovery, version).into_iter().map(stand).collect()
}

/// A treatment that has ended asks nothing more.
fn windows(recovery: &Recovery, version: &ProtocolVersion) -> Vec<CheckInWindow> {
    let asked = check_in_windows::windows(&recovery.timeline(version), &recovery.zones, recovery.since());
    asked.into_iter().filter(|window| recovery.row.ended_at.is_none_or(|ended_at| window.open_at < ended_at)).collect()
}

async fn tell(
    conn: &mut AsyncPgConnection,
    treatment: &Treatment,
    check_ins: Vec<CheckIn>,
) -> Result<Vec<Told>, SubmitError> {
    let clinic_id = treatment.clinic_id;
    let patient = patients::store::find_patient(conn, clinic_id, treatment.patient_id).await?;
    let ids: Vec<Uuid> = check_ins.iter().map(|check_in| check_in.id).collect();
    let flags = flags::list_of_check_ins(conn, clinic_id, &ids).await?;
    let of = |id: Uuid| -> Vec<Flag> {
        let mut own: Vec<Flag> =
            flags.iter().filter(|(check_in, _)| *check_in == id).map(|(_, flag)| flag.clone()).collect();
        own.sort_by_key(|flag| std::cmp::Reverse(raise::level(flag)));
        own
    };
    let raised_by: Vec<Uuid> = flags.iter().map(|(_, flag)| flag.check_in_id).collect();
    let unreached = escalation::list_unreached(conn, clinic_id, &raised_by).await?;
    let in_vain = |flag: &Flag| raise::waits_for_somebody(flag) && unreached.contains(&flag.check_in_id);
    Ok(check_ins
        .into_iter()
        .map(|check_in| {
            let flags = of(check_in.id);
            Told {
                by_patient: patient.user_id == Some(check_in.entered_by),
                unreached: flags.iter().any(in_vain),
                flags,
                check_in,
            }
        })
        .collect())
}
