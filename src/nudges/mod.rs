//! Nudges: staff are told of patients who keep to little of what was asked. A worker goes through each clinic's patients
//! once a day, at the end of its quiet hours, some of them in each transaction, and keeps how far it has come: whoever
//! dies, the next one goes on from there. What is decided is `domain/nudge.rs`; what is owed is an alert like any other.

mod act;
pub mod routes;
pub mod store;

use std::collections::HashMap;

use chrono::{DateTime, Days, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::alerts::queue::{self, Owed, PlannedState, Recipient, RecipientKind};
use crate::clock::Clocks;
use crate::domain::compliance::{Compliance, sum};
use crate::domain::escalation::Step;
use crate::domain::local_time::ZoneHistory;
use crate::domain::nudge::{ALERT_CATEGORY, Ending, Figures, Verdict, alert_key, decide};
use crate::domain::preferences::day_time;
use crate::domain::reminders::QuietHours;
use crate::escalation::store as staff;
use crate::planning::PlanningError;
use crate::protocols::{Catalogue, CatalogueError};
use crate::recovery::{Recovery, list_for_clinic};
use store::{ClinicRow, Nudge, PatientRow};

/// Patients that are looked at in one transaction.
const PAGE: i64 = 100;
/// How long such a message is worth sending: a weekend may lie between.
const LASTS: TimeDelta = TimeDelta::days(3);

/// What an alert says it is about.
pub fn subject(nudge: Uuid) -> String {
    format!("nudge:{nudge}")
}

/// Goes on with a round that is due at `now`; `false` if there is none. In a transaction of its own.
pub async fn step(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> anyhow::Result<bool> {
    let Some((clinic_id, after)) = store::lock_due(conn, now).await? else { return Ok(false) };
    let clinic = store::find_clinic(conn, clinic_id).await?;
    let (quiet, zones) = hours(&clinic);
    let patients = store::list_patients(conn, clinic_id, after.unwrap_or_else(Uuid::nil), PAGE).await?;
    let Some(last) = patients.last().map(|patient| patient.patient_id) else {
        for nudge in store::end_without_treatment(conn, clinic_id, now).await? {
            withdraw(conn, &nudge, now).await?;
        }
        store::update_round(conn, clinic_id, quiet.next_end(&zones, now), None).await?;
        return Ok(true);
    };
    let treatments = patients.iter().map(|patient| patient.treatment_id).collect();
    let recoveries = list_for_clinic(conn, clinic_id, treatments).await?;
    let mut recoveries: HashMap<Uuid, Recovery> =
        recoveries.into_iter().map(|recovery| (recovery.row.id, recovery)).collect();
    for patient in &patients {
        let Some(recovery) = recoveries.get_mut(&patient.treatment_id) else { continue };
        let version = match recovery.version(conn, catalogue, clinic_id).await {
            Ok(version) => version,
            Err(PlanningError::Db(error) | PlanningError::Protocol(CatalogueError::Db(error))) => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::error!(treatment = %patient.treatment_id, %error, "what a treatment follows cannot be read");
                continue;
            }
        };
        let laid = recovery.timeline(&version);
        let window = window(recovery, &recovery.judged(&laid.tasks, now), clinic.figures(), now);
        match decide(clinic.figures(), &window, recovery.reported(), patient.last(), now) {
            Verdict::Raise { completion_bp } => {
                let due_at = quiet.after(&zones, now);
                raise(conn, clocks, &clinic, patient, (completion_bp, window.counts.closed), now, due_at).await?;
            }
            Verdict::End(ending) => end(conn, clinic_id, patient, ending, now).await?,
            Verdict::Leave => {}
        }
    }
    store::update_round(conn, clinic_id, now, Some(last)).await?;
    Ok(true)
}

/// Gives clinics that have none their first round: at the next end of their quiet hours.
pub async fn schedule(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> anyhow::Result<()> {
    for clinic in store::list_unscheduled(conn).await? {
        let (quiet, zones) = hours(&clinic);
        store::insert_round(conn, clinic.id, quiet.next_end(&zones, now)).await?;
    }
    Ok(())
}

/// Leaves rounds that are due at `now` to the next end of each clinic's quiet hours: they may have been made, by a server
/// whose memory is lost. Returns how many those were.
pub async fn put_off_due(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> diesel::QueryResult<usize> {
    let mut put_off = 0;
    while let Some((clinic_id, _)) = store::lock_due(conn, now).await? {
        let (quiet, zones) = hours(&store::find_clinic(conn, clinic_id).await?);
        store::update_round(conn, clinic_id, quiet.next_end(&zones, now), None).await?;
        put_off += 1;
    }
    Ok(put_off)
}

/// When the clinic is quiet, by its own clock; by that of Greenwich where its zone has left the tables.
fn hours(clinic: &ClinicRow) -> (QuietHours, ZoneHistory) {
    let zone = clinic.time_zone.parse().unwrap_or_else(|_| {
        tracing::error!(clinic = %clinic.id, "the clinic's time zone is unknown");
        chrono_tz::UTC
    });
    let quiet = QuietHours { from: day_time(clinic.quiet_from), to: day_time(clinic.quiet_to) };
    (quiet, ZoneHistory::fixed(zone))
}

/// What closed on the days that count.
fn window(
    recovery: &Recovery,
    judged: &[crate::domain::compliance::Judged<'_, '_>],
    figures: Figures,
    now: DateTime<Utc>,
) -> Compliance {
    let today = recovery.zones.date(now);
    let from = today - Days::new(u64::try_from(figures.days - 1).unwrap_or(0));
    sum(judged.iter().filter(|judged| (from..=today).contains(&judged.task.local_date)))
}

async fn raise(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    clinic: &ClinicRow,
    patient: &PatientRow,
    (completion_bp, closed_tasks): (i64, i64),
    now: DateTime<Utc>,
    due_at: DateTime<Utc>,
) -> anyhow::Result<()> {
    let figures = clinic.figures();
    let nudge = Nudge {
        clinic_id: clinic.id,
        id: clocks.fresh_id(),
        patient_id: patient.patient_id,
        treatment_id: patient.treatment_id,
        raised_at: now,
        completion_bp: i32::try_from(completion_bp)?,
        below_bp: i32::try_from(figures.below_bp)?,
        days: figures.days,
        closed_tasks,
        ended_at: None,
        ended_as: None,
        ended_by: None,
    };
    if !store::insert_nudge(conn, &nudge).await? {
        return Ok(());
    }
    let colleagues = staff::list_staff(conn, clinic.id, patient.treatment_id).await?;
    for colleague in Step::Treating.audience(&colleagues) {
        let to = Recipient { clinic_id: clinic.id, kind: RecipientKind::Member, id: colleague.membership_id };
        queue::enqueue(conn, to, &owed(&nudge, due_at), now).await?;
    }
    Ok(())
}

async fn end(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient: &PatientRow,
    ending: Ending,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    if let Some(nudge) = store::end_live(conn, clinic_id, patient.patient_id, ending, now).await? {
        withdraw(conn, &nudge, now).await?;
    }
    Ok(())
}

/// What is still owed about a nudge is owed no more.
async fn withdraw(conn: &mut AsyncPgConnection, nudge: &Nudge, now: DateTime<Utc>) -> diesel::QueryResult<()> {
    queue::cancel_seen(conn, nudge.clinic_id, nudge.patient_id, vec![alert_key(nudge.id)], now).await?;
    Ok(())
}

fn owed(nudge: &Nudge, due_at: DateTime<Utc>) -> Owed {
    Owed {
        dedupe_key: alert_key(nudge.id),
        category: ALERT_CATEGORY,
        urgent: false,
        treatment_id: Some(nudge.treatment_id),
        flag_id: None,
        device_id: None,
        protocol_version_id: None,
        item_key: Some(subject(nudge.id)),
        day_index: None,
        seq: None,
        due_at,
        expires_at: due_at + LASTS,
        state: PlannedState::Scheduled,
    }
}
