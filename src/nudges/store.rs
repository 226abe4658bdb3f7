//! SQL over `nudges` and `nudge_rounds`. The clinic is always the first thing asked for; only who looks for what is due
//! asks across clinics.

use chrono::{DateTime, NaiveTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::domain::nudge::{Ending, Figures, Last};
use crate::schema::{clinics, nudge_rounds, nudges, patients, treatments};

/// How many clinics get their first round at a time.
const NEW_CLINICS: i64 = 100;

/// A nudge, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = nudges)]
pub struct Nudge {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the server.
    pub id: Uuid,
    /// Who.
    pub patient_id: Uuid,
    /// The treatment they were recovering from.
    pub treatment_id: Uuid,
    /// When staff were told.
    pub raised_at: DateTime<Utc>,
    /// Share done at all then, in basis points.
    pub completion_bp: i32,
    /// The clinic's threshold then.
    pub below_bp: i32,
    /// Over how many days, then.
    pub days: i32,
    /// How many tasks had closed on them.
    pub closed_tasks: i64,
    /// Until then it was live.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub ended_as: Option<String>,
    /// Who acknowledged it.
    pub ended_by: Option<Uuid>,
}

/// A clinic, as far as its rounds go.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = clinics)]
pub struct ClinicRow {
    /// The clinic.
    pub id: Uuid,
    /// IANA zone.
    pub time_zone: String,
    /// Local time from which nobody is disturbed.
    pub quiet_from: NaiveTime,
    /// Local time until which nobody is.
    pub quiet_to: NaiveTime,
    nudge_enabled: bool,
    nudge_below_bp: i32,
    nudge_days: i32,
    nudge_min_tasks: i32,
}

impl ClinicRow {
    /// What the clinic wants to be told.
    pub fn figures(&self) -> Figures {
        Figures {
            enabled: self.nudge_enabled,
            below_bp: i64::from(self.nudge_below_bp),
            days: self.nudge_days,
            min_tasks: i64::from(self.nudge_min_tasks),
        }
    }
}

/// A patient who is recovering, and what was last said of them.
#[derive(Debug, Clone, Queryable)]
pub struct PatientRow {
    /// Who.
    pub patient_id: Uuid,
    /// The latest running treatment.
    pub treatment_id: Uuid,
    raised_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    ended_as: Option<String>,
}

impl PatientRow {
    /// The last nudge.
    pub fn last(&self) -> Last {
        let ended = self.ended_at.zip(self.ended_as.as_deref().and_then(|word| word.parse().ok()));
        match (self.raised_at, ended) {
            (None, _) => Last::None,
            (Some(_), None) => Last::Live,
            (Some(_), Some((at, ending))) => Last::Ended(ending, at),
        }
    }
}

/// The round that is due first, locked: its clinic and how far it has come. What another worker has in hand is passed
/// over.
pub async fn lock_due(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Option<(Uuid, Option<Uuid>)>> {
    nudge_rounds::table
        .filter(nudge_rounds::due_at.le(now))
        .order(nudge_rounds::due_at)
        .limit(1)
        .for_update()
        .skip_locked()
        .select((nudge_rounds::clinic_id, nudge_rounds::after_patient))
        .first(conn)
        .await
        .optional()
}

/// When the next round of any clinic begins.
pub async fn next_due(conn: &mut AsyncPgConnection) -> QueryResult<Option<DateTime<Utc>>> {
    nudge_rounds::table.select(diesel::dsl::min(nudge_rounds::due_at)).first(conn).await
}

/// Clinics that have no round yet and are not closed, some of them.
pub async fn list_unscheduled(conn: &mut AsyncPgConnection) -> QueryResult<Vec<ClinicRow>> {
    let scheduled = nudge_rounds::table.filter(nudge_rounds::clinic_id.eq(clinics::id)).select(nudge_rounds::clinic_id);
    clinics::table
        .filter(clinics::closed_at.is_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(scheduled)))
        .limit(NEW_CLINICS)
        .select(ClinicRow::as_select())
        .load(conn)
        .await
}

/// Gives a clinic its first round, unless somebody else just did.
pub async fn insert_round(conn: &mut AsyncPgConnection, clinic: Uuid, due_at: DateTime<Utc>) -> QueryResult<()> {
    let row = (nudge_rounds::clinic_id.eq(clinic), nudge_rounds::due_at.eq(due_at));
    diesel::insert_into(nudge_rounds::table).values(row).on_conflict_do_nothing().execute(conn).await?;
    Ok(())
}

/// Keeps how far a round has come, or when the next one begins.
pub async fn update_round(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    due_at: DateTime<Utc>,
    after: Option<Uuid>,
) -> QueryResult<()> {
    diesel::update(nudge_rounds::table.find(clinic))
        .set((nudge_rounds::due_at.eq(due_at), nudge_rounds::after_patient.eq(after)))
        .execute(conn)
        .await?;
    Ok(())
}

/// A clinic's figures.
pub async fn find_clinic(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<ClinicRow> {
    clinics::table.find(clinic).select(ClinicRow::as_select()).first(conn).await
}

hot_query! {
    struct ListPatients {
        clinic: Uuid as SqlUuid,
        after: Uuid as SqlUuid,
        limit: i64 as Int8,
    }
    returns (SqlUuid, SqlUuid, Nullable<Timestamptz>, Nullable<Timestamptz>, Nullable<Text>);
    ", current AS (
        SELECT DISTINCT ON (t.patient_id) t.patient_id, t.id FROM treatments AS t
         WHERE t.clinic_id = $1 AND t.patient_id > $2 AND t.status IN ('unconfirmed', 'active')
           AND NOT EXISTS (SELECT FROM patients AS p
                            WHERE p.clinic_id = t.clinic_id AND p.id = t.patient_id AND p.detached_at IS NOT NULL)
           AND NOT EXISTS (SELECT FROM protocol_withdrawals AS w
                            WHERE w.clinic_id = t.clinic_id AND w.version_id = t.protocol_version_id
                              AND w.recalled_at IS NOT NULL)
         ORDER BY t.patient_id, t.performed_at DESC, t.id DESC LIMIT $3
    )
    SELECT c.patient_id, c.id, n.raised_at, n.ended_at, n.ended_as
      FROM current AS c
      LEFT JOIN LATERAL (
          SELECT n.raised_at, n.ended_at, n.ended_as FROM nudges AS n
           WHERE n.clinic_id = $1 AND n.patient_id = c.patient_id ORDER BY n.raised_at DESC LIMIT 1
      ) AS n ON true
     ORDER BY c.patient_id"
}

/// Patients of the clinic who are recovering by a plan that was not recalled, in the order of their ids, `limit` of them after `after`.
pub async fn list_patients(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<PatientRow>> {
    ListPatients { clinic, after, limit }.load(conn).await
}

/// Adds a nudge; `false` if the patient has a live one.
pub async fn insert_nudge(conn: &mut AsyncPgConnection, nudge: &Nudge) -> QueryResult<bool> {
    let insert = diesel::insert_into(nudges::table).values(nudge).on_conflict_do_nothing();
    Ok(insert.execute(conn).await? == 1)
}

/// Ends the patient's live nudge, if there is one.
pub async fn end_live(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    ending: Ending,
    now: DateTime<Utc>,
) -> QueryResult<Option<Nudge>> {
    let live = nudges::table
        .filter(nudges::clinic_id.eq(clinic).and(nudges::patient_id.eq(patient)))
        .filter(nudges::ended_at.is_null());
    let ended = (nudges::ended_at.eq(now), nudges::ended_as.eq(ending.as_str()));
    diesel::update(live).set(ended).returning(Nudge::as_returning()).get_result(conn).await.optional()
}

/// Ends the live nudges of patients who are no longer recovering.
pub async fn end_without_treatment(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Nudge>> {
    let running = treatments::table
        .filter(treatments::clinic_id.eq(clinic).and(treatments::patient_id.eq(nudges::patient_id)))
        .filter(treatments::status.eq_any(["unconfirmed", "active"]))
        .select(treatments::id);
    let live = nudges::table
        .filter(nudges::clinic_id.eq(clinic).and(nudges::ended_at.is_null()))
        .filter(diesel::dsl::not(diesel::dsl::exists(running)));
    let ended = (nudges::ended_at.eq(now), nudges::ended_as.eq(Ending::Over.as_str()));
    diesel::update(live).set(ended).returning(Nudge::as_returning()).get_results(conn).await
}

/// Somebody has seen a live nudge; nothing comes back where it has ended before.
pub async fn acknowledge(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    id: Uuid,
    by: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<Nudge>> {
    let live = nudges::table.find((clinic, id)).filter(nudges::ended_at.is_null());
    let ended = (nudges::ended_at.eq(now), nudges::ended_as.eq(Ending::Acknowledged.as_str()), nudges::ended_by.eq(by));
    diesel::update(live).set(ended).returning(Nudge::as_returning()).get_result(conn).await.optional()
}

/// Whether staff were told of it and nobody has ended it.
pub async fn is_live(conn: &mut AsyncPgConnection, clinic: Uuid, id: Uuid) -> QueryResult<bool> {
    let live = nudges::table.find((clinic, id)).filter(nudges::ended_at.is_null());
    diesel::select(diesel::dsl::exists(live)).get_result(conn).await
}

/// One nudge of the clinic with the patient's name.
pub async fn find_nudge(conn: &mut AsyncPgConnection, clinic: Uuid, id: Uuid) -> QueryResult<(Nudge, String)> {
    nudges::table
        .find((clinic, id))
        .inner_join(patients::table.on(whose()))
        .select((Nudge::as_select(), patients::display_name))
        .first(conn)
        .await
}

/// Nudges of the clinic, live or ended ones, newest first; `limit` rows after `after`.
pub async fn list_nudges(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    live: bool,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> QueryResult<Vec<(Nudge, String)>> {
    let mut list = nudges::table
        .inner_join(patients::table.on(whose()))
        .filter(nudges::clinic_id.eq(clinic).and(nudges::ended_at.is_null().eq(live)))
        .order((nudges::raised_at.desc(), nudges::id.desc()))
        .limit(limit)
        .select((Nudge::as_select(), patients::display_name))
        .into_boxed();
    if let Some((at, id)) = after {
        list = list.filter(nudges::raised_at.lt(at).or(nudges::raised_at.eq(at).and(nudges::id.lt(id))));
    }
    list.load(conn).await
}

#[diesel::dsl::auto_type]
fn whose() -> _ {
    patients::clinic_id.eq(nudges::clinic_id).and(patients::id.eq(nudges::patient_id))
}
