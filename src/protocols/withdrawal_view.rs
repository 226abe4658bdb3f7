//! A withdrawal, as sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::Withdrawal;
use super::withdraw::Recalled;

/// That the clinic no longer uses a version.
#[derive(Debug, Clone, Serialize)]
pub struct WithdrawalView {
    retired_at: DateTime<Utc>,
    retired_by: Uuid,
    retired_because: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recalled_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recalled_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recalled_because: Option<String>,
}

/// What a recall has done.
#[derive(Debug, Serialize)]
pub struct RecalledView {
    withdrawal: WithdrawalView,
    /// How many alerts were called off.
    alerts: usize,
    /// How many patients are treated by the version.
    patients: usize,
}

impl From<Withdrawal> for WithdrawalView {
    fn from(withdrawal: Withdrawal) -> Self {
        Self {
            retired_at: withdrawal.retired_at,
            retired_by: withdrawal.retired_by,
            retired_because: withdrawal.retired_because,
            recalled_at: withdrawal.recalled_at,
            recalled_by: withdrawal.recalled_by,
            recalled_because: withdrawal.recalled_because,
        }
    }
}

impl From<Recalled> for RecalledView {
    fn from(recalled: Recalled) -> Self {
        let Recalled { withdrawal, alerts, patients } = recalled;
        Self { withdrawal: withdrawal.into(), alerts, patients }
    }
}
