//! A device's address and keys as they rest in the database: sealed under the server's key and bound to the device, so
//! that a copied row opens nowhere else.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::keys::{KeyError, Keys};
use crate::domain::device::WebPushKeys;

/// What is sealed.
#[derive(Serialize, Deserialize)]
pub struct SealedAddress {
    /// Token, installation id or endpoint.
    pub address: String,
    /// What to encrypt with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keys: Option<WebPushKeys>,
}

impl SealedAddress {
    /// Seals it for `device`.
    pub fn seal(&self, keys: &Keys, device: Uuid) -> Result<Vec<u8>, KeyError> {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        keys.seal(device.as_bytes(), &plain)
    }

    /// Opens what was sealed for `device`; `None` if it was sealed for another, or under another key.
    pub fn open(keys: &Keys, device: Uuid, sealed: &[u8]) -> Option<Self> {
        let plain = keys.open(device.as_bytes(), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}
