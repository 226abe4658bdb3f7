//! One schedule: processes work, blows fall, people act; then everything is healed, time passes until nothing is left to
//! send today, and what happened is judged.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use mendline::alerts::queue::WAKE_CHANNEL;
use mendline::db::Db;
use secrecy::SecretString;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::deeds::{Actors, Certainty, Plan, Wishes, first_plan, next_plan, phone, remember};
use crate::dice::Dice;
use crate::fleet::{Process, Told};
use crate::judge::{self, Verdict};
use crate::lab::Lab;
use crate::people::Phone;
use crate::schedule::{Deed, Schedule, Step};
use crate::sink::Sink;
use crate::sql::{Row, Sql};
use crate::{Kit, micros_now, now};

/// What is due later than this after the start stays in the queue: tomorrow is not looked at.
pub const TODAY: TimeDelta = TimeDelta::hours(6);
/// A run that is not healed after so long never will be.
const PATIENCE: Duration = Duration::from_secs(40);

/// A blow that fell.
#[derive(Debug, Clone)]
pub struct Struck {
    pub place: &'static str,
    pub blow: crate::schedule::Blow,
    /// Whether a process was held at the place; otherwise the blow fell wherever it was.
    pub held: bool,
    /// The process it hit; `None` for the database, which is everybody's.
    pub who: Option<String>,
    pub at: i64,
}

/// A process's clock was so far ahead from this moment on.
#[derive(Debug, Clone)]
pub struct Skew {
    pub who: String,
    pub at: i64,
    pub ahead_ms: i64,
}

/// A deed under way, and what it would mean.
pub struct Pending {
    pub task: JoinHandle<Certainty>,
    pub patient: usize,
    pub meaning: Meaning,
}

pub enum Meaning {
    Plan(Plan),
    Removed,
    PhoneAdded(Uuid),
    PhoneGone(usize),
}

pub struct Run<'a> {
    pub kit: &'a Kit,
    pub lab: &'a mut Lab,
    pub sql: Sql,
    pub told: Told,
    pub dice: Dice,
    pub schedule: Schedule,
    pub actors: Actors,
    pub workers: Vec<Process>,
    pub api: Option<Process>,
    pub started: usize,
    pub plans: Vec<Plan>,
    pub wishes: Wishes,
    pub pending: Option<Pending>,
    pub struck: Vec<Struck>,
    pub skews: Vec<Skew>,
    pub preferred: i64,
    /// The patient who was last owed more.
    pub fed: usize,
    pub offset_ms: i64,
}

/// Runs one schedule on a lane's cluster.
pub async fn run(kit: &Kit, lab: &mut Lab, seed: u64) -> anyhow::Result<Verdict> {
    lab.ensure_running().await?;
    let name = format!("run_{seed}");
    lab.drop_database(&name).await;
    lab.database(&name).await?;
    let logs = kit.dir.join(&name);
    std::fs::create_dir_all(&logs)?;
    let verdict = on_database(kit, lab, seed, &name, &logs).await;
    lab.free();
    lab.ensure_running().await?;
    if verdict.as_ref().is_ok_and(|verdict| verdict.violations.is_empty()) {
        std::fs::remove_dir_all(&logs)?;
        lab.drop_database(&name).await;
    }
    verdict
}

async fn on_database(kit: &Kit, lab: &mut Lab, seed: u64, name: &str, logs: &Path) -> anyhow::Result<Verdict> {
    let mut dice = Dice::new(seed);
    let schedule = Schedule::throw(&mut dice);
    let sink = Sink::open(seed, schedule.flawless_sink).await?;
    let url = lab.url(name);
    let actors = Actors {
        db: Db::connect(&SecretString::from(format!("{url}?application_name=planner")), 2, None)?,
        client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(15)).build()?,
        auth: kit.auth.clone(),
    };
    let told = Told {
        url,
        data_dir: kit.dir.clone(),
        credentials: kit.credentials(&sink.base),
        sink: sink.base.clone(),
        concurrency: schedule.concurrency,
        logs: logs.to_owned(),
    };
    let sql = lab.sql(name);
    let mut run = Run {
        kit,
        lab,
        sql,
        told,
        dice,
        schedule,
        actors,
        workers: Vec::new(),
        api: None,
        started: 0,
        plans: Vec::new(),
        wishes: Wishes::default(),
        pending: None,
        struck: Vec::new(),
        skews: Vec::new(),
        preferred: 0,
        fed: 0,
        offset_ms: 0,
    };
    let start = now();
    run.begin(start).await.context("beginning")?;
    for step in run.schedule.steps.clone() {
        match step {
            Step::Strike(strike) => run.strike(strike).await?,
            Step::Deed(deed) => {
                run.begin_deed(deed).await?;
                run.finish_deed().await;
            }
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms.unsigned_abs())).await,
        }
    }
    run.finish_deed().await;
    sink.heal();
    let mut healing = run.heal(start).await;
    for process in run.workers.iter_mut().chain(run.api.as_mut()) {
        process.kill().await;
    }
    let healed = match &mut healing {
        Ok(took) => Ok(*took),
        Err(error) => Err(format!("{error:#}")),
    };
    judge::judge(&run, &sink, start, healed).await
}

impl Run<'_> {
    async fn begin(&mut self, start: chrono::DateTime<chrono::Utc>) -> anyhow::Result<()> {
        self.schedule.people.seed(&self.sql, &self.kit.keys, start).await?;
        for patient in self.schedule.people.patients.clone() {
            let plan = first_plan(&mut self.dice, start);
            ensure!(self.actors.replan(&patient, &plan).await == Certainty::Done, "the first plan was not made");
            remember(&mut self.wishes, &patient, &mut Plan::new(), plan.clone(), Certainty::Done);
            self.plans.push(plan);
        }
        for _ in 0..self.schedule.workers {
            let worker = self.start_process("worker")?;
            self.workers.push(worker);
        }
        for worker in &mut self.workers {
            worker.ready().await?;
        }
        Ok(())
    }

    pub fn start_process(&mut self, role: &str) -> anyhow::Result<Process> {
        self.started += 1;
        let letter = if role == "api" { "api" } else { "w" };
        let process = Process::start(&self.told, role, &format!("{letter}{}", self.started))?;
        self.skews.push(Skew { who: process.name.clone(), at: 0, ahead_ms: 0 });
        Ok(process)
    }

    /// The API's address; it is started when first needed, and again when it has ended.
    pub async fn api(&mut self) -> anyhow::Result<String> {
        if !self.api.as_mut().is_some_and(Process::is_running) {
            self.api = Some(self.start_process("api")?);
        }
        self.api.as_mut().context("an API")?.ready().await
    }

    /// Starts a deed; whoever is held meanwhile may make it wait.
    pub async fn begin_deed(&mut self, deed: Deed) -> anyhow::Result<()> {
        self.finish_deed().await;
        let index = self.dice.index(self.schedule.people.patients.len());
        let people = self.schedule.people.patients.len();
        let index = match deed {
            Deed::Withdraw => self.fed,
            Deed::Replan | Deed::Feed => index,
            // Whoever was removed can ask for nothing any more.
            _ => match (index..index + people).find(|index| !self.schedule.people.patients[index % people].touched) {
                Some(index) => index % people,
                None => return Ok(()),
            },
        };
        let api = match deed {
            Deed::Replan | Deed::Feed | Deed::Withdraw => String::new(),
            _ => match self.api().await {
                Ok(api) => api,
                // With the database away no API starts: nobody can do anything.
                Err(_) => return Ok(()),
            },
        };
        let (actors, patient) = (self.actors.clone(), self.schedule.people.patients[index].clone());
        let caller = patient.caller;
        let (meaning, task) = match deed {
            Deed::Replan => {
                let plan = next_plan(&mut self.dice, &self.plans[index]);
                let after = plan.clone();
                (Meaning::Plan(after), tokio::spawn(async move { actors.replan(&patient, &plan).await }))
            }
            Deed::Feed => {
                self.fed = index;
                let mut plan = self.plans[index].clone();
                let (mut from, until) = (now() + TimeDelta::milliseconds(100), TimeDelta::hours(1));
                for n in 0..self.dice.between(3, 8) {
                    from += TimeDelta::milliseconds(self.dice.between(0, 20));
                    plan.insert(format!("t:fed-{}-{n}", self.started * 100 + self.struck.len()), (from, from + until));
                }
                plan.retain(|_, (_, expires)| *expires > now() + TimeDelta::seconds(1));
                let after = plan.clone();
                (Meaning::Plan(after), tokio::spawn(async move { actors.replan(&patient, &plan).await }))
            }
            Deed::Withdraw => {
                let nothing = Plan::new();
                (Meaning::Plan(Plan::new()), tokio::spawn(async move { actors.replan(&patient, &nothing).await }))
            }
            Deed::Prefer => {
                self.preferred += 1;
                let body = serde_json::json!({"daily_cap": 5 + self.preferred});
                let path = "/v1/me/notification-preferences";
                let ask = async move { actors.ask(&api, &caller, reqwest::Method::PUT, path, Some(body)).await };
                (Meaning::Plan(Plan::new()), tokio::spawn(ask))
            }
            Deed::Remove => {
                let (admin, path) = (self.schedule.people.admin, format!("/v1/members/{}", caller.membership_id));
                let ask = async move { actors.ask(&api, &admin, reqwest::Method::DELETE, &path, None).await };
                (Meaning::Removed, tokio::spawn(ask))
            }
            Deed::AddPhone => {
                let id = self.dice.uuid();
                let path = format!("/v1/me/devices/{id}");
                let ask = async move { actors.ask(&api, &caller, reqwest::Method::PUT, &path, Some(phone(id))).await };
                (Meaning::PhoneAdded(id), tokio::spawn(ask))
            }
            Deed::DropPhone => {
                let phones = patient.phones.len();
                if phones == 0 {
                    return Ok(());
                }
                let at = self.dice.index(phones);
                let path = format!("/v1/me/devices/{}", patient.phones[at].id);
                let ask = async move { actors.ask(&api, &caller, reqwest::Method::DELETE, &path, None).await };
                (Meaning::PhoneGone(at), tokio::spawn(ask))
            }
        };
        // What it may do it may do from now on.
        let patient = &mut self.schedule.people.patients[index];
        match &meaning {
            Meaning::Plan(_) => {}
            Meaning::Removed => patient.touched = true,
            Meaning::PhoneAdded(id) => patient.phones.push(Phone { id: *id, touched: true }),
            Meaning::PhoneGone(at) => patient.phones[*at].touched = true,
        }
        self.pending = Some(Pending { task, patient: index, meaning });
        Ok(())
    }

    /// Waits for the answer to the deed under way.
    pub async fn finish_deed(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        let certainty = pending.task.await.unwrap_or(Certainty::Unknown);
        if let Meaning::Plan(plan) = pending.meaning {
            let patient = &self.schedule.people.patients[pending.patient];
            remember(&mut self.wishes, patient, &mut self.plans[pending.patient], plan, certainty);
        }
    }

    /// Heals what was struck and lets time pass until nothing is left to be sent today. Returns how long it took until
    /// everything that was due had been dealt with.
    async fn heal(&mut self, start: chrono::DateTime<chrono::Utc>) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.lab.free();
        self.lab.freeze(false).ok();
        self.lab.ensure_running().await?;
        self.sql.insist("UPDATE crash.page_per_move SET yes = false").await?;
        for worker in &mut self.workers {
            worker.let_go().await;
        }
        if let Some(api) = &mut self.api {
            api.let_go().await;
        }
        self.set_clocks().await;
        let mut healed = None;
        let today = (start + TODAY).to_rfc3339();
        while begun.elapsed() < PATIENCE {
            self.supervise().await?;
            let offset = self.offset_ms;
            let look = format!(
                "SELECT count(*) FILTER (WHERE state = 'sending'),
                        count(*) FILTER (WHERE state = 'scheduled' AND next_attempt_at <= virtual),
                        (extract(epoch FROM min(next_attempt_at) FILTER (WHERE state = 'scheduled' AND next_attempt_at > virtual
                            AND due_at < '{today}') - virtual) * 1000)::bigint
                   FROM alerts, (SELECT clock_timestamp() + interval '{offset} ms') AS t (virtual)
                  GROUP BY virtual"
            );
            let rows: Vec<Row> = self.sql.insist(&look).await?;
            let number = |column: usize| rows.first()?.get(column)?.as_ref()?.parse::<i64>().ok();
            match (number(0), number(1), number(2)) {
                (Some(0), Some(0), ahead) => {
                    healed.get_or_insert(begun.elapsed());
                    let Some(ahead) = ahead else { return healed.context("healed") };
                    // What is due within the same moments goes along.
                    self.offset_ms += ahead + 1500;
                    self.set_clocks().await;
                    self.sql.run(&format!("NOTIFY {WAKE_CHANNEL}")).await?;
                }
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        anyhow::bail!("not healed: alerts are left due or sending")
    }

    /// Starts anew whoever has ended: told to stop just now, or cut off while it started.
    async fn supervise(&mut self) -> anyhow::Result<()> {
        let mut anew = false;
        for index in 0..self.workers.len() {
            if !self.workers[index].is_running() {
                self.workers[index] = self.start_process("worker")?;
                anew = true;
            }
        }
        if anew {
            self.set_clocks().await;
        }
        Ok(())
    }

    /// All workers' clocks show the same: the machine's time and what has been skipped.
    async fn set_clocks(&mut self) {
        let ahead_ms = self.offset_ms;
        for worker in &mut self.workers {
            self.skews.push(Skew { who: worker.name.clone(), at: micros_now(), ahead_ms });
            worker.order(&format!("clock {ahead_ms}")).await;
        }
    }

    /// What is known of each process's clock: by name, in order.
    pub fn clocks(&self) -> HashMap<&str, Vec<&Skew>> {
        let mut clocks: HashMap<&str, Vec<&Skew>> = HashMap::new();
        for skew in &self.skews {
            clocks.entry(&skew.who).or_default().push(skew);
        }
        clocks
    }
}
