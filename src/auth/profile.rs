//! How a login sees itself: profile and memberships, as `/v1/me` and every login answer show them.

use serde::Serialize;
use uuid::Uuid;

use super::store::{Membership, User};
use crate::domain::role::Role;

/// The caller's own view.
#[derive(Debug, Clone, Serialize)]
pub struct Me {
    /// The login.
    pub user_id: Uuid,
    /// Its name.
    pub email: String,
    /// As the person wants to be called.
    pub display_name: String,
    /// IANA zone.
    pub time_zone: String,
    /// Language tag.
    pub locale: String,
    /// The one that the access token names.
    pub membership: MembershipView,
    /// All of them.
    pub memberships: Vec<MembershipView>,
    /// Counts edits; the ETag.
    #[serde(skip)]
    pub version: i32,
}

/// A role at one clinic.
#[derive(Debug, Clone, Serialize)]
pub struct MembershipView {
    /// The membership.
    pub membership_id: Uuid,
    /// Where.
    pub clinic_id: Uuid,
    /// What the clinic calls itself.
    pub clinic_name: String,
    /// The role there.
    pub role: Role,
    /// The person's own record there, for patients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<Uuid>,
}

impl From<&Membership> for MembershipView {
    fn from(membership: &Membership) -> Self {
        Self {
            membership_id: membership.id,
            clinic_id: membership.clinic_id,
            clinic_name: membership.clinic_name.clone(),
            role: membership.role,
            patient_id: membership.patient_id,
        }
    }
}

impl Me {
    /// A login that acts as `active`.
    pub fn new(user: User, active: &Membership, all: &[Membership]) -> Self {
        Self {
            user_id: user.id,
            email: user.email,
            display_name: user.display_name,
            time_zone: user.time_zone,
            locale: user.locale,
            membership: active.into(),
            memberships: all.iter().map(Into::into).collect(),
            version: user.version,
        }
    }
}
