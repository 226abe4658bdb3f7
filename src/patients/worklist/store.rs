//! The two statements of the list itself: all patients, as far as their rank needs; the patients of a page, whole.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Date, Int4, Int8, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::patients::store::Patient;
use crate::schema::{check_ins, nudges, patients};

/// A patient, as far as the rank needs.
#[derive(Debug, Clone, Queryable)]
pub(super) struct RankRow {
    pub(super) patient_id: Uuid,
    pub(super) display_name: String,
    pub(super) reference: Option<String>,
    pub(super) linked_at: Option<DateTime<Utc>>,
    pub(super) zones: Vec<String>,
    pub(super) valid_from: Vec<DateTime<Utc>>,
    /// Why no phone can be reached, if so.
    pub(super) unreachable: Option<String>,
    pub(super) open_flags: i64,
    pub(super) urgent_flag: bool,
    pub(super) nudged: bool,
    pub(super) low_compliance_bp: i32,
    pub(super) treatment: Option<TreatmentRow>,
}

/// The treatment the patient recovers from.
#[derive(Debug, Clone, Queryable)]
pub(super) struct TreatmentRow {
    pub(super) id: Uuid,
    pub(super) protocol_version_id: Uuid,
    pub(super) performed_at: DateTime<Utc>,
    pub(super) anchor_on: NaiveDate,
    pub(super) counts_from: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) activity: i32,
    pub(super) done_w: i64,
    pub(super) on_time_w: i64,
    pub(super) early_until: Vec<DateTime<Utc>>,
    pub(super) early_w: Vec<i64>,
    /// How often what it follows was changed.
    pub(super) changes: i32,
    /// What the clinic excused, where it excused anything.
    pub(super) excused: Option<Value>,
}

type TreatmentColumns = (
    SqlUuid,
    SqlUuid,
    Timestamptz,
    Date,
    Timestamptz,
    Nullable<Timestamptz>,
    Int4,
    Int8,
    Int8,
    Array<Timestamptz>,
    Array<Int8>,
    Int4,
    Nullable<Jsonb>,
);

hot_query! {
    struct ListRanked {
        clinic: Uuid as SqlUuid,
        detached: bool as Bool,
    }
    returns (
        SqlUuid, Text, Nullable<Text>, Nullable<Timestamptz>, Array<Text>, Array<Timestamptz>, Nullable<Text>, Int8,
        Bool, Bool, Int4, Nullable<TreatmentColumns>,
    );
    ", current AS (
        SELECT DISTINCT ON (t.patient_id) t.* FROM treatments AS t
         WHERE t.clinic_id = $1 AND t.status <> 'cancelled'
         ORDER BY t.patient_id, t.status = 'completed', t.performed_at DESC, t.id DESC
    ), zoned AS (
        SELECT z.patient_id, array_agg(z.zone ORDER BY z.valid_from) AS zones,
               array_agg(z.valid_from ORDER BY z.valid_from) AS valid_from
          FROM patient_zones AS z WHERE z.clinic_id = $1 GROUP BY z.patient_id
    ), excused AS (
        SELECT e.treatment_id, jsonb_agg(jsonb_build_object('item_key', e.item_key, 'seq', e.seq, 'from', e.from_on,
                                                            'to', e.to_on)) AS days
          FROM excuses AS e WHERE e.clinic_id = $1 GROUP BY e.treatment_id
    ), flagged AS (
        SELECT f.patient_id, count(*) AS open, bool_or(f.level IN ('urgent', 'emergency')) AS urgent
          FROM flags AS f WHERE f.clinic_id = $1 AND f.status <> 'resolved' GROUP BY f.patient_id
    ), phones AS (
        SELECT d.user_id, bool_or(d.permission <> 'denied' AND d.quarantined_at IS NULL) AS live,
               bool_or(d.quarantined_at IS NOT NULL AND d.quarantine_reason IS DISTINCT FROM 'stale') AS refused,
               bool_or(d.quarantine_reason = 'stale') AS stale
          FROM patients AS p JOIN devices AS d ON d.user_id = p.user_id WHERE p.clinic_id = $1 GROUP BY d.user_id
    )
    SELECT p.id, p.display_name, p.reference, p.linked_at, coalesce(z.zones, ARRAY[p.time_zone]),
           coalesce(z.valid_from, ARRAY[p.created_at]),
           CASE WHEN p.user_id IS NULL THEN 'not_registered'
                WHEN n.paused THEN 'paused'
                WHEN d.user_id IS NULL THEN 'no_device'
                WHEN d.live THEN NULL
                WHEN d.refused THEN 'address_refused'
                WHEN d.stale THEN 'device_stale'
                ELSE 'permission_denied' END,
           coalesce(f.open, 0), coalesce(f.urgent, false), g.id IS NOT NULL, c.low_compliance_bp,
           t.id, t.protocol_version_id, t.performed_at, t.anchor_on, t.counts_from, t.ended_at, t.activity, t.done_w,
           t.on_time_w, t.early_until, t.early_w, t.changes, e.days
      FROM patients AS p
      JOIN clinics AS c ON c.id = p.clinic_id
      LEFT JOIN current AS t ON t.patient_id = p.id
      LEFT JOIN excused AS e ON e.treatment_id = t.id
      LEFT JOIN zoned AS z ON z.patient_id = p.id
      LEFT JOIN flagged AS f ON f.patient_id = p.id
      LEFT JOIN nudges AS g ON g.clinic_id = p.clinic_id AND g.patient_id = p.id AND g.ended_at IS NULL
      LEFT JOIN phones AS d ON d.user_id = p.user_id
      LEFT JOIN notification_preferences AS n ON n.user_id = p.user_id
     WHERE p.clinic_id = $1 AND (p.detached_at IS NOT NULL) = $2"
}

/// All patients of the clinic, or all who have left it and whose records it keeps, in no particular order.
pub(super) async fn list_ranked(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    detached: bool,
) -> QueryResult<Vec<RankRow>> {
    ListRanked { clinic, detached }.load(conn).await
}

/// A patient of a page.
pub(super) type PageRow = (Patient, Option<DateTime<Utc>>, Option<Uuid>);

/// Some patients of the clinic, each with the last check-in and the live nudge.
pub(super) async fn list_page(conn: &mut AsyncPgConnection, clinic: Uuid, ids: &[Uuid]) -> QueryResult<Vec<PageRow>> {
    let last_check_in = check_ins::table
        .filter(check_ins::clinic_id.eq(patients::clinic_id).and(check_ins::patient_id.eq(patients::id)))
        .select(diesel::dsl::max(check_ins::recorded_at))
        .single_value();
    let nudge = nudges::table
        .filter(nudges::clinic_id.eq(patients::clinic_id).and(nudges::patient_id.eq(patients::id)))
        .filter(nudges::ended_at.is_null())
        .select(nudges::id)
        .single_value();
    patients::table
        .filter(patients::clinic_id.eq(clinic).and(patients::id.eq_any(ids)))
        .select((Patient::as_select(), last_check_in, nudge))
        .load(conn)
        .await
}
