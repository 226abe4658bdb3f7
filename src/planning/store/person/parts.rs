//! The parts of a person's row: what a person has several of comes as columns of the same length.

use chrono::{DateTime, NaiveTime, Utc};
use diesel::Queryable;
use diesel::sql_types::{Array, Bool, Int4, Nullable, Text, Time, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::domain::appointment::Appointment;
use crate::domain::reminders::{Snooze, Told};
use crate::domain::timeline::ModeSpan;

/// The patient record.
#[derive(Debug, Clone, Queryable)]
pub(in crate::planning) struct PatientRow {
    pub(in crate::planning) id: Uuid,
    pub(in crate::planning) user_id: Option<Uuid>,
    pub(in crate::planning) linked_at: Option<DateTime<Utc>>,
    pub(in crate::planning) plan_revision: i32,
    /// The login was erased: the record is only kept.
    pub(in crate::planning) detached: bool,
    /// The login is to be erased, or the clinic is closed: nothing is owed.
    pub(in crate::planning) leaving: bool,
    /// The clinic's.
    pub(in crate::planning) default_protocol: String,
    /// Areas.
    pub(in crate::planning) open_courses: Vec<String>,
    /// Protocol versions that the clinic has withdrawn.
    pub(in crate::planning) withdrawn: Vec<Uuid>,
}

pub(super) type PatientSql =
    (SqlUuid, Nullable<SqlUuid>, Nullable<Timestamptz>, Int4, Bool, Bool, Text, Array<Text>, Array<SqlUuid>);

/// Where the person was.
#[derive(Debug, Clone, Queryable)]
pub(in crate::planning) struct ZoneColumns {
    pub(in crate::planning) names: Vec<String>,
    pub(in crate::planning) valid_from: Vec<DateTime<Utc>>,
}

pub(super) type ZoneSql = (Array<Text>, Array<Timestamptz>);

/// What the person wants to be told, and when: their own wishes, else the clinic's, else the usual.
#[derive(Debug, Clone, Queryable)]
pub(in crate::planning) struct WishRow {
    pub(in crate::planning) quiet_from: NaiveTime,
    pub(in crate::planning) quiet_to: NaiveTime,
    pub(in crate::planning) preferred_time: Option<NaiveTime>,
    pub(in crate::planning) categories_off: Vec<String>,
    pub(in crate::planning) paused: bool,
    pub(in crate::planning) daily_cap: i32,
    pub(in crate::planning) minimum_gap_minutes: i32,
}

pub(super) type WishSql = (Time, Time, Nullable<Time>, Array<Text>, Bool, Int4, Int4);

/// What the person was told.
#[derive(Debug, Clone, Queryable)]
pub(in crate::planning) struct ToldColumns {
    keys: Vec<String>,
    treatments: Vec<Option<Uuid>>,
    items: Vec<Option<String>>,
    /// None: just now.
    at: Vec<Option<DateTime<Utc>>>,
    /// The key of the alert that told it, if it was another.
    by: Vec<Option<String>>,
}

pub(super) type ToldSql =
    (Array<Text>, Array<Nullable<SqlUuid>>, Array<Nullable<Text>>, Array<Nullable<Timestamptz>>, Array<Nullable<Text>>);

impl ToldColumns {
    pub(in crate::planning) fn read(self) -> Vec<Told> {
        let columns = self.keys.into_iter().zip(self.treatments).zip(self.items).zip(self.at).zip(self.by);
        let told = columns.map(|((((dedupe_key, treatment_id), item_key), at), merged_into)| Told {
            dedupe_key,
            treatment_id,
            item_key,
            at,
            merged_into,
        });
        told.collect()
    }
}

/// What the person put off.
#[derive(Debug, Clone, Queryable)]
pub(in crate::planning) struct SnoozeColumns {
    keys: Vec<String>,
    times: Vec<i32>,
    until: Vec<DateTime<Utc>>,
}

pub(super) type SnoozeSql = (Array<Text>, Array<Int4>, Array<Timestamptz>);

impl SnoozeColumns {
    pub(in crate::planning) fn read(self) -> Vec<Snooze> {
        let columns = self.keys.into_iter().zip(self.times).zip(self.until);
        columns.map(|((dedupe_key, times), until)| Snooze { dedupe_key, times, until }).collect()
    }
}

/// Modes of their protocols that the person had switched on.
#[derive(Debug, Clone, Queryable)]
pub(in crate::planning) struct ModeColumns {
    names: Vec<String>,
    from: Vec<DateTime<Utc>>,
    to: Vec<DateTime<Utc>>,
}

pub(super) type ModeSql = (Array<Text>, Array<Timestamptz>, Array<Timestamptz>);

impl ModeColumns {
    pub(in crate::planning) fn read(self) -> Vec<ModeSpan> {
        let columns = self.names.into_iter().zip(self.from).zip(self.to);
        columns.map(|((mode, from), to)| ModeSpan { mode, from, to }).collect()
    }
}

/// Every appointment that the person ever had.
#[derive(Debug, Clone, Queryable)]
pub(in crate::planning) struct AppointmentColumns {
    ids: Vec<Uuid>,
    kinds: Vec<String>,
    courses: Vec<Option<Uuid>>,
    starts_at: Vec<DateTime<Utc>>,
    /// Whether it was not called off.
    set: Vec<bool>,
    announced_no: Vec<i32>,
    announced_at: Vec<DateTime<Utc>>,
}

pub(super) type AppointmentSql = (
    Array<SqlUuid>,
    Array<Text>,
    Array<Nullable<SqlUuid>>,
    Array<Timestamptz>,
    Array<Bool>,
    Array<Int4>,
    Array<Timestamptz>,
);

impl AppointmentColumns {
    pub(in crate::planning) fn read(self) -> anyhow::Result<Vec<Appointment>> {
        let whats = self.ids.into_iter().zip(self.kinds).zip(self.courses);
        let times = self.starts_at.into_iter().zip(self.set);
        let announced = self.announced_no.into_iter().zip(self.announced_at);
        let columns = whats.zip(times).zip(announced);
        let appointments =
            columns.map(|((((id, kind), course_id), (starts_at, is_set)), (announced_no, announced_at))| {
                let kind = kind.parse().map_err(anyhow::Error::msg)?;
                Ok(Appointment { id, kind, course_id, starts_at, is_set, announced_no, announced_at })
            });
        appointments.collect()
    }
}
