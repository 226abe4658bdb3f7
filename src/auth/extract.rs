//! Extractors that authenticate, authorise and load. A handler that takes none of them is public.

use uuid::Uuid;

use crate::domain::role::Role;

/// An authenticated user with the active membership of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The login.
    pub user_id: Uuid,
    /// The active clinic.
    pub clinic_id: Uuid,
    /// The membership at that clinic.
    pub membership_id: Uuid,
    /// The role there.
    pub role: Role,
    /// The caller's own patient record there, for patients.
    pub patient_id: Option<Uuid>,
    /// The login session, which owns the device.
    pub session_id: Uuid,
}
