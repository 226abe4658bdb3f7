//! What could not be sent, and owing it again: for administrators, who see ids and the providers' words, no texts.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::alerts::replay::{self, ReplayError};
use crate::alerts::store::{self, UnsentFilter, UnsentRow};
use crate::answer::private;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Administrator, Caller};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::provider::Providers;
use crate::domain::replay::{Refusal, Unsent};
use crate::error::{ApiError, Conflict};
use crate::idempotency::IdempotencyKey;
use crate::paging::{At, InTime, Page};
use crate::query::{Query, instant};

/// What alerts can be about.
const CATEGORIES: [&str; 10] =
    ["milestone", "restriction", "routine", "check_in", "follow_up", "session", "flag", "nudge", "service", "test"];

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Refused(refusal) => Self::conflict(
                Conflict::State,
                match refusal {
                    Refusal::Sent => "A provider took it: nothing is sent twice.",
                    Refusal::UnderWay => "It is on its way, or will be when it is due.",
                    Refusal::CalledOff => "It was called off, or was never to be sent.",
                    Refusal::LeftThePlan => "The plan does not owe it any more.",
                    Refusal::Seen => "Somebody has seen what it is about.",
                    Refusal::DayOver => "The day that it was about is over.",
                    Refusal::TooOld => "It is more than a week old.",
                },
            ),
            ReplayError::Idempotency(error) => error.into(),
            ReplayError::Planning(error) => error.into(),
        }
    }
}

/// Which of the unsent alerts: a part of the list's query, and of the body of its replay.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    state: Option<String>,
    category: Option<String>,
    provider: Option<String>,
    reason: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl Filter {
    /// `at` is put before the name of a field that is wrong.
    fn read(&self, at: &str, providers: &Providers) -> Result<UnsentFilter, ApiError> {
        let mut faults = Faults::default();
        let name = |field: &str| format!("{at}{field}");
        let state = self.state.as_deref().and_then(|word| faults.parsed(&name("state"), word.parse::<Unsent>()));
        let provider = self.provider.as_deref().and_then(|word| faults.parsed(&name("provider"), providers.find(word)));
        if self.category.as_deref().is_some_and(|category| !CATEGORIES.contains(&category)) {
            faults.push(name("category"), format!("is none of: {}", CATEGORIES.join(", ")));
        }
        let reason = faults.optional_text(&name("reason"), self.reason.as_deref(), 1..=200);
        let mut moment = |field: &str, text: &Option<String>| {
            text.as_deref().and_then(|text| faults.parsed(&name(field), instant(text)))
        };
        let (from, to) = (moment("from", &self.from), moment("to", &self.to));
        faults.finish()?;
        Ok(UnsentFilter {
            state: state.map(Unsent::as_str),
            category: self.category.clone(),
            provider: provider.map(|provider| provider.word),
            reason,
            from,
            to,
        })
    }
}

/// Query of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFailed {
    state: Option<String>,
    category: Option<String>,
    provider: Option<String>,
    reason: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListFailed {
    fn filter(&self) -> Filter {
        Filter {
            state: self.state.clone(),
            category: self.category.clone(),
            provider: self.provider.clone(),
            reason: self.reason.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
struct RecipientView {
    kind: String,
    id: Uuid,
}

/// An alert that could not be sent.
#[derive(Debug, Serialize)]
struct UnsentView {
    id: Uuid,
    recipient: RecipientView,
    category: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    treatment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag_id: Option<Uuid>,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    due_at: DateTime<Utc>,
    next_attempt_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    tries: i32,
    attempts: i64,
    providers: Vec<String>,
}

impl From<UnsentRow> for UnsentView {
    fn from(row: UnsentRow) -> Self {
        Self {
            id: row.id,
            recipient: RecipientView { kind: row.recipient_kind, id: row.recipient_id },
            category: row.category,
            treatment_id: row.treatment_id,
            flag_id: row.flag_id,
            state: row.state,
            reason: row.reason,
            due_at: row.due_at,
            next_attempt_at: row.next_attempt_at,
            expires_at: row.expires_at,
            ended_at: row.finalized_at,
            tries: row.tries,
            attempts: row.attempts,
            providers: row.providers,
        }
    }
}

/// `GET /v1/alerts/failed`
pub async fn list_failed_alerts(
    state: Data<State>,
    Administrator(caller): Administrator,
    query: Query<ListFailed>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    state.reads.note(Entry::of_list(&caller, "alert.read", None)).await?;
    let rows = page_of(&state, &caller, query.filter().read("", &state.providers)?, &page).await?;
    Ok(private(HttpResponse::Ok(), &page.cut(rows, |row| (At(row.due_at), row.id)).map(UnsentView::from)))
}

async fn page_of(
    state: &State,
    caller: &Caller,
    filter: UnsentFilter,
    page: &Page<InTime>,
) -> Result<Vec<UnsentRow>, ApiError> {
    let list = async |conn: &mut _| {
        Ok::<_, ApiError>(store::list_unsent(conn, caller.clinic_id, filter, page.after_time(), page.fetch()).await?)
    };
    state.db.scoped(Scope::Clinic(caller.clinic_id), list).await
}

/// `POST /v1/alerts/{id}/replay`
pub async fn replay_alert(
    state: Data<State>,
    Administrator(caller): Administrator,
    id: Path<Uuid>,
    key: IdempotencyKey,
) -> Result<HttpResponse, ApiError> {
    let key = key.of(&caller, "replay_alert", id.as_bytes());
    replay::replay_one(state.tools(), &caller, key, *id).await?;
    let find = async |conn: &mut _| Ok::<_, ApiError>(store::list_by_id(conn, caller.clinic_id, vec![*id]).await?);
    let rows = state.db.scoped(Scope::Clinic(caller.clinic_id), find).await?;
    let row = rows.into_iter().next().ok_or(ApiError::NotFound)?;
    Ok(private(HttpResponse::Ok(), &UnsentView::from(row)))
}

/// Body of [`replay_failed_alerts`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayFailed {
    filter: Option<Filter>,
    #[serde(default)]
    dry_run: bool,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct SkippedView {
    id: Uuid,
    reason: Refusal,
}

/// What came of a replay.
#[derive(Debug, Serialize)]
struct ReplayedView {
    dry_run: bool,
    matched: usize,
    replayed: Vec<Uuid>,
    skipped: Vec<SkippedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// `POST /v1/alerts/failed/replay`
pub async fn replay_failed_alerts(
    state: Data<State>,
    Administrator(caller): Administrator,
    body: Body<ReplayFailed>,
) -> Result<HttpResponse, ApiError> {
    let ReplayFailed { filter, dry_run, limit, cursor } = body.value;
    let page: Page<InTime> = Page::read(limit, cursor.as_deref())?;
    let rows = page_of(&state, &caller, filter.unwrap_or_default().read("/filter/", &state.providers)?, &page).await?;
    let page = page.cut(rows, |row| (At(row.due_at), row.id));
    let came = replay::replay_all(state.tools(), &caller, &page.items, dry_run).await?;
    let skipped = came.skipped.into_iter().map(|(id, reason)| SkippedView { id, reason }).collect();
    let view = ReplayedView {
        dry_run,
        matched: page.items.len(),
        replayed: came.replayed,
        skipped,
        next_cursor: page.next_cursor,
    };
    Ok(private(HttpResponse::Ok(), &view))
}
