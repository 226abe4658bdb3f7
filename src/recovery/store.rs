//! The one statement behind a recovery.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::sql_types::{Array, Bool, Date, Int4, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::domain::compliance::Outcome;
use crate::domain::timeline::ModeSpan;

/// A treatment with everything its layout depends on, as stored.
#[derive(Debug, Clone, Queryable)]
pub struct RecoveryRow {
    /// The treatment.
    pub id: Uuid,
    /// Who was treated.
    pub patient_id: Uuid,
    /// `unconfirmed`, `active`, `completed` or `cancelled`.
    pub status: String,
    /// The pinned protocol version.
    pub protocol_version_id: Uuid,
    /// T0.
    pub performed_at: DateTime<Utc>,
    /// Day index 0.
    pub anchor_on: NaiveDate,
    /// When it was registered.
    pub counts_from: DateTime<Utc>,
    /// When it was last moved to another day: what was said before was said of other days.
    pub moved_at: Option<DateTime<Utc>>,
    /// When it was completed or cancelled.
    pub ended_at: Option<DateTime<Utc>>,
    /// When the patient accepted the invitation.
    pub linked_at: Option<DateTime<Utc>>,
    /// Counts outcomes and check-ins.
    pub activity: i32,
    /// How often what it follows was changed.
    pub changes: i32,
    pub(super) reader_locale: String,
    pub(super) clinic_locale: String,
    pub(super) zones: Vec<String>,
    pub(super) valid_from: Vec<DateTime<Utc>>,
    pub(super) held_from: Vec<DateTime<Utc>>,
    pub(super) held_to: Vec<Option<DateTime<Utc>>>,
    modes: ModeColumns,
    pub(super) interval_min_days: Option<i32>,
    pub(super) interval_max_days: Option<i32>,
    pub(super) answered_at: Vec<DateTime<Utc>>,
    pub(super) answers: Vec<Value>,
    pub(super) decided_keys: Vec<String>,
    pub(super) decided_ended: Vec<bool>,
    pub(super) decided_at: Vec<DateTime<Utc>>,
    pub(super) excused: Value,
    /// Unreviewed translations of its version that the clinic has accepted.
    pub accepted_locales: Vec<String>,
    outcomes: OutcomeColumns,
}

/// When which mode was on.
#[derive(Debug, Clone, Queryable)]
pub struct ModeColumns {
    modes: Vec<String>,
    from: Vec<DateTime<Utc>>,
    to: Vec<DateTime<Utc>>,
}

/// Per task the latest entry.
#[derive(Debug, Clone, Queryable)]
pub struct OutcomeColumns {
    ids: Vec<Uuid>,
    tasks: Vec<Uuid>,
    kinds: Vec<String>,
    at: Vec<DateTime<Utc>>,
}

/// The same as the database has it.
type RecoverySql = (
    SqlUuid,
    SqlUuid,
    Text,
    SqlUuid,
    Timestamptz,
    Date,
    Timestamptz,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
    Int4,
    Int4,
    Text,
    Text,
    Array<Text>,
    Array<Timestamptz>,
    Array<Timestamptz>,
    Array<Nullable<Timestamptz>>,
    (Array<Text>, Array<Timestamptz>, Array<Timestamptz>),
    Nullable<Int4>,
    Nullable<Int4>,
    Array<Timestamptz>,
    Array<Jsonb>,
    Array<Text>,
    Array<Bool>,
    Array<Timestamptz>,
    Jsonb,
    Array<Text>,
    (Array<SqlUuid>, Array<SqlUuid>, Array<Text>, Array<Timestamptz>),
);

impl RecoveryRow {
    /// When which mode was on.
    pub(super) fn modes(&self) -> Vec<ModeSpan> {
        let ModeColumns { modes, from, to } = &self.modes;
        let columns = modes.iter().zip(from).zip(to);
        columns.map(|((mode, from), to)| ModeSpan { mode: mode.clone(), from: *from, to: *to }).collect()
    }

    pub(super) fn outcomes(&self) -> anyhow::Result<Vec<Outcome>> {
        let OutcomeColumns { ids, tasks, kinds, at } = &self.outcomes;
        let columns = ids.iter().zip(tasks).zip(kinds).zip(at);
        columns
            .map(|(((id, task), kind), at)| {
                let kind = kind.parse().map_err(anyhow::Error::msg).context("a stored outcome")?;
                Ok(Outcome { id: *id, task_id: *task, kind, recorded_at: *at })
            })
            .collect()
    }
}

/// From the treatments of `t` to whole rows.
macro_rules! recovery_sql {
    ($treatment:literal) => {
        concat!(
            ", t AS (SELECT * FROM treatments AS t WHERE ",
            $treatment,
            ")
            SELECT t.id, t.patient_id, t.status, t.protocol_version_id, t.performed_at, t.anchor_on, t.counts_from, t.moved_at, t.ended_at,
                   p.linked_at, t.activity, t.changes, coalesce(u.locale, c.locale), c.locale,
                   coalesce(z.zones, ARRAY[p.time_zone]), coalesce(z.valid_from, ARRAY[p.created_at]),
                   coalesce(f.opened, '{}'), coalesce(f.resolved, '{}'),
                   coalesce(m.modes, '{}'), coalesce(m.from_at, '{}'), coalesce(m.to_at, '{}'),
                   co.interval_min_days, co.interval_max_days,
                   coalesce(ci.at, '{}'), coalesce(ci.answers, '{}'), coalesce(d.keys, '{}'), coalesce(d.ended, '{}'), coalesce(d.at, '{}'),
                   coalesce(e.excused, '[]'),
                   ARRAY(SELECT l.locale FROM accepted_locales AS l
                           JOIN protocol_texts AS w
                             ON w.version_id = l.version_id AND w.locale = l.locale AND w.content_hash = l.content_hash
                          WHERE l.clinic_id = t.clinic_id AND l.version_id = t.protocol_version_id
                            AND l.withdrawn_at IS NULL),
                   coalesce(o.ids, '{}'), coalesce(o.tasks, '{}'), coalesce(o.kinds, '{}'), coalesce(o.at, '{}')
              FROM t
              JOIN patients AS p ON p.clinic_id = t.clinic_id AND p.id = t.patient_id
              JOIN clinics AS c ON c.id = t.clinic_id
              LEFT JOIN users AS u ON u.id = $3
              LEFT JOIN courses AS co ON co.clinic_id = t.clinic_id AND co.id = t.course_id
              LEFT JOIN LATERAL (
                  SELECT array_agg(ci.recorded_at ORDER BY ci.recorded_at, ci.id) AS at,
                         array_agg(ci.symptoms ORDER BY ci.recorded_at, ci.id) AS answers
                    FROM check_ins AS ci WHERE ci.clinic_id = t.clinic_id AND ci.treatment_id = t.id
              ) AS ci ON true
              LEFT JOIN LATERAL (
                  SELECT array_agg(d.condition_key ORDER BY d.decided_at, d.id) AS keys,
                         array_agg(d.ended ORDER BY d.decided_at, d.id) AS ended,
                         array_agg(d.decided_at ORDER BY d.decided_at, d.id) AS at
                    FROM condition_decisions AS d WHERE d.clinic_id = t.clinic_id AND d.treatment_id = t.id
                     AND d.decided_at >= coalesce(t.moved_at, '-infinity')
              ) AS d ON true
              LEFT JOIN LATERAL (
                  SELECT jsonb_agg(jsonb_build_object('item_key', e.item_key, 'seq', e.seq, 'from', e.from_on, 'to', e.to_on)
                                   ORDER BY e.from_on, e.id) AS excused
                    FROM excuses AS e WHERE e.clinic_id = t.clinic_id AND e.treatment_id = t.id
              ) AS e ON true
              LEFT JOIN LATERAL (
                  SELECT array_agg(z.zone ORDER BY z.valid_from) AS zones,
                         array_agg(z.valid_from ORDER BY z.valid_from) AS valid_from
                    FROM patient_zones AS z WHERE z.clinic_id = t.clinic_id AND z.patient_id = t.patient_id
              ) AS z ON true
              LEFT JOIN LATERAL (
                  SELECT array_agg(f.opened_at ORDER BY f.opened_at, f.id) AS opened,
                         array_agg(f.resolved_at ORDER BY f.opened_at, f.id) AS resolved
                    FROM flags AS f
                   WHERE f.clinic_id = t.clinic_id AND f.treatment_id = t.id
                     AND f.level IN ('soon', 'urgent', 'emergency')
              ) AS f ON true
              LEFT JOIN LATERAL (
                  SELECT array_agg(m.mode ORDER BY m.from_at) AS modes, array_agg(m.from_at ORDER BY m.from_at) AS from_at,
                         array_agg(m.to_at ORDER BY m.from_at) AS to_at
                    FROM mode_spans AS m WHERE m.clinic_id = t.clinic_id AND m.patient_id = t.patient_id
              ) AS m ON true
              LEFT JOIN LATERAL (
                  SELECT array_agg(l.id ORDER BY l.task_id) AS ids, array_agg(l.task_id ORDER BY l.task_id) AS tasks,
                         array_agg(l.kind ORDER BY l.task_id) AS kinds,
                         array_agg(l.recorded_at ORDER BY l.task_id) AS at
                    FROM (SELECT DISTINCT ON (o.task_id) o.id, o.task_id, o.kind, o.recorded_at
                            FROM outcomes AS o WHERE o.clinic_id = t.clinic_id AND o.treatment_id = t.id
                             AND o.recorded_at >= coalesce(t.moved_at, '-infinity')
                           ORDER BY o.task_id, o.recorded_at DESC, o.id DESC) AS l
              ) AS o ON true"
        )
    };
}

hot_query! {
    struct FindRow {
        clinic: Uuid as SqlUuid,
        treatment: Uuid as SqlUuid,
        reader: Uuid as SqlUuid,
    }
    returns RecoverySql;
    recovery_sql!("t.clinic_id = $1 AND t.id = $2")
}

hot_query! {
    struct FindCurrentRow {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
        reader: Uuid as SqlUuid,
    }
    returns RecoverySql;
    recovery_sql!(
        "t.clinic_id = $1 AND t.patient_id = $2 AND t.status <> 'cancelled'
          ORDER BY t.status = 'completed', t.performed_at DESC, t.id DESC LIMIT 1"
    )
}

/// A treatment of the clinic, with the languages of whoever reads it.
pub(super) async fn find_row(
    mut conn: &AsyncPgConnection,
    clinic: Uuid,
    treatment: Uuid,
    reader: Uuid,
) -> QueryResult<RecoveryRow> {
    FindRow { clinic, treatment, reader }.get_result(&mut conn).await
}

/// The treatment the patient is recovering from.
pub(super) async fn find_current_row(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    reader: Uuid,
) -> QueryResult<Option<RecoveryRow>> {
    FindCurrentRow { clinic, patient, reader }.get_result(conn).await.optional()
}

hot_query! {
    struct ListRows {
        clinic: Uuid as SqlUuid,
        treatments: Vec<Uuid> as Array<SqlUuid>,
        reader: Uuid as SqlUuid,
    }
    returns RecoverySql;
    recovery_sql!("t.clinic_id = $1 AND t.id = ANY($2)")
}

/// Some treatments of the clinic, in no particular order.
pub(super) async fn list_rows(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatments: Vec<Uuid>,
    reader: Uuid,
) -> QueryResult<Vec<RecoveryRow>> {
    ListRows { clinic, treatments, reader }.load(conn).await
}

/// When the record of a patient of the clinic was made, or linked to a login if it was.
pub(super) async fn find_known_since(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
) -> QueryResult<DateTime<Utc>> {
    use crate::schema::patients;
    use diesel::QueryDsl;
    let (created_at, linked_at): (DateTime<Utc>, Option<DateTime<Utc>>) =
        patients::table.find((clinic, patient)).select((patients::created_at, patients::linked_at)).first(conn).await?;
    Ok(linked_at.unwrap_or(created_at))
}
