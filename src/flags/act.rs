//! What staff do about a flag: one transaction in which the patient's plan is locked, the flag moves, its escalation ends
//! or begins anew, the plan is made anew where it depends on the flag, and the deed is recorded.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, Flag, FlagEvent};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::db::{DbError, Scope};
use crate::domain::flag::{Act, Illegal, Status};
use crate::domain::protocol::Level;
use crate::escalation;
use crate::planning::{self, PlanningError, Tools, through_planning};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The flag is in a state in which this cannot be done.
    #[error("the flag is {}", .0.0)]
    Illegal(Illegal),
    /// It was resolved before, with another outcome.
    #[error("resolved with another outcome")]
    ResolvedOtherwise,
    /// The rule has fired again since: there is a later flag.
    #[error("there is a later flag of this rule")]
    Overtaken,
    /// The caller saw another version.
    #[error("the flag has changed")]
    Changed,
    /// The clinic has no such flag, or the plan that depends on it cannot be made.
    #[error(transparent)]
    Planning(#[from] PlanningError),
}

through_planning!(ActError: diesel::result::Error, DbError, anyhow::Error);

/// What somebody does, and says about it.
#[derive(Debug, Clone)]
pub struct Deed {
    /// What.
    pub act: Act,
    /// A note for colleagues.
    pub note: Option<String>,
    /// How it ended, for whoever resolves.
    pub outcome: Option<String>,
}

/// Does it. What was done already is not done again. `seen` refuses where the caller looked at another version.
pub async fn act(
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    seen: impl Fn(i32) -> bool,
    deed: &Deed,
) -> Result<(), ActError> {
    let now = tools.clocks.care.now();
    let clinic = caller.clinic_id;
    tools
        .db
        .scoped(Scope::Clinic(clinic), async |conn| {
            let found = store::find_flag(conn, clinic, id).await?;
            let person = planning::lock_even_detached(conn, clinic, found.patient_id).await?;
            let before = store::find_flag(conn, clinic, id).await?;
            let status = status(&before)?;
            let after = deed.act.apply(status).map_err(ActError::Illegal)?;
            if is_repeat(conn, caller, &before, status == after, deed).await? {
                // It is answered all the same: without an entry this would be a way to read it unseen.
                let entry = Entry::by(caller, "flag.read", "flag", id).about(before.patient_id);
                return Ok(audit::record(conn, tools.clocks, entry).await?);
            }
            if !seen(before.version) {
                return Err(ActError::Changed);
            }
            if deed.act == Act::Reopen && is_overtaken(conn, &before).await? {
                return Err(ActError::Overtaken);
            }
            store::update_flag(conn, &moved(before.clone(), after, deed, now)).await?;
            store::insert_events(conn, &events(tools, caller, &before, status, deed, now)).await?;
            if status == Status::Open {
                withdraw(conn, &before, now).await?;
            } else if after == Status::Open {
                tell(conn, tools, &before, now).await?;
            }
            if status == Status::Resolved || after == Status::Resolved {
                person.replan(conn, tools.catalogue, now).await?;
            }
            let entry = Entry::by(caller, action(deed.act), "flag", id).about(before.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            Ok(())
        })
        .await
}

fn status(flag: &Flag) -> Result<Status, ActError> {
    flag.status.parse().map_err(|error: String| anyhow::anyhow!(error).into())
}

const fn action(act: Act) -> &'static str {
    match act {
        Act::Acknowledge => "flag.acknowledge",
        Act::Contacted => "flag.contacted",
        Act::Resolve => "flag.resolve",
        Act::Reopen => "flag.reopen",
    }
}

/// Whether this has been done. A patient may well be called twice, so that a contact is the same one only if it is the
/// last thing that happened, by the same person, in the same words.
async fn is_repeat(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    before: &Flag,
    stays: bool,
    deed: &Deed,
) -> Result<bool, ActError> {
    match deed.act {
        _ if !stays => Ok(false),
        Act::Acknowledge | Act::Reopen => Ok(true),
        Act::Resolve if deed.outcome.is_some() && deed.outcome != before.outcome => Err(ActError::ResolvedOtherwise),
        Act::Resolve => Ok(true),
        Act::Contacted => {
            let events = store::list_events(conn, before.clinic_id, before.id).await?;
            Ok(events.last().is_some_and(|last| {
                last.kind == deed.act.event() && last.actor_id == Some(caller.user_id) && last.note == deed.note
            }))
        }
    }
}

/// Whether the rule has fired again since this flag was resolved. Two flags of one rule are never under way at once.
async fn is_overtaken(conn: &mut AsyncPgConnection, flag: &Flag) -> Result<bool, ActError> {
    let all = store::list_of_treatment(conn, flag.clinic_id, flag.treatment_id).await?;
    Ok(all.iter().any(|other| other.rule == flag.rule && other.episode > flag.episode))
}

/// The flag after the deed.
fn moved(mut flag: Flag, to: Status, deed: &Deed, now: DateTime<Utc>) -> Flag {
    to.as_str().clone_into(&mut flag.status);
    flag.version += 1;
    match to {
        Status::Open => {
            flag.opening += 1;
            (flag.acknowledged_at, flag.resolved_at, flag.outcome) = (None, None, None);
        }
        Status::Acknowledged => flag.acknowledged_at = flag.acknowledged_at.or(Some(now)),
        Status::Resolved => (flag.resolved_at, flag.outcome) = (Some(now), deed.outcome.clone()),
    }
    if deed.act == Act::Contacted {
        flag.contacted_at = Some(now);
    }
    flag
}

/// What enters the history. Whoever contacts a patient about an open flag has seen it as well.
fn events(
    tools: Tools<'_>,
    caller: &Caller,
    before: &Flag,
    status: Status,
    deed: &Deed,
    now: DateTime<Utc>,
) -> Vec<FlagEvent> {
    let seen_too = deed.act == Act::Contacted && status == Status::Open;
    let acts = seen_too.then_some(Act::Acknowledge).into_iter().chain([deed.act]);
    acts.map(|act| FlagEvent {
        clinic_id: before.clinic_id,
        id: tools.clocks.fresh_id(),
        flag_id: before.id,
        kind: act.event(),
        check_in_id: None,
        actor_id: Some(caller.user_id),
        note: deed.note.clone().filter(|_| act == deed.act),
        step: None,
        at: now,
    })
    .collect()
}

/// One message tells of all flags that a check-in raised, so it is withdrawn once all of them were seen; an urgent one
/// once all that are urgent were.
async fn withdraw(conn: &mut AsyncPgConnection, flag: &Flag, now: DateTime<Utc>) -> Result<(), ActError> {
    let as_pressing: &[Level] = if is_urgent(flag) { &Level::URGENT } else { &Level::OF_RULES };
    if store::is_any_unseen(conn, flag.clinic_id, flag.check_in_id, as_pressing).await? {
        return Ok(());
    }
    Ok(escalation::end(conn, flag.clinic_id, flag.check_in_id, flag.patient_id, now).await?)
}

/// Staff are told anew of a flag that was opened again, as when it was raised.
async fn tell(conn: &mut AsyncPgConnection, tools: Tools<'_>, flag: &Flag, now: DateTime<Utc>) -> Result<(), ActError> {
    if is_urgent(flag) {
        escalation::begin(conn, tools.clocks, flag.clinic_id, flag.id, now).await?;
    } else {
        escalation::tell_once(conn, flag.clinic_id, flag.id, now).await?;
    }
    Ok(())
}

fn is_urgent(flag: &Flag) -> bool {
    flag.level.parse().is_ok_and(Level::is_urgent)
}
