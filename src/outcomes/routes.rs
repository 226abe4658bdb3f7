//! Tasks and outcomes over HTTP.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::fields::{MOST, OutcomesFields, ReadEntry, read};
use super::judge::{Entry, Refusal, SKEW, Verdict};
use super::submit::submit;
use crate::app::State;
use crate::audit;
use crate::auth::extract::Caller;
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::compliance::standing;
use crate::error::{ApiError, Conflict, EntryProblem};
use crate::language::Wanted;
use crate::paging::List;
use crate::planning::PlanningError;
use crate::preconditions::{IfNoneMatch, computed_answer};
use crate::protocols::{Accepted, words};
use crate::query::Query;
use crate::recovery::find_recovery;
use crate::recovery::task_view::TaskView;

/// The query of [`list_tasks`]: local dates, both included; absent: as far as there are tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasksQuery {
    from: Option<String>,
    to: Option<String>,
}

impl TasksQuery {
    fn read(&self) -> Result<(Option<NaiveDate>, Option<NaiveDate>), ApiError> {
        let mut faults = Faults::default();
        let mut date = |name: &str, text: Option<&str>| {
            let parsed = text.map(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
            if parsed == Some(None) {
                faults.push(name, "is not a date such as 2026-03-01");
            }
            parsed.flatten()
        };
        let (from, to) = (date("from", self.from.as_deref()), date("to", self.to.as_deref()));
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            faults.push("to", "must not lie before from");
        }
        faults.finish()?;
        Ok((from, to))
    }
}

/// `GET /v1/treatments/{id}/tasks`
pub async fn list_tasks(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    query: Query<TasksQuery>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (from, to) = query.read()?;
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let mut recovery = find_recovery(conn, &caller, *path).await?;
        let version = recovery.version(conn, &state.protocols, caller.clinic_id).await?;
        Ok::<_, PlanningError>((recovery, version, Accepted::by(conn, caller.clinic_id).await?))
    });
    let (recovery, version, accepted) = found.await?;
    state.reads.note(audit::Entry::by(&caller, "task.read", "treatment", *path).about(recovery.row.patient_id)).await?;
    let texts = words(&version, accepted.of(recovery.row.protocol_version_id), &wanted, &recovery.locales());
    let at = recovery.judged_at(state.clocks.care.now());
    let starts_at = recovery.starts_at(at);
    let laid = recovery.timeline(&version);
    let within = |date: NaiveDate| from.is_none_or(|from| from <= date) && to.is_none_or(|to| date <= to);
    let mut tasks: Vec<_> = laid.tasks.iter().filter(|task| within(task.local_date)).collect();
    tasks.sort_by_key(|task| (task.open_at, task.close_at));
    let views = tasks.into_iter().map(|task| {
        TaskView::new(task, recovery.title(&version, texts, task), standing(task, &recovery.said, starts_at, at))
            .with_override(recovery.override_of(&version, task))
    });
    computed_answer(&known, &texts.locale, &List::whole(views.collect()))
}

#[derive(Debug, Serialize)]
struct Results {
    results: Vec<EntryResult>,
}

/// What became of one entry.
#[derive(Debug, Serialize)]
struct EntryResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<EntryProblem>,
}

impl EntryResult {
    fn new(id: Option<Value>, outcome: Result<Verdict, ApiError>) -> Self {
        let (status, problem) = match outcome {
            Ok(Verdict::Accepted) => ("accepted", None),
            Ok(Verdict::Duplicate) => ("duplicate", None),
            Ok(Verdict::Rejected(refusal)) => ("rejected", Some(problem(refusal).of_entry())),
            Err(error) => ("rejected", Some(error.of_entry())),
        };
        Self { id, status, problem }
    }
}

fn problem(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::IdTaken => ApiError::conflict(Conflict::IdTaken, "Another entry has this id: choose a fresh one."),
        Refusal::Cancelled => {
            ApiError::conflict(Conflict::State, "The treatment was cancelled: its tasks are nobody's.")
        }
        Refusal::UnknownTask => ApiError::invalid("/task_id", "the treatment has no such task"),
        Refusal::Future => {
            let detail = format!("lies more than {} minutes ahead of the server's clock", SKEW.num_minutes());
            ApiError::invalid("/recorded_at", detail)
        }
        Refusal::BeforeTreatment => ApiError::invalid("/recorded_at", "lies before the treatment"),
        Refusal::BeforeMove => ApiError::invalid(
            "/recorded_at",
            "lies before the treatment was moved to another day: the task was another then",
        ),
        Refusal::NotYet => ApiError::invalid("/recorded_at", "lies before the day of the task"),
    }
}

/// `POST /v1/treatments/{id}/outcomes`
pub async fn create_outcomes(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    body: Body<OutcomesFields>,
) -> Result<HttpResponse, ApiError> {
    let sent = body.value.outcomes;
    if sent.len() > MOST {
        return Err(ApiError::invalid("/outcomes", format!("must have at most {MOST} entries, has {}", sent.len())));
    }
    let read: Vec<ReadEntry> = sent.iter().map(read).collect();
    let entries: Vec<Entry> = read.iter().filter_map(|read| read.entry.as_ref().ok().cloned()).collect();
    let verdicts = submit(&state.db, &state.clocks, &state.protocols, &caller, *path, &entries).await?;
    let mut verdicts = verdicts.into_iter();
    let results = read.into_iter().map(|read| {
        let outcome = read.entry.and_then(|_| {
            verdicts.next().ok_or_else(|| ApiError::Internal(anyhow::anyhow!("an entry was not judged")))
        });
        EntryResult::new(read.id, outcome)
    });
    let results = Results { results: results.collect() };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(results))
}
