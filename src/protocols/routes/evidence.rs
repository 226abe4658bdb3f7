//! What stands behind a version, and what another one would change: where the sources disagree and what the version makes of
//! it; the difference between two versions.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::{Reader, answer, named, read};
use crate::app::State;
use crate::auth::extract::Staff;
use crate::db::Scope;
use crate::error::{ApiError, FieldError};
use crate::language::Wanted;
use crate::preconditions::IfNoneMatch;
use crate::protocols::diff_view::DiffView;
use crate::protocols::disagreement_view::Disagreements;
use crate::protocols::words::words_of_both;
use crate::query::Query;

/// Every matter on which the sources differ, with what this version makes of it.
pub async fn list_disagreements(
    state: web::Data<State>,
    Staff(caller): Staff,
    path: web::Path<(String, i32)>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (reader, published) = read(&state, &caller, &path).await?;
    let texts = reader.words(&published, &wanted);
    answer(&known, &texts.locale, &Disagreements::new(&published.version, texts))
}

/// Which version to compare with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparing {
    /// Its key and number, as `conservative@2`.
    with: Option<String>,
}

/// What would be different for a patient under another version.
pub async fn find_protocol_diff(
    state: web::Data<State>,
    Staff(caller): Staff,
    path: web::Path<(String, i32)>,
    query: Query<Comparing>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (key, number) = path.into_inner();
    let (other_key, other_number) = query.other()?;
    let (reader, from, to) = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let reader = Reader::find(conn, &caller).await?;
            let from = named(conn, &state.protocols, caller.clinic_id, &key, number).await?;
            let to =
                named(conn, &state.protocols, caller.clinic_id, other_key, other_number).await.map_err(|error| {
                    match error {
                        ApiError::NotFound => wrong("there is no such version"),
                        error => error,
                    }
                })?;
            Ok::<_, ApiError>((reader, from, to))
        })
        .await?;
    let one = (&*from.version, reader.accepted.of(from.id));
    let other = (&*to.version, reader.accepted.of(to.id));
    let texts = words_of_both(one, other, &wanted, &reader.locales());
    answer(&known, &texts.1.locale, &DiffView::new(&from.version, &to.version, texts))
}

impl Comparing {
    fn other(&self) -> Result<(&str, i32), ApiError> {
        let name = self.with.as_deref().ok_or_else(|| wrong("name the other version, such as conservative@2"))?;
        let (key, number) = name.rsplit_once('@').ok_or_else(|| wrong("is no version such as conservative@2"))?;
        let number = number.parse::<i32>().ok().filter(|number| *number > 0);
        Ok((key, number.ok_or_else(|| wrong("is no version such as conservative@2"))?))
    }
}

/// What is wrong with the one parameter.
fn wrong(detail: &str) -> ApiError {
    let errors = vec![FieldError { pointer: "with".to_owned(), detail: detail.to_owned() }];
    ApiError::Malformed { detail: format!("with: {detail}"), errors }
}
