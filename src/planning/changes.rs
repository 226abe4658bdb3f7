//! What treatments follow: the pinned version, or what was changed of it for one of them alone. Changes are read only for
//! those of which there are any.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Context;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::input::Input;
use super::store::{self, ChangeRow};
use super::{Person, PlanningError, Running, RunningTreatments};
use crate::domain::overrides::{Bounds, ItemChange, ItemChanges, Overridden, apply};
use crate::domain::protocol::ProtocolVersion;
use crate::domain::timeline::{Earlier, Overrides};
use crate::protocols::Catalogue;

/// What a treatment follows.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The pinned version, its items as they were changed.
    pub version: Arc<ProtocolVersion>,
    /// What it followed before, and what was changed.
    pub overrides: Overrides,
}

/// What these treatments follow; asks nobody where there are none.
pub async fn list_changes(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    clinic_id: Uuid,
    treatments: Vec<Uuid>,
) -> Result<HashMap<Uuid, Followed>, PlanningError> {
    let mut found = HashMap::new();
    if treatments.is_empty() {
        return Ok(found);
    }
    let rows = store::list_changes(conn, clinic_id, treatments).await?;
    let mut versions = HashMap::new();
    for id in rows.iter().flat_map(|row| [row.from_version_id, row.to_version_id]) {
        if let Entry::Vacant(vacant) = versions.entry(id) {
            vacant.insert(catalogue.version(conn, id).await?);
        }
    }
    for changes in rows.chunk_by(|one, next| one.treatment_id == next.treatment_id) {
        if let Some(followed) = follow(changes, &versions)? {
            found.insert(followed.0, followed.1);
        }
    }
    Ok(found)
}

/// Folds the changes of one treatment, in order of time.
fn follow(
    changes: &[ChangeRow],
    versions: &HashMap<Uuid, Arc<ProtocolVersion>>,
) -> anyhow::Result<Option<(Uuid, Followed)>> {
    let mut standing = BTreeMap::<&str, (ItemChange, &ChangeRow)>::new();
    let mut earlier = Vec::new();
    for row in changes {
        if row.counts {
            let version = own(&versions[&row.from_version_id], &standing);
            earlier.push(Earlier { version, until: row.changed_at, kept: row.kept.iter().copied().collect() });
        }
        match (row.item_key.as_deref(), row.change.clone()) {
            (None, _) => {}
            (Some(key), None) => drop(standing.remove(key)),
            (Some(key), Some(change)) => {
                standing.insert(key, (serde_json::from_value(change).context("a stored change")?, row));
            }
        }
    }
    let Some(last) = changes.last() else { return Ok(None) };
    let pinned = &versions[&last.to_version_id];
    let items = standing.iter().filter_map(|(key, (change, row))| {
        let item = pinned.item(key)?;
        Some(Overridden {
            item_key: item.key.clone(),
            kind: item.kind,
            change: change.clone(),
            was: Bounds::of(item),
            reason: row.reason.clone().unwrap_or_default(),
            by: row.changed_by,
            at: row.changed_at,
        })
    });
    let overrides = Overrides { earlier, items: items.collect(), ..Overrides::default() };
    Ok(Some((last.treatment_id, Followed { version: own(pinned, &standing), overrides })))
}

impl RunningTreatments {
    pub(super) async fn of(
        conn: &mut AsyncPgConnection,
        catalogue: &Catalogue,
        person: &Person,
        rows: Vec<Running>,
    ) -> Result<Self, PlanningError> {
        let changed = rows.iter().filter(|row| row.changes > 0).map(|row| row.id).collect();
        let mut changes = list_changes(conn, catalogue, person.clinic_id, changed).await?;
        let mut running = Self { rows: Vec::with_capacity(rows.len()), overrides: HashMap::new() };
        for row in rows {
            let said = row.overrides(&person.modes)?;
            let (version, overrides) = match changes.remove(&row.id) {
                Some(Followed { version, overrides: Overrides { earlier, items, .. } }) => {
                    (version, Overrides { earlier, items, ..said })
                }
                None => (catalogue.version(conn, row.protocol_version_id).await?, said),
            };
            running.overrides.insert(row.id, overrides);
            running.rows.push((row, version));
        }
        Ok(running)
    }

    /// What is particular to one of them.
    pub fn overrides(&self, id: Uuid) -> &Overrides {
        static NOTHING: Overrides = Overrides::NONE;
        self.overrides.get(&id).unwrap_or(&NOTHING)
    }

    /// Each of them, ready to be laid out.
    pub(super) fn inputs(&self, person: &Person) -> anyhow::Result<Vec<Input<'_>>> {
        self.rows
            .iter()
            .map(|(row, version)| Input::new(row, Arc::clone(version), self.overrides(row.id), person))
            .collect()
    }
}

fn own(version: &Arc<ProtocolVersion>, standing: &BTreeMap<&str, (ItemChange, &ChangeRow)>) -> Arc<ProtocolVersion> {
    if standing.is_empty() {
        return Arc::clone(version);
    }
    let changes: ItemChanges = standing.iter().map(|(key, (change, _))| ((*key).to_owned(), change.clone())).collect();
    Arc::new(apply(version, &changes))
}
