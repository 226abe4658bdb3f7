//! Planning and replanning are the same statement: what is owed is upserted, what left the plan is cancelled, what was
//! sent stays sent. Whatever the order of reschedules, the end is what planning once would have given.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, Bool, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::owed::{Columns, Owed, Recipient};
use crate::db::hot::{counted, hot_query};

hot_query! {
    /// `$23` says whether planned alerts that are no longer owed are cancelled (a replan) or left alone (one more alert).
    /// What was given back because a slot was over waited for just this plan: it is tried at once, unless its new slot leaves
    /// no time either (`MIN_TIME_LEFT`).
    /// What was forgone because it may have been sent comes back only with another moment, which lies ahead.
    /// What is in flight is locked first and in the order in which settling locks it, so that neither waits for the other.
    struct Upsert {
        clinic: Uuid as SqlUuid,
        kind: &'static str as Text,
        recipient: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
        wake_before: DateTime<Utc> as Timestamptz,
        ids: Vec<Uuid> as Array<SqlUuid>,
        keys: Vec<String> as Array<Text>,
        categories: Vec<&'static str> as Array<Text>,
        urgent: Vec<bool> as Array<Bool>,
        treatments: Vec<Option<Uuid>> as Array<Nullable<SqlUuid>>,
        flags: Vec<Option<Uuid>> as Array<Nullable<SqlUuid>>,
        devices: Vec<Option<Uuid>> as Array<Nullable<SqlUuid>>,
        versions: Vec<Option<Uuid>> as Array<Nullable<SqlUuid>>,
        items: Vec<Option<String>> as Array<Nullable<Text>>,
        days: Vec<Option<i32>> as Array<Nullable<Int4>>,
        seqs: Vec<Option<i32>> as Array<Nullable<Int4>>,
        due: Vec<DateTime<Utc>> as Array<Timestamptz>,
        expires: Vec<DateTime<Utc>> as Array<Timestamptz>,
        slots: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
        states: Vec<&'static str> as Array<Text>,
        reasons: Vec<Option<&'static str>> as Array<Nullable<Text>>,
        merged_into: Vec<Option<Uuid>> as Array<Nullable<SqlUuid>>,
        replan: bool as Bool,
        revision: i32 as Int4,
    }
    returns Int8;
    ", owed AS (
        SELECT * FROM unnest($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
            AS o (id, dedupe_key, category, urgent, treatment_id, flag_id, device_id, version_id, item_key, day_index,
            seq, due_at, expires_at, slot_ends_at, state, reason, merged_into)
    ), in_flight AS MATERIALIZED (
        SELECT id FROM alerts WHERE $23 AND clinic_id = $1 AND recipient_id = $3 AND state = 'sending'
         ORDER BY id FOR UPDATE
    ), gone AS (
        UPDATE alerts AS a SET
            state = CASE a.state WHEN 'sending' THEN 'sending' ELSE 'cancelled' END,
            superseded = (a.state = 'sending'),
            finalized_at = CASE a.state WHEN 'sending' THEN NULL ELSE $4 END,
            reason = 'left_the_plan',
            merged_into = NULL,
            plan_revision = $24
         WHERE $23 AND (SELECT count(*) FROM in_flight) >= 0 AND a.clinic_id = $1 AND a.recipient_id = $3
           AND a.state IN ('scheduled', 'sending', 'suppressed', 'merged', 'no_device') AND NOT a.superseded
           AND a.dedupe_key ~ '^[tmds]:' AND a.dedupe_key <> ALL ($7)
           AND NOT EXISTS (SELECT FROM alerts AS l WHERE l.clinic_id = $1 AND l.id = a.merged_into
                              AND l.state IN ('sent', 'sending'))
        RETURNING 1
    ), planned AS (
        INSERT INTO alerts AS a (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, treatment_id,
            flag_id, device_id, protocol_version_id, item_key, day_index, seq, due_at, next_attempt_at, expires_at, state,
            reason, plan_revision, superseded, claim_no, tries, finalized_at, slot_ends_at, merged_into)
        SELECT $1, id, $2, $3, dedupe_key, category, urgent, treatment_id, flag_id, device_id, version_id, item_key,
            day_index, seq, due_at, due_at, expires_at, state,
            reason, $24, false, 0, 0, CASE WHEN state <> 'scheduled' THEN $4 END, slot_ends_at, merged_into
          FROM owed WHERE (SELECT count(*) FROM in_flight) >= 0 ORDER BY id
        ON CONFLICT (clinic_id, recipient_id, dedupe_key) DO UPDATE SET
            category = excluded.category, treatment_id = excluded.treatment_id,
            protocol_version_id = excluded.protocol_version_id, item_key = excluded.item_key,
            day_index = excluded.day_index, seq = excluded.seq,
            due_at = excluded.due_at, expires_at = excluded.expires_at,
            next_attempt_at = CASE WHEN a.state = 'scheduled' AND a.due_at = excluded.due_at
                                    AND a.slot_ends_at IS NOT DISTINCT FROM excluded.slot_ends_at
                                    AND (a.reason IS DISTINCT FROM 'slot_over'
                                         OR excluded.slot_ends_at < $4 + interval '5 seconds')
                                   THEN a.next_attempt_at ELSE excluded.due_at END,
            slot_ends_at = excluded.slot_ends_at,
            merged_into = CASE a.state WHEN 'sending' THEN NULL ELSE excluded.merged_into END,
            tries = CASE WHEN a.state = 'sending' OR a.state = 'scheduled' AND a.due_at = excluded.due_at
                         THEN a.tries ELSE 0 END,
            state = CASE a.state WHEN 'sending' THEN 'sending' ELSE excluded.state END,
            superseded = false,
            finalized_at = CASE a.state WHEN 'sending' THEN NULL ELSE excluded.finalized_at END,
            reason = CASE WHEN a.state <> 'sending' THEN excluded.reason
                          WHEN a.reason = 'device_registered' THEN a.reason
                          WHEN excluded.expires_at > a.expires_at THEN 'expires_later'
                          ELSE nullif(a.reason, 'left_the_plan') END,
            plan_revision = excluded.plan_revision
          WHERE $23 AND a.state <> 'sent' AND (a.reason IS DISTINCT FROM 'after_restore' OR excluded.due_at > $4)
            AND (a.state = 'scheduled' AND a.reason = 'slot_over' OR
                (a.state, a.superseded, a.due_at, a.expires_at, a.category, a.treatment_id, a.protocol_version_id,
                 a.item_key, a.day_index, a.seq, a.slot_ends_at, a.merged_into,
                 CASE a.state WHEN 'suppressed' THEN a.reason END)
             IS DISTINCT FROM (excluded.state, false, excluded.due_at, excluded.expires_at, excluded.category,
                 excluded.treatment_id, excluded.protocol_version_id, excluded.item_key, excluded.day_index, excluded.seq,
                 excluded.slot_ends_at, excluded.merged_into, CASE excluded.state WHEN 'suppressed' THEN excluded.reason END))
        RETURNING next_attempt_at
    ), woken AS (
        SELECT pg_notify('mendline_alerts', '') FROM (SELECT 1 FROM planned WHERE next_attempt_at <= $5 LIMIT 1) AS soon
    )
    SELECT (SELECT count(*) FROM planned) + (SELECT count(*) FROM gone) + (SELECT count(*) FROM woken) * 0"
}

async fn upsert(
    conn: &mut AsyncPgConnection,
    to: Recipient,
    owed: &[Owed],
    now: DateTime<Utc>,
    wake_before: DateTime<Utc>,
    replan: Option<i32>,
) -> QueryResult<usize> {
    let columns = Columns::of(to, owed);
    let upsert = Upsert {
        clinic: to.clinic_id,
        kind: to.kind.as_str(),
        recipient: to.id,
        now,
        wake_before,
        ids: columns.ids,
        keys: columns.keys,
        categories: columns.categories,
        urgent: columns.urgent,
        treatments: columns.treatments,
        flags: columns.flags,
        devices: columns.devices,
        versions: columns.versions,
        items: columns.items,
        days: columns.days,
        seqs: columns.seqs,
        due: columns.due,
        expires: columns.expires,
        slots: columns.slots,
        states: columns.states,
        reasons: columns.reasons,
        merged_into: columns.merged_into,
        replan: replan.is_some(),
        revision: replan.unwrap_or(0),
    };
    counted(upsert, conn).await
}

/// Makes `owed` the whole plan of a recipient: what is owed is scheduled (unless it was sent), what is no longer owed is
/// cancelled. Workers are woken if something is due before `wake_before`. Returns how many rows changed.
pub async fn replace_plan(
    conn: &mut AsyncPgConnection,
    to: Recipient,
    owed: &[Owed],
    now: DateTime<Utc>,
    wake_before: DateTime<Utc>,
    revision: i32,
) -> QueryResult<usize> {
    upsert(conn, to, owed, now, wake_before, Some(revision)).await
}

/// Owes one more alert outside any plan (a flag, a test push). An alert already owed under the key stays as it is.
/// Workers are woken: such alerts are due at once. Returns whether it is new.
pub async fn enqueue(
    conn: &mut AsyncPgConnection,
    to: Recipient,
    owed: &Owed,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let changed = upsert(conn, to, std::slice::from_ref(owed), now, owed.due_at, None).await?;
    Ok(changed > 0)
}
