//! Consents over HTTP: what is asked for, what was given, and giving it.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};

use super::record::agree;
use super::store::{self, Consent};
use super::{DETAILS_VERSION, LOCK_SCREEN_DETAILS, PRIVACY, TERMS};
use crate::answer::private;
use crate::app::State;
use crate::audit::{self, Entry};
use crate::auth::extract::{AccountHolder, Caller};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::ApiError;

#[derive(Debug, Serialize)]
struct ConsentList {
    items: Vec<ConsentView>,
}

/// What is asked for and what was given.
#[derive(Debug, Serialize)]
struct ConsentView {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_at: Option<DateTime<Utc>>,
    /// There are words that the person has not agreed to.
    wanted: bool,
}

/// What there is to agree to, and its current version.
fn asked(state: &State) -> [(&'static str, Option<String>); 3] {
    let versions = state.about.versions();
    [
        (TERMS, versions.terms_version.clone()),
        (PRIVACY, versions.privacy_version.clone()),
        (LOCK_SCREEN_DETAILS, Some(DETAILS_VERSION.to_owned())),
    ]
}

fn list(state: &State, standing: Vec<Consent>) -> ConsentList {
    let mut standing: BTreeMap<String, Consent> = standing.into_iter().map(|one| (one.kind.clone(), one)).collect();
    let items = asked(state).map(|(kind, current_version)| {
        let given = standing.remove(kind);
        let (given_version, given_at) = given.map(|given| (given.version, given.given_at)).unzip();
        ConsentView {
            kind,
            // Nobody is asked for details on the lock screen: who wants them switches them on.
            wanted: kind != LOCK_SCREEN_DETAILS && current_version.is_some() && current_version != given_version,
            current_version,
            given_version,
            given_at,
        }
    });
    ConsentList { items: items.into() }
}

/// What the caller has agreed to, and what they are asked for.
pub async fn list_consents(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
) -> Result<HttpResponse, ApiError> {
    let standing = state.db.scoped(Scope::User(caller.user_id), async |conn| {
        Ok::<_, ApiError>(store::list_standing(conn, caller.user_id).await?)
    });
    Ok(private(HttpResponse::Ok(), &list(&state, standing.await?)))
}

/// Which versions the caller agrees to. Absent: none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentsBody {
    terms: Option<String>,
    privacy: Option<String>,
}

/// Replaces what the caller has agreed to.
pub async fn put_consents(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<ConsentsBody>,
) -> Result<HttpResponse, ApiError> {
    let ConsentsBody { terms, privacy } = body.value;
    let standing = state.db.scoped(Scope::User(caller.user_id), async |conn| {
        store::lock_consents(conn, caller.user_id).await?;
        let before = store::list_standing(conn, caller.user_id).await?;
        let mut faults = Faults::default();
        for ((kind, current), version) in asked(&state).into_iter().zip([&terms, &privacy]) {
            let Some(version) = version else { continue };
            let stands = before.iter().any(|one| one.kind == kind && one.version == *version);
            if !stands && current.as_ref() != Some(version) {
                faults.push(format!("/{kind}"), "is not the current version: show that one");
            }
        }
        faults.finish()?;
        for (kind, version) in [(TERMS, terms), (PRIVACY, privacy)] {
            if agree(conn, &state.clocks, caller.user_id, kind, version.as_deref()).await? {
                note(conn, &state, &caller, version.is_some()).await?;
            }
        }
        Ok::<_, ApiError>(store::list_standing(conn, caller.user_id).await?)
    });
    Ok(private(HttpResponse::Ok(), &list(&state, standing.await?)))
}

async fn note(conn: &mut AsyncPgConnection, state: &State, caller: &Caller, given: bool) -> Result<(), ApiError> {
    let action = if given { "consent.give" } else { "consent.withdraw" };
    Ok(audit::record(conn, &state.clocks, Entry::by(caller, action, "user", caller.user_id)).await?)
}
