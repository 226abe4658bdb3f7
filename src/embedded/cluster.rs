//! The cluster's files: made in a draft beside their place and moved there as the last step, so that a first start that
//! is interrupted leaves nothing behind that looks like a database.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::owner::Owner;
use super::{DATABASE, Durability, EmbeddedError, ROLE, binaries, cluster_dir, io_error};

/// How the names of drafts begin.
const DRAFT: &str = "postgres.new";

/// The cluster under `data_dir`, made first where there is none.
pub(super) fn ensure(
    bin_dir: &Path,
    data_dir: &Path,
    owner: Owner,
    durability: Durability,
) -> Result<PathBuf, EmbeddedError> {
    let cluster = cluster_dir(data_dir);
    remove_drafts(data_dir);
    if !cluster.join("PG_VERSION").exists() {
        // A start that was killed may have left its initdb running: no two drafts share a name.
        let draft = data_dir.join(format!("{DRAFT}-{}", uuid::Uuid::new_v4().simple()));
        make(bin_dir, &draft, owner, durability)?;
        let moved = fs::rename(&draft, &cluster).and_then(|()| File::open(data_dir)?.sync_all());
        moved.map_err(io_error(format!("moving the new database to {}", cluster.display())))?;
    }
    check_version(bin_dir, &cluster)?;
    Ok(cluster)
}

/// What is left of first starts that were interrupted. What cannot be removed yet harms nobody.
fn remove_drafts(data_dir: &Path) {
    for entry in fs::read_dir(data_dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(DRAFT)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, draft = %entry.path().display(), "removing what an interrupted start left");
        }
    }
}

/// A cluster in `dir`, with our role and our database.
fn make(bin_dir: &Path, dir: &Path, owner: Owner, durability: Durability) -> Result<(), EmbeddedError> {
    owner.make_directory(dir)?;
    let mut initdb = owner.command(bin_dir.join("initdb"), dir);
    initdb.arg("-D").arg(dir).args(["-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C"]);
    if durability == Durability::None {
        initdb.arg("--no-sync");
    }
    run(initdb, "initdb", "")?;
    // The database itself, before anybody can connect. Left to itself, a single-user server ends well whatever its
    // statements came to.
    let mut single = owner.command(bin_dir.join("postgres"), dir);
    single.args(["--single", "-c", "exit_on_error=on", "-D"]).arg(dir).arg("postgres");
    run(single, "postgres --single", &format!("CREATE DATABASE {DATABASE}\n"))
}

fn run(mut command: Command, program: &'static str, input: &str) -> Result<(), EmbeddedError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(io_error(format!("starting {program}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read says why, below.
        stdin.write_all(input.as_bytes()).ok();
    }
    let output = child.wait_with_output().map_err(io_error(format!("waiting for {program}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    Err(EmbeddedError::Program { program, output: tail(said) })
}

/// The end of what a program said.
pub(super) fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}

fn check_version(bin_dir: &Path, cluster: &Path) -> Result<(), EmbeddedError> {
    let made_by = fs::read_to_string(cluster.join("PG_VERSION")).map_err(io_error("reading PG_VERSION"))?;
    let made_by = made_by.trim().to_owned();
    let found = binaries::major_version(bin_dir).unwrap_or_default();
    if made_by == found { Ok(()) } else { Err(EmbeddedError::Version { path: cluster.to_owned(), made_by, found }) }
}
