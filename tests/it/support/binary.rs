//! The built binary, run as an operator runs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mendline::db::Group;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::as_group;

/// The binary on a database of the test's choice; its own private one where that is `None`.
pub fn mendline(data_dir: &Path, database: Option<&str>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mendline"));
    command.args(arguments).env("MENDLINE_DATA_DIR", data_dir).env("RUST_LOG", "info").env("NO_COLOR", "1");
    command.env("MENDLINE_BIND", "127.0.0.1:0").env("MENDLINE_OPS_BIND", "127.0.0.1:0");
    command.stdin(Stdio::null()).kill_on_drop(true);
    match database {
        Some(owner) => three_logins(&mut command, owner),
        None => command.env_remove("DATABASE_URL"),
    };
    command
}

/// A database as an operator would name it: each part of the server with a login of its own.
pub fn three_logins<'a>(command: &'a mut Command, owner: &str) -> &'a mut Command {
    let owner = SecretString::from(owner);
    let (api, worker) = (as_group(&owner, Group::Api), as_group(&owner, Group::Worker));
    command.env("MENDLINE_WORKER_URL", worker.expose_secret()).env("MENDLINE_MIGRATE_URL", owner.expose_secret());
    command.env("DATABASE_URL", api.expose_secret())
}

/// A directory that a database server of another user can reach, gone with the test.
pub struct Reachable(pub PathBuf);

impl Reachable {
    pub fn new(name: &str) -> Self {
        let tmpfs = PathBuf::from("/dev/shm");
        let root = if tmpfs.is_dir() { tmpfs } else { std::env::temp_dir() };
        let path = root.join(format!("mendline-case-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Reachable {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A `mendline serve` that serves.
pub struct Serving {
    pub process: Child,
    /// The API's.
    pub address: String,
    /// Held open, so that its last words do not fail.
    _log: Lines<BufReader<ChildStderr>>,
}

impl Serving {
    /// Starts one on its private database and waits until it serves.
    pub async fn start(data_dir: &Path) -> Self {
        let mut process = mendline(data_dir, None, &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = async {
            while let Some(line) = log.next_line().await.unwrap() {
                if let Some((_, address)) = line.split_once("API address=") {
                    return Some(address.trim().to_owned());
                }
                said.push(line);
            }
            None
        };
        let address = tokio::time::timeout(Duration::from_secs(60), address).await;
        let Ok(Some(address)) = address else { panic!("the server did not serve: {said:#?}") };
        Self { process, address, _log: log }
    }

    /// Asks it to stop; true if it ended well.
    pub async fn stop(mut self) -> bool {
        signal(&self.process, Signal::SIGTERM);
        self.process.wait().await.unwrap().success()
    }
}

/// Sends a signal to a process that has not been waited for.
pub fn signal(process: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process.id().unwrap()).unwrap());
    kill(pid, signal).unwrap();
}
