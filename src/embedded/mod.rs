//! The private Postgres cluster that is used when `DATABASE_URL` is absent: real server binaries, owned by this process.
//!
//! The holder of `<data dir>/lock` owns the cluster; any other process joins it through `postmaster.pid` and never
//! starts, stops or migrates it. The server listens on a Unix socket only, in a directory of its own user.
//! Everything here blocks: call it from `spawn_blocking`, before serving.

mod binaries;
mod cluster;
mod owner;
mod pid_file;
mod server;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub use binaries::find as find_binaries;
use pid_file::PidFile;
use server::Server;

/// The database inside the cluster.
pub const DATABASE: &str = "mendline";
/// The role that owns it.
const ROLE: &str = "app";

/// What can go wrong between us and a private cluster.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Nothing to run.
    #[error(
        "no PostgreSQL server binaries found (looked at PG_BIN_DIR, pg_config, /usr/lib/postgresql/*/bin and PATH): \
         set DATABASE_URL, install PostgreSQL 15 or later, or run script/bootstrap"
    )]
    NoBinaries,
    /// Nothing to run where we were told to look.
    #[error("PG_BIN_DIR: {0} does not hold the programs initdb and postgres")]
    BinDir(PathBuf),
    /// Another process owns the cluster.
    #[error("another mendline owns the database in {0}; stop it first, or set MENDLINE_DATA_DIR")]
    Owned(PathBuf),
    /// Nobody runs the cluster that we wanted to join.
    #[error("no mendline is running on {0}; start `mendline serve`, or set DATABASE_URL")]
    NotRunning(PathBuf),
    /// The server of an earlier owner does not end.
    #[error(
        "process {pid} still runs the database in {path}: stop it first \
         (if it is another program, remove postmaster.pid there)"
    )]
    StillRunning {
        /// The cluster.
        path: PathBuf,
        /// The first line of its `postmaster.pid`.
        pid: i32,
    },
    /// Whom the server runs as cannot get to where it should work.
    #[error(
        "the database server runs as the user {user}, who cannot enter {closed} on the way to {dir}: \
         open it (chmod o+x), or set {setting} to another place"
    )]
    Closed {
        /// The user.
        user: &'static str,
        /// The directory that is closed to them.
        closed: PathBuf,
        /// Where they would have to get.
        dir: PathBuf,
        /// What decides where that is.
        setting: &'static str,
    },
    /// A path is too long for a Unix socket.
    #[error("the socket path in {0} is longer than the 107 bytes that Unix allows")]
    SocketPath(PathBuf),
    /// The cluster was made by another major version.
    #[error("the database in {path} was made by PostgreSQL {made_by}, the binaries found are {found}: set PG_BIN_DIR")]
    Version {
        /// The data directory.
        path: PathBuf,
        /// Major version that made it.
        made_by: String,
        /// Major version that was found.
        found: String,
    },
    /// A server program failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which one.
        program: &'static str,
        /// The end of what it said.
        output: String,
    },
    /// The file system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// Adds what was being done to an I/O error.
fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> EmbeddedError {
    let what = what.into();
    move |source| EmbeddedError::Io { what, source }
}

/// How much the cluster cares about a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Postgres' own defaults.
    Safe,
    /// Nothing is synced: for throw-away test clusters.
    None,
}

/// A running cluster that this process owns; dropping it stops the server.
#[derive(Debug)]
pub struct Embedded {
    server: Server,
    _lock: File,
}

impl Embedded {
    /// Starts the cluster under `data_dir`, making it first where there is none.
    pub fn start(data_dir: &Path, bin_dir: Option<&Path>, durability: Durability) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(data_dir).map_err(io_error(format!("making {}", data_dir.display())))?;
        let lock = lock(data_dir)?;
        let bin_dir = binaries::find(bin_dir)?;
        let server = Server::start(&bin_dir, data_dir, durability)?;
        Ok(Self { server, _lock: lock })
    }

    /// The URL of `database` in this cluster.
    pub fn url(&self, database: &str) -> String {
        url(self.server.socket_dir(), database)
    }

    /// Stops the server and waits for it.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        self.server.stop()
    }
}

/// The URL of the cluster that another process runs under `data_dir`.
pub fn join(data_dir: &Path) -> Result<String, EmbeddedError> {
    match PidFile::of_living(&cluster_dir(data_dir)).and_then(PidFile::ready_socket) {
        Some(socket_dir) => Ok(url(&socket_dir, DATABASE)),
        None => Err(EmbeddedError::NotRunning(data_dir.to_owned())),
    }
}

fn lock(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join("lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(io_error(format!("opening {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::Owned(data_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io_error(format!("locking {}", path.display()))(source)),
    }
}

/// Whether there is a private cluster; the first start makes it.
pub fn exists(data_dir: &Path) -> bool {
    cluster_dir(data_dir).join("PG_VERSION").exists()
}

fn cluster_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres")
}

/// The URL of a cluster for another role than its owner.
pub fn url_as(role: &str, url: &str) -> String {
    url.replacen(&format!("postgres://{ROLE}@"), &format!("postgres://{role}@"), 1)
}

fn url(socket_dir: &Path, database: &str) -> String {
    let host: String = socket_dir
        .display()
        .to_string()
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("postgres://{ROLE}@{host}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_directory_becomes_the_host_of_the_url() {
        assert_eq!(url(Path::new("/tmp/a b"), "mendline"), "postgres://app@%2Ftmp%2Fa%20b/mendline");
    }

    #[test]
    fn nobody_to_join_is_an_error_that_names_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let error = join(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }

    #[test]
    fn the_second_owner_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _held = lock(dir.path()).unwrap();
        assert!(matches!(lock(dir.path()), Err(EmbeddedError::Owned(_))));
    }
}
