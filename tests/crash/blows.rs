//! Blows: the process is held where the schedule says, the blow falls, and it is let go.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::micros_now;
use crate::run::{Run, Skew, Struck};
use crate::schedule::{ANYWHERE, Blow, Deed, Strike, is_of_api};

/// How long a process may take to reach a place. What was not reached by then is struck wherever it is.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The session lock of a worker ("work" as ASCII).
const LOCK_CLASS: u32 = 0x776f_726b;

impl Run<'_> {
    pub async fn strike(&mut self, strike: Strike) -> anyhow::Result<()> {
        if is_of_api(strike.place) {
            return self.strike_api(strike).await;
        }
        for index in 0..self.workers.len() {
            if !self.workers[index].is_running() {
                self.workers[index] = self.start_process("worker")?;
                self.workers[index].ready().await.ok();
            }
        }
        let mut index = strike.worker % self.workers.len();
        let held = match strike.place {
            ANYWHERE => false,
            "stop:begun" | "stop:release" | "place:lost" | "rescue:uncommitted" => {
                self.provoke(index, strike.place).await?
            }
            place => match self.hold_any(place, strike.pass).await? {
                Some(worker) => {
                    index = worker;
                    true
                }
                None => false,
            },
        };
        if strike.acting {
            let deed = self.dice.pick(&[Deed::Replan, Deed::Withdraw]);
            self.begin_deed(deed).await?;
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let mut process = self.workers.swap_remove(index);
        let blown = self.blow(&mut process, strike, held).await;
        process.let_go().await;
        for other in &mut self.workers {
            other.let_go().await;
        }
        if !process.is_running() {
            tokio::time::sleep(Duration::from_millis(strike.away_ms.unsigned_abs())).await;
            process = self.start_process("worker")?;
        }
        self.workers.push(process);
        self.finish_deed().await;
        blown
    }

    /// Waits for whichever worker comes to the place first, with work for all of them.
    async fn hold_any(&mut self, place: &str, pass: i64) -> anyhow::Result<Option<usize>> {
        // Planned before anybody is held, who might hold what a planner waits for; due after that.
        for _ in 0..2 {
            self.begin_deed(Deed::Feed).await?;
            self.finish_deed().await;
        }
        for worker in &mut self.workers {
            worker.order(&format!("hold {place} {pass}")).await;
        }
        let first = self.first_held(PATIENCE).await;
        for (index, worker) in self.workers.iter_mut().enumerate() {
            worker.order("disarm").await;
            if Some(index) != first {
                worker.order("release").await;
            }
        }
        Ok(first)
    }

    /// Whichever of the workers is held first.
    async fn first_held(&mut self, patience: Duration) -> Option<usize> {
        let waiting = self.workers.iter_mut().enumerate().map(|(index, worker)| {
            Box::pin(async move { if worker.is_held(patience).await { Ok(index) } else { Err(()) } })
        });
        futures_util::future::select_ok(waiting).await.ok().map(|(index, _)| index)
    }

    /// Leases are over, and another worker takes what they held, before the one that held it goes on.
    async fn overtake(&mut self, of: Option<&str>) {
        self.end_leases(of).await;
        for worker in &mut self.workers {
            worker.order("hold claim:committed 1").await;
        }
        self.first_held(PATIENCE).await;
    }

    /// Brings a worker to a place that it reaches only if something goes wrong before.
    async fn provoke(&mut self, index: usize, place: &'static str) -> anyhow::Result<bool> {
        match place {
            "place:lost" => {
                self.workers[index].order("hold place:lost 1").await;
                self.note(ANYWHERE, Blow::LoseLock, false, index);
                let name = self.workers[index].name.clone();
                self.end_sessions(&format!("application_name = '{name}' AND {HOLDS_LOCK}")).await;
                Ok(self.workers[index].is_held(PATIENCE).await)
            }
            // Told to stop between claim and send, it has something to give back.
            "stop:begun" | "stop:release" => {
                let claimed = self.hold_any("claim:committed", 1).await?;
                let stopped = claimed.unwrap_or(index);
                self.workers.swap(index, stopped);
                self.workers[index].order(&format!("hold {place} 1")).await;
                self.note("claim:committed", Blow::Stop, claimed.is_some(), index);
                self.workers[index].signal(Signal::SIGTERM);
                // A signal is heard by another thread than the one that lets go.
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.workers[index].order("release").await;
                Ok(self.workers[index].is_held(PATIENCE).await)
            }
            // Somebody must have died over something.
            _ => {
                let claimed = self.hold_any("claim:committed", 1).await?;
                let dead = claimed.unwrap_or(index);
                self.note("claim:committed", Blow::Kill, claimed.is_some(), dead);
                for worker in &mut self.workers {
                    worker.order("hold rescue:uncommitted 1").await;
                }
                self.workers[dead].kill().await;
                self.workers[dead] = self.start_process("worker")?;
                let rescuer = self.first_held(PATIENCE * 2).await;
                for (other, worker) in self.workers.iter_mut().enumerate() {
                    worker.order("disarm").await;
                    if Some(other) != rescuer {
                        worker.order("release").await;
                    }
                }
                rescuer.into_iter().for_each(|rescuer| self.workers.swap(index, rescuer));
                Ok(rescuer.is_some())
            }
        }
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
        api.let_go().await;
        self.api = Some(api);
        self.finish_deed().await;
        blown
    }

    fn note(&mut self, place: &'static str, blow: Blow, held: bool, worker: usize) {
        let who = Some(self.workers[worker].name.clone());
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
                self.overtake(Some(&process.name)).await;
                process.signal(Signal::SIGCONT);
                process.order("release").await;
                tokio::time::sleep(lasts).await;
            }
            Blow::LeasesOver => {
                self.overtake(None).await;
                process.order("release").await;
                tokio::time::sleep(lasts).await;
            }
            Blow::ClockAhead | Blow::ClockBehind => {
                let by = self.dice.pick(&[2_000, 8_000, 60_000, 1_800_000, 7_200_000]);
                let ahead_ms = if strike.blow == Blow::ClockAhead { by } else { -by };
                self.skews.push(Skew { who: process.name.clone(), at: micros_now(), ahead_ms });
                process.order(&format!("clock {ahead_ms}")).await;
            }
            Blow::DiskFull => {
                self.sql.run("UPDATE crash.page_per_move SET yes = true").await.ok();
                self.lab.fill()?;
                process.order("release").await;
                self.begin_deed(Deed::Feed).await?;
                tokio::time::sleep(lasts).await;
                self.lab.free();
                self.lab.ensure_running().await?;
                self.sql.run("UPDATE crash.page_per_move SET yes = false").await.ok();
            }
        }
        Ok(())
    }

    /// Ends the leases of one worker, or of all.
    async fn end_leases(&self, of: Option<&str>) {
        let whose = of.map(|name| {
            format!(
                "WHERE worker IN (SELECT l.objid::bigint::int FROM pg_locks AS l JOIN pg_stat_activity AS s USING (pid)
                      WHERE l.locktype = 'advisory' AND l.classid = {LOCK_CLASS} AND s.application_name = '{name}')"
            )
        });
        // Not of what is just being looked at or forgotten: that is locked.
        let over = format!(
            "UPDATE claims SET lease_until = clock_timestamp() - interval '1 second' WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM claims {} FOR UPDATE SKIP LOCKED))",
            whose.unwrap_or_default()
        );
        self.sql.run(&over).await.ok();
    }
}

/// The session that holds its worker's lock.
const HOLDS_LOCK: &str = "EXISTS (SELECT 1 FROM pg_locks AS l
    WHERE l.pid = pg_stat_activity.pid AND l.locktype = 'advisory' AND l.classid = $LOCK)";
