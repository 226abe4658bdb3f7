//! Making, revoking and filling a patient's feed.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::document::{CalendarEvent, Span};
use super::store::{self, CalendarFeed, Reader};
use super::token;
use super::words::Words;
use crate::appointments::store::{self as appointments, Appointment};
use crate::audit::{self, Entry as AuditEntry};
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::domain::agenda::{Entry, When, entries};
use crate::domain::ids::calendar_entry_id;
use crate::domain::neutral_text::language;
use crate::domain::protocol::{Kind, ProtocolVersion, Texts};
use crate::domain::timeline::{Conditions, timeline};
use crate::planning::{self, Person, PlanningError, RunningTreatments};
use crate::protocols::{Accepted, Catalogue};

/// Feeds a patient may have at a time: one for each calendar they use.
pub const MOST_FEEDS: usize = 10;
/// For how long what is over stays in the feed.
const PAST: TimeDelta = TimeDelta::days(90);
/// Appointments in a feed at most.
const MOST_APPOINTMENTS: i64 = 200;

/// Why a feed was not made.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// There are as many as there may be.
    #[error("too many feeds")]
    TooMany,
    /// The system has no random numbers to give.
    #[error("no random numbers")]
    Random,
    /// The database refused.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// Makes a feed under the patient's lock, or two at once would be one too many; returns it with its token, which is shown this once.
pub async fn create(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    patient_id: Uuid,
    label: Option<String>,
) -> Result<(CalendarFeed, String), FeedError> {
    if store::list_feeds(conn, caller.clinic_id, patient_id).await?.len() >= MOST_FEEDS {
        return Err(FeedError::TooMany);
    }
    let (token, hash) = token::issue().map_err(|aws_lc_rs::error::Unspecified| FeedError::Random)?;
    let feed = CalendarFeed {
        clinic_id: caller.clinic_id,
        id: clocks.fresh_id(),
        patient_id,
        user_id: caller.user_id,
        token_hash: hash.to_vec(),
        label,
        created_at: clocks.wall.now(),
    };
    store::insert_feed(conn, &feed).await?;
    let entry = AuditEntry::by(caller, "calendar_feed.create", "calendar_feed", feed.id).about(patient_id);
    audit::record(conn, clocks, entry).await?;
    Ok((feed, token))
}

/// Revokes a feed; one that is not there, or no longer, is not found.
pub async fn revoke(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    patient_id: Uuid,
    id: Uuid,
) -> diesel::QueryResult<()> {
    if !store::delete_feed(conn, caller.clinic_id, patient_id, id).await? {
        return Err(diesel::result::Error::NotFound);
    }
    let entry = AuditEntry::by(caller, "calendar_feed.revoke", "calendar_feed", id).about(patient_id);
    audit::record(conn, clocks, entry).await
}

/// Everything that belongs into a reader's feed at `now`.
pub async fn events(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    reader: &Reader,
    now: DateTime<Utc>,
) -> Result<Vec<CalendarEvent>, PlanningError> {
    let person = planning::look(conn, reader.clinic_id, reader.patient_id).await?;
    let followed = ["unconfirmed", "active"];
    let treatments = planning::look_at_treatments(conn, catalogue, &person, &followed).await?;
    let filter =
        appointments::Filter { patient_id: Some(reader.patient_id), from: Some(now - PAST), ..Default::default() };
    let dates = appointments::list_appointments(conn, reader.clinic_id, filter, None, MOST_APPOINTMENTS).await?;
    let accepted = Accepted::by(conn, reader.clinic_id).await?;
    let voice = Voice { words: Words::of(&reader.locale), locale: &reader.locale, accepted, details: reader.details() };
    let mut events = plan_events(&person, &treatments, &voice, now)?;
    for date in dates {
        events.push(voice.date(date)?);
    }
    Ok(events)
}

impl Reader {
    fn details(&self) -> bool {
        self.show_details.unwrap_or(false)
    }
}

fn plan_events(
    person: &Person,
    treatments: &RunningTreatments,
    voice: &Voice<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<CalendarEvent>, PlanningError> {
    let plans = treatments.plans(person)?;
    let flags = Conditions::flags_of(plans.iter().map(|laid| laid.plan().conditions));
    let mut events = Vec::new();
    for laid in plans.iter().filter(|laid| !laid.is_recalled()) {
        let plan = laid.plan();
        let accepted = voice.accepted.of(laid.version_id());
        let texts = plan.version.texts_for(&[voice.locale], |texts| accepted.contains(&texts.locale));
        let next_session = |entry: &Entry<'_>| entry.kind == Kind::Session && laid.follows.course_id.is_some();
        let left = |entry: &Entry<'_>| !laid.is_at_rest() || next_session(entry);
        for entry in entries(&plan, &timeline(&plan), &laid.follows, &flags).into_iter().filter(left) {
            let span = match entry.when {
                When::On(date) => Span::Day(date),
                When::At(at) => Span::Moment(at),
            };
            let over = match entry.when {
                When::On(date) => date < (now - PAST).date_naive(),
                When::At(at) => at < now - PAST,
            };
            if !over {
                events.push(CalendarEvent {
                    // The item's key would tell what the title must not.
                    uid: format!("{}@mendline", calendar_entry_id(plan.treatment, entry.name())),
                    // A file that is fetched anew as a whole needs none, and a plan counts what changes no entry.
                    sequence: None,
                    title: voice.title(plan.version, texts, &entry),
                    language: (!voice.details).then_some(language(voice.locale)),
                    text: None,
                    span,
                    cancelled: false,
                });
            }
        }
    }
    Ok(events)
}

/// How a reader wants things put.
struct Voice<'a> {
    words: Words,
    locale: &'a str,
    accepted: Accepted,
    details: bool,
}

impl Voice<'_> {
    fn title(&self, version: &ProtocolVersion, texts: &Texts, entry: &Entry<'_>) -> String {
        let title = |key: &str| version.item_text(texts, key).map_or("", |text| text.title.as_str());
        let titles: Vec<&str> = entry.items.iter().map(|item| title(&item.key)).collect();
        self.words.entry(entry.kind, self.details.then_some(titles.as_slice()))
    }

    fn date(&self, date: Appointment) -> Result<CalendarEvent, PlanningError> {
        let kind = date.kind.parse().map_err(anyhow::Error::msg)?;
        Ok(CalendarEvent {
            uid: format!("{}@mendline", date.id),
            sequence: Some(u32::try_from(date.version - 1).unwrap_or(0)),
            title: self.words.date(kind, self.details).to_owned(),
            language: Some(language(self.locale)),
            text: date.note.filter(|_| self.details),
            span: Span::Busy(date.starts_at, date.minutes),
            cancelled: date.status == "cancelled",
        })
    }
}
