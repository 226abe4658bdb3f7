//! The worklist over HTTP: `GET /v1/patients`, in three queries whatever the clinic's size.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::rank::{Followed, Position, Ranked, Sort, Wish, rank};
use super::store;
use super::view::{Line, LineView};
use crate::app::State;
use crate::audit;
use crate::auth::extract::Staff;
use crate::body::Faults;
use crate::db::Scope;
use crate::domain::attention::Attention;
use crate::domain::protocol::ProtocolVersion;
use crate::error::{ApiError, FieldError};
use crate::language::{FALLBACK, Wanted, content_language};
use crate::paging::{List, Page};
use crate::planning;
use crate::protocols::words;
use crate::query::{Query, unreadable};
use crate::recovery::{Recovery, list_recoveries};

/// How long the pages of one walk through the list agree on the moment.
const WALK: TimeDelta = TimeDelta::hours(24);
/// A search that shows so few at most was for them.
const FOUND: usize = 5;

/// The query of [`list_patients`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorklistQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    sort: Option<String>,
    attention: Option<String>,
    search: Option<String>,
    detached: Option<bool>,
}

impl WorklistQuery {
    fn wish(&self) -> Result<Wish, ApiError> {
        let mut faults = Faults::default();
        let sort = match self.sort.as_deref() {
            None | Some("attention") => Sort::Attention,
            Some("compliance") => Sort::Compliance,
            Some("name") => Sort::Name,
            Some("performed_at") => Sort::PerformedAt,
            Some(_) => {
                faults.push("sort", "is none of: attention, compliance, name, performed_at");
                Sort::default()
            }
        };
        let attention = self.attention.as_deref().map(str::parse::<Attention>);
        let attention = attention.and_then(|reason| faults.parsed("attention", reason));
        let search = faults.optional_text("search", self.search.as_deref(), 1..=100);
        faults.finish()?;
        Ok(Wish { sort, attention, search: search.map(|text| text.to_lowercase()) })
    }

    /// The page, and the moment that it shares with the page before.
    fn page(&self, wish: &Wish, now: DateTime<Utc>) -> Result<(Page<Position>, DateTime<Utc>), ApiError> {
        let page = Page::<Position>::read(self.limit, self.cursor.as_deref())?;
        let as_of = page.after.as_ref().map_or(now, |after| after.as_of);
        let other_list = page.after.as_ref().is_some_and(|after| after.sort != wish.sort);
        if other_list || !(now - WALK..=now).contains(&as_of) {
            let detail = "is of another list, or too old; begin again without one".to_owned();
            let errors = vec![FieldError { pointer: "cursor".to_owned(), detail }];
            return Err(unreadable(errors));
        }
        Ok((page, as_of))
    }
}

/// What a page is made of.
struct Found {
    list: List<Ranked>,
    patients: HashMap<Uuid, store::PageRow>,
    recoveries: HashMap<Uuid, (Recovery, Arc<ProtocolVersion>)>,
}

/// The clinic's patients, who needs looking at first.
pub async fn list_patients(
    state: Data<State>,
    Staff(caller): Staff,
    query: Query<WorklistQuery>,
    wanted: Wanted,
) -> Result<HttpResponse, ApiError> {
    let wish = query.wish()?;
    let (page, as_of) = query.page(&wish, state.clocks.care.now())?;
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let rows = store::list_ranked(conn, caller.clinic_id, query.detached.unwrap_or(false)).await?;
        let mut versions = HashMap::new();
        for id in rows.iter().filter_map(|row| row.treatment.as_ref().map(|t| t.protocol_version_id)) {
            if let Entry::Vacant(vacant) = versions.entry(id) {
                vacant.insert(state.protocols.published(conn, id).await?);
            }
        }
        let changed = rows.iter().filter_map(|row| row.treatment.as_ref()).filter(|treatment| treatment.changes > 0);
        let changed = changed.map(|treatment| treatment.id).collect();
        let changes = planning::list_changes(conn, &state.protocols, caller.clinic_id, changed).await?;
        let followed = Followed { versions: &versions, changes: &changes };
        let mut ranked = rank(rows, &followed, &wish, as_of)?;
        if let Some(after) = &page.after {
            ranked.retain(|ranked| ranked.place > after.place);
        }
        ranked.truncate(page.limit + 1);
        let position = |ranked: &Ranked| Position { as_of, sort: wish.sort, place: ranked.place.clone() };
        let list = page.cut(ranked, position);
        let ids: Vec<Uuid> = list.items.iter().map(|ranked| ranked.patient_id).collect();
        let patients = store::list_page(conn, caller.clinic_id, &ids).await?;
        let treatments = list.items.iter().filter_map(|ranked| ranked.treatment_id).collect();
        let mut recoveries = HashMap::new();
        for mut recovery in list_recoveries(conn, &caller, treatments).await? {
            let version = recovery.version(conn, &state.protocols, caller.clinic_id).await?;
            recoveries.insert(recovery.row.id, (recovery, version));
        }
        Ok::<_, ApiError>(Found {
            list,
            patients: patients.into_iter().map(|row| (row.0.id, row)).collect(),
            recoveries,
        })
    });
    let Found { list, mut patients, recoveries } = found.await?;
    if wish.search.is_some() && (1..=FOUND).contains(&list.items.len()) {
        // Whoever searches for somebody looks at that person, not at a list.
        for id in list.items.iter().map(|ranked| ranked.patient_id) {
            state.reads.note(audit::Entry::by(&caller, "patient.read", "patient", id).about(id)).await?;
        }
    } else {
        state.reads.note(audit::Entry::of_list(&caller, "patient.read", None)).await?;
    }
    let mut language = None;
    let mut lines = Vec::with_capacity(list.items.len());
    for ranked in list.items {
        let Some((patient, last_check_in_at, nudge_id)) = patients.remove(&ranked.patient_id) else { continue };
        let line = Line {
            patient,
            last_check_in_at,
            nudge_id,
            attention: ranked.attention,
            open_flags: ranked.open_flags,
            unreachable: ranked.unreachable,
        };
        lines.push(match ranked.treatment_id.and_then(|id| recoveries.get(&id)) {
            Some((recovery, version)) => {
                let texts = words(version, &recovery.row.accepted_locales, &wanted, &recovery.locales());
                language.get_or_insert_with(|| texts.locale.clone());
                LineView::treated(line, recovery, version, texts, as_of)
            }
            None => LineView::untreated(line),
        });
    }
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store"));
    for header in content_language(language.as_deref().unwrap_or(FALLBACK)) {
        answer.insert_header(header);
    }
    Ok(answer.json(List { items: lines, next_cursor: list.next_cursor }))
}
