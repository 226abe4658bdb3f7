//! What has changed for a patient's app since it last asked: the log says what, the slices say how it is now. The two are
//! read one after the other; what changes between them is newer than the log says, and comes again.

use std::collections::HashMap;

use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::{self, Changed, EntryRow};
use super::sync_view::SyncItem;
use crate::app::State;
use crate::appointments::{store as appointments, view::AppointmentView};
use crate::auth::extract::Caller;
use crate::check_ins::{read as check_ins, view::CheckInView};
use crate::courses::{store as courses, view::CourseView};
use crate::db::Scope;
use crate::domain::sync::{Read, SyncKind};
use crate::error::ApiError;
use crate::excuses::{store as excuses, view::ExcusedView};
use crate::language::Wanted;
use crate::outcomes::{store as outcomes, view::OutcomeView};
use crate::paging::{Feed, Page};
use crate::preferences::{fields::PreferencesView, store as preferences};
use crate::protocols::words;
use crate::treatments::store as treatments;
use crate::treatments::view::{ProtocolRef, TreatmentView};

/// How far an app has read. It grants nothing: whoever sends it reads their own changes, and one that was made for
/// somebody else or by another database is told to begin anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The database's history.
    h: String,
    /// Whose changes,
    p: Uuid,
    /// by which login.
    u: Uuid,
    /// How much was forgotten by then.
    f: i64,
    /// All that has a smaller number was read,
    n: i64,
    /// and of this one all up to here; none: nothing of it.
    k: Option<SyncKind>,
    e: Uuid,
}

impl Position {
    /// Whether an app that has read so far can go on with these changes.
    fn goes_on(&self, whose: (Uuid, Uuid), changed: &Changed) -> bool {
        let read = Read { commit_no: self.n, forgotten_to: self.f };
        (self.p, self.u) == whose && self.h == changed.history && changed.log.goes_on_from(&read)
    }
}

/// What changed after the page's position, for the patient that asks.
pub async fn changes(
    state: &State,
    caller: &Caller,
    wanted: &Wanted,
    page: &Page<Position>,
) -> Result<Feed<SyncItem>, ApiError> {
    let patient_id = caller.patient_id.ok_or(ApiError::NotFound)?;
    let whose = (patient_id, caller.user_id);
    let read = async |conn: &mut AsyncPgConnection| {
        let after =
            page.after.as_ref().map(|after| (after.n, after.k.map_or("", SyncKind::as_str).to_owned(), after.e));
        let mut changed = store::list_changed(conn, caller.clinic_id, patient_id, after, page.fetch()).await?;
        if page.after.as_ref().is_some_and(|after| !after.goes_on(whose, &changed)) {
            return Err(ApiError::ResyncRequired);
        }
        let more = changed.entries.len() > page.limit;
        changed.entries.truncate(page.limit);
        let up_to = up_to(whose, &changed, more)?;
        let mut as_it_is = AsItIs { state, caller, patient_id, wanted, found: HashMap::new() };
        Ok(Feed::up_to(&up_to, as_it_is.find(conn, &changed.entries).await?, more))
    };
    state.db.scoped(Scope::Clinic(caller.clinic_id), read).await
}

/// Where the page ends: at its last entry, or behind everything that there is.
fn up_to((p, u): (Uuid, Uuid), changed: &Changed, more: bool) -> Result<Position, ApiError> {
    let (n, k, e) = match changed.entries.last().filter(|_| more) {
        Some(last) => (last.commit_no, Some(kind(last)?), last.entity_id),
        None => (changed.log.commits + 1, None, Uuid::nil()),
    };
    Ok(Position { h: changed.history.clone(), p, u, f: changed.log.forgotten_to, n, k, e })
}

/// What an entry is of; the database knows no other words.
fn kind(entry: &EntryRow) -> Result<SyncKind, ApiError> {
    entry.kind.parse().map_err(|error: String| anyhow::anyhow!(error).into())
}

/// Looks up how things are now, kind by kind.
struct AsItIs<'a> {
    state: &'a State,
    caller: &'a Caller,
    patient_id: Uuid,
    wanted: &'a Wanted,
    found: HashMap<(SyncKind, Uuid), SyncItem>,
}

impl AsItIs<'_> {
    /// One item per entry, in order. What the log says is there and is not there any more has gone meanwhile.
    async fn find(&mut self, conn: &mut AsyncPgConnection, entries: &[EntryRow]) -> Result<Vec<SyncItem>, ApiError> {
        let mut named: HashMap<SyncKind, Vec<Uuid>> = HashMap::new();
        let mut order = Vec::with_capacity(entries.len());
        for entry in entries {
            let kind = kind(entry)?;
            order.push((kind, entry.entity_id));
            if !entry.gone {
                named.entry(kind).or_default().push(entry.entity_id);
            }
        }
        for (kind, ids) in named {
            match kind {
                SyncKind::Treatment => self.treatments(conn, &ids).await?,
                SyncKind::Outcome => self.outcomes(conn, &ids).await?,
                SyncKind::CheckIn => self.check_ins(conn, &ids).await?,
                SyncKind::Excuse => self.excuses(conn, &ids).await?,
                SyncKind::Appointment => self.appointments(conn, &ids).await?,
                SyncKind::Course => self.courses(conn, &ids).await?,
                SyncKind::NotificationPreferences => self.preferences(conn, &ids).await?,
            }
        }
        let item = |(what, id): (SyncKind, Uuid)| self.found.remove(&(what, id)).unwrap_or(SyncItem::Gone { id, what });
        Ok(order.into_iter().map(item).collect())
    }

    fn whose(&self) -> (Uuid, Uuid) {
        (self.caller.clinic_id, self.patient_id)
    }

    async fn treatments(&mut self, conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<(), ApiError> {
        for treatment in treatments::list_named(conn, self.whose(), ids).await? {
            let version = self.state.protocols.version(conn, treatment.protocol_version_id).await?;
            let id = treatment.id;
            let treatment = Box::new(TreatmentView::new(treatment, ProtocolRef::of(&version), false));
            self.found.insert((SyncKind::Treatment, id), SyncItem::Treatment { id, treatment });
        }
        Ok(())
    }

    async fn outcomes(&mut self, conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<(), ApiError> {
        for row in outcomes::list_named(conn, self.whose(), ids).await? {
            let id = row.id;
            let outcome = Box::new(OutcomeView::new(row, self.caller.user_id));
            self.found.insert((SyncKind::Outcome, id), SyncItem::Outcome { id, outcome });
        }
        Ok(())
    }

    async fn check_ins(&mut self, conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<(), ApiError> {
        let named = check_ins::list_named(conn, &self.state.protocols, self.caller, self.patient_id, ids).await?;
        for (told, voice) in named {
            let fallbacks = [voice.manner.user_locale.as_str(), voice.manner.clinic_locale.as_str()];
            let texts = words(&voice.version, &voice.accepted, self.wanted, &fallbacks);
            for told in told {
                let id = told.check_in.id;
                let check_in = Box::new(CheckInView::new(told, &voice, texts, false));
                self.found.insert((SyncKind::CheckIn, id), SyncItem::CheckIn { id, check_in });
            }
        }
        Ok(())
    }

    async fn excuses(&mut self, conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<(), ApiError> {
        for row in excuses::list_named(conn, self.whose(), ids).await? {
            let id = row.id;
            let excuse = Box::new(ExcusedView::from(row));
            self.found.insert((SyncKind::Excuse, id), SyncItem::Excuse { id, excuse });
        }
        Ok(())
    }

    async fn appointments(&mut self, conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<(), ApiError> {
        for row in appointments::list_named(conn, self.whose(), ids).await? {
            let id = row.id;
            let appointment = Box::new(AppointmentView::from(row));
            self.found.insert((SyncKind::Appointment, id), SyncItem::Appointment { id, appointment });
        }
        Ok(())
    }

    async fn courses(&mut self, conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<(), ApiError> {
        let now = self.state.clocks.care.now();
        for id in ids.iter().copied() {
            let row = courses::find_row_if_there(conn, self.caller.clinic_id, id, now).await?;
            if let Some(row) = row.filter(|row| row.patient_id == self.patient_id) {
                let course = Box::new(CourseView::new(row, None, now, false));
                self.found.insert((SyncKind::Course, id), SyncItem::Course { id, course });
            }
        }
        Ok(())
    }

    /// Another login's, which was behind the record before, are not this one's to read.
    async fn preferences(&mut self, conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<(), ApiError> {
        let id = self.caller.user_id;
        if ids.contains(&id) {
            let (choices, _) = preferences::find_choices(conn, id).await?;
            let clinic = preferences::find_clinic_quiet(conn, self.caller.clinic_id).await?;
            let notification_preferences = Box::new(PreferencesView::of(choices, clinic));
            let item = SyncItem::NotificationPreferences { id, notification_preferences };
            self.found.insert((SyncKind::NotificationPreferences, id), item);
        }
        Ok(())
    }
}
