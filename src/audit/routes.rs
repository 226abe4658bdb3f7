//! The trail over HTTP: a clinic's for its administrators, as a list and as a table, and for a patient who looked at the
//! record. Whoever reads it is in it.

use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::fields::{TableQuery, TrailQuery};
use super::store::trail::{self, Filter, Line};
use super::table::table;
use super::view::{EntryView, LookView, Names};
use super::words::LANGUAGES;
use super::{Entry, Unwritten};
use crate::answer::{private, private_table};
use crate::app::State;
use crate::auth::extract::{Administrator, Caller, PatientCaller};
use crate::db::Scope;
use crate::error::ApiError;
use crate::language::{Wanted, content_language};
use crate::paging::{At, InTime, Page, PageQuery};
use crate::query::Query;

/// The most entries of one table.
const MOST: usize = 50_000;

impl From<Unwritten> for ApiError {
    fn from(error: Unwritten) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Entries, and what whoever made them is called.
type Named = (Vec<Line>, Vec<(Uuid, String)>);

/// `GET /v1/audit`
pub async fn list_audit(
    state: Data<State>,
    Administrator(caller): Administrator,
    query: Query<TrailQuery>,
    wanted: Wanted,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let filter = query.filter()?;
    let entry = Entry::of_list(&caller, "audit.read", filter.patient_id);
    let (lines, names) = find(&state, &caller, filter, &page).await?;
    state.reads.note(entry).await?;
    let names = Names::new(names, wanted.pick(&[], &LANGUAGES));
    let list = page.cut(lines, |line| (At(line.at), line.id)).map(|line| EntryView::new(line, &names));
    Ok(spoken(names.locale, &list))
}

/// `GET /v1/audit.csv`
pub async fn download_audit(
    state: Data<State>,
    Administrator(caller): Administrator,
    query: Query<TableQuery>,
    wanted: Wanted,
) -> Result<HttpResponse, ApiError> {
    let filter = query.filter()?;
    let entry = Entry::of_list(&caller, "audit.download", filter.patient_id);
    let (lines, names) = find(&state, &caller, filter, &Page { limit: MOST, after: None }).await?;
    if lines.len() > MOST {
        return Err(ApiError::invalid("to", format!("there are more than {MOST} entries: ask for a shorter span")));
    }
    state.reads.note(entry).await?;
    let names = Names::new(names, wanted.pick(&[], &LANGUAGES));
    Ok(private_table(table(&lines, &names).map_err(ApiError::Internal)?, "audit"))
}

/// `GET /v1/me/access-log`
pub async fn list_looks(
    state: Data<State>,
    PatientCaller(caller): PatientCaller,
    query: Query<PageQuery>,
    wanted: Wanted,
) -> Result<HttpResponse, ApiError> {
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let patient = caller.patient_id.ok_or(ApiError::NotFound)?;
    let list = async |conn: &mut AsyncPgConnection| {
        let whose = (caller.clinic_id, patient);
        let lines = trail::list_looks(conn, whose, page.after_time(), page.fetch()).await?;
        let names = trail::list_names(conn, &lines).await?;
        Ok::<_, ApiError>((lines, names, trail::find_locale(conn, caller.user_id).await?))
    };
    let (lines, names, locale) = state.db.scoped(Scope::Clinic(caller.clinic_id), list).await?;
    state.reads.note(Entry::by(&caller, "access_log.read", "patient", patient).about(patient)).await?;
    let names = Names::new(names, wanted.pick(&[&locale], &LANGUAGES));
    let list = page.cut(lines, |line| (At(line.at), line.id)).map(|line| LookView::new(line, &names));
    Ok(spoken(names.locale, &list))
}

async fn find(state: &State, caller: &Caller, filter: Filter, page: &Page<InTime>) -> Result<Named, ApiError> {
    let list = async |conn: &mut AsyncPgConnection| {
        let lines = trail::list_trail(conn, caller.clinic_id, filter, page.after_time(), page.fetch()).await?;
        let names = trail::list_names(conn, &lines).await?;
        Ok::<_, ApiError>((lines, names))
    };
    state.db.scoped(Scope::Clinic(caller.clinic_id), list).await
}

fn spoken(language: &str, list: &impl Serialize) -> HttpResponse {
    let mut answer: HttpResponseBuilder = HttpResponse::Ok();
    for header in content_language(language) {
        answer.insert_header(header);
    }
    private(answer, list)
}
