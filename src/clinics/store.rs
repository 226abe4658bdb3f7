//! The SQL of clinics.

use chrono::{DateTime, NaiveTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::clinics;

/// A clinic.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = clinics)]
pub struct Clinic {
    /// Its id.
    pub id: Uuid,
    /// What it calls itself.
    pub name: String,
    /// IANA zone.
    pub time_zone: String,
    /// Language tag.
    pub locale: String,
    /// Key of the protocol that a treatment gets when nobody chooses one.
    pub default_protocol: String,
    /// Local time from which patients are left alone.
    pub quiet_from: NaiveTime,
    /// Local time until which patients are left alone.
    pub quiet_to: NaiveTime,
    /// Share of on-time tasks (basis points) below which a patient asks for attention.
    pub low_compliance_bp: i32,
    /// Whether check-ins are triaged.
    pub triage_enabled: bool,
    /// Whom patients call in an emergency.
    pub emergency_line: Option<String>,
    /// How patients reach the clinic.
    pub contact_line: Option<String>,
    /// Whom patients turn to while the clinic is closed.
    pub out_of_hours_text: Option<String>,
    /// How long an urgent flag waits before all clinicians are told.
    pub escalate_clinicians_minutes: i32,
    /// How long it waits before the administrators are told.
    pub escalate_administrators_minutes: i32,
    /// Whether staff are told of patients who keep to little.
    pub nudge_enabled: bool,
    /// Below this share done at all (basis points).
    pub nudge_below_bp: i32,
    /// Over how many of the patient's last days.
    pub nudge_days: i32,
    /// So many tasks must have closed on them.
    pub nudge_min_tasks: i32,
    /// Whether staff do nothing here without a second factor.
    pub require_second_factor: bool,
    /// For how many years the record of a patient who left is kept.
    pub retention_years: i32,
    /// Made by the demo.
    pub demo: bool,
    /// Counts edits; the strong ETag.
    pub version: i32,
    /// When it was set up (wall clock).
    pub created_at: DateTime<Utc>,
}

/// Writes a new clinic.
pub async fn insert_clinic(conn: &mut AsyncPgConnection, clinic: &Clinic) -> QueryResult<()> {
    diesel::insert_into(clinics::table).values(clinic).execute(conn).await?;
    Ok(())
}

/// One clinic.
pub async fn find_clinic(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Clinic> {
    clinics::table.find(clinic_id).select(Clinic::as_select()).first(conn).await
}

/// One clinic, locked until the transaction ends.
pub async fn lock_clinic(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Clinic> {
    clinics::table.find(clinic_id).for_no_key_update().select(Clinic::as_select()).first(conn).await
}

/// Writes what an edit changed.
pub async fn update_clinic(conn: &mut AsyncPgConnection, clinic_id: Uuid, clinic: &Clinic) -> QueryResult<()> {
    diesel::update(clinics::table.find(clinic_id))
        .set((
            clinics::name.eq(&clinic.name),
            clinics::time_zone.eq(&clinic.time_zone),
            clinics::locale.eq(&clinic.locale),
            clinics::default_protocol.eq(&clinic.default_protocol),
            clinics::quiet_from.eq(clinic.quiet_from),
            clinics::quiet_to.eq(clinic.quiet_to),
            clinics::low_compliance_bp.eq(clinic.low_compliance_bp),
            clinics::triage_enabled.eq(clinic.triage_enabled),
            clinics::emergency_line.eq(&clinic.emergency_line),
            clinics::contact_line.eq(&clinic.contact_line),
            clinics::out_of_hours_text.eq(&clinic.out_of_hours_text),
            clinics::escalate_clinicians_minutes.eq(clinic.escalate_clinicians_minutes),
            clinics::escalate_administrators_minutes.eq(clinic.escalate_administrators_minutes),
            clinics::nudge_enabled.eq(clinic.nudge_enabled),
            clinics::nudge_below_bp.eq(clinic.nudge_below_bp),
            clinics::nudge_days.eq(clinic.nudge_days),
            clinics::nudge_min_tasks.eq(clinic.nudge_min_tasks),
            clinics::require_second_factor.eq(clinic.require_second_factor),
            clinics::retention_years.eq(clinic.retention_years),
            clinics::version.eq(clinic.version),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
