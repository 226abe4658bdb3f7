//! Publishing a draft: it becomes a version under the draft's id, hashed and for good, and the draft is gone. Repeating the
//! request finds the version that the first one made.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::read::{DraftFault, ReadError, Reading, files, read};
use super::store::{self, Draft};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clinics;
use crate::db::{DbError, Scope};
use crate::domain::closing::ClosingWeights;
use crate::domain::protocol::ProtocolVersion;
use crate::error::ApiError;
use crate::planning::Tools;
use crate::protocols::{self, CatalogueError, Origin, Published, RegisterError, content_hash, own_key};

/// The most versions that a clinic may publish: each stays in memory once it was read.
pub const MOST_PUBLISHED: i64 = 200;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It is no sound protocol, or bears a name that it cannot have.
    #[error("{} faults", .0.len())]
    Faulty(Vec<DraftFault>),
    /// The caller saw another version of the draft, or does not say which.
    #[error(transparent)]
    Seen(#[from] ApiError),
    /// The clinic has published as many as it may.
    #[error("too many versions")]
    TooMany,
    /// The database refused, or there is no such draft.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The draft, or what was published, could not be read.
    #[error(transparent)]
    Unreadable(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for PublishError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<CatalogueError> for PublishError {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Db(error) => Self::Db(error),
            other => Self::Unreadable(other.into()),
        }
    }
}

impl From<RegisterError> for PublishError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Query(error) => error.into(),
            other => Self::Unreadable(other.into()),
        }
    }
}

impl From<ReadError> for PublishError {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error.into())
    }
}

/// Publishes a draft. `seen` judges whether the caller read this version of it.
pub async fn publish(
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    seen: impl FnOnce(i32) -> Result<(), ApiError>,
) -> Result<Published, PublishError> {
    let scope = Scope::Clinic(caller.clinic_id);
    let found = tools.db.scoped(scope, async |conn| find(conn, tools, caller, id).await).await?;
    let draft = match found {
        Found::Draft(draft) => *draft,
        Found::Version(published) => return Ok(published),
    };
    seen(draft.version)?;
    let version = match read(&draft).await? {
        Reading::Sound(version) => version,
        Reading::Faulty(faults) => return Err(PublishError::Faulty(faults)),
    };
    let published = Published {
        id,
        content_hash: content_hash(&version)?,
        closing: ClosingWeights::of(&version).into(),
        origin: Some(Origin {
            clinic_id: caller.clinic_id,
            published_by: caller.user_id,
            published_at: tools.clocks.wall.now(),
        }),
        version,
    };
    match tools.db.scoped(scope, async |conn| write(conn, tools, caller, &draft, &published).await).await {
        Ok(()) => Ok(published),
        // Somebody was faster: with publishing it, or with dropping it.
        Err(gone @ PublishError::Db(DbError::Query(diesel::result::Error::NotFound))) => {
            match tools.db.scoped(scope, async |conn| find(conn, tools, caller, id).await).await? {
                Found::Version(published) => Ok(published),
                Found::Draft(_) => Err(gone),
            }
        }
        Err(error) => Err(error),
    }
}

enum Found {
    Draft(Box<Draft>),
    Version(Published),
}

async fn find(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
) -> Result<Found, PublishError> {
    match store::find_draft(conn, caller.clinic_id, id).await {
        Ok(draft) => Ok(Found::Draft(Box::new(draft))),
        Err(gone) => match tools.catalogue.published(conn, id).await {
            Ok(published) if published.origin.is_some_and(|origin| origin.clinic_id == caller.clinic_id) => {
                Ok(Found::Version(published))
            }
            Ok(_) | Err(CatalogueError::Unknown(_)) => Err(gone.into()),
            Err(error) => Err(error.into()),
        },
    }
}

/// Writes the version and drops the draft, if it is still the one that was read.
async fn write(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    caller: &Caller,
    draft: &Draft,
    published: &Published,
) -> Result<(), PublishError> {
    let clinic_id = caller.clinic_id;
    // One clinic publishes one version at a time: numbers follow each other.
    clinics::store::lock_clinic(conn, clinic_id).await?;
    if store::lock_draft(conn, clinic_id, draft.id).await?.version != draft.version {
        return Err(ApiError::PreconditionFailed.into());
    }
    let (newest, versions) = protocols::store::find_newest(conn, clinic_id, published.version.key()).await?;
    if versions >= MOST_PUBLISHED {
        return Err(PublishError::TooMany);
    }
    let faults = misnamed(&published.version, newest.unwrap_or(0).saturating_add(1));
    if !faults.is_empty() {
        return Err(PublishError::Faulty(faults));
    }
    let at = published.origin.map_or_else(|| tools.clocks.wall.now(), |origin| origin.published_at);
    let names: Vec<String> = draft.locales.iter().map(|locale| format!("{locale}.toml")).collect();
    protocols::register(conn, published, &files(draft, &names), at).await?;
    store::delete_draft(conn, clinic_id, draft.id).await?;
    let entry = Entry::by(caller, "protocol_version.publish", "protocol_version", published.id);
    audit::record(conn, tools.clocks, entry).await?;
    Ok(())
}

/// What is wrong with a version's name, if the clinic's next version of it has this number.
fn misnamed(version: &ProtocolVersion, next: i32) -> Vec<DraftFault> {
    let fault = |field: &str, reason: String| DraftFault { pointer: format!("/structure/{field}"), line: 1, reason };
    let mut faults = Vec::new();
    if !own_key(version.key()) {
        let reason = format!("`{}` is no name for a clinic's own protocol: it must begin with own-", version.key());
        faults.push(fault("key", reason));
    }
    if version.number() != next {
        let reason = format!("the next version of `{}` is {next}, not {}", version.key(), version.number());
        faults.push(fault("version", reason));
    }
    faults
}
