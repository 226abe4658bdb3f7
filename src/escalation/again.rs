//! Telling again of flags that nobody has seen, where what staff were told of them is lost: the database came back from a backup
//! and cannot know whether somebody has acted since, or the clinic was closed, which called everything off, and is kept after
//! all. Twice rather than never.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{begin, tell_once};
use crate::clock::Clocks;
use crate::domain::protocol::Level;
use crate::flags::store::{self, Flag, FlagEvent};

/// Tells staff of one clinic, or of all, again of every report that raised a flag which is still open: one message for each
/// report, of its most pressing flag, as when it came. Escalation begins anew. Returns how many reports those are.
pub async fn tell_again(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    clinic: Option<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let reports = most_pressing(store::list_unseen(conn, clinic).await?);
    for mut flag in reports.values().cloned() {
        // What was owed before keeps its name, and its end.
        flag.opening += 1;
        flag.version += 1;
        store::update_flag(conn, &flag).await?;
        store::insert_events(conn, &[told_again(clocks, &flag, now)]).await?;
        if level(&flag).is_urgent() {
            begin(conn, clocks, flag.clinic_id, flag.id, now).await?;
        } else {
            tell_once(conn, flag.clinic_id, flag.id, now).await?;
        }
    }
    Ok(reports.len())
}

fn level(flag: &Flag) -> Level {
    flag.level.parse().unwrap_or(Level::None)
}

/// By clinic and report, the flag that its message is about.
fn most_pressing(flags: Vec<Flag>) -> BTreeMap<(Uuid, Uuid), Flag> {
    let mut reports: BTreeMap<(Uuid, Uuid), Flag> = BTreeMap::new();
    for flag in flags {
        let report = (flag.clinic_id, flag.check_in_id);
        let is_more = |than: &Flag| (level(&flag), &than.rule) > (level(than), &flag.rule);
        if reports.get(&report).is_none_or(is_more) {
            reports.insert(report, flag);
        }
    }
    reports
}

fn told_again(clocks: &Clocks, flag: &Flag, now: DateTime<Utc>) -> FlagEvent {
    FlagEvent {
        clinic_id: flag.clinic_id,
        id: clocks.fresh_id(),
        flag_id: flag.id,
        kind: "told_again",
        check_in_id: None,
        actor_id: None,
        note: None,
        step: None,
        at: now,
    }
}
