//! Protocols over HTTP: which there are, what one says, and the questions people ask. Nothing in here is about a person,
//! so clients may keep it and ask again with `If-None-Match`.

pub mod evidence;
pub mod locales;
pub mod withdrawals;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::accept::Accepted;
use super::catalogue::{Catalogue, CatalogueError, Published};
use super::store::{self, ReaderRow, Withdrawal};
use super::summary_view::{ProtocolName, ProtocolSummary};
use super::view::{FaqView, ProtocolView, faqs};
use super::withdrawal_view::WithdrawalView;
use super::words::words;
use crate::app::State;
use crate::auth::extract::{Caller, Staff};
use crate::db::Scope;
use crate::domain::protocol::Texts;
use crate::error::ApiError;
use crate::language::{Wanted, content_language};
use crate::paging::List;
use crate::preconditions::{IfNoneMatch, computed_tag};

impl From<CatalogueError> for ApiError {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Db(error) => error.into(),
            // Ids come from rows that must name a version: nothing that a client can do.
            CatalogueError::Unknown(_) => Self::Internal(error.into()),
            // Published by a newer program, which answers elsewhere already or will soon answer here.
            CatalogueError::Unreadable { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

/// Every published version that this program can read, by key, the newest first.
pub async fn list_protocols(
    state: web::Data<State>,
    Staff(caller): Staff,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (reader, all) = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let reader = Reader::find(conn, &caller).await?;
            Ok::<_, ApiError>((reader, readable(conn, &state.protocols, caller.clinic_id).await?))
        })
        .await?;
    let withdrawn: Vec<Uuid> = reader.withdrawn.iter().map(|withdrawal| withdrawal.version_id).collect();
    let mut language = None;
    let mut items = Vec::with_capacity(all.len());
    for published in &all {
        let texts = reader.words(published, &wanted);
        let key = published.version.key();
        let current = match state.protocols.latest(key) {
            Some(_) => state.protocols.latest_but(key, &withdrawn).map(|newest| newest.id),
            None => {
                all.iter().find(|other| other.version.key() == key && !withdrawn.contains(&other.id)).map(|it| it.id)
            }
        };
        let current = current == Some(published.id);
        let default = current && key == reader.row.default_protocol;
        let withdrawal = reader.withdrawal(published).cloned().map(WithdrawalView::from);
        items.push(ProtocolSummary::new(published, texts, (current, default), withdrawal));
        language.get_or_insert(texts.locale.clone());
    }
    answer(&known, language.as_deref().unwrap_or(crate::language::FALLBACK), &List::whole(items))
}

/// One version: structure, words and the evidence behind every item.
pub async fn find_protocol_version(
    state: web::Data<State>,
    Staff(caller): Staff,
    path: web::Path<(String, i32)>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (reader, published) = read(&state, &caller, &path).await?;
    let texts = reader.words(&published, &wanted);
    answer(&known, &texts.locale, &ProtocolView::new(&published, texts))
}

/// The answer of [`list_faqs`].
#[derive(Debug, Serialize)]
struct Faqs<'a> {
    protocol: ProtocolName<'a>,
    items: Vec<FaqView>,
}

/// Questions people ask, answered by the clinic's default protocol.
pub async fn list_faqs(
    state: web::Data<State>,
    caller: Caller,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let catalogue = &state.protocols;
    let (reader, chosen) = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let reader = Reader::find(conn, &caller).await?;
            let choice = store::find_choice(conn, caller.clinic_id, None).await?;
            Ok::<_, ApiError>((reader, catalogue.chosen(conn, &choice).await?))
        })
        .await?;
    let published = chosen.or_else(|| catalogue.latest(catalogue.default_key()).cloned()).ok_or_else(|| {
        ApiError::Internal(anyhow::anyhow!("the clinic's protocol is {:?}", reader.row.default_protocol))
    })?;
    let version = &published.version;
    let texts = reader.words(&published, &wanted);
    answer(&known, &texts.locale, &Faqs { protocol: ProtocolName::of(version), items: faqs(version, texts) })
}

/// Who asks, and the version that the path names.
async fn read(state: &State, caller: &Caller, (key, number): &(String, i32)) -> Result<(Reader, Published), ApiError> {
    let read = async |conn: &mut _| {
        let reader = Reader::find(conn, caller).await?;
        Ok::<_, ApiError>((reader, named(conn, &state.protocols, caller.clinic_id, key, *number).await?))
    };
    state.db.scoped(Scope::Clinic(caller.clinic_id), read).await
}

/// The version of that name; no such thing where nothing that the clinic may see bears it.
pub(super) async fn named(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    clinic_id: Uuid,
    key: &str,
    number: i32,
) -> Result<Published, ApiError> {
    catalogue.named(conn, clinic_id, key, number).await?.ok_or(ApiError::NotFound)
}

/// All versions that a clinic may see, by key, the newest first. One that a newer program published may be beyond this one:
/// it is left out.
async fn readable(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    clinic_id: Uuid,
) -> Result<Vec<Published>, ApiError> {
    let ids: Vec<Uuid> = store::list_ids(conn, clinic_id).await?;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        match catalogue.published(conn, id).await {
            Ok(published) => all.push(published),
            Err(error @ CatalogueError::Unreadable { .. }) => tracing::warn!(%error, "left out of the list"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

/// The answer in its language, or 304 for a client that has it. The tag is that of the answer itself: words and facts
/// may be corrected without a new version.
fn answer<T: Serialize>(known: &IfNoneMatch, language: &str, body: &T) -> Result<HttpResponse, ApiError> {
    let body = serde_json::to_string(body).map_err(|error| ApiError::Internal(error.into()))?;
    let tag = computed_tag(&[&language, &body]);
    let mut response = known.not_modified(&tag).unwrap_or_else(|| {
        HttpResponse::Ok().content_type("application/json").insert_header(header::ETag(tag)).body(body)
    });
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    content_language(language).into_iter().for_each(|(name, value)| {
        headers.insert(name, value);
    });
    Ok(response)
}

/// Who reads: in which languages, and which unreviewed words the clinic has accepted.
struct Reader {
    row: ReaderRow,
    accepted: Accepted,
    withdrawn: Vec<Withdrawal>,
}

impl Reader {
    async fn find(conn: &mut AsyncPgConnection, caller: &Caller) -> Result<Self, ApiError> {
        let row = store::find_reader(conn, caller.clinic_id, caller.user_id).await?;
        let accepted = Accepted::by(conn, caller.clinic_id).await?;
        Ok(Self { row, accepted, withdrawn: store::list_withdrawals(conn, caller.clinic_id).await? })
    }

    /// Whether the clinic has withdrawn a version.
    fn withdrawal(&self, published: &Published) -> Option<&Withdrawal> {
        self.withdrawn.iter().find(|withdrawal| withdrawal.version_id == published.id)
    }

    /// A version in the reader's words.
    fn words<'v>(&self, published: &'v Published, wanted: &Wanted) -> &'v Texts {
        words(&published.version, self.accepted.of(published.id), wanted, &self.locales())
    }

    /// The languages to fall back on: the person's, then the clinic's.
    fn locales(&self) -> [&str; 2] {
        [&self.row.locale, &self.row.clinic_locale]
    }
}
