//! Alerts over HTTP: everybody's own. The push said that something waits; here it is. `unsent.rs` is what administrators
//! see of the others.

mod attempts;
mod reminders;
mod snooze;
mod statistics;
mod unsent;

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, HttpResponseBuilder};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

use super::appointment_words;
use super::message::{self, Rendered};
use super::open::open;
use super::store::{self, InboxRow, Reader};
use crate::app::State;
use crate::auth::extract::{AlertReader, Caller};
use crate::db::Scope;
use crate::domain::appointment::Subject;
use crate::domain::neutral_text;
use crate::domain::protocol::{Level, ProtocolVersion};
use crate::error::ApiError;
use crate::language::{FALLBACK, Wanted, content_language};
use crate::paging::{At, InTime, Page, PageQuery};
use crate::planning::PlanningError;
use crate::protocols::{Accepted, words};
use crate::query::Query;

pub use attempts::list_attempts;
pub use reminders::list_reminders;
pub use snooze::snooze_alert;
pub use statistics::find_alert_statistics;
pub use unsent::{list_failed_alerts, replay_alert, replay_failed_alerts};

/// An alert as its recipient sees it.
#[derive(Debug, Serialize)]
struct AlertView {
    id: Uuid,
    category: String,
    title: String,
    body: String,
    due_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<DateTime<Utc>>,
    state: String,
    link: String,
    /// What else it tells: due at about the same time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    with: Vec<ToldWith>,
}

/// One more thing that an alert tells.
#[derive(Debug, Serialize)]
struct ToldWith {
    id: Uuid,
    category: String,
    title: String,
    body: String,
    link: String,
}

/// An alert and the version that its text comes from, and what it tells besides itself.
struct Found {
    row: InboxRow,
    version: Option<Arc<ProtocolVersion>>,
    with: Vec<(InboxRow, Option<Arc<ProtocolVersion>>)>,
}

/// `GET /v1/alerts`
pub async fn list_alerts(
    state: Data<State>,
    caller: Caller,
    wanted: Wanted,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let now = state.clocks.care.now();
    let found = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let rows = store::list_inbox(conn, reader(&caller), now, page.after_time(), page.fetch()).await?;
            found(&state, conn, &caller, rows).await
        })
        .await?;
    let (found, accepted) = found;
    let mut language = None;
    let list = page.cut(found, |found| (At(found.row.due_at), found.row.id)).map(|found| {
        let (view, spoken) = view(found, &accepted, &wanted, false);
        language.get_or_insert(spoken);
        view
    });
    Ok(answer(HttpResponse::Ok(), language.as_deref().unwrap_or(FALLBACK), &list))
}

/// `GET /v1/alerts/{id}`
pub async fn find_alert(
    state: Data<State>,
    reader: AlertReader,
    wanted: Wanted,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    for caller in &reader.readers {
        match respond(&state, caller, &wanted, *id, reader.is_extension).await {
            Err(ApiError::NotFound) => {}
            found => return found,
        }
    }
    Err(ApiError::NotFound)
}

/// `POST /v1/alerts/{id}/opened`
pub async fn open_alert(
    state: Data<State>,
    caller: Caller,
    wanted: Wanted,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let opened = async |conn: &mut _| Ok::<_, ApiError>(open(conn, &state.clocks, &caller, *id).await?);
    state.db.scoped(Scope::Clinic(caller.clinic_id), opened).await?;
    respond(&state, &caller, &wanted, *id, false).await
}

fn reader(caller: &Caller) -> Reader {
    Reader {
        clinic_id: caller.clinic_id,
        user_id: caller.user_id,
        membership_id: caller.membership_id,
        patient_id: caller.patient_id,
    }
}

async fn respond(
    state: &State,
    caller: &Caller,
    wanted: &Wanted,
    id: Uuid,
    on_lock_screen: bool,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    let found = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let row = store::find_own(conn, reader(caller), id, now).await?;
            found(state, conn, caller, vec![row]).await
        })
        .await?;
    let (found, accepted) = found;
    let found = found.into_iter().next().ok_or(ApiError::NotFound)?;
    let (view, language) = view(found, &accepted, wanted, on_lock_screen);
    Ok(answer(HttpResponse::Ok(), &language, &view))
}

/// Alerts of the caller's with all that their words are made of, and the languages that the clinic accepted.
async fn found(
    state: &State,
    conn: &mut diesel_async::AsyncPgConnection,
    caller: &Caller,
    rows: Vec<InboxRow>,
) -> Result<(Vec<Found>, Accepted), ApiError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let others = if ids.is_empty() { Vec::new() } else { store::list_told_with(conn, reader(caller), ids).await? };
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let version = version(state, conn, &row).await?;
        found.push(Found { row, version, with: Vec::new() });
    }
    for other in others {
        let version = version(state, conn, &other).await?;
        if let Some(teller) = found.iter_mut().find(|found| other.merged_into == Some(found.row.id)) {
            teller.with.push((other, version));
        }
    }
    Ok((found, Accepted::by(conn, caller.clinic_id).await?))
}

async fn version(
    state: &State,
    conn: &mut diesel_async::AsyncPgConnection,
    row: &InboxRow,
) -> Result<Option<Arc<ProtocolVersion>>, ApiError> {
    match row.protocol_version_id {
        Some(id) => Ok(Some(state.protocols.version(conn, id).await.map_err(PlanningError::from)?)),
        None => Ok(None),
    }
}

/// The alert in words, and the language they are in. What staff are told is about somebody else, whose name is not for
/// lock screens.
fn view(
    Found { row, version, with }: Found,
    accepted: &Accepted,
    wanted: &Wanted,
    on_lock_screen: bool,
) -> (AlertView, String) {
    let (Rendered { title, body }, language) = if on_lock_screen && message::is_about_a_patient(&row.category) {
        let language = neutral_text::language(&row.user_locale);
        (message::neutral(&row.category, language), language.to_owned())
    } else {
        render(&row, version.as_deref(), accepted, wanted)
    };
    let link = link(&row);
    let view = AlertView {
        id: row.id,
        category: row.category,
        title,
        body,
        due_at: row.due_at,
        expires_at: row.expires_at,
        sent_at: row.sent_at,
        opened_at: row.opened_at,
        state: row.state,
        link,
        with: with.into_iter().map(|(row, version)| told_with(row, version.as_deref(), accepted, wanted)).collect(),
    };
    (view, language)
}

fn told_with(row: InboxRow, version: Option<&ProtocolVersion>, accepted: &Accepted, wanted: &Wanted) -> ToldWith {
    let (Rendered { title, body }, _) = render(&row, version, accepted, wanted);
    ToldWith { link: link(&row), id: row.id, category: row.category, title, body }
}

fn render(
    row: &InboxRow,
    version: Option<&ProtocolVersion>,
    accepted: &Accepted,
    wanted: &Wanted,
) -> (Rendered, String) {
    let ours = |rendered| (rendered, FALLBACK.to_owned());
    match row.category.as_str() {
        "flag" => {
            let level = row.flag_level.as_deref().and_then(|level| level.parse().ok()).unwrap_or(Level::None);
            ours(message::of_flag(row.patient_name.as_deref().unwrap_or("A patient"), level))
        }
        "nudge" if let Some((completion_bp, days)) = row.nudge_completion_bp.zip(row.nudge_days) => {
            ours(message::of_nudge(row.patient_name.as_deref().unwrap_or("A patient"), completion_bp, days))
        }
        "service" if row.flag_seen == Some(true) => ours(message::seen()),
        "service" => ours(message::nobody_reached(&row.lines())),
        "test" => ours(message::of_test()),
        category => {
            let fallbacks = [row.user_locale.as_str(), row.clinic_locale.as_str()];
            if let Some(subject) = subject(row) {
                let language = wanted.pick(&fallbacks, appointment_words::LANGUAGES);
                let said = appointment_words::of(subject.told, starts(row), language);
                return (said, language.to_owned());
            }
            let of_item = version.and_then(|version| {
                let accepted = row.protocol_version_id.map_or(&[][..], |id| accepted.of(id));
                let texts = words(version, accepted, wanted, &fallbacks);
                let said = message::of_item(version, texts, row.item_key.as_deref()?, row.seq)?;
                Some((said, texts.locale.clone()))
            });
            of_item.unwrap_or_else(|| ours(message::neutral(category, FALLBACK)))
        }
    }
}

/// The appointment that an alert is about.
fn subject(row: &InboxRow) -> Option<Subject> {
    row.item_key.as_deref().and_then(Subject::parse)
}

/// When that begins, as a clock at the clinic shows it.
fn starts(row: &InboxRow) -> Option<DateTime<Tz>> {
    let zone: Tz = row.appointment_zone.as_deref()?.parse().ok()?;
    row.appointment_at.map(|at| at.with_timezone(&zone))
}

/// Where in the app the alert leads.
fn link(row: &InboxRow) -> String {
    if let Some(subject) = subject(row) {
        return format!("mendline://appointments/{}", subject.appointment_id);
    }
    let Some(treatment) = row.treatment_id else { return format!("mendline://alerts/{}", row.id) };
    let place = match (row.category.as_str(), row.flag_id) {
        ("flag", Some(flag)) => format!("flags/{flag}"),
        ("milestone" | "restriction", _) => "guidance".to_owned(),
        ("routine", _) => "tasks".to_owned(),
        ("nudge", _) => "compliance".to_owned(),
        ("check_in" | "service", _) => "check-ins".to_owned(),
        _ => "timeline".to_owned(),
    };
    format!("mendline://treatments/{treatment}/{place}")
}

fn answer(mut response: HttpResponseBuilder, language: &str, body: &impl Serialize) -> HttpResponse {
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    for header in content_language(language) {
        response.insert_header(header);
    }
    response.json(body)
}
