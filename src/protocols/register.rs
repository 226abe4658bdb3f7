//! Making the built-in protocol versions known to a database, so that treatments can pin them. Part of migrating.
//! A version that was registered once never changes; translations of it may come later and may be corrected.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::catalogue::{Published, built_ins};
use super::store::{self, StoredTexts, StoredVersion};
use crate::domain::protocol::{BuiltIn, Files, builtin};

/// Why the built-in versions cannot be registered, or are not.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The number was published with another content.
    #[error(
        "protocol {key} version {number} was registered in this database with another content; a published version \
         never changes: give the changed one the next number"
    )]
    Changed {
        /// The protocol.
        key: String,
        /// The version's number.
        number: i32,
    },
    /// Migrating has not run since this program brought the version.
    #[error("protocol {key} version {number} is not registered in this database: run `mendline migrate`")]
    Missing {
        /// The protocol.
        key: String,
        /// The version's number.
        number: i32,
    },
    /// The compiled-in protocols are at fault.
    #[error(transparent)]
    BuiltIn(#[from] anyhow::Error),
    /// The database refused.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// Registers every built-in version and its texts; what is there already stays. Returns the names of the new ones.
/// Safe to call from several processes at once.
pub async fn register_built_ins(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<String>, RegisterError> {
    let mut new = Vec::new();
    for (published, files) in sources()? {
        if conn.transaction(async |conn| register(conn, &published, files, now).await).await? {
            new.push(format!("protocol {} version {}", published.version.key(), published.version.number()));
        }
    }
    Ok(new)
}

/// Fails unless every built-in version is registered as this program brings it.
pub async fn check_registered(conn: &mut AsyncPgConnection) -> Result<(), RegisterError> {
    for published in built_ins()? {
        let (key, number) = (published.version.key().to_owned(), published.version.number());
        match store::find_hash(conn, published.id).await? {
            Some(hash) if hash == published.content_hash => {}
            Some(_) => return Err(RegisterError::Changed { key, number }),
            None => return Err(RegisterError::Missing { key, number }),
        }
    }
    Ok(())
}

/// Each built-in version with the files it was read from.
fn sources() -> anyhow::Result<Vec<(Published, &'static Files<'static>)>> {
    let files = builtin().unwrap_or_default().iter().map(|BuiltIn { files, .. }| files);
    Ok(built_ins()?.into_iter().zip(files).collect())
}

/// Registers one version and its texts; returns whether the version was new. Belongs into a transaction.
pub async fn register(
    conn: &mut AsyncPgConnection,
    published: &Published,
    files: &Files<'_>,
    now: DateTime<Utc>,
) -> Result<bool, RegisterError> {
    let version = &published.version;
    let row = StoredVersion {
        id: published.id,
        key: version.key().to_owned(),
        version: version.number(),
        content_hash: published.content_hash.to_vec(),
        structure: files.structure.text.to_owned(),
        base_locale: version.structure.base_locale.clone(),
        registered_at: now,
        clinic_id: published.origin.map(|origin| origin.clinic_id),
        published_by: published.origin.map(|origin| origin.published_by),
    };
    let new = store::insert_version(conn, &row).await?;
    if !new && store::find_hash(conn, published.id).await?.as_deref() != Some(published.content_hash.as_slice()) {
        return Err(RegisterError::Changed { key: row.key, number: row.version });
    }
    let known = store::list_texts(conn, published.id).await?;
    for (locale, texts) in &version.texts {
        let file = text_of(files, locale)?;
        let content_hash = digest(&SHA256, file.as_bytes()).as_ref().to_vec();
        let kept = known.iter().find(|kept| kept.locale == *locale);
        // The base texts belong to the version and stay as they were published.
        if kept.is_some_and(|kept| *locale == row.base_locale || kept.content_hash == content_hash) {
            continue;
        }
        let texts = StoredTexts {
            version_id: published.id,
            locale: locale.clone(),
            content_hash,
            texts: file.to_owned(),
            reviewed: texts.reviewed,
            registered_at: now,
        };
        store::insert_texts(conn, &texts).await?;
    }
    Ok(new)
}

/// The text of the file in that language: files are called after their languages.
fn text_of<'a>(files: &Files<'a>, locale: &str) -> anyhow::Result<&'a str> {
    let name = format!("{locale}.toml");
    let file = files.texts.iter().find(|file| file.name.rsplit('/').next() == Some(&name));
    Ok(file.ok_or_else(|| anyhow::anyhow!("no file is called {locale}.toml"))?.text)
}
