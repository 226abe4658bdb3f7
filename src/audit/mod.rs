//! The audit trail: who did what to whose record, who looked at it, when and from where. It only ever grows. A write is
//! recorded in the transaction that makes it (`record`), a read through a buffer (`reads.rs`). `seal.rs` closes a clinic's
//! day, `verify.rs` sees whether it stayed closed, `routes.rs` shows the trail to administrators and patients.

mod canon;
mod fields;
mod origin;
mod reads;
pub mod routes;
pub mod seal;
pub mod store;
mod table;
pub mod verify;
mod view;
mod words;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::telemetry;

pub use origin::on_behalf_of;
pub use reads::{Reads, Unwritten};
pub use store::record;

/// One thing done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Where.
    pub clinic_id: Uuid,
    /// The login that acted; absent for the operator and the server itself.
    pub actor_id: Option<Uuid>,
    /// Its role then: a role's name, `operator`, `server`, or `calendar` for whoever holds a feed's address.
    pub actor_role: &'static str,
    /// `<resource>.<verb>`; looks end in one of [`LOOKS`](crate::domain::trail::LOOKS).
    pub action: &'static str,
    /// What kind of thing it was done to.
    pub subject_kind: &'static str,
    /// Which one.
    pub subject_id: Uuid,
    /// Whose record was touched.
    pub patient_id: Option<Uuid>,
}

impl Entry {
    /// Something that `caller` did.
    pub fn by(caller: &Caller, action: &'static str, subject_kind: &'static str, subject_id: Uuid) -> Self {
        Self {
            clinic_id: caller.clinic_id,
            actor_id: Some(caller.user_id),
            actor_role: caller.role.as_str(),
            action,
            subject_kind,
            subject_id,
            patient_id: None,
        }
    }

    /// A look at many of the clinic's records at once, or at one patient's part of such a list: one entry, whoever was on
    /// the page.
    pub fn of_list(caller: &Caller, action: &'static str, patient_id: Option<Uuid>) -> Self {
        Self { patient_id, ..Self::by(caller, action, "clinic", caller.clinic_id) }
    }

    /// Something that the server's operator did.
    pub fn by_operator(clinic_id: Uuid, action: &'static str, subject_kind: &'static str, subject_id: Uuid) -> Self {
        Self { clinic_id, actor_id: None, actor_role: "operator", action, subject_kind, subject_id, patient_id: None }
    }

    /// Something that the server did by itself, when its time had come.
    pub fn by_server(clinic_id: Uuid, action: &'static str, subject_kind: &'static str, subject_id: Uuid) -> Self {
        Self { actor_role: "server", ..Self::by_operator(clinic_id, action, subject_kind, subject_id) }
    }

    /// The same, touching this patient's record.
    #[must_use]
    pub fn about(self, patient_id: Uuid) -> Self {
        Self { patient_id: Some(patient_id), ..self }
    }
}

/// An entry with all that the request says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Noted {
    at: DateTime<Utc>,
    id: Uuid,
    #[serde(flatten)]
    entry: Entry,
    request_id: Option<Uuid>,
    address: Option<IpAddr>,
}

impl Noted {
    /// Something that happens now, in the request that is being served.
    fn now(clocks: &Clocks, entry: Entry) -> Self {
        let request_id = telemetry::request_id();
        Self {
            at: clocks.wall.now(),
            id: clocks.fresh_id(),
            entry,
            request_id: (!request_id.is_nil()).then_some(request_id),
            address: origin::address(),
        }
    }
}
