//! Who did what to whose record: append-only. Reading the trail is not this module's business yet.

mod store;

use uuid::Uuid;

use crate::auth::extract::Caller;
pub use store::record;

/// One thing done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub clinic_id: Uuid,
    /// The login that acted; absent for the operator and the server itself.
    pub actor_id: Option<Uuid>,
    /// Its role then: a role's name, `operator` or `server`.
    pub actor_role: &'static str,
    /// `<resource>.<verb>`.
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
