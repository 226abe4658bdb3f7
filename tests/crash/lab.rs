//! A private cluster for one lane of schedules: a database per run from one migrated template, and everything that can
//! happen to a server. Nothing is lost when it is killed: commits wait for their log, which lies in memory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use mendline::clock::Clock;
use mendline::db::{let_groups_log_in, migrate, open_as_owner};
use mendline::embedded::{Durability, Embedded};
use mendline::protocols::register_built_ins;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::SecretString;

use crate::journal;
use crate::sql::Sql;

/// What lanes' directories are called, before the number of the process that runs them.
const DIR: &str = "mendline-crash-";
/// As large as a lane's disk may grow, where it has one of its own.
const DISK: &str = "size=320m,mode=755";
const TEMPLATE: &str = "crash_template";

pub struct Lab {
    cluster: Option<Embedded>,
    dir: PathBuf,
    /// Whether the data lie on a disk of their own, which can be filled.
    pub own_disk: bool,
    /// Statements that were refused because the disk was full.
    pub refused_for_space: usize,
}

impl Lab {
    pub async fn open(lane: usize) -> anyhow::Result<Self> {
        let tmpfs = Path::new("/dev/shm");
        let root = if tmpfs.is_dir() { tmpfs.to_owned() } else { std::env::temp_dir() };
        let dir = root.join(format!("{DIR}{}-{lane}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "mendline-crash"]).arg(&dir).output();
        let own_disk = mount.is_ok_and(|mounted| mounted.status.success());
        let mut lab = Self { cluster: None, dir, own_disk, refused_for_space: 0 };
        lab.start().await?;
        let admin = lab.sql("postgres");
        for setting in ["max_wal_size = '64MB'", "min_wal_size = '32MB'"] {
            admin.run(&format!("ALTER SYSTEM SET {setting}")).await?;
        }
        admin.run("SELECT pg_reload_conf()").await?;
        admin.run(&format!("CREATE DATABASE {TEMPLATE}")).await?;
        let url = SecretString::from(lab.url(TEMPLATE));
        migrate(&url, None).await?;
        let mut owner = open_as_owner(&url, None).await?;
        register_built_ins(&mut owner, Clock::system().now()).await?;
        let_groups_log_in(&mut owner).await?;
        drop(owner);
        lab.sql(TEMPLATE).run(journal::SCHEMA).await?;
        admin.run(&format!("ALTER DATABASE {TEMPLATE} WITH is_template true allow_connections false")).await?;
        Ok(lab)
    }

    pub fn url(&self, database: &str) -> String {
        self.cluster.as_ref().map(|cluster| cluster.url(database)).unwrap_or_default()
    }

    pub fn sql(&self, database: &str) -> Sql {
        Sql::new(format!("{}?application_name=judge", self.url(database)))
    }

    pub async fn database(&self, name: &str) -> anyhow::Result<()> {
        let admin = self.sql("postgres");
        admin.run(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")).await
    }

    pub async fn drop_database(&self, name: &str) {
        self.sql("postgres").run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.ok();
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "the binaries may be given, as for the server")]
        let programs = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
        let dir = self.dir.clone();
        let start = move || Embedded::start(&dir, programs.as_deref(), Durability::Safe);
        self.cluster = Some(tokio::task::spawn_blocking(start).await?.context("a cluster")?);
        Ok(())
    }

    /// Ends the server at once or in order, and starts it again.
    pub async fn restart(&mut self, immediately: bool) -> anyhow::Result<()> {
        self.count_refusals();
        if immediately {
            kill(self.postmaster()?, Signal::SIGQUIT).ok();
        }
        if let Some(cluster) = self.cluster.take() {
            tokio::task::spawn_blocking(|| cluster.stop()).await?.ok();
        }
        self.start().await
    }

    /// Whether the server takes connections; one that gave up is started again.
    pub async fn ensure_running(&mut self) -> anyhow::Result<()> {
        for _ in 0..200 {
            if self.sql("postgres").run("SELECT 1").await.is_ok() {
                return Ok(());
            }
            if self.postmaster().is_ok_and(|pid| kill(pid, None).is_err()) || self.postmaster().is_err() {
                return self.restart(false).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.restart(true).await
    }

    /// Holds still every process of the server, or lets them go on.
    pub fn freeze(&self, frozen: bool) -> anyhow::Result<()> {
        let signal = if frozen { Signal::SIGSTOP } else { Signal::SIGCONT };
        let postmaster = self.postmaster()?;
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
            if parent == Some(postmaster.as_raw()) {
                kill(Pid::from_raw(pid), signal).ok();
            }
        }
        kill(postmaster, signal).ok();
        Ok(())
    }

    /// Leaves no byte on the disk.
    pub fn fill(&self) -> anyhow::Result<()> {
        use std::io::Write;
        let mut filler = std::fs::File::create(self.filler())?;
        for size in [1 << 20, 1 << 12] {
            let block = vec![1; size];
            while filler.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    pub fn free(&self) {
        std::fs::remove_file(self.filler()).ok();
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }

    fn postmaster(&self) -> anyhow::Result<Pid> {
        let file = std::fs::read_to_string(self.dir.join("postgres/postmaster.pid"))?;
        Ok(Pid::from_raw(file.lines().next().context("a process id")?.trim().parse()?))
    }

    /// The server's log starts anew with the server.
    pub fn count_refusals(&mut self) {
        let log = std::fs::read(self.dir.join("postgres.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        self.refused_for_space += log.lines().filter(|line| line.contains("No space left on device")).count();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.free();
        drop(self.cluster.take());
        if self.own_disk {
            Command::new("umount").arg("-l").arg(&self.dir).output().ok();
        }
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

/// Removes what harnesses that were killed left behind.
pub fn sweep() {
    for root in [PathBuf::from("/dev/shm"), std::env::temp_dir()] {
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            let ours = entry.file_name().to_string_lossy().starts_with(DIR);
            let lock = std::fs::File::open(entry.path().join("lock"));
            if ours && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                Command::new("umount").arg("-l").arg(entry.path()).output().ok();
                std::fs::remove_dir_all(entry.path()).ok();
            }
        }
    }
}
