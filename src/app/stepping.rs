//! The care clock of a development server: it runs in real time, may be put forward, and is as far ahead after a restart as
//! before. In production there is none of this. Who may ask for it over HTTP is `development.rs`'s affair.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::alerts::queue;
use crate::clock::{Clock, Clocks};
use crate::config::Config;
use crate::db::{Db, DbError, Scope};
use crate::escalation::store as escalation;

/// How far ahead of real time the clock may get: longer than any protocol lasts.
pub const MOST_AHEAD: TimeDelta = TimeDelta::days(2 * 366);
/// How long one step may take, in real time: what is left then is left for the next.
const PATIENCE: Duration = Duration::from_secs(20);
/// How soon the queue is looked at again while a worker works on it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The file in the data directory that says how far ahead the clock is, in milliseconds.
const FILE: &str = "care-clock";

/// Leave to put a development server's care clock forward. Cheap to clone, all clones share it.
#[derive(Debug, Clone)]
pub struct Stepping {
    care: Clock,
    file: PathBuf,
    turn: Arc<Mutex<()>>,
}

/// One step's turn: nobody else moves the clock meanwhile.
#[derive(Debug)]
pub struct Turn<'a> {
    stepping: &'a Stepping,
    _only: MutexGuard<'a, ()>,
}

impl Stepping {
    /// Leave for this care clock; none in production.
    pub fn of(config: &Config, care: &Clock) -> Option<Self> {
        let file = config.data_dir.join(FILE);
        (!config.is_production()).then(|| Self { care: care.clone(), file, turn: Arc::default() })
    }

    /// The clocks of a server whose care clock may be put forward, as far ahead as they were when it last stopped. In
    /// production both are the system's.
    pub fn clocks(config: &Config) -> anyhow::Result<Clocks> {
        if config.is_production() {
            return Ok(Clocks::system());
        }
        let ahead = read(&config.data_dir.join(FILE))?;
        if ahead > TimeDelta::zero() {
            tracing::warn!(ahead_hours = ahead.num_hours(), "the care clock is ahead of real time");
        }
        Ok(Clocks::of_development(ahead))
    }

    /// Somebody's turn; `None` while it is somebody else's.
    pub fn turn(&self) -> Option<Turn<'_>> {
        Some(Turn { stepping: self, _only: self.turn.try_lock().ok()? })
    }
}

impl Turn<'_> {
    /// Puts the clock forward to `target`, from one due moment to the next, each time waiting until the workers have done what
    /// is due: so everything is sent at its moment and nothing expires on the way. Whether it got there in time.
    pub async fn walk(&self, db: &Db, target: DateTime<Utc>) -> Result<bool, StepError> {
        let care = &self.stepping.care;
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let look = async |conn: &mut _| {
                let next = [queue::next_due(conn).await?, escalation::next_wake(conn).await?];
                Ok::<_, DbError>((next.into_iter().flatten().min(), queue::in_flight(conn).await?))
            };
            let (next, in_flight) = db.scoped(Scope::System, look).await.map_err(StepError::Db)?;
            let now = care.now();
            let busy = in_flight || next.is_some_and(|next| next <= now);
            if !busy && now >= target {
                return Ok(true);
            }
            if Instant::now() >= give_up_at {
                return Ok(false);
            }
            match busy {
                true => tokio::time::sleep(LOOK_AGAIN).await,
                false => self.put_forward(next.map_or(target, |next| next.min(target)))?,
            }
        }
    }

    fn put_forward(&self, to: DateTime<Utc>) -> Result<(), StepError> {
        let Stepping { care, file, .. } = self.stepping;
        care.put_forward(to);
        let ahead = care.ahead();
        // A clock that stands is a test's: where it stands is the test's affair.
        if ahead == TimeDelta::zero() {
            return Ok(());
        }
        write(file, ahead).with_context(|| file.display().to_string()).map_err(StepError::File)
    }
}

/// Why a step ended early.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The queue could not be looked at.
    #[error(transparent)]
    Db(DbError),
    /// Where the clock stands could not be kept.
    #[error(transparent)]
    File(anyhow::Error),
}

/// Keeps how far ahead the clock is: the old figure or the new one, whatever happens meanwhile.
fn write(file: &Path, ahead: TimeDelta) -> std::io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let new = file.with_extension("new");
    fs::write(&new, ahead.num_milliseconds().to_string())?;
    fs::rename(new, file)
}

/// How far ahead the clock is; not at all where nobody ever put it forward.
fn read(file: &Path) -> anyhow::Result<TimeDelta> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(TimeDelta::zero()),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let ahead = text.trim().parse().ok().and_then(TimeDelta::try_milliseconds);
    ahead.filter(|ahead| (TimeDelta::zero()..=MOST_AHEAD).contains(ahead)).with_context(|| {
        format!(
            "{}: does not say how many milliseconds the care clock is ahead: remove it to begin anew",
            file.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Vars};

    fn config(dir: &Path) -> Config {
        let dir = dir.display().to_string();
        Config::read(Vars::from_map([("MENDLINE_DATA_DIR".to_owned(), dir)].into())).unwrap()
    }

    #[test]
    fn a_clock_is_as_far_ahead_after_a_restart_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let before = Stepping::clocks(&config).unwrap();
        assert_eq!(before.care.ahead(), TimeDelta::zero());
        let stepping = Stepping::of(&config, &before.care).unwrap();
        let turn = stepping.turn().unwrap();
        assert!(stepping.turn().is_none(), "one step at a time");
        turn.put_forward(before.care.now() + TimeDelta::weeks(6)).unwrap();
        let after = Stepping::clocks(&config).unwrap();
        assert!((after.care.now() - before.care.now()).num_milliseconds().abs() < 1000);
        assert!((TimeDelta::weeks(6) - after.care.ahead()).num_seconds() < 1);
    }

    #[test]
    fn what_does_not_say_how_far_stops_the_start_with_the_files_name() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "soon", "-1", "99999999999999999999", "9223372036854775807"] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = Stepping::clocks(&config(dir.path())).unwrap_err().to_string();
            assert!(error.contains(FILE), "{text}: {error}");
        }
    }

    #[test]
    fn production_has_the_systems_clocks_and_nobody_with_leave_to_move_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        fs::write(dir.path().join(FILE), "3600000").unwrap();
        config.environment = Environment::Production;
        let clocks = Stepping::clocks(&config).unwrap();
        assert!(Stepping::of(&config, &clocks.care).is_none());
        let before = clocks.wall.now();
        clocks.care.put_forward(before + TimeDelta::weeks(6));
        assert!((clocks.care.now() - before).num_seconds() < 60);
    }
}
