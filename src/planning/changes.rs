//! Which versions treatments followed before the one they pin; read only for those that ever followed another.

use std::collections::HashMap;

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{PlanningError, store};
use crate::domain::timeline::Earlier;
use crate::protocols::Catalogue;

/// What these treatments followed before, in order of time; asks nobody where there are none.
pub async fn list_changes(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    clinic_id: Uuid,
    treatments: Vec<Uuid>,
) -> Result<HashMap<Uuid, Vec<Earlier>>, PlanningError> {
    let mut found = HashMap::<Uuid, Vec<Earlier>>::new();
    if treatments.is_empty() {
        return Ok(found);
    }
    for row in store::list_transfers(conn, clinic_id, treatments).await? {
        let version = catalogue.version(conn, row.from_version_id).await?;
        let earlier = Earlier { version, until: row.changed_at, kept: row.kept.into_iter().collect() };
        found.entry(row.treatment_id).or_default().push(earlier);
    }
    Ok(found)
}
