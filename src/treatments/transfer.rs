//! Putting a running treatment under another protocol version, in one transaction: the patient's plan is locked, what was
//! closed is kept, everything the person is owed is planned anew, the deed is recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::details::Details;
use super::overriding::MOST_CHANGES;
use super::plan::{check_fit, looked_at};
use super::refusal::TreatmentError;
use super::store::{self, Treatment, TreatmentChange};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::db::{Lock, Scope};
use crate::domain::overrides::carried;
use crate::domain::protocol::ProtocolVersion;
use crate::domain::timeline::{Earlier, Overrides};
use crate::planning::{self, Tools};
use crate::protocols::{self, Published};
use crate::recovery::{self, Recovery};

/// Where to, and why.
#[derive(Debug, Clone)]
pub struct Target {
    /// The version.
    pub version: Published,
    /// Why, in words.
    pub reason: String,
}

/// What the caller believes of the treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// This version of it was read.
    Version(i32),
    /// It followed this protocol version.
    Following(Uuid),
}

/// Puts a treatment under another protocol version. One that follows it already stays as it is, and so does one that
/// somebody else has put elsewhere meanwhile.
pub async fn transfer(
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    seen: Seen,
    target: &Target,
) -> Result<Treatment, TreatmentError> {
    let (now, clinic_id) = (tools.clocks.care.now(), caller.clinic_id);
    tools
        .db
        .scoped_under(Scope::Clinic(clinic_id), Lock::PatientOf(clinic_id, id), async |conn| {
            let person = planning::locked_of(conn, clinic_id, id).await?;
            let before = store::find_treatment(conn, clinic_id, id).await?;
            if matches!(seen, Seen::Version(version) if version != before.version) {
                return Err(TreatmentError::Changed);
            }
            let elsewhere = matches!(seen, Seen::Following(version) if version != before.protocol_version_id);
            if elsewhere || before.protocol_version_id == target.version.id {
                // Of many, only which were left alone is answered.
                return match seen {
                    Seen::Version(_) => looked_at(conn, tools, caller, before).await,
                    Seen::Following(_) => Ok(before),
                };
            }
            if !before.is_running() {
                return Err(TreatmentError::Ended);
            }
            check_target(conn, &target.version, &before).await?;
            let mut recovery = recovery::find_recovery(conn, caller, id).await?;
            let version = recovery.version(conn, tools.catalogue, clinic_id).await?;
            if recovery.row.changes >= MOST_CHANGES {
                return Err(TreatmentError::TooManyChanges);
            }
            let transfer = TreatmentChange {
                clinic_id,
                treatment_id: id,
                id: tools.clocks.fresh_id(),
                from_version_id: before.protocol_version_id,
                to_version_id: target.version.id,
                changed_at: now,
                kept: kept(&recovery, &version, now).into_iter().collect(),
                reason: Some(target.reason.clone()),
                changed_by: caller.user_id,
                item_key: None,
                change: None,
            };
            // What was changed of items goes on where the other version has the item and it fits there.
            let (_, left) = carried(&target.version.version, &recovery.overrides().changes());
            let lifted = left.into_keys().map(|key| TreatmentChange {
                id: tools.clocks.fresh_id(),
                from_version_id: target.version.id,
                reason: None,
                item_key: Some(key),
                ..transfer.clone()
            });
            let changes: Vec<TreatmentChange> = std::iter::once(transfer.clone()).chain(lifted).collect();
            store::insert_changes(conn, &changes).await?;
            person.replan(conn, tools.catalogue, now).await?;
            let entry = Entry::by(caller, "treatment.transfer", "treatment", id).about(before.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            Ok(store::find_treatment(conn, clinic_id, id).await?)
        })
        .await
}

/// Nothing is put under a version that was withdrawn, or that was not written for such a treatment.
pub(super) async fn check_target(
    conn: &mut AsyncPgConnection,
    target: &Published,
    treatment: &Treatment,
) -> Result<(), TreatmentError> {
    let withdrawn = protocols::store::list_withdrawals(conn, treatment.clinic_id).await?;
    if withdrawn.iter().any(|withdrawal| withdrawal.version_id == target.id) {
        return Err(TreatmentError::Invalid { pointer: "/to", detail: "the clinic has withdrawn this version" });
    }
    if check_fit(&target.version, &Details::of(treatment)).is_err() {
        let detail =
            "the protocol was not written for this area and modality; give the treatment a protocol_reason first";
        return Err(TreatmentError::Invalid { pointer: "/to", detail });
    }
    Ok(())
}

/// Tasks that are closed although their window is open: they were done or skipped.
pub(super) fn kept(recovery: &Recovery, version: &ProtocolVersion, now: DateTime<Utc>) -> BTreeSet<Uuid> {
    let settled: BTreeSet<Uuid> = recovery.said.settled().collect();
    let laid = recovery.timeline(version);
    let open = laid.tasks.iter().filter(|task| task.close_at > now);
    open.map(|task| task.id).filter(|id| settled.contains(id)).collect()
}

/// What would be particular to the treatment, were it put under another version now: what it followed before.
pub(super) fn overrides_after(recovery: &Recovery, version: &Arc<ProtocolVersion>, now: DateTime<Utc>) -> Overrides {
    let mut overrides = recovery.overrides().clone();
    let kept = kept(recovery, version, now);
    overrides.earlier.push(Earlier { version: Arc::clone(version), until: now, kept });
    overrides
}
