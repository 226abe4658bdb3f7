//! Translations that nobody has reviewed and that a clinic has accepted for its people all the same. Accepting one and
//! withdrawing that are one transaction each, with its line in the audit trail.

use std::collections::BTreeMap;

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, Acceptance, StoredTexts};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clinics;
use crate::clock::Clocks;
use crate::db::DbError;

/// The unreviewed translations that a clinic has accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted(BTreeMap<Uuid, Vec<String>>);

impl Accepted {
    /// What the clinic has accepted.
    pub async fn by(conn: &AsyncPgConnection, clinic_id: Uuid) -> Result<Self, DbError> {
        let mut accepted = BTreeMap::<Uuid, Vec<String>>::new();
        for (version_id, locale) in store::list_accepted(conn, clinic_id).await? {
            accepted.entry(version_id).or_default().push(locale);
        }
        Ok(Self(accepted))
    }

    /// Languages of one version.
    pub fn of(&self, version_id: Uuid) -> &[String] {
        self.0.get(&version_id).map_or(&[], Vec::as_slice)
    }
}

/// Why nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// They are served anyway.
    #[error("the words need nobody's acceptance")]
    Needless,
    /// They are not the words that were read.
    #[error("the words have changed")]
    Changed,
    /// The database refused, or the version has no such words.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for AcceptError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// A version's words in one language, as far as a clinic is concerned.
#[derive(Debug)]
pub struct Locale {
    /// The words.
    pub texts: StoredTexts,
    /// The version was written in them.
    pub base: bool,
    /// That the clinic accepted them, or others in the same language.
    pub acceptance: Option<Acceptance>,
}

impl Locale {
    /// Whether these very words were accepted.
    pub fn accepted(&self) -> bool {
        self.acceptance.as_ref().is_some_and(|acceptance| acceptance.content_hash == self.texts.content_hash)
    }

    /// Whether the clinic's people are spoken to in them.
    pub fn served(&self) -> bool {
        self.base || self.texts.reviewed || self.accepted()
    }
}

/// All languages of a version.
pub async fn locales(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    version_id: Uuid,
    base: &str,
) -> Result<Vec<Locale>, DbError> {
    let texts = store::list_texts(conn, version_id).await?;
    let mut acceptances = store::list_acceptances(conn, clinic_id, version_id).await?;
    let mut of = |locale: &str| {
        let index = acceptances.iter().position(|acceptance| acceptance.locale == locale)?;
        Some(acceptances.swap_remove(index))
    };
    let locale = |texts: StoredTexts| Locale { base: texts.locale == base, acceptance: of(&texts.locale), texts };
    Ok(texts.into_iter().map(locale).collect())
}

/// Accepts words, if they are those that the caller has read. Accepting them again changes nothing.
pub async fn accept(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    found: Locale,
    is_read: bool,
) -> Result<Locale, AcceptError> {
    if found.base || found.texts.reviewed {
        return Err(AcceptError::Needless);
    }
    if !is_read {
        return Err(AcceptError::Changed);
    }
    if found.accepted() {
        return Ok(found);
    }
    if let Some(outdated) = &found.acceptance {
        end(conn, clocks, caller, outdated).await?;
    }
    let acceptance = Acceptance {
        clinic_id: caller.clinic_id,
        id: clocks.fresh_id(),
        version_id: found.texts.version_id,
        locale: found.texts.locale.clone(),
        content_hash: found.texts.content_hash.clone(),
        accepted_by: caller.user_id,
        accepted_at: clocks.wall.now(),
    };
    store::insert_acceptance(conn, &acceptance).await?;
    let entry = Entry::by(caller, "protocol_locale.accept", "accepted_locale", acceptance.id);
    audit::record(conn, clocks, entry).await?;
    Ok(Locale { acceptance: Some(acceptance), ..found })
}

/// Withdraws an acceptance; where there is none, nothing changes.
pub async fn withdraw(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    found: &Locale,
) -> Result<(), DbError> {
    match &found.acceptance {
        Some(acceptance) => end(conn, clocks, caller, acceptance).await,
        None => Ok(()),
    }
}

async fn end(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    acceptance: &Acceptance,
) -> Result<(), DbError> {
    store::update_withdrawn(conn, acceptance, caller.user_id, clocks.wall.now()).await?;
    let entry = Entry::by(caller, "protocol_locale.withdraw", "accepted_locale", acceptance.id);
    Ok(audit::record(conn, clocks, entry).await?)
}

/// Whoever accepts or withdraws waits for whoever is doing so at the same clinic.
pub async fn lock(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> Result<(), DbError> {
    clinics::store::lock_clinic(conn, clinic_id).await?;
    Ok(())
}
