//! Every published protocol version, by id, in memory from the first time it is asked for: a version never changes.
//! The built-in ones are there from the start. Which one a clinic uses is not decided here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::own_key;
use super::store::{self, Choice, StoredTexts, StoredVersion};
use crate::db::DbError;
use crate::domain::closing::ClosingWeights;
use crate::domain::ids;
use crate::domain::protocol::{File, Files, ProtocolVersion, builtin, builtin_facts, load};

/// SHA-256 over a version's structure and base texts.
pub type ContentHash = [u8; 32];

/// By whom a version of a clinic's own was published, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Whose it is: nobody else sees it.
    pub clinic_id: Uuid,
    /// Who published it.
    pub published_by: Uuid,
    /// When (wall clock).
    pub published_at: DateTime<Utc>,
}

/// A published protocol version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Published {
    /// What treatments pin.
    pub id: Uuid,
    /// What it was published as.
    pub content_hash: ContentHash,
    /// What it says.
    pub version: Arc<ProtocolVersion>,
    /// How its counting tasks close, summed up once.
    pub closing: Arc<ClosingWeights>,
    /// Where it comes from; none for built-ins.
    pub origin: Option<Origin>,
}

impl Published {
    /// Whether a clinic may see it: built-ins everybody, its own the clinic.
    pub fn is_for(&self, clinic_id: Uuid) -> bool {
        self.origin.is_none_or(|origin| origin.clinic_id == clinic_id)
    }
}

/// Why a version cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The database was not reached or refused.
    #[error(transparent)]
    Db(#[from] DbError),
    /// No version has this id.
    #[error("there is no protocol version {0}")]
    Unknown(Uuid),
    /// This program cannot read what was published.
    #[error("protocol {key} version {number} cannot be read: {reason}")]
    Unreadable {
        /// The protocol.
        key: String,
        /// The version's number.
        number: i32,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<diesel::result::Error> for CatalogueError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// The versions known so far. Cheap to clone, all clones share them.
#[derive(Debug, Clone)]
pub struct Catalogue {
    built_in: Arc<[Published]>,
    known: Arc<RwLock<HashMap<Uuid, Published>>>,
}

impl Catalogue {
    /// A catalogue of the built-in versions.
    pub fn new() -> anyhow::Result<Self> {
        let built_in = built_ins()?;
        let known = built_in.iter().map(|published| (published.id, published.clone())).collect();
        Ok(Self { built_in: built_in.into(), known: Arc::new(RwLock::new(known)) })
    }

    /// The version with this id. Asks the database at most once for each.
    pub async fn version(
        &self,
        conn: &mut AsyncPgConnection,
        id: Uuid,
    ) -> Result<Arc<ProtocolVersion>, CatalogueError> {
        Ok(self.published(conn, id).await?.version)
    }

    /// The version with this id, with what it was published as. Asks the database at most once for each.
    pub async fn published(&self, conn: &mut AsyncPgConnection, id: Uuid) -> Result<Published, CatalogueError> {
        if let Some(known) = self.find(id) {
            return Ok(known);
        }
        let published = read(conn, id).await?;
        // Two tasks may read the same version at once: they read the same.
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(id, published.clone());
        Ok(published)
    }

    /// The version with this id, if it is in memory.
    pub fn cached(&self, id: Uuid) -> Option<Arc<ProtocolVersion>> {
        self.find(id).map(|published| published.version)
    }

    /// The version of that built-in protocol that new treatments get: the newest one this program brings.
    pub fn latest(&self, key: &str) -> Option<&Published> {
        self.latest_but(key, &[])
    }

    /// The same, leaving out what was withdrawn.
    pub fn latest_but(&self, key: &str, withdrawn: &[Uuid]) -> Option<&Published> {
        self.built_in
            .iter()
            .filter(|published| published.version.key() == key && !withdrawn.contains(&published.id))
            .max_by_key(|published| published.version.number())
    }

    /// The version that new treatments get where a clinic's staff, or its settings, name a protocol: the clinic's own
    /// newest, or the newest built-in one.
    pub async fn chosen(
        &self,
        conn: &mut AsyncPgConnection,
        choice: &Choice,
    ) -> Result<Option<Published>, CatalogueError> {
        match choice.own {
            Some(id) => self.published(conn, id).await.map(Some),
            None => Ok(self.latest_but(&choice.key, &choice.withdrawn).cloned()),
        }
    }

    /// The same under a key that is known, by a clinic that has withdrawn these versions; names of built-ins cost no
    /// question.
    pub async fn newest(
        &self,
        conn: &mut AsyncPgConnection,
        clinic_id: Uuid,
        key: &str,
        withdrawn: &[Uuid],
    ) -> Result<Option<Published>, CatalogueError> {
        if !own_key(key) {
            return Ok(self.latest_but(key, withdrawn).cloned());
        }
        let choice = store::find_choice(conn, clinic_id, Some(key)).await?;
        self.chosen(conn, &choice).await
    }

    /// The version of that protocol with that number that a clinic may see, if it is in memory.
    pub fn numbered(&self, clinic_id: Uuid, key: &str, number: i32) -> Option<Published> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let named = |published: &&Published| published.version.key() == key && published.version.number() == number;
        known.values().filter(named).find(|published| published.is_for(clinic_id)).cloned()
    }

    /// The version of that protocol with that number that a clinic may see.
    pub async fn named(
        &self,
        conn: &mut AsyncPgConnection,
        clinic_id: Uuid,
        key: &str,
        number: i32,
    ) -> Result<Option<Published>, CatalogueError> {
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(None);
        }
        if let Some(published) = self.numbered(clinic_id, key, number) {
            return Ok(Some(published));
        }
        match store::find_id(conn, clinic_id, key, number).await? {
            Some(id) => self.published(conn, id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The protocol of a clinic that chose none.
    pub fn default_key(&self) -> &str {
        self.built_in.first().map_or("", |published| published.version.key())
    }

    fn find(&self, id: Uuid) -> Option<Published> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

/// The built-in versions, the default first.
pub fn built_ins() -> anyhow::Result<Vec<Published>> {
    let built_in = builtin().map_err(|faults| anyhow::anyhow!("built-in protocols: {}", lines(faults)))?;
    let published = |version: &Arc<ProtocolVersion>| {
        anyhow::Ok(Published {
            id: ids::builtin_version_id(version.key(), version.number()),
            content_hash: content_hash(version)?,
            version: Arc::clone(version),
            closing: Arc::new(ClosingWeights::of(version)),
            origin: None,
        })
    };
    built_in.iter().map(|built_in| published(&built_in.version)).collect()
}

/// What a version is published as: SHA-256 over its structure and base texts, whatever their files look like.
pub fn content_hash(version: &ProtocolVersion) -> anyhow::Result<ContentHash> {
    let canonical = version.canonical()?;
    Ok(digest(&SHA256, canonical.as_bytes()).as_ref().try_into()?)
}

async fn read(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Published, CatalogueError> {
    let stored = store::find_version(conn, id).await?.ok_or(CatalogueError::Unknown(id))?;
    let texts = store::list_texts(conn, id).await?;
    let (key, number) = (stored.key.clone(), stored.version);
    // Validating lays the protocol out many times over: too long for a thread that answers requests.
    let parsed = tokio::task::spawn_blocking(move || parse(&stored, &texts)).await;
    parsed.unwrap_or_else(|panic| Err(panic.to_string())).map_err(|reason| CatalogueError::Unreadable {
        key,
        number,
        reason,
    })
}

fn parse(stored: &StoredVersion, texts: &[StoredTexts]) -> Result<Published, String> {
    let names: Vec<String> = texts.iter().map(|texts| format!("{}.toml", texts.locale)).collect();
    let files = Files {
        structure: File { name: "protocol.toml", text: &stored.structure },
        texts: names.iter().zip(texts).map(|(name, texts)| File { name, text: &texts.texts }).collect(),
        facts: builtin_facts(),
    };
    let version = load(&files).map_err(|faults| lines(&faults))?;
    let content_hash = ContentHash::try_from(stored.content_hash.as_slice()).map_err(|error| error.to_string())?;
    let closing = Arc::new(ClosingWeights::of(&version));
    let origin = stored.clinic_id.zip(stored.published_by).map(|(clinic_id, published_by)| Origin {
        clinic_id,
        published_by,
        published_at: stored.registered_at,
    });
    Ok(Published { id: stored.id, content_hash, version: Arc::new(version), closing, origin })
}

fn lines(faults: &[crate::domain::protocol::Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
