//! How compliance looks to the outside, wherever it is shown.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::compliance::Compliance;

/// Compliance with since when it is counted.
#[derive(Debug, Serialize)]
pub struct ComplianceView {
    /// Nothing was ever heard of the treatment: there are no shares then.
    no_reports: bool,
    #[serde(flatten)]
    compliance: Compliance,
    since: DateTime<Utc>,
}

impl ComplianceView {
    /// What was counted since a moment.
    pub fn new(reported: bool, compliance: Compliance, since: DateTime<Utc>) -> Self {
        Self { no_reports: !reported, compliance, since }
    }

    /// What was counted.
    pub const fn compliance(&self) -> &Compliance {
        &self.compliance
    }
}
