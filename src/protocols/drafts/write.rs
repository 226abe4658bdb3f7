//! Beginning, editing and dropping a draft: one transaction each, with its line in the audit trail.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::fields::{Beginning, DraftFiles};
use super::store::{self, Draft};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clinics;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};
use crate::domain::protocol::{Heading, renamed};
use crate::error::ApiError;
use crate::protocols::{self, own_key};

/// The most drafts of a clinic at a time.
pub const MOST_DRAFTS: i64 = 20;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The clinic has as many as it may.
    #[error("too many drafts")]
    TooMany,
    /// The caller saw another version, or does not say which.
    #[error(transparent)]
    Seen(#[from] ApiError),
    /// A value does not fit what is there.
    #[error("{pointer}: {detail}")]
    Invalid {
        /// JSON pointer.
        pointer: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The database refused, or there is no such draft.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for DraftError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Begins a draft.
pub async fn create(db: &Db, clocks: &Clocks, caller: &Caller, beginning: Beginning) -> Result<Draft, DraftError> {
    let (clinic_id, now) = (caller.clinic_id, clocks.wall.now());
    db.scoped(Scope::Clinic(clinic_id), async |conn| {
        let files = match beginning {
            Beginning::Files(files) => files,
            Beginning::Copy { from, key } => copy(conn, clinic_id, from, key).await?,
        };
        // Whoever adds a draft waits here for whoever is adding one: the count stays right.
        clinics::store::lock_clinic(conn, clinic_id).await?;
        if store::count_drafts(conn, clinic_id).await? >= MOST_DRAFTS {
            return Err(DraftError::TooMany);
        }
        let Heading { key, number } = files.heading();
        let draft = Draft {
            clinic_id,
            id: clocks.fresh_id(),
            key,
            number,
            structure: files.structure,
            locales: files.locales,
            texts: files.texts,
            version: 1,
            created_by: caller.user_id,
            created_at: now,
            updated_by: caller.user_id,
            updated_at: now,
        };
        store::insert_draft(conn, &draft).await?;
        audit::record(conn, clocks, Entry::by(caller, "protocol_draft.create", "protocol_draft", draft.id)).await?;
        Ok(draft)
    })
    .await
}

/// The files of a published version under the clinic's own name and the next number.
async fn copy(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    (from, number): (String, i32),
    key: Option<String>,
) -> Result<DraftFiles, DraftError> {
    let invalid = |pointer, detail: &str| DraftError::Invalid { pointer, detail: detail.to_owned() };
    let key = key.unwrap_or_else(|| from.clone());
    if !own_key(&key) {
        return Err(invalid(
            "/key",
            "a clinic's own protocol is called own- and something of lower-case letters, digits and '-'",
        ));
    }
    let gone = || invalid("/from", "there is no such version");
    if !from.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(gone());
    }
    let id = protocols::store::find_id(conn, clinic_id, &from, number).await?.ok_or_else(gone)?;
    let version = protocols::store::find_version(conn, id).await?.ok_or_else(gone)?;
    let texts = protocols::store::list_texts(conn, id).await?;
    let (newest, _) = protocols::store::find_newest(conn, clinic_id, &key).await?;
    let structure = renamed(&version.structure, &key, newest.unwrap_or(0).saturating_add(1)).ok_or_else(gone)?;
    let (locales, texts) = texts.into_iter().map(|texts| (texts.locale, texts.texts)).unzip();
    Ok(DraftFiles { structure, locales, texts })
}

/// Puts other files in a draft's place. `seen` judges whether the caller read this version.
pub async fn update(
    db: &Db,
    clocks: &Clocks,
    caller: &Caller,
    id: Uuid,
    seen: impl FnOnce(i32) -> Result<(), ApiError>,
    files: DraftFiles,
) -> Result<Draft, DraftError> {
    db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let mut draft = store::lock_draft(conn, caller.clinic_id, id).await?;
        seen(draft.version)?;
        if (&draft.structure, &draft.locales, &draft.texts) == (&files.structure, &files.locales, &files.texts) {
            return Ok(draft);
        }
        let Heading { key, number } = files.heading();
        (draft.key, draft.number) = (key, number);
        (draft.structure, draft.locales, draft.texts) = (files.structure, files.locales, files.texts);
        draft.version = draft.version.saturating_add(1);
        (draft.updated_by, draft.updated_at) = (caller.user_id, clocks.wall.now());
        store::update_draft(conn, &draft).await?;
        audit::record(conn, clocks, Entry::by(caller, "protocol_draft.update", "protocol_draft", id)).await?;
        Ok(draft)
    })
    .await
}

/// Drops a draft. `seen` judges whether the caller read this version.
pub async fn delete(
    db: &Db,
    clocks: &Clocks,
    caller: &Caller,
    id: Uuid,
    seen: impl FnOnce(i32) -> Result<(), ApiError>,
) -> Result<(), DraftError> {
    db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let draft = store::lock_draft(conn, caller.clinic_id, id).await?;
        seen(draft.version)?;
        store::delete_draft(conn, caller.clinic_id, id).await?;
        audit::record(conn, clocks, Entry::by(caller, "protocol_draft.delete", "protocol_draft", id)).await?;
        Ok(())
    })
    .await
}
