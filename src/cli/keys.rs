//! Making and rotating keys. Needs no other setting, since a production server does not start without them.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::admin::print;
use crate::auth::keys::{SigningKey, make, parse_signing_keys, precede_vapid, rotate, write_private};
use crate::config::default_data_dir;

const TOKEN: &str = "token.pem";
const SECRET: &str = "secret";
const VAPID: &str = "vapid.pem";

/// What can be done to keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a complete set; never overwrites one
    New(Where),
    /// Sign with the next token key, keep the previous one for tokens in flight; restart every server afterwards
    Rotate(Where),
    /// Put a new key towards Web Push services in front; the older ones go on serving the subscriptions made with them.
    /// Restart every server afterwards
    RotateVapid(Where),
}

/// Which keys.
#[derive(Debug, Args)]
pub struct Where {
    /// Directory of the key files [default: keys in the data directory]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// The files, and the variables that take their paths; token keys by their names.
#[derive(Serialize)]
struct Answer {
    #[serde(rename = "MENDLINE_TOKEN_KEY")]
    token: PathBuf,
    #[serde(rename = "MENDLINE_SECRET_KEY")]
    secret: PathBuf,
    #[serde(rename = "MENDLINE_VAPID_KEY")]
    vapid: PathBuf,
    signing_kid: Option<String>,
    next_kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_kid: Option<String>,
}

/// Runs a command.
pub fn run(command: Command) -> anyhow::Result<()> {
    let (Command::New(asked) | Command::Rotate(asked) | Command::RotateVapid(asked)) = &command;
    let dir = asked.dir.clone().unwrap_or_else(|| default_data_dir().join("keys"));
    let token = match command {
        Command::New(_) => make_all(&dir)?,
        Command::Rotate(_) => replace(&dir, TOKEN, rotate)?,
        Command::RotateVapid(_) => {
            replace(&dir, VAPID, precede_vapid)?;
            read(&dir.join(TOKEN))?
        }
    };
    let keys = parse_signing_keys(token.expose_secret())?;
    let mut kids = keys.iter().map(|key: &SigningKey| key.kid().to_owned());
    let answer = Answer {
        token: dir.join(TOKEN),
        secret: dir.join(SECRET),
        vapid: dir.join(VAPID),
        signing_kid: kids.next(),
        next_kid: kids.next(),
        previous_kid: kids.next(),
    };
    print(&answer, asked.json)
}

fn make_all(dir: &Path) -> anyhow::Result<SecretString> {
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    for name in [TOKEN, SECRET, VAPID] {
        ensure!(!dir.join(name).exists(), "{} is there already: keys are never overwritten", dir.join(name).display());
    }
    let made = make()?;
    for (name, text) in [(TOKEN, &made.token), (SECRET, &made.secret), (VAPID, &made.vapid)] {
        write_private(&dir.join(name), text.expose_secret()).with_context(|| format!("writing {name}"))?;
    }
    Ok(made.token)
}

fn read(path: &Path) -> anyhow::Result<SecretString> {
    std::fs::read_to_string(path).map(SecretString::from).with_context(|| path.display().to_string())
}

/// Puts the next generation of a file's keys in its place.
fn replace(dir: &Path, name: &str, next: fn(&str) -> anyhow::Result<SecretString>) -> anyhow::Result<SecretString> {
    let path = dir.join(name);
    let new = next(read(&path)?.expose_secret()).with_context(|| path.display().to_string())?;
    // Written beside and moved over: a reader finds the old keys or the new ones, whole.
    let draft = dir.join(format!(".{name}.{}", std::process::id()));
    write_private(&draft, new.expose_secret()).context("writing the new keys")?;
    std::fs::rename(&draft, &path).context("putting the new keys in place")?;
    Ok(new)
}
