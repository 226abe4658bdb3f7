//! The main job, told as a story: six weeks of one patient's recovery in about a minute, over real HTTP, a real
//! database and a real Web Push receiver. The care clock is stepped from event to event; afterwards it is let go and the
//! server goes on in real time.
//!
//! `story.rs` is what happens, `plot.rs` what people do and when, `cast.rs` who takes part, `phone.rs` the receiver, `api.rs` the app's side of HTTP,
//! `screen.rs` what is printed.

mod api;
mod cast;
mod phone;
mod plot;
mod screen;
mod story;

use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tokio_util::sync::CancellationToken;

use crate::app::State;
use crate::clock::Clocks;
use crate::config::Config;
use crate::db::{Db, DbError, Scope};
use crate::schema::clinics;
use crate::worker::Worker;

pub use phone::Exchange;

/// How long the story is.
const STORY: TimeDelta = TimeDelta::weeks(6);
/// Pause between two events when somebody watches.
const PACE: Duration = Duration::from_millis(450);

/// A demo that is set up and waits for its servers.
pub struct Demo {
    state: State,
    worker: Worker,
    exchange: Exchange,
    exit: bool,
}

impl Demo {
    /// Sets everything up: the phones' push service, the stepped clock, a worker. Refuses a database with clinics that
    /// the demo did not make.
    pub async fn prepare(config: &mut Config, db: Db, exit: bool) -> anyhow::Result<Self> {
        refuse_foreign(&db).await?;
        let exchange = Exchange::open().context("opening the phones' push service")?;
        config.push.allowed_hosts.push(exchange.host());
        let clocks = Clocks::system();
        let start = clocks.wall.now() - STORY;
        let state = State::build(config, db, Clocks::stepped(start))?;
        let worker = Worker::new(state.worker_parts(config)?);
        Ok(Self { state, worker, exchange, exit })
    }

    /// What the servers serve.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Tells the story against the API at `base`. Then, unless told to exit, works in real time until `stop`.
    pub async fn run(self, base: String, ops: String, stop: CancellationToken) -> anyhow::Result<()> {
        let pace = if self.exit { Duration::ZERO } else { PACE };
        let end = self.state.clocks.wall.now();
        let mut story = story::Story::begin(&self.state, &self.worker, &self.exchange, &base, pace).await?;
        story.tell(end).await?;
        self.state.clocks.care.release();
        let told = story.end().await?;
        screen::closing(&base, &ops, &told, self.exit);
        if self.exit {
            screen::last_line(&told);
            stop.cancel();
            return Ok(());
        }
        self.worker.run(stop).await
    }
}

async fn refuse_foreign(db: &Db) -> anyhow::Result<()> {
    let foreign: i64 = db
        .scoped(Scope::System, async |conn| {
            Ok::<_, DbError>(clinics::table.filter(clinics::demo.eq(false)).count().get_result(conn).await?)
        })
        .await?;
    anyhow::ensure!(
        foreign == 0,
        "this database holds {foreign} clinics that the demo did not make: unset DATABASE_URL or give it an empty one"
    );
    Ok(())
}
