//! A clinic that has been running for six weeks: everybody's alerts, half of them finished, half still to come.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::alerts::queue::{AttemptRow, Batch, Claim, Owed, Settlement};
use mendline::alerts::store::Reader;
use mendline::auth::keys::Keys;
use mendline::domain::alert::Decision;
use mendline::schema::clinics;
use uuid::Uuid;

use super::super::seed;
use super::super::upkeep::Upkeep;
use super::owed;

/// Alerts of one person: about as many as one treatment owes over its six weeks.
pub const EACH: usize = 50;

/// Who is in a database.
pub struct Population {
    clinic: Uuid,
    /// In the order of the numbers that their alerts' keys carry.
    ids: Vec<(Uuid, Uuid)>,
}

impl Population {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// Somebody, by number.
    pub fn nth(&self, number: usize) -> Person {
        let index = number % self.ids.len();
        {
            let (id, user) = self.ids[index];
            Person { clinic: self.clinic, id, user, number: index + 1 }
        }
    }
}

/// One patient.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub clinic: Uuid,
    pub id: Uuid,
    user: Uuid,
    number: usize,
}

impl Person {
    /// All that is still to come for them, `moved` later than planned.
    pub fn plan(&self, now: DateTime<Utc>, moved: TimeDelta) -> Vec<Owed> {
        let key = |day| format!("t:{}:wash:{day}:0", self.number);
        let due =
            |day: usize| now + TimeDelta::days(2) + TimeDelta::hours(40) * i32::try_from(day).unwrap_or(0) + moved;
        (EACH / 2 + 1..=EACH).map(|day| owed(key(day), due(day))).collect()
    }

    /// They, reading what they were told.
    pub fn reader(&self) -> Reader {
        Reader { clinic_id: self.clinic, user_id: self.user, membership_id: Uuid::nil(), patient_id: Some(self.id) }
    }
}

/// Fills an empty database: `future` alerts to come, as many finished ones, and `due` that are due.
pub async fn alerts(
    conn: &mut AsyncPgConnection,
    keys: &Keys,
    now: DateTime<Utc>,
    future: usize,
    due: usize,
) -> anyhow::Result<Population> {
    let people = (2 * future / EACH).max(1);
    seed::people(conn, keys, people).await?;
    let upkeep = Upkeep::set_aside(conn).await?;
    let planned = seed::alert_id("person", "'t:' || n || ':wash:' || day");
    let due_now = seed::alert_id("md5('patient' || 1 + n * 7919 % $2)::uuid", "'f:' || n");
    diesel::sql_query(format!(
        "INSERT INTO alerts (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, due_at,
             next_attempt_at, expires_at, state, plan_revision, superseded, claim_no, tries, sent_at, finalized_at)
         SELECT md5('clinic')::uuid, {planned}, 'patient', person, 't:' || n || ':wash:' || day || ':0', 'routine',
                false, due_at, due_at, due_at + interval '2 hours', CASE WHEN past THEN 'sent' ELSE 'scheduled' END, 1,
                false, past::int, past::int, CASE WHEN past THEN due_at END, CASE WHEN past THEN due_at END
           FROM generate_series(1, $2) AS n, generate_series(1, {EACH}) AS day,
                LATERAL (SELECT md5('patient' || n)::uuid, day <= {EACH} / 2) AS who (person, past),
                LATERAL (SELECT $1 + (day - {EACH} / 2) * interval '40 hours' + (n * 7919 % 36000) * interval '1 second'
                            + CASE WHEN past THEN interval '-11 hours' ELSE interval '1 day' END) AS moment (due_at)
         UNION ALL
         SELECT md5('clinic')::uuid, {due_now}, 'patient', md5('patient' || 1 + n * 7919 % $2)::uuid, 'f:' || n || ':0',
                'routine', false, $1, $1, $1 + interval '1 day', 'scheduled', 1, false, 0, 0, NULL, NULL
           FROM generate_series(1, $3) AS n"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(i64::try_from(people)?)
    .bind::<BigInt, _>(i64::try_from(due)?)
    .execute(conn)
    .await?;
    upkeep.catch_up(conn).await?;
    keep_keys_in_memory(conn).await?;
    let clinic = clinics::table.select(clinics::id).get_result(conn).await?;
    let ids = numbered(conn, people).await?;
    Ok(Population { clinic, ids })
}

/// Every delivery asks for a few keys of alerts, anywhere among all: in a database that has been running for days they are
/// in its cache. One that was filled a moment ago has the last pages that were written there.
async fn keep_keys_in_memory(conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
    conn.batch_execute(
        "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off;
         SELECT count(*) FROM (SELECT clinic_id, id FROM alerts ORDER BY clinic_id, id OFFSET 0) AS keys; COMMIT",
    )
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    user_id: Uuid,
}

async fn numbered(conn: &mut AsyncPgConnection, people: usize) -> anyhow::Result<Vec<(Uuid, Uuid)>> {
    let sql = "SELECT md5('patient' || n)::uuid AS id, md5('user' || n)::uuid AS user_id FROM generate_series(1, $1) AS n ORDER BY n";
    let rows: Vec<Id> = diesel::sql_query(sql).bind::<BigInt, _>(i64::try_from(people)?).load(conn).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.user_id)).collect())
}

/// What the worker would write of one claim whose alerts all were sent, to one device each.
pub fn batch(claims: &[Claim], at: DateTime<Utc>) -> Batch {
    let over = claims.first().map(|claim| claim.claim_id).into_iter().collect();
    Batch { settlements: settlements(claims, at), attempts: attempts(claims, at), over, again: false }
}

fn settlements(claims: &[Claim], at: DateTime<Utc>) -> Vec<Settlement> {
    claims.iter().map(|claim| claim.settled(Decision::Sent, at, None)).collect()
}

fn attempts(claims: &[Claim], at: DateTime<Utc>) -> Vec<AttemptRow> {
    let attempt = |claim: &Claim| AttemptRow {
        at,
        clinic_id: claim.clinic_id,
        alert_id: claim.id,
        device_id: Uuid::new_v4(),
        claim_no: claim.claim_no,
        provider: "fcm",
        outcome: "accepted",
        reason: None,
        provider_message_id: Some(format!("projects/p/messages/{}", claim.id)),
        duration_ms: 40,
    };
    claims.iter().map(attempt).collect()
}
