//! Real processes of the real binary: workers and an API. Each has a name of its own, under which it connects to the
//! database and sends to the sink; a process that is started anew gets a new name.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use mendline::db::Group;
use mendline::embedded::url_as;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

/// What every process of a run is told.
#[derive(Debug, Clone)]
pub struct Told {
    pub url: String,
    pub data_dir: PathBuf,
    pub credentials: String,
    pub sink: String,
    pub concurrency: i64,
    /// Where it writes what it has to say.
    pub logs: PathBuf,
}

pub struct Process {
    pub name: String,
    child: Child,
    orders: ChildStdin,
    /// Places at which it is held, as it says so.
    held: mpsc::UnboundedReceiver<String>,
    /// What it has to say.
    log: PathBuf,
}

impl Process {
    pub fn start(told: &Told, role: &str, name: &str) -> anyhow::Result<Self> {
        let log = std::fs::File::create(told.logs.join(format!("{name}.log")))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_mendline"));
        command.arg(role).env_clear();
        let settings = [
            ("DATABASE_URL", format!("{}?application_name={name}", url_as(Group::Api.name(), &told.url))),
            ("MENDLINE_WORKER_URL", format!("{}?application_name={name}", url_as(Group::Worker.name(), &told.url))),
            ("MENDLINE_MIGRATE_URL", format!("{}?application_name={name}", told.url)),
            ("MENDLINE_DATA_DIR", told.data_dir.display().to_string()),
            ("MENDLINE_DATABASE_POOL", "4".to_owned()),
            ("MENDLINE_BIND", "127.0.0.1:0".to_owned()),
            ("MENDLINE_OPS_BIND", "127.0.0.1:0".to_owned()),
            ("MENDLINE_HTTP_WORKERS", "1".to_owned()),
            ("MENDLINE_FCM_CREDENTIALS", told.credentials.clone()),
            ("MENDLINE_FCM_BASE_URL", format!("{}/{name}", told.sink)),
            ("MENDLINE_WORKER_CONCURRENCY", told.concurrency.to_string()),
            ("MENDLINE_SEND_TIMEOUT_SECONDS", "2".to_owned()),
            ("MENDLINE_LEASE_SECONDS", "8".to_owned()),
            ("MENDLINE_SHUTDOWN_SECONDS", "1".to_owned()),
            ("RUST_LOG", "info,mendline=debug".to_owned()),
            (mendline::failpoint::VARIABLE, "on".to_owned()),
        ];
        command.envs(settings).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().context("starting a mendline")?;
        let mut said = BufReader::new(child.stdout.take().context("its output")?).lines();
        let (tell, held) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = said.next_line().await {
                line.strip_prefix("held ").map(|place| tell.send(place.to_owned()));
            }
        });
        let orders = child.stdin.take().context("its input")?;
        Ok(Self { name: name.to_owned(), child, orders, held, log: told.logs.join(format!("{name}.log")) })
    }

    /// Gives an order; whoever has ended hears none.
    pub async fn order(&mut self, order: &str) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.ok();
    }

    /// Lets it go, and holds it no more.
    pub async fn let_go(&mut self) {
        self.order("disarm").await;
        self.order("release").await;
    }

    /// Waits until it is held; false if that does not happen in time.
    pub async fn is_held(&mut self, patience: Duration) -> bool {
        matches!(tokio::time::timeout(patience, self.held.recv()).await, Ok(Some(_)))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        pid.map(|pid| kill(Pid::from_raw(pid), signal).ok());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }

    pub async fn kill(&mut self) {
        self.child.kill().await.ok();
    }

    /// Waits for its end; whether it came in time and was a good one.
    pub async fn ends(&mut self, patience: Duration) -> bool {
        let ended = tokio::time::timeout(patience, self.child.wait()).await;
        matches!(ended, Ok(Ok(status)) if status.success())
    }

    /// Waits until it takes signals; an API tells where it listens.
    pub async fn ready(&mut self) -> anyhow::Result<String> {
        let sign = if self.name.starts_with("api") { "API address=" } else { "health and metrics address=" };
        for _ in 0..2000 {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(address) = log.lines().find_map(|line| Some(line.split_once(sign)?.1.trim().to_owned())) {
                return Ok(format!("http://{address}"));
            }
            anyhow::ensure!(self.is_running(), "{} ended", self.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::bail!("{} does not come up", self.name)
    }
}
