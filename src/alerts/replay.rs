//! Owing again what could not be sent: judged alert by alert as the plan stands now, under the recipient's lock, then
//! written and recorded in one transaction per recipient. A dry run judges and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::queue::{self, Replay};
use super::store::{self, UnsentRow};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clinics;
use crate::db::{DbError, Lock, Scope};
use crate::domain::local_time::ZoneHistory;
use crate::domain::nudge;
use crate::domain::preferences::day_time;
use crate::domain::protocol::DayTime;
use crate::domain::reminders::QuietHours;
use crate::domain::replay::{Asked, Refusal, Times, fresh_end, unsent};
use crate::idempotency::{IdempotencyError, KeyedRequest};
use crate::planning::{self, Person, PlanningError, Tools, through_planning};
use crate::{flags, nudges};

/// Why one alert is not owed again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// As the refusal says.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The key of the request stands against it.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// The clinic has no such alert, or its recipient's plan cannot be read.
    #[error(transparent)]
    Planning(#[from] PlanningError),
}

through_planning!(ReplayError: diesel::result::Error, DbError, anyhow::Error);

/// What came of alerts that fitted a filter, each with its id.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Owed again, or would be.
    pub replayed: Vec<Uuid>,
    /// Left as they are.
    pub skipped: Vec<(Uuid, Refusal)>,
}

/// Owes one alert again. A repeated request changes nothing.
pub async fn replay_one(tools: Tools<'_>, caller: &Caller, key: KeyedRequest, id: Uuid) -> Result<(), ReplayError> {
    let recipient = find(tools, caller, id).await?;
    tools
        .db
        .scoped_under(Scope::Clinic(caller.clinic_id), recipient.lock(caller.clinic_id), async |conn| {
            if key.begin(conn, id, tools.clocks.wall.now()).await?.is_some() {
                // It is answered all the same: without an entry this would be a way to read it unseen.
                let entry = recipient.entry(caller, "alert.read", id);
                return Ok(audit::record(conn, tools.clocks, entry).await?);
            }
            let judged = judge(tools, conn, caller.clinic_id, &recipient, vec![id], Asked::ByHand).await?;
            let replay = judged.into_iter().next().ok_or(PlanningError::NotFound)?.1.map_err(ReplayError::Refused)?;
            match write(tools, conn, caller, &recipient, &[replay]).await?.is_empty() {
                true => Err(ReplayError::Refused(Refusal::UnderWay)),
                false => Ok(()),
            }
        })
        .await
}

/// Owes these alerts again, as far as that makes sense.
pub async fn replay_all(
    tools: Tools<'_>,
    caller: &Caller,
    rows: &[UnsentRow],
    dry_run: bool,
) -> Result<Replayed, ReplayError> {
    let mut recipients: BTreeMap<Recipient, Vec<Uuid>> = BTreeMap::new();
    for row in rows {
        recipients.entry(Recipient::of(row)).or_default().push(row.id);
    }
    let mut all = Replayed::default();
    for (recipient, ids) in recipients {
        let lock = if dry_run { Lock::None } else { recipient.lock(caller.clinic_id) };
        let judged = tools
            .db
            .scoped_under(Scope::Clinic(caller.clinic_id), lock, async |conn| {
                let mut judged = judge(tools, conn, caller.clinic_id, &recipient, ids, Asked::ByFilter).await?;
                let replays: Vec<Replay> = judged.iter().filter_map(|(_, replay)| replay.ok()).collect();
                if !dry_run && !replays.is_empty() {
                    let written = write(tools, conn, caller, &recipient, &replays).await?;
                    // Somebody else was faster.
                    let lost = judged.iter_mut().filter(|(id, verdict)| verdict.is_ok() && !written.contains(id));
                    lost.for_each(|(_, verdict)| *verdict = Err(Refusal::UnderWay));
                }
                Ok::<_, ReplayError>(judged)
            })
            .await?;
        for (id, verdict) in judged {
            match verdict {
                Ok(_) => all.replayed.push(id),
                Err(refusal) => all.skipped.push((id, refusal)),
            }
        }
    }
    Ok(all)
}

/// Whose alerts are judged together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Recipient {
    Patient(Uuid),
    Member(Uuid),
}

impl Recipient {
    fn of(row: &UnsentRow) -> Self {
        if row.recipient_kind == "patient" { Self::Patient(row.recipient_id) } else { Self::Member(row.recipient_id) }
    }

    /// Whoever changes a patient's plan holds this lock too.
    fn lock(self, clinic_id: Uuid) -> Lock {
        match self {
            Self::Patient(id) => Lock::Patient(clinic_id, id),
            Self::Member(_) => Lock::None,
        }
    }

    /// What the caller did to an alert of theirs.
    fn entry(self, caller: &Caller, action: &'static str, alert: Uuid) -> Entry {
        let entry = Entry::by(caller, action, "alert", alert);
        match self {
            Self::Patient(patient_id) => entry.about(patient_id),
            Self::Member(_) => entry,
        }
    }
}

async fn find(tools: Tools<'_>, caller: &Caller, id: Uuid) -> Result<Recipient, ReplayError> {
    let found = tools
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            Ok::<_, ReplayError>(store::list_by_id(conn, caller.clinic_id, vec![id]).await?)
        })
        .await?;
    Ok(Recipient::of(found.first().ok_or(PlanningError::NotFound)?))
}

type Judged = Vec<(Uuid, Result<Replay, Refusal>)>;

/// The hours and the plan of a recipient, by which alerts are judged.
struct Frame {
    now: DateTime<Utc>,
    zones: ZoneHistory,
    quiet: Option<QuietHours>,
    /// Keys that the plan owes, for a patient.
    owed: BTreeSet<String>,
}

async fn judge(
    tools: Tools<'_>,
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    recipient: &Recipient,
    ids: Vec<Uuid>,
    asked: Asked,
) -> Result<Judged, ReplayError> {
    let rows = store::list_by_id(conn, clinic_id, ids).await?;
    let frame = frame(tools, conn, clinic_id, recipient, &rows).await?;
    let mut judged = Vec::with_capacity(rows.len());
    for row in &rows {
        let verdict = match unsent(&row.state) {
            Ok(_) if !is_still_owed(conn, clinic_id, row, &frame).await? => {
                Err(if is_for_staff(row) { Refusal::Seen } else { Refusal::LeftThePlan })
            }
            Ok(_) => frame.replay(row, asked),
            Err(refusal) => Err(refusal),
        };
        judged.push((row.id, verdict));
    }
    Ok(judged)
}

async fn frame(
    tools: Tools<'_>,
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    recipient: &Recipient,
    rows: &[UnsentRow],
) -> Result<Frame, ReplayError> {
    let now = tools.clocks.care.now();
    let Recipient::Patient(patient_id) = *recipient else {
        let clinic = clinics::store::find_clinic(conn, clinic_id).await?;
        let zone = clinic.time_zone.parse().context("the clinic's time zone is unknown")?;
        let quiet = QuietHours { from: day_time(clinic.quiet_from), to: day_time(clinic.quiet_to) };
        return Ok(Frame { now, zones: ZoneHistory::fixed(zone), quiet: Some(quiet), owed: BTreeSet::new() });
    };
    let person: Person = planning::look(conn, clinic_id, patient_id).await?;
    let running = planning::look_at_treatments(conn, tools.catalogue, &person, &["unconfirmed", "active"]).await?;
    // As the plan was before the first of them was due: nothing has expired and nothing was put off until the morning.
    let earliest = rows.iter().map(|row| row.due_at).min().unwrap_or(now) - TimeDelta::seconds(1);
    let owed = person.owed_at(&running, earliest)?;
    Ok(Frame { now, quiet: person.preferences.quiet, zones: person.zones, owed })
}

/// Whether it is about something that somebody of the staff may see, and then nobody else needs to be told.
fn is_for_staff(row: &UnsentRow) -> bool {
    row.flag_id.is_some() || row.category == nudge::ALERT_CATEGORY
}

/// Whether there is still something to be told. What is about a flag or a nudge is, as long as nobody has seen it.
async fn is_still_owed(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    row: &UnsentRow,
    frame: &Frame,
) -> Result<bool, ReplayError> {
    match row.flag_id {
        Some(flag) => Ok(flags::store::find_flag(conn, clinic_id, flag).await?.status == "open"),
        None if row.category == nudge::ALERT_CATEGORY => match nudge::of_alert(&row.dedupe_key) {
            Some(nudge) => Ok(nudges::store::is_live(conn, clinic_id, nudge).await?),
            None => Ok(false),
        },
        None => Ok(row.category == "test" || frame.owed.contains(&row.dedupe_key)),
    }
}

impl Frame {
    fn replay(&self, row: &UnsentRow, asked: Asked) -> Result<Replay, Refusal> {
        let quiet = self.quiet.filter(|_| !row.urgent);
        let from = quiet.map_or(self.now, |quiet| quiet.after(&self.zones, self.now)).max(row.due_at);
        let day_ends_at = self.zones.instant_on(self.zones.date(row.due_at), DayTime::END);
        let times =
            Times { category: &row.category, due_at: row.due_at, expires_at: row.expires_at, day_ends_at, from };
        Ok(Replay { alert_id: row.id, from, expires_at: fresh_end(times, asked)? })
    }
}

async fn write(
    tools: Tools<'_>,
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    recipient: &Recipient,
    replays: &[Replay],
) -> Result<Vec<Uuid>, ReplayError> {
    let wake_before = tools.clocks.care.now() + planning::WAKE_WITHIN;
    let written = queue::replay(conn, caller.clinic_id, replays, wake_before).await?;
    for id in &written {
        audit::record(conn, tools.clocks, recipient.entry(caller, "alert.replay", *id)).await?;
    }
    Ok(written)
}
