//! One private Postgres server process: started, watched, stopped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::owner::Owner;
use super::pid_file::PidFile;
use super::{Durability, EmbeddedError, cluster, io_error};

/// How long a start or stop may take. Crash recovery of a private cluster takes seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a server that starts or stops is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longest path of a Unix socket on Linux, in bytes.
const SOCKET_PATH_LIMIT: usize = 107;

#[derive(Debug)]
pub(super) struct Server {
    cluster: PathBuf,
    socket_dir: PathBuf,
    postgres: Child,
    /// Stops the server when we die without a word: it waits for the end of its standard input, which we hold.
    watchdog: Option<Child>,
}

impl Server {
    /// Starts a server on the cluster under `data_dir`, whose lock we hold.
    pub(super) fn start(bin_dir: &Path, data_dir: &Path, durability: Durability) -> Result<Self, EmbeddedError> {
        let owner = Owner::find();
        owner.must_enter(data_dir, "MENDLINE_DATA_DIR (for the demo TMPDIR)")?;
        owner.must_enter(bin_dir, "PG_BIN_DIR")?;
        let socket_dir = socket_dir(data_dir)?;
        owner.make_directory(&socket_dir)?;
        let cluster = cluster::ensure(bin_dir, data_dir, owner, durability)?;
        wait_for_predecessor(&cluster)?;

        let log = data_dir.join("postgres.log");
        let output = fs::File::create(&log).map_err(io_error("making postgres.log"))?;
        let errors = output.try_clone().map_err(io_error("sharing postgres.log"))?;
        let mut command = owner.command(bin_dir.join("postgres"), &cluster);
        command.arg("-D").arg(&cluster).arg("-k").arg(&socket_dir).args(["-h", ""]);
        for setting in settings(durability) {
            command.args(["-c", setting]);
        }
        let postgres = command.stdout(output).stderr(errors).spawn().map_err(io_error("starting postgres"))?;
        let watchdog = watch(&postgres, &cluster, owner)?;
        let mut server = Self { cluster, socket_dir, postgres, watchdog: Some(watchdog) };
        server.wait_until_ready(&log)?;
        Ok(server)
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<(), EmbeddedError> {
        let started = Instant::now();
        let pid = self.postgres.id();
        let ours = |file: &PidFile| u32::try_from(file.pid) == Ok(pid);
        while PidFile::read(&self.cluster).filter(ours).and_then(PidFile::ready_socket).is_none() {
            if self.has_ended()? || started.elapsed() > PATIENCE {
                let output = cluster::tail(&fs::read(log).unwrap_or_default());
                return Err(EmbeddedError::Program { program: "postgres", output });
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Ends the server: it takes leave of its clients and writes everything down; if that takes too long, it is told to
    /// drop everything and to recover at the next start.
    pub(super) fn stop(&mut self) -> Result<(), EmbeddedError> {
        let Some(mut watchdog) = self.watchdog.take() else { return Ok(()) };
        self.signal(Signal::SIGINT)?;
        watchdog.kill().and_then(|()| watchdog.wait()).map_err(io_error("stopping the database's watchdog"))?;
        let asked = Instant::now();
        while !self.has_ended()? {
            if asked.elapsed() > PATIENCE {
                self.signal(Signal::SIGQUIT)?;
                self.postgres.wait().map_err(io_error("waiting for postgres"))?;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn has_ended(&mut self) -> Result<bool, EmbeddedError> {
        Ok(self.postgres.try_wait().map_err(io_error("waiting for postgres"))?.is_some())
    }

    fn signal(&mut self, signal: Signal) -> Result<(), EmbeddedError> {
        if self.has_ended()? {
            return Ok(());
        }
        let pid = Pid::from_raw(i32::try_from(self.postgres.id()).unwrap_or(0));
        kill(pid, signal).map_err(|errno| io_error("stopping postgres")(io::Error::from(errno)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "stopping the private database");
        }
    }
}

/// Lets the server of an earlier owner end: after a kill its watchdog is stopping it just now.
fn wait_for_predecessor(cluster: &Path) -> Result<(), EmbeddedError> {
    let started = Instant::now();
    let mut told = false;
    while let Some(file) = PidFile::of_living(cluster) {
        if started.elapsed() > PATIENCE {
            return Err(EmbeddedError::StillRunning { path: cluster.to_owned(), pid: file.pid });
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!(pid = file.pid, "waiting for the database server of an earlier run to end");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// A short directory for the socket: under the data directory where it fits, else under `/tmp`, named by the path.
fn socket_dir(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    let data_dir = fs::canonicalize(data_dir).map_err(io_error(format!("resolving {}", data_dir.display())))?;
    let near = data_dir.join("socket");
    let name = "/.s.PGSQL.5432.lock".len();
    if near.as_os_str().len() + name <= SOCKET_PATH_LIMIT {
        return Ok(near);
    }
    let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, data_dir.as_os_str().as_encoded_bytes());
    let far = std::env::temp_dir().join(format!("mendline-{}", hash.simple()));
    if far.as_os_str().len() + name <= SOCKET_PATH_LIMIT { Ok(far) } else { Err(EmbeddedError::SocketPath(data_dir)) }
}

fn settings(durability: Durability) -> &'static [&'static str] {
    match durability {
        Durability::Safe => &["max_connections=200", "timezone=UTC", "log_timezone=UTC"],
        Durability::None => &[
            "max_connections=400",
            "timezone=UTC",
            "log_timezone=UTC",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "autovacuum=off",
            "max_locks_per_transaction=256",
        ],
    }
}

/// By number, not by way of the cluster: a watchdog that comes late must not stop the server that came after.
fn watch(postgres: &Child, cluster: &Path, owner: Owner) -> Result<Child, EmbeddedError> {
    let mut command = owner.command("sh", cluster);
    command.args(["-c", "read -r _; kill -INT \"$0\""]).arg(postgres.id().to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(io_error("starting the database's watchdog"))
}
