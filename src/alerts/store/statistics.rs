//! How it went: alerts of one clinic that were due in a stretch of time, counted. Two statements, each by an index.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;

/// Whose alerts, and due when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The clinic.
    pub clinic_id: Uuid,
    /// IANA zone by whose clock hours are counted.
    pub time_zone: String,
    /// Due from then on.
    pub from: DateTime<Utc>,
    /// Due before then.
    pub to: DateTime<Utc>,
}

/// Alerts counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Queryable)]
pub struct Figures {
    /// Owed: all but what quiet hours suppressed.
    pub owed: i64,
    /// A provider took it.
    pub sent: i64,
    /// The app said that the person opened it.
    pub opened: i64,
    /// Refused, or tried too often.
    pub failed: i64,
    /// It was too late.
    pub expired: i64,
    /// There was nothing to send to.
    pub no_device: i64,
    /// Not ended: on its way, or waiting for another try.
    pub waiting: i64,
    /// Quiet hours outlasted it.
    pub suppressed: i64,
    /// Half of what was sent was sent within so many milliseconds of being due,
    pub late_p50_ms: Option<i64>,
    /// and nineteen of twenty within so many.
    pub late_p95_ms: Option<i64>,
}

/// One line: of all alerts, of a category, of an hour, or of one way not to be sent.
#[derive(Debug, Clone, Queryable)]
pub struct AlertLine {
    /// The category, for a line of one.
    pub category: Option<String>,
    /// The start of the hour, for a line of one.
    pub hour: Option<DateTime<Utc>>,
    /// The state, for a line of one.
    pub state: Option<String>,
    /// Its reason, where it has one.
    pub reason: Option<String>,
    /// What the line is of: the bits of `category, hour, state, reason` that are not in it.
    pub grouping: i32,
    /// The figures.
    pub figures: Figures,
}

type FigureColumns = (Int8, Int8, Int8, Int8, Int8, Int8, Int8, Int8, Nullable<Int8>, Nullable<Int8>);

/// Alerts of the window. What has not ended is waiting, whatever for.
macro_rules! window_sql {
    ($then:literal) => {
        concat!(
            ", due AS (
                SELECT id, category, CASE WHEN finalized_at IS NULL THEN 'waiting' ELSE state END AS state,
                       CASE WHEN finalized_at IS NOT NULL THEN reason END AS reason, due_at, sent_at, opened_at
                  FROM alerts
                 WHERE clinic_id = $1 AND due_at >= $2 AND due_at < $3 AND state NOT IN ('cancelled', 'merged')
            ) ",
            $then
        )
    };
}

hot_query! {
    struct CountAlerts {
        clinic: Uuid as SqlUuid,
        from: DateTime<Utc> as Timestamptz,
        to: DateTime<Utc> as Timestamptz,
        zone: String as Text,
    }
    returns (Nullable<Text>, Nullable<Timestamptz>, Nullable<Text>, Nullable<Text>, Int4, FigureColumns);
    window_sql!(", told AS (
        SELECT *, date_trunc('hour', due_at, $4) AS hour,
               1000 * extract(epoch FROM sent_at - due_at)::float8 AS late_ms FROM due
    )
    SELECT category, hour, state, reason, grouping(category, hour, state, reason),
           count(*) FILTER (WHERE state <> 'suppressed'), count(*) FILTER (WHERE state = 'sent'),
           count(opened_at), count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'expired'),
           count(*) FILTER (WHERE state = 'no_device'), count(*) FILTER (WHERE state = 'waiting'),
           count(*) FILTER (WHERE state = 'suppressed'),
           percentile_disc(0.5) WITHIN GROUP (ORDER BY late_ms)::int8,
           percentile_disc(0.95) WITHIN GROUP (ORDER BY late_ms)::int8
      FROM told
     GROUP BY GROUPING SETS ((), (category), (hour), (state, reason))
     ORDER BY grouping(category, hour, state, reason), category, hour, state, reason")
}

/// How the alerts of a window ended: all of them, by category, by hour, and by state and reason.
pub async fn count_alerts(conn: &mut AsyncPgConnection, window: &Window) -> QueryResult<Vec<AlertLine>> {
    let Window { clinic_id: clinic, time_zone: zone, from, to } = window.clone();
    CountAlerts { clinic, from, to, zone }.load(conn).await
}

/// Tries at devices counted: of a provider, or of one of its answers.
#[derive(Debug, Clone, Queryable)]
pub struct AttemptLine {
    /// The provider.
    pub provider: String,
    /// What the answer means, for a line of one.
    pub outcome: Option<String>,
    /// The provider's word for it, where there is one.
    pub reason: Option<String>,
    /// How many.
    pub attempts: i64,
    /// How many of them were accepted.
    pub accepted: i64,
    /// Half of them took no longer, in milliseconds,
    pub p50_ms: i32,
    /// and nineteen of twenty no longer than this.
    pub p95_ms: i32,
}

hot_query! {
    struct CountAttempts {
        clinic: Uuid as SqlUuid,
        from: DateTime<Utc> as Timestamptz,
        to: DateTime<Utc> as Timestamptz,
    }
    returns (Text, Nullable<Text>, Nullable<Text>, Int8, Int8, Int4, Int4);
    window_sql!("SELECT t.provider, t.outcome, t.reason, count(*), count(*) FILTER (WHERE t.outcome = 'accepted'),
           percentile_disc(0.5) WITHIN GROUP (ORDER BY t.duration_ms),
           percentile_disc(0.95) WITHIN GROUP (ORDER BY t.duration_ms)
      FROM due JOIN attempts AS t ON t.clinic_id = $1 AND t.alert_id = due.id
     GROUP BY GROUPING SETS ((t.provider), (t.provider, t.outcome, t.reason))
     ORDER BY t.provider, grouping(t.outcome) DESC, count(*) DESC, t.outcome, t.reason")
}

/// Tries at the alerts of a window: each provider, followed by its answers, the most frequent first.
pub async fn count_attempts(conn: &mut AsyncPgConnection, window: &Window) -> QueryResult<Vec<AttemptLine>> {
    let Window { clinic_id: clinic, from, to, .. } = *window;
    CountAttempts { clinic, from, to }.load(conn).await
}
