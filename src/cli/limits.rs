//! What the operating system allows this process.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of files that may be open to what the system allows at most: a push service that speaks HTTP/1.1 takes
/// a socket for every send in flight, and the usual limit, kept low for programs that cannot cope with more, is 1024.
pub fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(soft, hard)| if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) });
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
