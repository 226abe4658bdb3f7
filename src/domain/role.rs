//! What a membership lets a person be at one clinic.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The role of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person behind a patient record.
    Patient,
    /// Treats patients.
    Clinician,
    /// Runs the clinic: staff, settings, delivery problems. May do what a clinician may.
    Administrator,
}

impl Role {
    /// As stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Clinician => "clinician",
            Self::Administrator => "administrator",
        }
    }

    /// Clinicians and administrators.
    pub fn is_staff(self) -> bool {
        matches!(self, Self::Clinician | Self::Administrator)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Patient, Self::Clinician, Self::Administrator]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRole;

impl fmt::Display for UnknownRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected patient, clinician or administrator")
    }
}
