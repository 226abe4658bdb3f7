//! SQL over `check_ins`, and how a clinic wants its patients answered. The clinic is always the first thing asked for.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Jsonb, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::whom_to_call::Lines;
use crate::schema::{check_ins, clinics, users};

/// A check-in as stored.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = check_ins)]
pub struct CheckIn {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the app or the server.
    pub id: Uuid,
    /// The treatment it is about.
    pub treatment_id: Uuid,
    /// Whose report.
    pub patient_id: Uuid,
    /// By the phone's clock.
    pub recorded_at: DateTime<Utc>,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
    /// The answers.
    pub symptoms: Value,
    /// In the person's own words.
    pub note: Option<String>,
    /// What triage made of it.
    pub level: String,
    /// Keys of the advice that was given.
    pub advice: Vec<String>,
    /// The login that entered it.
    pub entered_by: Uuid,
}

/// One check-in of the clinic, if there is such a one.
pub async fn find_check_in(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Option<CheckIn>> {
    check_ins::table.find((clinic_id, id)).select(CheckIn::as_select()).first(conn).await.optional()
}

/// How many check-ins a treatment has.
pub async fn count_check_ins(conn: &mut AsyncPgConnection, clinic_id: Uuid, treatment_id: Uuid) -> QueryResult<i64> {
    let of_treatment = check_ins::clinic_id.eq(clinic_id).and(check_ins::treatment_id.eq(treatment_id));
    check_ins::table.filter(of_treatment).count().get_result(conn).await
}

#[derive(QueryableByName)]
struct Before {
    #[diesel(sql_type = Nullable<Jsonb>)]
    symptoms: Option<Value>,
}

/// What was last said of each symptom of a treatment before this moment: a check-in need not answer everything, and what
/// it leaves out has not become better.
pub async fn find_symptoms_before(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
    recorded_at: DateTime<Utc>,
) -> QueryResult<Option<Value>> {
    let said: Before = diesel::sql_query(
        "SELECT jsonb_object_agg(said.field, said.answer) AS symptoms
           FROM (SELECT DISTINCT ON (s.field) s.field, s.answer
                   FROM check_ins AS c, jsonb_each(c.symptoms) AS s (field, answer)
                  WHERE c.clinic_id = $1 AND c.treatment_id = $2 AND c.recorded_at < $3
                  ORDER BY s.field, c.recorded_at DESC, c.id DESC) AS said",
    )
    .bind::<SqlUuid, _>(clinic_id)
    .bind::<SqlUuid, _>(treatment_id)
    .bind::<Timestamptz, _>(recorded_at)
    .get_result(conn)
    .await?;
    Ok(said.symptoms)
}

/// Adds a check-in; `false` if its id is in use at this clinic.
pub async fn insert_check_in(conn: &mut AsyncPgConnection, check_in: &CheckIn) -> QueryResult<bool> {
    let added = diesel::insert_into(check_ins::table).values(check_in).on_conflict_do_nothing().execute(conn).await?;
    Ok(added == 1)
}

/// Where a page of check-ins begins: newest first.
pub type Position = (DateTime<Utc>, Uuid);

/// A treatment's check-ins, newest first; `limit` rows after `after`.
pub async fn list_check_ins(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<CheckIn>> {
    let mut query = check_ins::table
        .filter(check_ins::clinic_id.eq(clinic_id).and(check_ins::treatment_id.eq(treatment_id)))
        .select(CheckIn::as_select())
        .order((check_ins::recorded_at.desc(), check_ins::id.desc()))
        .limit(limit)
        .into_boxed();
    if let Some((at, id)) = after {
        let later = check_ins::recorded_at.lt(at).or(check_ins::recorded_at.eq(at).and(check_ins::id.lt(id)));
        query = query.filter(later);
    }
    query.load(conn).await
}

/// Those of these check-ins that are the patient's, treatment by treatment.
pub async fn list_named(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    ids: &[Uuid],
) -> QueryResult<Vec<CheckIn>> {
    check_ins::table
        .filter(check_ins::clinic_id.eq(clinic_id).and(check_ins::patient_id.eq(patient_id)))
        .filter(check_ins::id.eq_any(ids))
        .order((check_ins::treatment_id, check_ins::id))
        .select(CheckIn::as_select())
        .load(conn)
        .await
}

/// Every check-in of a treatment and when it was recorded.
pub async fn list_recorded(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
) -> QueryResult<Vec<(Uuid, DateTime<Utc>)>> {
    check_ins::table
        .filter(check_ins::clinic_id.eq(clinic_id).and(check_ins::treatment_id.eq(treatment_id)))
        .order((check_ins::recorded_at, check_ins::id))
        .select((check_ins::id, check_ins::recorded_at))
        .load(conn)
        .await
}

/// How a clinic wants check-ins handled, and in which languages to answer.
#[derive(Debug, Clone, Queryable)]
pub struct Manner {
    /// Whether check-ins are judged by rules.
    pub triage_enabled: bool,
    /// Whom to call in an emergency.
    pub emergency_line: Option<String>,
    /// How to reach the clinic.
    pub contact_line: Option<String>,
    /// Whom to turn to while the clinic is closed.
    pub out_of_hours_text: Option<String>,
    /// Language of the clinic.
    pub clinic_locale: String,
    /// Language of whoever asks.
    pub user_locale: String,
}

impl Manner {
    /// Whom a patient can call.
    pub fn lines(&self) -> Lines {
        Lines {
            contact: self.contact_line.clone(),
            out_of_hours: self.out_of_hours_text.clone(),
            emergency: self.emergency_line.clone(),
        }
    }
}

/// The clinic's manner towards this login.
pub async fn find_manner(conn: &mut AsyncPgConnection, clinic_id: Uuid, user_id: Uuid) -> QueryResult<Manner> {
    clinics::table
        .inner_join(users::table.on(users::id.eq(user_id)))
        .filter(clinics::id.eq(clinic_id))
        .select((
            clinics::triage_enabled,
            clinics::emergency_line,
            clinics::contact_line,
            clinics::out_of_hours_text,
            clinics::locale,
            users::locale,
        ))
        .first(conn)
        .await
}
