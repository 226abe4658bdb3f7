//! The languages of a version, and which unreviewed ones a clinic has accepted. Staff read, administrators accept.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, web};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;

use super::{answer, named};
use crate::app::State;
use crate::auth::extract::{Administrator, Caller, Staff};
use crate::body::Body;
use crate::db::Scope;
use crate::error::{ApiError, Conflict};
use crate::paging::List;
use crate::preconditions::IfNoneMatch;
use crate::protocols::Published;
use crate::protocols::accept::{self, AcceptError, Locale};
use crate::protocols::locale_view::LocaleView;
use crate::protocols::summary_view::hexadecimal;
use crate::protocols::view::ProtocolView;

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Needless => Self::conflict(
                Conflict::State,
                "These words are reviewed, or the protocol's own: they are served anyway.",
            ),
            AcceptError::Changed => {
                Self::conflict(Conflict::State, "These are not the words that were read: read them again.")
            }
            AcceptError::Db(error) => error.into(),
        }
    }
}

type Named = (String, i32, String);

/// `GET /v1/protocols/{key}/versions/{number}/locales`
pub async fn list_protocol_locales(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<(String, i32)>,
) -> Result<HttpResponse, ApiError> {
    let (key, number) = path.into_inner();
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        Ok::<_, ApiError>(all(&state, conn, &caller, &key, number).await?.1)
    });
    let views = found.await?.into_iter().map(LocaleView::from).collect();
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(List::whole(views)))
}

/// `GET /v1/protocols/{key}/versions/{number}/locales/{locale}`: the version in these words, served or not.
pub async fn find_protocol_locale(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<Named>,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (published, locale) =
        state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| one(&state, conn, &caller, &path).await).await?;
    let texts = published.version.texts.get(&locale.texts.locale).ok_or(ApiError::NotFound)?;
    answer(&known, &texts.locale, &ProtocolView::new(&published, texts))
}

/// Which words were read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptLocale {
    content_hash: String,
}

/// `PUT /v1/protocols/{key}/versions/{number}/locales/{locale}/acceptance`
pub async fn accept_protocol_locale(
    state: Data<State>,
    Administrator(caller): Administrator,
    path: Path<Named>,
    body: Body<AcceptLocale>,
) -> Result<HttpResponse, ApiError> {
    let accepted = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        accept::lock(conn, caller.clinic_id).await?;
        let (_, found) = one(&state, conn, &caller, &path).await?;
        let is_read = hexadecimal(&found.texts.content_hash).eq_ignore_ascii_case(&body.value.content_hash);
        Ok::<_, ApiError>(accept::accept(conn, &state.clocks, &caller, found, is_read).await?)
    });
    let view = LocaleView::from(accepted.await?);
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(view))
}

/// `DELETE /v1/protocols/{key}/versions/{number}/locales/{locale}/acceptance`
pub async fn withdraw_protocol_locale(
    state: Data<State>,
    Administrator(caller): Administrator,
    path: Path<Named>,
) -> Result<HttpResponse, ApiError> {
    let withdrawn = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        accept::lock(conn, caller.clinic_id).await?;
        let (_, found) = one(&state, conn, &caller, &path).await?;
        Ok::<_, ApiError>(accept::withdraw(conn, &state.clocks, &caller, &found).await?)
    });
    withdrawn.await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}

async fn all(
    state: &web::Data<State>,
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    key: &str,
    number: i32,
) -> Result<(Published, Vec<Locale>), ApiError> {
    let published = named(conn, &state.protocols, caller.clinic_id, key, number).await?;
    let base = &published.version.structure.base_locale;
    let locales = accept::locales(conn, caller.clinic_id, published.id, base).await?;
    Ok((published, locales))
}

async fn one(
    state: &web::Data<State>,
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    (key, number, locale): &Named,
) -> Result<(Published, Locale), ApiError> {
    let (published, locales) = all(state, conn, caller, key, *number).await?;
    let found = locales.into_iter().find(|found| found.texts.locale.eq_ignore_ascii_case(locale));
    Ok((published, found.ok_or(ApiError::NotFound)?))
}
