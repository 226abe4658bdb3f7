//! From what triage found to flags and to those who must be told: part of submitting a check-in, in its transaction.

use std::collections::BTreeMap;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{CheckIn, Manner};
use super::submit::SubmitError;
use crate::alerts::queue::{self, Owed, PlannedState, Recipient, RecipientKind};
use crate::domain::flag::{Status, staff_alert_key, unreached_alert_key};
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{DayTime, Level};
use crate::domain::reminders::QuietHours;
use crate::domain::triage::RaisedFlag;
use crate::flags::store::{self, Flag, FlagEvent, ToTell};
use crate::planning::Tools;

/// How long an urgent message to staff is worth sending.
const URGENT_LASTS: TimeDelta = TimeDelta::hours(24);
/// How long any other is: a level of soon means today or tomorrow, and a weekend may lie between.
const SOON_LASTS: TimeDelta = TimeDelta::days(3);

/// How many flags of each rule are resolved.
pub(super) fn resolved(flags: &[Flag]) -> BTreeMap<String, i32> {
    let mut counts = BTreeMap::new();
    for flag in flags.iter().filter(|flag| flag.status == Status::Resolved.as_str()) {
        *counts.entry(flag.rule.clone()).or_insert(0) += 1;
    }
    counts
}

/// How soon somebody should look at the flag.
pub(super) fn level(flag: &Flag) -> Level {
    flag.level.parse().unwrap_or(Level::None)
}

/// Whether somebody must look now and nobody has.
pub(super) fn waits_for_somebody(flag: &Flag) -> bool {
    flag.status == Status::Open.as_str() && level(flag) >= Level::Urgent
}

/// Opens a flag for each rule that fired, or confirms the one that is open already. Returns those that are news: opened,
/// or at a higher level than before.
pub(super) async fn raise(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    check_in: &CheckIn,
    there: &[Flag],
    raised: &[RaisedFlag],
) -> Result<Vec<Flag>, SubmitError> {
    let now = check_in.received_at;
    let (mut news, mut events) = (Vec::new(), Vec::new());
    for raised in raised {
        let before = there.iter().find(|flag| flag.rule == raised.rule && flag.episode == raised.episode);
        let (flag, kind) = match before {
            None => (opened(tools, check_in, raised), "opened"),
            Some(before) => confirmed(before, raised.level, now),
        };
        match before {
            None => store::insert_flag(conn, &flag).await?,
            Some(_) => store::update_flag(conn, &flag).await?,
        }
        events.push(FlagEvent {
            clinic_id: flag.clinic_id,
            id: tools.clocks.fresh_id(),
            flag_id: flag.id,
            kind,
            check_in_id: Some(check_in.id),
            actor_id: None,
            note: None,
            at: now,
        });
        if kind != "reported" {
            news.push(flag);
        }
    }
    store::insert_events(conn, &events).await?;
    Ok(news)
}

fn opened(tools: Tools<'_>, check_in: &CheckIn, raised: &RaisedFlag) -> Flag {
    Flag {
        clinic_id: check_in.clinic_id,
        id: tools.clocks.fresh_id(),
        treatment_id: check_in.treatment_id,
        patient_id: check_in.patient_id,
        check_in_id: check_in.id,
        rule: raised.rule.clone(),
        episode: raised.episode,
        level: raised.level.as_str().to_owned(),
        status: Status::Open.as_str().to_owned(),
        opened_at: check_in.received_at,
        last_reported_at: check_in.received_at,
        acknowledged_at: None,
        contacted_at: None,
        resolved_at: None,
        outcome: None,
        version: 1,
    }
}

/// The flag after one more report. One that rises is open again: what was seen was something lesser.
fn confirmed(before: &Flag, level: Level, now: DateTime<Utc>) -> (Flag, &'static str) {
    let mut flag = before.clone();
    flag.last_reported_at = now;
    flag.version += 1;
    if before.level.parse::<Level>().is_ok_and(|had| had >= level) {
        return (flag, "reported");
    }
    level.as_str().clone_into(&mut flag.level);
    Status::Open.as_str().clone_into(&mut flag.status);
    flag.acknowledged_at = None;
    (flag, "raised")
}

/// Tells staff of the most pressing of these flags: one message for one check-in, however many rules it met. If somebody
/// must look now and none of those who are told can be reached, the patient gets to know.
pub(super) async fn tell(
    conn: &mut AsyncPgConnection,
    check_in: &CheckIn,
    news: &[Flag],
    staff: &[ToTell],
    manner: &Manner,
    patient_has_login: bool,
) -> Result<(), SubmitError> {
    let now = check_in.received_at;
    let Some(flag) = news.iter().max_by_key(|flag| (level(flag), std::cmp::Reverse(&flag.rule))) else { return Ok(()) };
    let urgent = level(flag) >= Level::Urgent;
    let due_at = if urgent { now } else { waking(manner, now)? };
    let lasts = if urgent { URGENT_LASTS } else { SOON_LASTS };
    let to_staff = owed(flag, "flag", staff_alert_key(flag.id, level(flag)), urgent, due_at, lasts);
    for member in staff {
        let to = Recipient { clinic_id: flag.clinic_id, kind: RecipientKind::Member, id: member.membership_id };
        queue::enqueue(conn, to, &to_staff, now).await?;
    }
    if urgent && patient_has_login && !staff.iter().any(|member| member.reachable) {
        let to = Recipient { clinic_id: flag.clinic_id, kind: RecipientKind::Patient, id: flag.patient_id };
        let owed = owed(flag, "service", unreached_alert_key(flag.id), true, now, URGENT_LASTS);
        queue::enqueue(conn, to, &owed, now).await?;
    }
    Ok(())
}

/// Now, or the end of the clinic's quiet hours by the clinic's clock.
fn waking(manner: &Manner, now: DateTime<Utc>) -> Result<DateTime<Utc>, SubmitError> {
    let zone = manner.time_zone.parse().context("the clinic's time zone is unknown")?;
    let time = |at: chrono::NaiveTime| {
        let minutes = at.num_seconds_from_midnight() / 60;
        u16::try_from(minutes).ok().and_then(DayTime::from_minutes).unwrap_or(DayTime::START)
    };
    let quiet = QuietHours { from: time(manner.quiet_from), to: time(manner.quiet_to) };
    Ok(quiet.after(&ZoneHistory::fixed(zone), now))
}

fn owed(
    flag: &Flag,
    category: &'static str,
    dedupe_key: String,
    urgent: bool,
    due_at: DateTime<Utc>,
    lasts: TimeDelta,
) -> Owed {
    Owed {
        dedupe_key,
        category,
        urgent,
        treatment_id: Some(flag.treatment_id),
        flag_id: Some(flag.id),
        device_id: None,
        protocol_version_id: None,
        item_key: None,
        day_index: None,
        seq: None,
        due_at,
        expires_at: due_at + lasts,
        state: PlannedState::Scheduled,
    }
}

/// Whether one of these must be looked at now, nobody has, and nobody who was told can be reached.
pub(super) async fn is_unreached(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    clinician: Option<Uuid>,
    flags: &[Flag],
) -> Result<bool, SubmitError> {
    if !flags.iter().any(waits_for_somebody) {
        return Ok(false);
    }
    let staff = store::list_to_tell(conn, clinic_id, clinician).await?;
    Ok(!staff.iter().any(|member| member.reachable))
}
