//! Days that are not like the others: a walk in the sun, a journey.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::Story;
use crate::demo::api::text;
use crate::demo::cast::ZONE;

/// How long Pia stays out.
const WALK: TimeDelta = TimeDelta::hours(5);

impl Story<'_> {
    /// The patient switches "outdoors" on for a while.
    pub(super) async fn go_out(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let before = self.ahead().await?.len();
        let until = now + WALK;
        self.cast.patient.api.put("/v1/me/outdoors", &json!({ "until": until })).await?;
        let prompts = self.ahead().await?.len().saturating_sub(before);
        anyhow::ensure!(prompts > 0, "a walk in the sun brought no prompts");
        let until = until.with_timezone(&ZONE).format("%H:%M");
        let out = format!("Pia is out in the sun until {until} and switches \"outdoors\" on: {prompts} prompts more");
        self.screen.deed(now, &out).await;
        Ok(())
    }

    /// The patient's phone finds itself somewhere else, and what is to come moves with the clock on the wall there.
    pub(super) async fn arrive(&self, now: DateTime<Utc>, where_at: &str, zone: Tz) -> anyhow::Result<()> {
        let before = self.ahead().await?;
        let phone = &self.cast.patient.phone;
        let path = format!("/v1/me/devices/{}", phone.device_id());
        self.cast.patient.api.put(&path, &phone.registration(zone.name())).await?;
        let after = self.ahead().await?;
        let moved = |(id, from): &(String, DateTime<Utc>)| {
            let to = after.iter().find(|(other, _)| other == id)?.1;
            (to != *from).then_some((*from, to))
        };
        let moved: Vec<_> = before.iter().filter_map(moved).collect();
        let (from, to) = moved.first().context("a journey moved no reminder")?;
        let there = to.with_timezone(&zone).format("%H:%M");
        let [from, to] = [from, to].map(|at| at.with_timezone(&ZONE).format("%a %H:%M"));
        let count = moved.len();
        let told = format!(
            "Pia lands in {where_at}: {count} reminders move with her clock, the next from {from} to {to}, {there} there"
        );
        self.screen.deed(now, &told).await;
        Ok(())
    }

    /// The patient's reminders that are still to come, and when.
    async fn ahead(&self) -> anyhow::Result<Vec<(String, DateTime<Utc>)>> {
        let list = self.cast.patient.api.get("/v1/me/reminders").await?;
        let items = list.pointer("/items").and_then(Value::as_array).context("a list of reminders")?;
        items.iter().map(|item| Ok((text(item, "/id")?, text(item, "/due_at")?.parse()?))).collect()
    }
}
