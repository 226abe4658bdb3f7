//! Whom the database server runs as: us, or a user without rights where we are root, which `initdb` refuses.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::{EmbeddedError, io_error};

/// The owner of the server's processes and files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner(Option<Other>);

/// Somebody else than us.
#[derive(Debug, Clone, Copy)]
struct Other {
    name: &'static str,
    uid: Uid,
    gid: Gid,
}

impl Owner {
    /// Us; where we are root, the distribution's `postgres` or nobody in particular.
    pub(super) fn find() -> Self {
        if !geteuid().is_root() {
            return Self(None);
        }
        Self(["postgres", "nobody"].into_iter().find_map(|name| {
            let user = User::from_name(name).ok().flatten()?;
            Some(Other { name, uid: user.uid, gid: user.gid })
        }))
    }

    /// A program in the owner's name, in `dir`, in a process group of its own so that Ctrl-C at a terminal does not stop
    /// the database before the application has drained.
    pub(super) fn command(self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).process_group(0).stdin(Stdio::null()).env("LC_ALL", "C");
        if let Some(other) = self.0 {
            command.gid(other.gid.as_raw()).uid(other.uid.as_raw());
        }
        command
    }

    /// Makes a directory that is the owner's alone.
    pub(super) fn make_directory(self, dir: &Path) -> Result<(), EmbeddedError> {
        let failed = || format!("making {}", dir.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error(failed()))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(io_error(failed()))?;
        if let Some(other) = self.0 {
            chown(dir, Some(other.uid.as_raw()), Some(other.gid.as_raw())).map_err(io_error(failed()))?;
        }
        Ok(())
    }

    /// Makes sure that the owner gets to `dir`, which `setting` decides: root's private directories are closed to whom root becomes. The owner
    /// tries it, since modes alone do not tell.
    pub(super) fn must_enter(self, dir: &Path, setting: &'static str) -> Result<(), EmbeddedError> {
        let Some(other) = self.0 else { return Ok(()) };
        let dir = fs::canonicalize(dir).map_err(io_error(format!("resolving {}", dir.display())))?;
        let mut way: Vec<&Path> = dir.ancestors().collect();
        way.reverse();
        let mut walk = self.command("sh", Path::new("/"));
        walk.args(["-c", "for dir do cd -- \"$dir\" || { printf %s \"$dir\"; exit 1; }; done", "sh"]).args(way);
        let walked = walk.output().map_err(io_error(format!("starting a shell as {}", other.name)))?;
        if walked.status.success() {
            return Ok(());
        }
        let closed = PathBuf::from(std::ffi::OsString::from_vec(walked.stdout));
        Err(EmbeddedError::Closed { user: other.name, closed, dir, setting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_parent_is_named_together_with_whom_it_is_closed_to() {
        let owner = Owner::find();
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let entered = owner.must_enter(&dir, "HERE");
        match owner.0 {
            // We are the owner and may enter what is ours.
            None => entered.unwrap(),
            Some(other) => {
                let refused = entered.unwrap_err().to_string();
                assert!(refused.contains(other.name) && refused.contains("set HERE"), "{refused}");
                assert!(refused.contains(&format!("cannot enter {} on", parent.path().display())), "{refused}");
                fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o711)).unwrap();
                owner.must_enter(&dir, "HERE").unwrap();
            }
        }
    }
}
