//! Blows: the process is held where the schedule says, the blow falls, and it is let go.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::micros_now;
use crate::run::{Run, Skew, Struck};
use crate::schedule::{ANYWHERE, Blow, Deed, Strike, is_of_api};

/// How long a process may take to reach a place. What was not reached by then is struck wherever it is.
const PATIENCE: Duration = Duration::from_millis(700);
/// The session lock of a worker ("work" as ASCII).
const LOCK_CLASS: u32 = 0x776f_726b;

impl Run<'_> {
    pub async fn strike(&mut self, strike: Strike) -> anyhow::Result<()> {
        if is_of_api(strike.place) {
            return self.strike_api(strike).await;
        }
        let index = strike.worker % self.workers.len();
        if !self.workers[index].is_running() {
            self.workers[index] = self.start_process("worker")?;
        }
        let held = if strike.place == ANYWHERE { false } else { self.hold(index, strike).await? };
        if strike.acting {
            self.begin_deed(Deed::Replan).await?;
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let mut process = self.workers.swap_remove(index);
        let blown = self.blow(&mut process, strike, held).await;
        process.order("release").await;
        if !process.is_running() {
            tokio::time::sleep(Duration::from_millis(strike.away_ms.unsigned_abs())).await;
            process = self.start_process("worker")?;
        }
        self.workers.push(process);
        self.finish_deed().await;
        blown
    }

    /// Brings a worker to the place.
    async fn hold(&mut self, index: usize, strike: Strike) -> anyhow::Result<bool> {
        let order = format!("hold {} {}", strike.place, strike.pass);
        self.workers[index].order(&order).await;
        match strike.place {
            "stop:begun" | "stop:release" => {
                self.note("anywhere", Blow::Stop, false, Some(index));
                self.workers[index].signal(Signal::SIGTERM);
            }
            "place:lost" => {
                self.note("anywhere", Blow::LoseLock, false, Some(index));
                let name = self.workers[index].name.clone();
                self.end_sessions(&format!("application_name = '{name}' AND {HOLDS_LOCK}")).await;
            }
            // Somebody must have died over something.
            "rescue:uncommitted" => {
                let victim = (index + 1) % self.workers.len();
                self.workers[victim].order("hold claim:committed 1").await;
                let held = self.workers[victim].is_held(PATIENCE / 2).await;
                let place = if held { "claim:committed" } else { ANYWHERE };
                self.note(place, Blow::Kill, held, Some(victim));
                self.workers[victim].kill().await;
                self.workers[victim] = self.start_process("worker")?;
            }
            _ => {}
        }
        let patience = if strike.place == "rescue:uncommitted" { PATIENCE * 2 } else { PATIENCE };
        Ok(self.workers[index].is_held(patience).await)
    }

    async fn strike_api(&mut self, strike: Strike) -> anyhow::Result<()> {
        // An API must be there before it can be held.
        if self.api().await.is_err() {
            return Ok(());
        }
        let Some(mut api) = self.api.take() else { return Ok(()) };
        api.order(&format!("hold {} 1", strike.place)).await;
        self.api = Some(api);
        self.begin_deed(match strike.place {
            "plan:uncommitted" => Deed::Prefer,
            "removal:uncommitted" => Deed::Remove,
            _ => Deed::AddPhone,
        })
        .await?;
        let Some(mut api) = self.api.take() else { return Ok(()) };
        let held = api.is_held(PATIENCE).await;
        let blown = self.blow(&mut api, strike, held).await;
        api.order("release").await;
        self.api = Some(api);
        self.finish_deed().await;
        blown
    }

    fn note(&mut self, place: &'static str, blow: Blow, held: bool, worker: Option<usize>) {
        let who = worker.map(|index| self.workers[index].name.clone());
        self.struck.push(Struck { place, blow, held, who, at: micros_now() });
    }

    async fn end_sessions(&self, which: &str) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
        );
        self.sql.run(&sql.replace("$LOCK", &LOCK_CLASS.to_string())).await.ok();
    }

    async fn blow(&mut self, process: &mut crate::fleet::Process, strike: Strike, held: bool) -> anyhow::Result<()> {
        let lasts = Duration::from_millis(strike.lasts_ms.unsigned_abs());
        let everybody = matches!(
            strike.blow,
            Blow::Cut | Blow::Crash | Blow::Restart | Blow::Slow | Blow::LeasesOver | Blow::DiskFull
        );
        let who = (!everybody).then(|| process.name.clone());
        if strike.blow == Blow::DiskFull && !self.lab.own_disk {
            return Ok(());
        }
        self.struck.push(Struck { place: strike.place, blow: strike.blow, held, who, at: micros_now() });
        match strike.blow {
            Blow::Kill => process.kill().await,
            Blow::Stop => {
                process.signal(Signal::SIGTERM);
                process.order("release").await;
                if !process.ends(Duration::from_secs(10)).await {
                    process.kill().await;
                }
            }
            Blow::LoseLock => {
                self.end_sessions(&format!("application_name = '{}' AND {HOLDS_LOCK}", process.name)).await;
                tokio::time::sleep(lasts).await;
            }
            Blow::Cut => self.end_sessions("application_name <> 'judge'").await,
            Blow::Crash => self.lab.restart(true).await?,
            Blow::Restart => self.lab.restart(false).await?,
            Blow::Slow => {
                self.lab.freeze(true)?;
                process.order("release").await;
                tokio::time::sleep(lasts).await;
                self.lab.freeze(false)?;
            }
            Blow::Pause => {
                process.signal(Signal::SIGSTOP);
                self.end_leases().await;
                tokio::time::sleep(lasts * 3).await;
                process.signal(Signal::SIGCONT);
            }
            Blow::LeasesOver => {
                self.end_leases().await;
                tokio::time::sleep(lasts * 2).await;
            }
            Blow::ClockAhead | Blow::ClockBehind => {
                let by = self.dice.pick(&[2_000, 8_000, 60_000, 1_800_000, 7_200_000]);
                let ahead_ms = if strike.blow == Blow::ClockAhead { by } else { -by };
                self.skews.push(Skew { who: process.name.clone(), at: micros_now(), ahead_ms });
                process.order(&format!("clock {ahead_ms}")).await;
            }
            Blow::DiskFull => {
                self.lab.fill()?;
                process.order("release").await;
                tokio::time::sleep(lasts).await;
                self.lab.free();
                self.lab.ensure_running().await?;
            }
        }
        Ok(())
    }

    async fn end_leases(&self) {
        // Not of what is just being settled: that is locked.
        let over = "UPDATE alerts SET lease_until = clock_timestamp() - interval '1 second' WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM alerts WHERE state = 'sending' FOR UPDATE SKIP LOCKED))";
        self.sql.run(over).await.ok();
    }
}

/// The session that holds its worker's lock.
const HOLDS_LOCK: &str = "EXISTS (SELECT 1 FROM pg_locks AS l
    WHERE l.pid = pg_stat_activity.pid AND l.locktype = 'advisory' AND l.classid = $LOCK)";
