//! Reading what one person was told: as a patient, as a member, or both.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::domain::whom_to_call::Lines;

/// Somebody's own alerts: those of the login's membership and of the patient record behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The login.
    pub user_id: Uuid,
    /// The membership.
    pub membership_id: Uuid,
    /// The patient record, for patients.
    pub patient_id: Option<Uuid>,
}

/// An alert with all that its words are made of.
#[derive(Debug, Clone, Queryable)]
pub struct InboxRow {
    /// The alert.
    pub id: Uuid,
    /// What it is about.
    pub category: String,
    /// The treatment.
    pub treatment_id: Option<Uuid>,
    /// The flag.
    pub flag_id: Option<Uuid>,
    /// Where the text comes from.
    pub protocol_version_id: Option<Uuid>,
    /// Which item it announces.
    pub item_key: Option<String>,
    /// Which of the item's alerts of that day.
    pub seq: Option<i32>,
    /// From when it is owed.
    pub due_at: DateTime<Utc>,
    /// From when it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// When a provider took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the person opened it.
    pub opened_at: Option<DateTime<Utc>>,
    /// Where it stands.
    pub state: String,
    /// The flag's level.
    pub flag_level: Option<String>,
    /// Whether somebody has seen the flag.
    pub flag_seen: Option<bool>,
    /// The name of the patient that the flag or the nudge is about.
    pub patient_name: Option<String>,
    /// The share that a nudge is about, in basis points.
    pub nudge_completion_bp: Option<i32>,
    /// Over how many days.
    pub nudge_days: Option<i32>,
    /// When the appointment begins that it is about.
    pub appointment_at: Option<DateTime<Utc>>,
    /// IANA zone in which its time is told.
    pub appointment_zone: Option<String>,
    /// How patients reach the clinic.
    pub contact_line: Option<String>,
    /// Whom they turn to while it is closed.
    pub out_of_hours_text: Option<String>,
    /// Whom they call in an emergency.
    pub emergency_line: Option<String>,
    /// Language of the clinic.
    pub clinic_locale: String,
    /// Language of the reader.
    pub user_locale: String,
    /// The alert that tells it, if another does.
    pub merged_into: Option<Uuid>,
    /// The patient that the flag or the nudge is about.
    pub about_patient: Option<Uuid>,
}

impl InboxRow {
    /// Whom a patient can call.
    pub fn lines(&self) -> Lines {
        Lines {
            contact: self.contact_line.clone(),
            out_of_hours: self.out_of_hours_text.clone(),
            emergency: self.emergency_line.clone(),
        }
    }
}

/// Where a page of alerts begins: newest first.
pub type Position = (DateTime<Utc>, Uuid);

/// The caller's own alerts (`$1` to `$4` say whose) that a condition picks, with all that their words are made of. They are
/// picked first, with the names that their keys hold: behind a policy no index is asked for what a function makes of another
/// table's row, since a function may leak it.
macro_rules! own_sql {
    ($picked:literal, $order:literal, $limit:literal) => {
        concat!(
            "SELECT a.id, a.category, a.treatment_id, a.flag_id, a.protocol_version_id, a.item_key, a.seq, a.due_at,
                    a.expires_at, a.sent_at, a.opened_at, a.state, f.level,
                    f.status <> 'open', p.display_name, n.completion_bp, n.days, ap.starts_at, ap.time_zone, c.contact_line,
                    c.out_of_hours_text, c.emergency_line, c.locale, u.locale, a.merged_into, p.id
               FROM (SELECT a.*,
                            CASE WHEN a.item_key LIKE 'nudge:%' THEN substr(a.item_key, 7)::uuid END AS nudge_id,
                            CASE WHEN a.item_key LIKE 'appointment:%'
                                 THEN substr(a.item_key, 13, 36)::uuid END AS appointment_id
                       FROM alerts AS a
                      WHERE a.clinic_id = $1 AND a.recipient_id IN ($3, $4)
                        AND a.recipient_id = CASE a.recipient_kind WHEN 'patient' THEN $4 ELSE $3 END
                        AND ", $picked, "
                      ORDER BY ", $order, " LIMIT ", $limit, ") AS a
               JOIN clinics AS c ON c.id = a.clinic_id
               JOIN users AS u ON u.id = $2
               LEFT JOIN flags AS f ON f.clinic_id = a.clinic_id AND f.id = a.flag_id
               LEFT JOIN nudges AS n ON n.clinic_id = a.clinic_id AND n.id = a.nudge_id
               LEFT JOIN patients AS p ON p.clinic_id = a.clinic_id
                AND p.id = CASE WHEN f.id IS NULL THEN n.patient_id ELSE f.patient_id END
               LEFT JOIN appointments AS ap ON ap.clinic_id = a.clinic_id AND ap.id = a.appointment_id
              ORDER BY ", $order
        )
    };
}

hot_query! {
    /// `$5` names one alert, whatever its state; without it, the inbox: what was due by `$6` and not called off.
    struct ListOwn {
        clinic: Uuid as SqlUuid,
        user: Uuid as SqlUuid,
        membership: Uuid as SqlUuid,
        patient: Option<Uuid> as Nullable<SqlUuid>,
        only: Option<Uuid> as Nullable<SqlUuid>,
        now: DateTime<Utc> as Timestamptz,
        after_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        after_id: Option<Uuid> as Nullable<SqlUuid>,
        limit: i64 as Int8,
    }
    returns (
        SqlUuid, Text, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<Text>, Nullable<Int4>,
        Timestamptz, Timestamptz, Nullable<Timestamptz>, Nullable<Timestamptz>, Text, Nullable<Text>, Nullable<Bool>,
        Nullable<Text>, Nullable<Int4>, Nullable<Int4>, Nullable<Timestamptz>, Nullable<Text>, Nullable<Text>,
        Nullable<Text>, Nullable<Text>, Text, Text, Nullable<SqlUuid>, Nullable<SqlUuid>,
    );
    own_sql!(
        "CASE WHEN $5 IS NOT NULL THEN a.id = $5
              ELSE a.due_at <= $6 AND a.state NOT IN ('cancelled', 'suppressed', 'merged')
                  AND ($7 IS NULL OR (a.due_at, a.id) < ($7, $8)) END",
        "a.due_at DESC, a.id DESC",
        "$9"
    )
}

hot_query! {
    /// What is still to come between `$5` and `$6`, the next first.
    struct ListAhead {
        clinic: Uuid as SqlUuid,
        user: Uuid as SqlUuid,
        membership: Uuid as SqlUuid,
        patient: Option<Uuid> as Nullable<SqlUuid>,
        from: DateTime<Utc> as Timestamptz,
        to: DateTime<Utc> as Timestamptz,
        limit: i64 as Int8,
    }
    returns (
        SqlUuid, Text, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<Text>, Nullable<Int4>,
        Timestamptz, Timestamptz, Nullable<Timestamptz>, Nullable<Timestamptz>, Text, Nullable<Text>, Nullable<Bool>,
        Nullable<Text>, Nullable<Int4>, Nullable<Int4>, Nullable<Timestamptz>, Nullable<Text>, Nullable<Text>,
        Nullable<Text>, Nullable<Text>, Text, Text, Nullable<SqlUuid>, Nullable<SqlUuid>,
    );
    own_sql!("a.due_at BETWEEN $5 AND $6 AND a.state = 'scheduled'", "a.due_at, a.id", "$7")
}

hot_query! {
    /// What these alerts tell besides themselves: what was over when they were sent they told no more.
    struct ListToldWith {
        clinic: Uuid as SqlUuid,
        user: Uuid as SqlUuid,
        membership: Uuid as SqlUuid,
        patient: Option<Uuid> as Nullable<SqlUuid>,
        alerts: Vec<Uuid> as Array<SqlUuid>,
    }
    returns (
        SqlUuid, Text, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<Text>, Nullable<Int4>,
        Timestamptz, Timestamptz, Nullable<Timestamptz>, Nullable<Timestamptz>, Text, Nullable<Text>, Nullable<Bool>,
        Nullable<Text>, Nullable<Int4>, Nullable<Int4>, Nullable<Timestamptz>, Nullable<Text>, Nullable<Text>,
        Nullable<Text>, Nullable<Text>, Text, Text, Nullable<SqlUuid>, Nullable<SqlUuid>,
    );
    own_sql!(
        "a.state = 'merged' AND a.merged_into = ANY ($5)
         AND EXISTS (SELECT FROM alerts AS l WHERE l.clinic_id = a.clinic_id AND l.id = a.merged_into
                        AND a.expires_at > coalesce(l.sent_at, l.due_at))",
        "a.due_at, a.id",
        "ALL"
    )
}

/// What these alerts of the reader's tell besides themselves, in order of time.
pub async fn list_told_with(
    conn: &mut AsyncPgConnection,
    reader: Reader,
    alerts: Vec<Uuid>,
) -> QueryResult<Vec<InboxRow>> {
    let Reader { clinic_id: clinic, user_id: user, membership_id: membership, patient_id: patient } = reader;
    ListToldWith { clinic, user, membership, patient, alerts }.load(conn).await
}

/// What the reader is still to be told between two moments, the next first, at most `limit`.
pub async fn list_ahead(
    conn: &mut AsyncPgConnection,
    reader: Reader,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<InboxRow>> {
    let Reader { clinic_id: clinic, user_id: user, membership_id: membership, patient_id: patient } = reader;
    ListAhead { clinic, user, membership, patient, from, to, limit }.load(conn).await
}

/// The reader's inbox at `now`, newest first; `limit` rows after `after`.
pub async fn list_inbox(
    conn: &mut AsyncPgConnection,
    reader: Reader,
    now: DateTime<Utc>,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<InboxRow>> {
    own(reader, None, now, after, limit).load(conn).await
}

/// One alert of the reader's.
pub async fn find_own(
    conn: &mut AsyncPgConnection,
    reader: Reader,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<InboxRow> {
    own(reader, Some(id), now, None, 1).get_result(conn).await
}

fn own(reader: Reader, only: Option<Uuid>, now: DateTime<Utc>, after: Option<Position>, limit: i64) -> ListOwn {
    ListOwn {
        clinic: reader.clinic_id,
        user: reader.user_id,
        membership: reader.membership_id,
        patient: reader.patient_id,
        only,
        now,
        after_at: after.map(|after| after.0),
        after_id: after.map(|after| after.1),
        limit,
    }
}
