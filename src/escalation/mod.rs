//! Escalation: who is told of an urgent flag, and who next, until somebody has seen it. A block of the transactions that
//! open and close flags, and the step that a worker takes when a moment has come. Who is told is decided in
//! `domain/escalation.rs`, by the staff of that moment; what is owed is an alert like any other.
//!
//! The row of an escalation is what both sides lock: a worker while it takes a step, whoever acknowledges before withdrawing
//! messages. So what a step owes is either withdrawn or was never owed.

mod again;
pub mod store;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::alerts::queue::{self, Owed, PlannedState, Recipient, RecipientKind};
use crate::clock::Clocks;
use crate::domain::escalation::{self as decide, Move, Standing, Step};
use crate::domain::flag::{alert_keys, staff_alert_key, staff_alert_keys, unreached_alert_key};
use crate::flags::store::{self as flags, FlagEvent};
pub use again::tell_again;
use store::{Escalation, Situation};

/// How long an urgent message is worth sending.
const URGENT_LASTS: TimeDelta = TimeDelta::hours(24);
/// How long any other to staff is: a level of soon means today or tomorrow, and a weekend may lie between.
const SOON_LASTS: TimeDelta = TimeDelta::days(3);

/// An urgent flag begins to wait: the first are told now, and if none of them can be reached the next, down to the patient.
pub async fn begin(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    clinic_id: Uuid,
    flag_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let situation = store::find_situation(conn, clinic_id, flag_id).await?;
    let staff = store::list_staff(conn, clinic_id, situation.treatment_id).await?;
    let next = decide::begin(&staff, situation.figures(), now);
    take(conn, clocks, &situation, now, &next, now).await
}

/// Tells those who come first of a flag that can wait for the clinic's morning, and nobody else later.
pub async fn tell_once(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    flag_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let situation = store::find_situation(conn, clinic_id, flag_id).await?;
    let due_at = situation.waking(now);
    let staff = store::list_staff(conn, clinic_id, situation.treatment_id).await?;
    for colleague in Step::Treating.audience(&staff) {
        let owed = to_staff(&situation, Step::Treating, false, due_at);
        queue::enqueue(conn, member(clinic_id, colleague.membership_id), &owed, now).await?;
    }
    Ok(())
}

/// Somebody has seen what this check-in raised: nobody is told any more, and what is still owed is withdrawn.
pub async fn end(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    check_in_id: Uuid,
    patient_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    // First, so that a step that is being taken is waited for and what it owes is found by what follows.
    store::delete_escalations(conn, clinic_id, check_in_id).await?;
    let told = store::list_told_together(conn, clinic_id, check_in_id).await?;
    let keys = told.into_iter().flat_map(|(flag, opening)| alert_keys(flag, opening)).collect();
    queue::cancel_seen(conn, clinic_id, patient_id, keys, now).await?;
    Ok(())
}

/// The clinic's figures have changed: what waits is looked at again at once.
pub async fn hasten(conn: &mut AsyncPgConnection, clinic_id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    store::update_wakes(conn, clinic_id, now).await
}

/// Takes one step that is due at `now`; `false` if there is none. In a transaction of its own: it is taken or it is not.
pub async fn step(conn: &mut AsyncPgConnection, clocks: &Clocks, now: DateTime<Utc>) -> QueryResult<bool> {
    let Some(row) = store::lock_due(conn, now).await? else { return Ok(false) };
    let Escalation { clinic_id, flag_id, opened_at, step, told_at } = row;
    let situation = store::find_situation(conn, clinic_id, flag_id).await?;
    if !situation.waits {
        store::update_escalation(conn, clinic_id, flag_id, None).await?;
        return Ok(true);
    }
    let keys = staff_alert_keys(flag_id, situation.opening);
    let reached = store::is_any_accepted(conn, clinic_id, keys).await?;
    let staff = store::list_staff(conn, clinic_id, situation.treatment_id).await?;
    let standing = Standing { opened_at, step: step.parse().unwrap_or(Step::Treating), told_at, reached };
    let next = decide::proceed(standing, &staff, situation.figures(), now);
    take(conn, clocks, &situation, opened_at, &next, now).await?;
    Ok(true)
}

/// Owes what the move says and keeps how far it has come.
async fn take(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    situation: &Situation,
    opened_at: DateTime<Utc>,
    next: &Move,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let (clinic_id, flag_id) = (situation.clinic_id, situation.flag_id);
    for (step, membership) in &next.tell {
        queue::enqueue(conn, member(clinic_id, *membership), &to_staff(situation, *step, true, now), now).await?;
    }
    let told = next.tell.iter().map(|(step, _)| *step);
    let mut steps: Vec<Step> = told.filter(|step| *step != Step::Treating).collect();
    steps.dedup();
    let event = |kind, step| FlagEvent {
        clinic_id,
        id: clocks.fresh_id(),
        flag_id,
        kind,
        check_in_id: None,
        actor_id: None,
        note: None,
        step,
        at: now,
    };
    let mut events: Vec<FlagEvent> = steps.iter().map(|step| event("escalated", Some(step.as_str()))).collect();
    if next.unreached {
        tracing::warn!(flag.id = %flag_id, "nobody of the staff can be reached about an urgent flag");
        events.push(event("unreached", None));
        if situation.patient_has_login {
            let to = Recipient { clinic_id, kind: RecipientKind::Patient, id: situation.patient_id };
            let key = unreached_alert_key(flag_id, situation.opening);
            queue::enqueue(conn, to, &owed(situation, "service", key, true, now, URGENT_LASTS), now).await?;
        }
    }
    flags::insert_events(conn, &events).await?;
    store::upsert_escalation(conn, situation, opened_at, next, now).await
}

fn member(clinic_id: Uuid, id: Uuid) -> Recipient {
    Recipient { clinic_id, kind: RecipientKind::Member, id }
}

fn to_staff(situation: &Situation, step: Step, urgent: bool, due_at: DateTime<Utc>) -> Owed {
    let key = staff_alert_key(situation.flag_id, situation.opening, step);
    owed(situation, "flag", key, urgent, due_at, if urgent { URGENT_LASTS } else { SOON_LASTS })
}

fn owed(
    situation: &Situation,
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
        treatment_id: Some(situation.treatment_id),
        flag_id: Some(situation.flag_id),
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
