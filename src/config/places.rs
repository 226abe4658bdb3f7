//! Where things are on this machine: our data, other people's programs.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Vars;

/// Where programs are looked up.
pub fn search_path() -> OsString {
    #[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
    std::env::var_os("PATH").unwrap_or_default()
}

/// Where data is kept where nothing else is needed of the settings.
pub fn default_data_dir() -> PathBuf {
    data_dir(&mut Vars::from_environment())
}

pub(super) fn data_dir(vars: &mut Vars) -> PathBuf {
    if let Some(dir) = vars.text("MENDLINE_DATA_DIR") {
        return PathBuf::from(dir);
    }
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/mendline");
    }
    let home = vars.text("HOME").unwrap_or_else(|| "/tmp".to_owned());
    let share = vars.text("XDG_DATA_HOME").map_or_else(|| PathBuf::from(home).join(".local/share"), PathBuf::from);
    share.join("mendline")
}
