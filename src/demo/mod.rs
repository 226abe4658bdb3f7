//! The main job, told as a story: six weeks of one patient's recovery in about a minute, over real HTTP, a real
//! database and a real Web Push receiver. The care clock is stepped from event to event; afterwards it is let go and the
//! server goes on in real time.
//!
//! `premises.rs` is where it may happen, `story.rs` what happens (`story/outing.rs`: walks and journeys), `plot.rs` what
//! people do and when, `cast.rs` who takes part, `phone.rs` the receiver, `api.rs` the app's side of HTTP, `screen.rs` what
//! is printed.

mod api;
mod cast;
mod phone;
mod plot;
mod premises;
mod screen;
mod story;

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use chrono_tz::Europe;
use tokio_util::sync::CancellationToken;

use crate::app::State;
use crate::clock::Clocks;
use crate::config::Config;
use crate::db::Access;
use crate::domain::local_time::{ZoneHistory, day};
use crate::domain::protocol::DayTime;
use crate::worker::Worker;

pub use phone::Exchange;
pub use premises::refuse_foreign;

/// How long the story is at least.
const STORY: TimeDelta = TimeDelta::weeks(6);

/// The last weekday morning by `latest` on which a clinic may have ended a session: nobody is treated at night.
fn session_end(latest: DateTime<Utc>) -> DateTime<Utc> {
    let zones = ZoneHistory::fixed(Europe::Berlin);
    let morning = DayTime::from_minutes(10 * 60 + 30).unwrap_or(DayTime::START);
    let weekdays =
        (0..7).map(|back| day(zones.date(latest), -back)).filter(|date| date.weekday().number_from_monday() < 6);
    weekdays.map(|date| zones.instant_on(date, morning)).find(|start| *start <= latest).unwrap_or(latest)
}

/// How the story is told.
#[derive(Debug, Clone, Copy)]
pub struct Telling {
    /// Pause after each event.
    pub pace: Duration,
    /// Whether it ends with the story instead of serving on.
    pub exit: bool,
}

/// A demo that is set up and waits for its servers.
pub struct Demo {
    state: State,
    worker: Worker,
    exchange: Exchange,
    telling: Telling,
}

impl Demo {
    /// Sets everything up on a database that is the demo's: the phones' push service, the stepped clock, a worker. What
    /// earlier demos still owe is owed no more: nobody listens where their phones were.
    pub async fn prepare(config: &mut Config, access: Access, telling: Telling) -> anyhow::Result<Self> {
        let exchange = Exchange::open().context("opening the phones' push service")?;
        config.push.allowed_hosts.push(exchange.host());
        let clocks = Clocks::system();
        premises::clear(&access.worker, clocks.wall.now()).await.context("clearing up after earlier demos")?;
        let start = session_end(clocks.wall.now() - STORY);
        let state = State::build(config, access, Clocks::stepped(start))?;
        let worker = Worker::new(state.worker_parts(config)?);
        Ok(Self { state, worker, exchange, telling })
    }

    /// What the servers serve.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Tells the story against the API at `base`. Then, unless told to exit, works in real time until `stop`. A story
    /// that is stopped before its end is a failure.
    pub async fn run(self, base: String, ops: String, stop: CancellationToken) -> anyhow::Result<()> {
        let Some(told) = stop.run_until_cancelled(self.tell(&base)).await else {
            anyhow::bail!("stopped before the story's end");
        };
        let told = told?;
        screen::closing(&base, &ops, &told, self.telling.exit);
        if self.telling.exit {
            screen::last_line(&told);
            stop.cancel();
            return Ok(());
        }
        self.worker.run(stop).await
    }

    async fn tell(&self, base: &str) -> anyhow::Result<story::Told> {
        let end = self.state.clocks.wall.now();
        let screen = screen::Screen { pace: self.telling.pace };
        let mut story = story::Story::begin(&self.state, &self.worker, &self.exchange, base, screen).await?;
        story.tell(end).await?;
        self.state.clocks.care.release();
        story.end().await
    }
}
