//! One private Postgres server process: made, started, watched, stopped.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::{DATABASE, Durability, EmbeddedError, ROLE, binaries, cluster_dir, io_error};

/// How long a start or stop may take. Crash recovery of a private cluster takes seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest path of a Unix socket on Linux, in bytes.
const SOCKET_PATH_LIMIT: usize = 107;

#[derive(Debug)]
pub(super) struct Server {
    bin_dir: PathBuf,
    cluster: PathBuf,
    socket_dir: PathBuf,
    owner: Option<Owner>,
    postgres: Child,
    /// Stops the server when we die without a word: it waits for the end of its standard input, which we hold.
    watchdog: Option<Child>,
}

/// Whom the server runs as where we are root, which `initdb` refuses.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Server {
    pub(super) fn start(bin_dir: &Path, data_dir: &Path, durability: Durability) -> Result<Self, EmbeddedError> {
        let owner = owner();
        let cluster = cluster_dir(data_dir);
        let socket_dir = socket_dir(data_dir)?;
        for dir in [&cluster, &socket_dir] {
            own_directory(dir, owner)?;
        }
        make_cluster(bin_dir, &cluster, owner)?;
        check_version(bin_dir, &cluster)?;

        let log = fs::File::create(data_dir.join("postgres.log")).map_err(io_error("making postgres.log"))?;
        let mut command = program(bin_dir, "postgres", &cluster, owner);
        command.arg("-D").arg(&cluster).arg("-k").arg(&socket_dir).args(["-h", ""]);
        for setting in settings(durability) {
            command.args(["-c", setting]);
        }
        let errors = log.try_clone().map_err(io_error("sharing postgres.log"))?;
        let postgres = command.stdout(log).stderr(errors).spawn().map_err(io_error("starting postgres"))?;
        let watchdog = watch(bin_dir, &cluster, owner)?;
        let mut server =
            Self { bin_dir: bin_dir.to_owned(), cluster, socket_dir, owner, postgres, watchdog: Some(watchdog) };
        server.wait_until_ready(&data_dir.join("postgres.log"))?;
        Ok(server)
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The socket appears before the server is ready; the eighth line of `postmaster.pid` tells.
    fn wait_until_ready(&mut self, log: &Path) -> Result<(), EmbeddedError> {
        let started = Instant::now();
        while running_socket(&self.cluster).is_none() {
            let gone = self.postgres.try_wait().map_err(io_error("waiting for postgres"))?.is_some();
            if gone || started.elapsed() > PATIENCE {
                let output = tail(&fs::read(log).unwrap_or_default());
                return Err(EmbeddedError::Program { program: "postgres", output });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(super) fn stop(&mut self) -> Result<(), EmbeddedError> {
        let Some(mut watchdog) = self.watchdog.take() else { return Ok(()) };
        let mut stop = program(&self.bin_dir, "pg_ctl", &self.cluster, self.owner);
        stop.arg("-D").arg(&self.cluster).args(["-m", "fast", "-w", "-s", "stop"]);
        let stopped = run(stop, "pg_ctl");
        drop(watchdog.stdin.take());
        watchdog.wait().map_err(io_error("waiting for the watchdog"))?;
        self.postgres.wait().map_err(io_error("waiting for postgres"))?;
        stopped
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "stopping the private database");
        }
    }
}

/// The socket directory of a server that is up on `cluster`, by its `postmaster.pid`.
pub(super) fn running_socket(cluster: &Path) -> Option<PathBuf> {
    let pid_file = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    let lines: Vec<&str> = pid_file.lines().collect();
    let ready = lines.get(7)?.trim() == "ready";
    let pid = lines.first()?.trim().parse().ok()?;
    let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH);
    (ready && alive).then(|| PathBuf::from(lines.get(4).map_or("", |line| line.trim())))
}

/// Nobody in particular, or the distribution's `postgres` user where we are root.
fn owner() -> Option<Owner> {
    if !geteuid().is_root() {
        return None;
    }
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| Owner { uid: user.uid, gid: user.gid })
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

fn own_directory(dir: &Path, owner: Option<Owner>) -> Result<(), EmbeddedError> {
    let failed = || format!("making {}", dir.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error(failed()))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(io_error(failed()))?;
    if let Some(owner) = owner {
        chown(dir, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).map_err(io_error(failed()))?;
    }
    Ok(())
}

fn make_cluster(bin_dir: &Path, cluster: &Path, owner: Option<Owner>) -> Result<(), EmbeddedError> {
    if cluster.join("PG_VERSION").exists() {
        return Ok(());
    }
    let mut initdb = program(bin_dir, "initdb", cluster, owner);
    initdb.arg("-D").arg(cluster).args(["-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    run(initdb, "initdb")?;
    // The database itself, before anybody can connect.
    let mut single = program(bin_dir, "postgres", cluster, owner);
    single.args(["--single", "-D"]).arg(cluster).arg("postgres");
    single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = single.spawn().map_err(io_error("starting postgres --single"))?;
    if let Some(mut input) = child.stdin.take() {
        let sql = format!("CREATE DATABASE {DATABASE}\n");
        std::io::Write::write_all(&mut input, sql.as_bytes()).map_err(io_error("writing to postgres --single"))?;
    }
    let output = child.wait_with_output().map_err(io_error("waiting for postgres --single"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(EmbeddedError::Program { program: "postgres --single", output: tail(&output.stderr) })
    }
}

fn check_version(bin_dir: &Path, cluster: &Path) -> Result<(), EmbeddedError> {
    let made_by = fs::read_to_string(cluster.join("PG_VERSION")).map_err(io_error("reading PG_VERSION"))?;
    let made_by = made_by.trim().to_owned();
    let found = binaries::major_version(bin_dir).unwrap_or_default();
    if made_by == found { Ok(()) } else { Err(EmbeddedError::Version { path: cluster.to_owned(), made_by, found }) }
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

/// A server program, run as its owner, in a process group of its own so that Ctrl-C at a terminal does not stop the
/// database before the application has drained.
fn program(bin_dir: &Path, name: &str, cluster: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(bin_dir.join(name));
    as_owner(&mut command, cluster, owner);
    command
}

fn as_owner(command: &mut Command, cluster: &Path, owner: Option<Owner>) {
    command.current_dir(cluster).process_group(0).stdin(Stdio::null());
    command.env("LC_ALL", "C");
    if let Some(owner) = owner {
        command.gid(owner.gid.as_raw()).uid(owner.uid.as_raw());
    }
}

fn watch(bin_dir: &Path, cluster: &Path, owner: Option<Owner>) -> Result<Child, EmbeddedError> {
    let mut command = Command::new("sh");
    as_owner(&mut command, cluster, owner);
    command
        .args(["-c", "cat >/dev/null; exec \"$0\" -D \"$1\" -m fast -s stop"])
        .arg(bin_dir.join("pg_ctl"))
        .arg(cluster)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().map_err(io_error("starting the database's watchdog"))
}

fn run(mut command: Command, name: &'static str) -> Result<(), EmbeddedError> {
    let output = command.output().map_err(io_error(format!("running {name}")))?;
    if output.status.success() {
        Ok(())
    } else {
        let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        Err(EmbeddedError::Program { program: name, output: tail(said) })
    }
}

/// The end of what a program said.
fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}
