//! What shows once more that the caller is the login's owner, as sent.

use std::net::IpAddr;

use serde::Deserialize;

use super::reauthentication::Proof;

/// The whole body of a request that takes nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofBody {
    current_password: String,
    code: Option<String>,
}

impl ProofBody {
    /// To be judged; the request comes from `address`.
    pub fn proof(&self, address: IpAddr) -> Proof<'_> {
        Proof { password: &self.current_password, code: self.code.as_deref(), address }
    }
}
