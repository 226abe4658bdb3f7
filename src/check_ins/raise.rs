//! From what triage found to flags and to those who must be told: part of submitting a check-in, in its transaction.

use std::collections::BTreeMap;

use anyhow::Context as _;
use chrono::{DateTime, Timelike, Utc};
use diesel_async::AsyncPgConnection;

use super::store::{CheckIn, Manner};
use super::submit::SubmitError;
use crate::domain::flag::Status;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{DayTime, Level};
use crate::domain::reminders::QuietHours;
use crate::domain::triage::RaisedFlag;
use crate::escalation;
use crate::flags::store::{self, Flag, FlagEvent};
use crate::planning::Tools;

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
    flag.status == Status::Open.as_str() && level(flag).is_urgent()
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
            step: None,
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
        opening: 1,
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
    flag.opening += 1;
    (flag, "raised")
}

/// Tells staff of the most pressing of these flags: one message for one check-in, however many rules it met. What is
/// urgent is told now and escalated; anything else waits for the clinic's morning.
pub(super) async fn tell(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    check_in: &CheckIn,
    news: &[Flag],
    manner: &Manner,
) -> Result<(), SubmitError> {
    let now = check_in.received_at;
    let Some(flag) = news.iter().max_by_key(|flag| (level(flag), std::cmp::Reverse(&flag.rule))) else { return Ok(()) };
    if level(flag).is_urgent() {
        escalation::begin(conn, tools.clocks, flag.clinic_id, flag.id, now).await?;
    } else {
        escalation::tell_once(conn, flag.clinic_id, flag.id, waking(manner, now)?, now).await?;
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
