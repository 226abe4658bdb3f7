//! What is asked of the trail.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::store::trail::Filter;
use crate::body::Faults;
use crate::error::ApiError;
use crate::query::instant;

/// The longest span of one table.
pub const LONGEST: TimeDelta = TimeDelta::days(31);

/// Query of the trail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailQuery {
    patient_id: Option<Uuid>,
    actor_id: Option<Uuid>,
    action: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// How many entries at most.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Query of the trail as a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableQuery {
    patient_id: Option<Uuid>,
    actor_id: Option<Uuid>,
    action: Option<String>,
    from: String,
    to: String,
}

impl TrailQuery {
    /// Which entries are wanted.
    pub fn filter(&self) -> Result<Filter, ApiError> {
        let mut faults = Faults::default();
        let from = moment(&mut faults, "from", self.from.as_deref());
        let to = moment(&mut faults, "to", self.to.as_deref());
        let action = faults.optional_text("action", self.action.as_deref(), 1..=100);
        faults.finish()?;
        Ok(Filter { patient_id: self.patient_id, actor_id: self.actor_id, action, from, to })
    }
}

impl TableQuery {
    /// Which entries are wanted: of a span that can be told in one table.
    pub fn filter(&self) -> Result<Filter, ApiError> {
        let mut faults = Faults::default();
        let from = moment(&mut faults, "from", Some(&self.from));
        let to = moment(&mut faults, "to", Some(&self.to));
        let action = faults.optional_text("action", self.action.as_deref(), 1..=100);
        if let (Some(from), Some(to)) = (from, to)
            && !(from..=from + LONGEST).contains(&to)
        {
            faults.push("to", format!("must lie after from, by {} days at most", LONGEST.num_days()));
        }
        faults.finish()?;
        Ok(Filter { patient_id: self.patient_id, actor_id: self.actor_id, action, from, to })
    }
}

fn moment(faults: &mut Faults, name: &str, text: Option<&str>) -> Option<DateTime<Utc>> {
    text.and_then(|text| faults.parsed(name, instant(text)))
}
