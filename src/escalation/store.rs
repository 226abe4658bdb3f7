//! SQL over `escalations`, and what a step must know of the flag, the clinic and its staff. The clinic is always the first
//! thing asked for; only who looks for what is due asks across clinics.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Int4, Int8, Nullable, Text, Time, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::domain::escalation::{Colleague, Figures, Move};
use crate::domain::local_time::ZoneHistory;
use crate::domain::preferences::day_time;
use crate::domain::reminders::QuietHours;
use crate::schema::{escalations, flags};

/// A flag that waits, as far as its escalation asks.
#[derive(Debug, Clone, Queryable)]
pub struct Situation {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The flag.
    pub flag_id: Uuid,
    /// The treatment it is about.
    pub treatment_id: Uuid,
    /// Whose it is.
    pub patient_id: Uuid,
    /// How often it was opened.
    pub opening: i32,
    /// Something urgent that the same check-in raised has not been seen.
    pub waits: bool,
    /// The patient can be told something.
    pub patient_has_login: bool,
    clinicians_minutes: i32,
    administrators_minutes: i32,
    time_zone: String,
    quiet_from: NaiveTime,
    quiet_to: NaiveTime,
}

impl Situation {
    /// The clinic's figures as they are now.
    pub fn figures(&self) -> Figures {
        let minutes = |minutes: i32| TimeDelta::minutes(i64::from(minutes));
        Figures { clinicians: minutes(self.clinicians_minutes), administrators: minutes(self.administrators_minutes) }
    }

    /// `now`, or the end of the clinic's quiet hours by the clinic's clock.
    pub fn waking(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let quiet = QuietHours { from: day_time(self.quiet_from), to: day_time(self.quiet_to) };
        // A zone that this build does not know keeps nobody waiting.
        self.time_zone.parse().map_or(now, |zone| quiet.after(&ZoneHistory::fixed(zone), now))
    }
}

hot_query! {
    struct FindSituation {
        clinic: Uuid as SqlUuid,
        flag: Uuid as SqlUuid,
    }
    returns (SqlUuid, SqlUuid, SqlUuid, SqlUuid, Int4, Bool, Bool, Int4, Int4, Text, Time, Time);
    "SELECT f.clinic_id, f.id, f.treatment_id, f.patient_id, f.opening,
            EXISTS (SELECT 1 FROM flags AS other
                     WHERE other.clinic_id = f.clinic_id AND other.check_in_id = f.check_in_id
                       AND other.status = 'open' AND other.level IN ('urgent', 'emergency')),
            p.user_id IS NOT NULL, c.escalate_clinicians_minutes, c.escalate_administrators_minutes,
            c.time_zone, c.quiet_from, c.quiet_to
       FROM flags AS f
       JOIN clinics AS c ON c.id = f.clinic_id
       JOIN patients AS p ON p.clinic_id = f.clinic_id AND p.id = f.patient_id
      WHERE f.clinic_id = $1 AND f.id = $2"
}

/// What a step must know of a flag.
pub async fn find_situation(conn: &mut AsyncPgConnection, clinic: Uuid, flag: Uuid) -> QueryResult<Situation> {
    FindSituation { clinic, flag }.get_result(conn).await
}

hot_query! {
    struct ListStaff {
        clinic: Uuid as SqlUuid,
        treatment: Uuid as SqlUuid,
    }
    returns (SqlUuid, Text, Bool, Bool);
    "SELECT m.id, m.role, coalesce(m.id = t.clinician_id, false),
            EXISTS (SELECT 1 FROM devices AS d
                     WHERE d.user_id = m.user_id AND d.permission <> 'denied' AND d.quarantined_at IS NULL)
       FROM memberships AS m
       LEFT JOIN treatments AS t ON t.clinic_id = m.clinic_id AND t.id = $2
      WHERE m.clinic_id = $1 AND m.removed_at IS NULL AND m.role <> 'patient'
      ORDER BY m.id"
}

/// The clinic's staff as it is now, and who of them treats the patient.
pub async fn list_staff(conn: &mut AsyncPgConnection, clinic: Uuid, treatment: Uuid) -> QueryResult<Vec<Colleague>> {
    let rows: Vec<(Uuid, String, bool, bool)> = ListStaff { clinic, treatment }.load(conn).await?;
    let colleague = |(membership_id, role, treating, reachable): (Uuid, String, bool, bool)| {
        Some(Colleague { membership_id, role: role.parse().ok()?, treating, reachable })
    };
    Ok(rows.into_iter().filter_map(colleague).collect())
}

hot_query! {
    /// Recipients are spelt out, so that the unique key finds the rows.
    struct AnyAccepted {
        clinic: Uuid as SqlUuid,
        keys: Vec<String> as Array<Text>,
    }
    returns Bool;
    "SELECT EXISTS (
        SELECT 1 FROM memberships AS m
          JOIN alerts AS a ON a.clinic_id = $1 AND a.recipient_id = m.id AND a.dedupe_key = ANY ($2)
          JOIN attempts AS t ON t.clinic_id = a.clinic_id AND t.alert_id = a.id AND t.outcome = 'accepted'
         WHERE m.clinic_id = $1 AND m.role <> 'patient')"
}

/// Whether a push service accepted any of these for anybody of the staff.
pub async fn is_any_accepted(conn: &mut AsyncPgConnection, clinic: Uuid, keys: Vec<String>) -> QueryResult<bool> {
    AnyAccepted { clinic, keys }.get_result(conn).await
}

/// Who was told last of a flag that waits.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = escalations)]
pub struct Escalation {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The flag.
    pub flag_id: Uuid,
    /// Since when it waits.
    pub opened_at: DateTime<Utc>,
    /// Who was told last.
    pub step: String,
    /// When.
    pub told_at: DateTime<Utc>,
}

/// The escalation that is due first, locked; what another worker or somebody who acknowledges has locked is passed over.
pub async fn lock_due(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Option<Escalation>> {
    escalations::table
        .filter(escalations::wake_at.le(now))
        .order(escalations::wake_at)
        .limit(1)
        .for_update()
        .skip_locked()
        .select(Escalation::as_select())
        .first(conn)
        .await
        .optional()
}

/// When the last who could be told of a flag were; `None` while somebody is still to be told.
pub async fn find_last_told(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    flag_id: Uuid,
) -> QueryResult<Option<DateTime<Utc>>> {
    escalations::table
        .find((clinic_id, flag_id))
        .filter(escalations::wake_at.is_null())
        .select(escalations::told_at)
        .first(conn)
        .await
        .optional()
}

/// Has a clinic's escalations that would be looked at later looked at again at `now`.
pub async fn update_wakes(conn: &mut AsyncPgConnection, clinic_id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    let later = escalations::clinic_id.eq(clinic_id).and(escalations::wake_at.gt(now));
    diesel::update(escalations::table.filter(later)).set(escalations::wake_at.eq(now)).execute(conn).await?;
    Ok(())
}

/// When the next step of any clinic is to be looked at.
pub async fn next_wake(conn: &mut AsyncPgConnection) -> QueryResult<Option<DateTime<Utc>>> {
    escalations::table.select(diesel::dsl::min(escalations::wake_at)).first(conn).await
}

hot_query! {
    struct UpsertEscalation {
        clinic: Uuid as SqlUuid,
        flag: Uuid as SqlUuid,
        opened_at: DateTime<Utc> as Timestamptz,
        step: &'static str as Text,
        told_at: DateTime<Utc> as Timestamptz,
        wake_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        unreached_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
    }
    returns Int8;
    ", kept AS (
        INSERT INTO escalations (clinic_id, flag_id, opened_at, step, told_at, wake_at, unreached_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (clinic_id, flag_id) DO UPDATE SET
            opened_at = excluded.opened_at, step = excluded.step, told_at = excluded.told_at, wake_at = excluded.wake_at,
            unreached_at = excluded.unreached_at
        RETURNING 1
    )
    SELECT count(*) FROM kept"
}

/// Keeps how far a flag's escalation has come.
pub async fn upsert_escalation(
    conn: &mut AsyncPgConnection,
    situation: &Situation,
    opened_at: DateTime<Utc>,
    next: &Move,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let upsert = UpsertEscalation {
        clinic: situation.clinic_id,
        flag: situation.flag_id,
        opened_at,
        step: next.step.as_str(),
        told_at: next.told_at,
        wake_at: next.wake_at,
        unreached_at: next.unreached.then_some(now),
    };
    upsert.get_result::<i64>(conn).await?;
    Ok(())
}

/// Says when an escalation is looked at again.
pub async fn update_escalation(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    flag_id: Uuid,
    wake_at: Option<DateTime<Utc>>,
) -> QueryResult<()> {
    let row = escalations::table.find((clinic_id, flag_id));
    diesel::update(row).set(escalations::wake_at.eq(wake_at)).execute(conn).await?;
    Ok(())
}

/// Forgets the escalations of all that a check-in raised; waits for a step that is being taken.
pub async fn delete_escalations(conn: &mut AsyncPgConnection, clinic_id: Uuid, check_in: Uuid) -> QueryResult<()> {
    let raised = flags::table.filter(flags::clinic_id.eq(clinic_id).and(flags::check_in_id.eq(check_in)));
    let of_them = escalations::clinic_id.eq(clinic_id).and(escalations::flag_id.eq_any(raised.select(flags::id)));
    diesel::delete(escalations::table.filter(of_them)).execute(conn).await?;
    Ok(())
}

/// Forgets a clinic's escalations.
pub async fn delete_all(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<()> {
    diesel::delete(escalations::table.filter(escalations::clinic_id.eq(clinic_id))).execute(conn).await?;
    Ok(())
}

/// The flags that one message tells of: those that the check-in raised, and how often each was opened.
pub async fn list_told_together(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    check_in: Uuid,
) -> QueryResult<Vec<(Uuid, i32)>> {
    flags::table
        .filter(flags::clinic_id.eq(clinic_id).and(flags::check_in_id.eq(check_in)))
        .select((flags::id, flags::opening))
        .load(conn)
        .await
}

/// Those of these check-ins about which nobody can be reached: they raised a flag that waits in vain.
pub async fn list_unreached(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    check_ins: &[Uuid],
) -> QueryResult<Vec<Uuid>> {
    let flag = flags::clinic_id.eq(escalations::clinic_id).and(flags::id.eq(escalations::flag_id));
    escalations::table
        .inner_join(flags::table.on(flag))
        .filter(escalations::clinic_id.eq(clinic_id).and(escalations::unreached_at.is_not_null()))
        .filter(flags::check_in_id.eq_any(check_ins))
        .select(flags::check_in_id)
        .load(conn)
        .await
}
