//! SQL over `flags` and `flag_events`. The clinic is always the first thing asked for.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::domain::protocol::Level;
use crate::schema::{clinics, flag_events, flags, patients};

/// A flag as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = flags, treat_none_as_null = true)]
pub struct Flag {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the server.
    pub id: Uuid,
    /// The treatment it is about.
    pub treatment_id: Uuid,
    /// Whose it is.
    pub patient_id: Uuid,
    /// The report that raised it.
    pub check_in_id: Uuid,
    /// The triage rule.
    pub rule: String,
    /// Counts from 1 for each rule of a treatment.
    pub episode: i32,
    /// The highest level it has reached.
    pub level: String,
    /// `open`, `acknowledged` or `resolved`.
    pub status: String,
    /// When it was raised.
    pub opened_at: DateTime<Utc>,
    /// When a report last confirmed it.
    pub last_reported_at: DateTime<Utc>,
    /// When somebody took it on.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// When the patient was last contacted about it.
    pub contacted_at: Option<DateTime<Utc>>,
    /// When it was closed.
    pub resolved_at: Option<DateTime<Utc>>,
    /// How it ended, in the clinic's words.
    pub outcome: Option<String>,
    /// Counts changes.
    pub version: i32,
    /// Counts how often staff were asked to look at it: from 1, and one more whenever it is open anew.
    pub opening: i32,
}

/// Something that happened to a flag.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = flag_events)]
pub struct FlagEvent {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the server.
    pub id: Uuid,
    /// The flag.
    pub flag_id: Uuid,
    /// What happened.
    pub kind: &'static str,
    /// The report that did it.
    pub check_in_id: Option<Uuid>,
    /// The person who did it.
    pub actor_id: Option<Uuid>,
    /// The person's note.
    pub note: Option<String>,
    /// Who was told when it was escalated.
    pub step: Option<&'static str>,
    /// When.
    pub at: DateTime<Utc>,
}

/// One entry of a flag's history, with the name of whoever acted.
#[derive(Debug, Clone, Queryable)]
pub struct PastEvent {
    /// The entry.
    pub id: Uuid,
    /// What happened.
    pub kind: String,
    /// The report that did it.
    pub check_in_id: Option<Uuid>,
    /// The person who did it.
    pub actor_id: Option<Uuid>,
    /// What that person is called.
    pub actor_name: Option<String>,
    /// The person's note.
    pub note: Option<String>,
    /// Who was told when it was escalated.
    pub step: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// One flag of the clinic.
pub async fn find_flag(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Flag> {
    flags::table.find((clinic_id, id)).select(Flag::as_select()).first(conn).await
}

/// A flag with the name of the patient it is about.
pub async fn find_flag_with_name(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
) -> QueryResult<(Flag, String)> {
    let patient = patients::clinic_id.eq(flags::clinic_id).and(patients::id.eq(flags::patient_id));
    flags::table
        .inner_join(patients::table.on(patient))
        .filter(flags::clinic_id.eq(clinic_id).and(flags::id.eq(id)))
        .select((Flag::as_select(), patients::display_name))
        .first(conn)
        .await
}

/// Every flag of this clinic, or of any, that nobody has seen, but those of detached records and at closed clinics.
pub async fn list_unseen(conn: &mut AsyncPgConnection, clinic_id: Option<Uuid>) -> QueryResult<Vec<Flag>> {
    let patient = patients::clinic_id.eq(flags::clinic_id).and(patients::id.eq(flags::patient_id));
    let mut unseen = flags::table
        .inner_join(patients::table.on(patient))
        .inner_join(clinics::table.on(clinics::id.eq(flags::clinic_id)))
        .filter(flags::status.eq("open"))
        .filter(patients::detached_at.is_null().and(clinics::closed_at.is_null()))
        .select(Flag::as_select())
        .order((flags::clinic_id, flags::id))
        .into_boxed();
    if let Some(clinic_id) = clinic_id {
        unseen = unseen.filter(flags::clinic_id.eq(clinic_id));
    }
    unseen.load(conn).await
}

/// Every flag of a treatment.
pub async fn list_of_treatment(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
) -> QueryResult<Vec<Flag>> {
    flags::table
        .filter(flags::clinic_id.eq(clinic_id).and(flags::treatment_id.eq(treatment_id)))
        .select(Flag::as_select())
        .order((flags::opened_at, flags::id))
        .load(conn)
        .await
}

/// The flags that each of these check-ins raised or confirmed, with the check-in.
pub async fn list_of_check_ins(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    check_ins: &[Uuid],
) -> QueryResult<Vec<(Uuid, Flag)>> {
    let flag = flags::clinic_id.eq(flag_events::clinic_id).and(flags::id.eq(flag_events::flag_id));
    flag_events::table
        .inner_join(flags::table.on(flag))
        .filter(flag_events::clinic_id.eq(clinic_id).and(flag_events::check_in_id.eq_any(check_ins)))
        .select((flag_events::check_in_id.assume_not_null(), Flag::as_select()))
        .order((flags::rule, flags::id))
        .load(conn)
        .await
}

/// Whether a flag of one of these levels that this check-in raised still waits for somebody to see it.
pub async fn is_any_unseen(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    check_in: Uuid,
    levels: &[Level],
) -> QueryResult<bool> {
    let words: Vec<&str> = levels.iter().map(|level| level.as_str()).collect();
    let unseen = flags::table
        .filter(flags::clinic_id.eq(clinic_id).and(flags::check_in_id.eq(check_in)).and(flags::status.eq("open")))
        .filter(flags::level.eq_any(words));
    diesel::select(diesel::dsl::exists(unseen)).get_result(conn).await
}

/// Adds a flag.
pub async fn insert_flag(conn: &mut AsyncPgConnection, flag: &Flag) -> QueryResult<()> {
    diesel::insert_into(flags::table).values(flag).execute(conn).await?;
    Ok(())
}

/// Writes a flag as it is now.
pub async fn update_flag(conn: &mut AsyncPgConnection, flag: &Flag) -> QueryResult<()> {
    diesel::update(flags::table.find((flag.clinic_id, flag.id))).set(flag).execute(conn).await?;
    Ok(())
}

/// Adds entries to histories.
pub async fn insert_events(conn: &mut AsyncPgConnection, events: &[FlagEvent]) -> QueryResult<()> {
    diesel::insert_into(flag_events::table).values(events).execute(conn).await?;
    Ok(())
}

hot_query! {
    struct ListEvents {
        clinic: Uuid as SqlUuid,
        flag: Uuid as SqlUuid,
    }
    returns (SqlUuid, Text, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<Text>, Nullable<Text>, Nullable<Text>, Timestamptz);
    ", e AS (SELECT * FROM flag_events WHERE clinic_id = $1 AND flag_id = $2)
     SELECT e.id, e.kind, e.check_in_id, e.actor_id, n.display_name, e.note, e.step, e.at
       FROM e LEFT JOIN names_of_members(ARRAY(SELECT actor_id FROM e)) AS n ON n.user_id = e.actor_id
      ORDER BY e.at, e.id"
}

/// A flag's history, the oldest entry first, in the clinic's scope.
pub async fn list_events(conn: &mut AsyncPgConnection, clinic_id: Uuid, flag_id: Uuid) -> QueryResult<Vec<PastEvent>> {
    ListEvents { clinic: clinic_id, flag: flag_id }.load(conn).await
}

/// Where a page of flags begins: how pressing, when opened, which.
pub type Position = (i32, DateTime<Utc>, Uuid);

/// Which flags are asked for; absent: all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Of this status.
    pub status: Option<&'static str>,
    /// Of this level.
    pub level: Option<&'static str>,
    /// Of this patient.
    pub patient_id: Option<Uuid>,
}

/// A flag in a list.
#[derive(Debug, Clone, Queryable)]
pub struct ListedFlag {
    /// The flag.
    pub id: Uuid,
    /// How pressing it is: the list's first order.
    pub rank: i32,
    /// What the patient is called.
    pub patient_name: String,
}

hot_query! {
    /// What is not resolved comes first, then by level, then the newest.
    struct ListFlags {
        clinic: Uuid as SqlUuid,
        status: Option<&'static str> as Nullable<Text>,
        level: Option<&'static str> as Nullable<Text>,
        patient: Option<Uuid> as Nullable<SqlUuid>,
        after_rank: Option<i32> as Nullable<Int4>,
        after_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        after_id: Option<Uuid> as Nullable<SqlUuid>,
        limit: i64 as Int8,
    }
    returns (SqlUuid, Int4, Text);
    ", ranked AS (
        SELECT f.id, f.opened_at, p.display_name,
               (CASE f.status WHEN 'resolved' THEN 0 ELSE 10 END
                 + array_position(ARRAY['routine', 'soon', 'urgent', 'emergency'], f.level))::int AS rank
          FROM flags AS f
          JOIN patients AS p ON p.clinic_id = f.clinic_id AND p.id = f.patient_id
         WHERE f.clinic_id = $1 AND ($2 IS NULL OR f.status = $2) AND ($3 IS NULL OR f.level = $3)
           AND ($4 IS NULL OR f.patient_id = $4)
    )
    SELECT id, rank, display_name FROM ranked
     WHERE $5 IS NULL OR (rank, opened_at, id) < ($5, $6, $7)
     ORDER BY rank DESC, opened_at DESC, id DESC LIMIT $8"
}

/// The clinic's flags, the most pressing first; `limit` of them after `after`.
pub async fn list_flags(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    filter: Filter,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<(ListedFlag, Flag)>> {
    let query = ListFlags {
        clinic: clinic_id,
        status: filter.status,
        level: filter.level,
        patient: filter.patient_id,
        after_rank: after.map(|after| after.0),
        after_at: after.map(|after| after.1),
        after_id: after.map(|after| after.2),
        limit,
    };
    let listed: Vec<ListedFlag> = query.load(conn).await?;
    let ids: Vec<Uuid> = listed.iter().map(|row| row.id).collect();
    let flags: Vec<Flag> = flags::table
        .filter(flags::clinic_id.eq(clinic_id).and(flags::id.eq_any(&ids)))
        .select(Flag::as_select())
        .load(conn)
        .await?;
    let find = |id: Uuid| flags.iter().find(|flag| flag.id == id).cloned();
    Ok(listed.into_iter().filter_map(|row| find(row.id).map(|flag| (row, flag))).collect())
}
