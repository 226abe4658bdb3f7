//! What a running server says about itself: `postmaster.pid`, written line by line while it starts.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The lines of `postmaster.pid` that concern us.
#[derive(Debug)]
pub(super) struct PidFile {
    /// Line 1.
    pub(super) pid: i32,
    socket_dir: Option<PathBuf>,
    ready: bool,
}

impl PidFile {
    /// The file of the cluster in `cluster`, if there is one.
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        Some(Self {
            pid: lines.first()?.parse().ok()?,
            socket_dir: lines.get(4).filter(|line| !line.is_empty()).map(PathBuf::from),
            ready: lines.get(7) == Some(&"ready"),
        })
    }

    /// The file of a server that has not ended.
    pub(super) fn of_living(cluster: &Path) -> Option<Self> {
        Self::read(cluster).filter(|file| kill(Pid::from_raw(file.pid), None) != Err(Errno::ESRCH))
    }

    /// Where it listens, once it takes connections. The socket itself appears earlier.
    pub(super) fn ready_socket(self) -> Option<PathBuf> {
        self.socket_dir.filter(|_| self.ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<PidFile> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("postmaster.pid"), text).unwrap();
        PidFile::read(dir.path())
    }

    #[test]
    fn a_server_is_ready_when_its_eighth_line_says_so() {
        let lines = ["4711", "/data", "1700000000", "5432", "/run/socket", "", "  1 2", "ready   "];
        let file = read(&lines.join("\n")).unwrap();
        assert_eq!(file.pid, 4711);
        assert_eq!(file.ready_socket(), Some(PathBuf::from("/run/socket")));
        for written in 1..lines.len() {
            assert_eq!(read(&lines[..written].join("\n")).unwrap().ready_socket(), None, "{written} lines");
        }
        let stopping = lines.join("\n").replace("ready", "stopping");
        assert_eq!(read(&stopping).unwrap().ready_socket(), None);
        assert!(read("").is_none());
    }
}
