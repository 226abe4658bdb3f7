//! Reading a day: what is written of it, and the plan's own story of it, put beside each other. One transaction, which
//! also records that somebody looked.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::day::{Day, Device, NotOwed, Planned, Told, Treated, Try, Wishes};
use crate::alerts::store::{self as alerts, DayRow, TryRow};
use crate::app::State;
use crate::audit::{self, Entry};
use crate::auth::store::list_memberships;
use crate::db::Scope;
use crate::domain::protocol::DayTime;
use crate::domain::reminders::{End, Preferences, Snooze, Story, first_key};
use crate::planning::{self, Person, RunningTreatments};
use crate::{devices, patients, treatments};

/// More tries than anybody reads.
const MOST_TRIES: i64 = 5_000;

/// What goes wrong on the way, whatever it is.
struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Reads the day of a patient.
pub(super) async fn gather(state: &State, clinic: Option<Uuid>, patient: Uuid, on: NaiveDate) -> anyhow::Result<Day> {
    let read = async |conn: &mut AsyncPgConnection| {
        let clinic_id = clinic_of(conn, clinic, patient).await?;
        let entry = Entry::by_operator(clinic_id, "patient.explain", "patient", patient).about(patient);
        audit::record(conn, &state.clocks, entry).await?;
        Ok::<_, Failed>(day(state, conn, clinic_id, patient, on).await?)
    };
    state.worker_db.scoped(Scope::System, read).await.map_err(|failed| failed.0)
}

async fn clinic_of(conn: &mut AsyncPgConnection, clinic: Option<Uuid>, patient: Uuid) -> anyhow::Result<Uuid> {
    let clinics = patients::store::list_clinics_of(conn, patient).await?;
    match (clinics.as_slice(), clinic) {
        ([], _) => anyhow::bail!("there is no patient {patient}"),
        (_, Some(clinic)) if clinics.contains(&clinic) => Ok(clinic),
        (_, Some(clinic)) => anyhow::bail!("the clinic {clinic} has no patient {patient}"),
        ([only], None) => Ok(*only),
        (several, None) => {
            let list: Vec<_> = several.iter().map(Uuid::to_string).collect();
            anyhow::bail!("several clinics have a patient of this id, choose with --clinic: {}", list.join(", "))
        }
    }
}

async fn day(
    state: &State,
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Uuid,
    on: NaiveDate,
) -> anyhow::Result<Day> {
    let person = planning::look(conn, clinic_id, patient_id).await?;
    let zones = &person.zones;
    let (from, to) = (zones.instant_on(on, DayTime::START), zones.instant_on(on, DayTime::END));
    let planned_from = ["unconfirmed", "active", "completed"];
    let running = planning::look_at_treatments(conn, &state.protocols, &person, &planned_from).await?;
    let recipients = recipients(conn, &person).await?;
    let rows = alerts::list_due(conn, clinic_id, recipients, from, to).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let tries = alerts::list_tries(conn, clinic_id, ids, None, MOST_TRIES).await?;
    let mut protocols = BTreeMap::new();
    for id in rows.iter().filter_map(|row| row.protocol_version_id) {
        let version = state.protocols.version(conn, id).await?;
        protocols.insert(id, format!("{} v{}", version.key(), version.number()));
    }
    let stories = stories(&person, &running, from, to, &rows)?;
    let not_owed =
        stories.plain.iter().filter(|story| story.end != End::Owed && !rows.iter().any(|row| is_of(row, story)));
    let not_owed = not_owed.map(not_owed_story).collect();
    let told = rows.into_iter().map(|row| told(row, &tries, &protocols, &stories)).collect();
    Ok(Day {
        clinic_id,
        patient_id,
        on,
        time_zone: zones.at(from),
        from,
        to,
        wishes: wishes(&person.preferences),
        devices: phones(conn, &person).await?,
        treatments: treated(conn, &person, &running).await?,
        alerts: told,
        not_owed,
    })
}

/// The patient's record, and the memberships of the login behind it: test pushes go to those.
async fn recipients(conn: &mut AsyncPgConnection, person: &Person) -> anyhow::Result<Vec<Uuid>> {
    let mut recipients = vec![person.patient_id];
    if let Some(user) = person.user_id {
        let memberships = list_memberships(conn, user).await?;
        let here = memberships.iter().filter(|membership| membership.clinic_id == person.clinic_id);
        recipients.extend(here.map(|membership| membership.id));
    }
    Ok(recipients)
}

/// The stories of a day.
struct Stories {
    /// Of what is due on it and of what is written as due on it, as if nothing had been put off.
    plain: Vec<Story>,
    /// Of everything, with what was put off.
    put_off: Vec<Story>,
}

impl Stories {
    /// The story behind an alert: the one that leads to its moment, where it was put off.
    fn of(&self, row: &DayRow) -> Option<&Story> {
        let put_off = self.put_off.iter().find(|story| is_of(row, story));
        if row.dedupe_key.starts_with(Snooze::PREFIX) {
            return put_off;
        }
        let plain = || self.plain.iter().find(|story| is_of(row, story));
        put_off.filter(|story| story.alert.due_at == row.due_at).or_else(plain)
    }
}

/// They are told as by the plan that was made when the first of the treatments was registered, so that nothing is past yet.
fn stories(
    person: &Person,
    running: &RunningTreatments,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    rows: &[DayRow],
) -> anyhow::Result<Stories> {
    let Some(first) = running.iter().map(|(row, _)| row.counts_from).min() else {
        return Ok(Stories { plain: Vec::new(), put_off: Vec::new() });
    };
    let within = |at: DateTime<Utc>| at >= from && at < to;
    let written = |story: &Story| rows.iter().any(|row| is_of(row, story));
    let mut plain = person.stories(running, first, false)?;
    plain.retain(|story| within(story.alert.due_at) || within(story.wanted_at) || written(story));
    Ok(Stories { plain, put_off: person.stories(running, first, true)? })
}

fn is_of(row: &DayRow, story: &Story) -> bool {
    let alert = &story.alert;
    first_key(&row.dedupe_key) == alert.dedupe_key
        && row.treatment_id == Some(alert.treatment_id)
        && row.item_key.as_ref() == Some(&alert.item_key)
}

/// One alert with its story.
fn told(row: DayRow, tries: &[TryRow], protocols: &BTreeMap<Uuid, String>, stories: &Stories) -> Told {
    let own = stories.of(&row);
    let beaten = stories.plain.iter().filter(|story| {
        matches!(&story.end, End::GaveWay { item_key, .. } if Some(item_key) == row.item_key.as_ref())
            && story.alert.dedupe_key == row.dedupe_key
    });
    let attempts = tries.iter().filter(|attempt| attempt.alert_id == row.id).map(|attempt| Try {
        at: attempt.at,
        claim: attempt.claim_no,
        device_id: attempt.device_id,
        provider: attempt.provider.clone(),
        outcome: attempt.outcome.clone(),
        reason: attempt.reason.clone(),
        provider_message_id: attempt.provider_message_id.clone(),
        duration_ms: attempt.duration_ms,
    });
    Told {
        instead_of: beaten.map(|story| story.alert.item_key.clone()).collect(),
        attempts: attempts.collect(),
        planned: own.map(planned),
        id: row.id,
        key: row.dedupe_key,
        category: row.category,
        item: row.item_key,
        day_index: row.day_index,
        treatment_id: row.treatment_id,
        protocol: row.protocol_version_id.and_then(|id| protocols.get(&id).cloned()),
        plan_revision: row.plan_revision,
        state: row.state,
        reason: row.reason,
        due_at: row.due_at,
        next_attempt_at: row.next_attempt_at,
        expires_at: row.expires_at,
        tries: row.tries,
        ended_at: row.finalized_at,
        sent_at: row.sent_at,
        opened_at: row.opened_at,
    }
}

fn planned(story: &Story) -> Planned {
    Planned {
        counted_from: story.at.as_str(),
        wanted_at: story.wanted_at,
        moves: story.moves.clone(),
        due_at: story.alert.due_at,
        left_out: match story.end {
            End::LeftOut(why) => Some(why),
            End::Owed | End::Merged { .. } | End::Suppressed(_) | End::GaveWay { .. } => None,
        },
    }
}

fn not_owed_story(story: &Story) -> NotOwed {
    NotOwed {
        planned: planned(story),
        gave_way_to: match &story.end {
            End::GaveWay { item_key, .. } => Some(item_key.clone()),
            End::Owed | End::Merged { .. } | End::Suppressed(_) | End::LeftOut(_) => None,
        },
        item: story.alert.item_key.clone(),
        category: story.alert.category.as_str(),
        treatment_id: story.alert.treatment_id,
        day_index: story.alert.day_index,
    }
}

fn wishes(preferences: &Preferences) -> Wishes {
    Wishes {
        preferred_time: preferences.preferred_time.to_string(),
        quiet_hours: preferences.quiet.map(|quiet| format!("{}-{}", quiet.from, quiet.to)),
        switched_off: preferences.off.iter().map(|category| category.as_str()).collect(),
        paused: preferences.paused,
    }
}

async fn phones(conn: &mut AsyncPgConnection, person: &Person) -> anyhow::Result<Vec<Device>> {
    let Some(user) = person.user_id else { return Ok(Vec::new()) };
    let devices = devices::store::list_devices(conn, user).await?;
    let device = |device: devices::store::Device| Device {
        reachable: device.is_reachable(),
        id: device.id,
        provider: device.provider,
        permission: device.permission,
        registered_at: device.registered_at,
        last_seen_at: device.last_seen_at,
    };
    Ok(devices.into_iter().map(device).collect())
}

async fn treated(
    conn: &mut AsyncPgConnection,
    person: &Person,
    running: &RunningTreatments,
) -> anyhow::Result<Vec<Treated>> {
    let mut all = Vec::new();
    for (row, version) in running.iter() {
        let found = treatments::store::find_treatment(conn, person.clinic_id, row.id).await;
        all.push(Treated {
            id: row.id,
            status: found.context("reading a treatment")?.status,
            performed_at: row.performed_at,
            protocol: format!("{} v{}", version.key(), version.number()),
        });
    }
    Ok(all)
}
