//! What was erased for good, kept where a restored backup does not bring it back: a directory of files with one line of
//! JSON for each deletion, outside the database and its dumps. Kinds, ids and moments; never a name or an address.
//!
//! A line is on disk before the deletion that it tells of is committed. So a deletion never goes unwritten, and a line may
//! stand there whose deletion never happened, or happened twice. That is harmless under one rule, which callers keep: a
//! line is written only once nothing can call the deletion off any more, its window for second thoughts being over. What
//! it tells of was then bound to happen, and erasing twice is erasing once.
//!
//! Every process has files of its own, a new one each month: nobody shares a file's end, and the files from before the
//! oldest backup can be removed whole. Nor does anybody write behind a line that failed, which may be torn: the next one
//! begins another file. The layout is told to operators in docs/OPERATIONS.md.

mod read;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use read::{BadLine, Read};

/// What the files are called at their end; others in the directory are not read.
const EXTENSION: &str = "jsonl";

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Erased {
    /// A login, with everything that is its own.
    Login {
        /// The user.
        id: Uuid,
    },
    /// A patient's record at a clinic.
    Patient {
        /// The clinic: a record's id is the clinic's.
        clinic_id: Uuid,
        /// The record.
        id: Uuid,
    },
    /// A clinic and everything of it.
    Clinic {
        /// The clinic.
        id: Uuid,
    },
}

/// A line: what, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// When it was erased (wall clock).
    pub at: DateTime<Utc>,
    /// What it was.
    #[serde(flatten)]
    pub erased: Erased,
}

/// What can be wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory must be there: one that is made where a mount is missing would be lost with the machine.
    #[error("{} is no directory", .0.display())]
    NoDirectory(PathBuf),
    /// A file could not be read, or a line not be brought to disk: what it tells of must not be committed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line could not be put together.
    #[error("writing a line: {0}")]
    Line(#[from] serde_json::Error),
    /// The thread that writes was lost.
    #[error("the thread that writes was lost")]
    Lost,
}

/// Where this process writes. Cheap to clone; all clones write to the same file. Without a directory nothing is written.
#[derive(Debug, Clone, Default)]
pub struct Journal(Option<Arc<Place>>);

#[derive(Debug)]
struct Place {
    dir: PathBuf,
    writing: Mutex<Writing>,
}

/// Where the next line goes.
#[derive(Debug)]
struct Writing {
    /// Tells the files of this process apart from others', and from those that it does not go on with.
    name: Uuid,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    /// It holds lines whose deletions were committed, or may have been.
    is_relied_on: bool,
}

impl Journal {
    /// A journal in this directory, which must be there; none where no directory is named. Nothing is written yet.
    pub fn at(dir: Option<&Path>) -> Result<Self, JournalError> {
        match dir {
            Some(dir) if !dir.is_dir() => Err(JournalError::NoDirectory(dir.to_owned())),
            Some(dir) => {
                let place = Place { dir: dir.to_owned(), writing: Mutex::new(Writing::anew()) };
                Ok(Self(Some(Arc::new(place))))
            }
            None => Ok(Self(None)),
        }
    }

    /// Whether deletions outlive a restore.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Writes that this is erased for good, and returns once it is on disk. To be called when nothing can call the deletion
    /// off any more, and before it is committed; if it fails, it must not be committed.
    pub async fn append(&self, erased: Erased, at: DateTime<Utc>) -> Result<(), JournalError> {
        let Some(place) = self.0.clone() else { return Ok(()) };
        let entry = Entry { at: at.trunc_subsecs(6), erased };
        tokio::task::spawn_blocking(move || place.write(&entry)).await.unwrap_or(Err(JournalError::Lost))
    }

    /// Everything that any process ever wrote into this directory, or into this one file of it, oldest first.
    pub fn read(path: &Path) -> Result<Read, JournalError> {
        read::read(path)
    }
}

impl Place {
    fn write(&self, entry: &Entry) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out with its name: whatever fails from here on, the next line goes into a file that nobody has begun.
        let Writing { name, open } = mem::replace(&mut *writing, Writing::anew());
        let path = self.dir.join(format!("{}-{name}.{EXTENSION}", entry.at.format("%Y-%m")));
        let io = |source| JournalError::Io { path: path.clone(), source };
        let open = open.filter(|open| open.path == path);
        let mut open = open.map_or_else(|| Open::anew(&self.dir, path.clone()), Ok).map_err(io)?;
        if let Err(source) = open.append(&line) {
            open.abandon();
            return Err(io(source));
        }
        *writing = Writing { name, open: Some(open) };
        Ok(())
    }
}

impl Writing {
    fn anew() -> Self {
        Self { name: Uuid::new_v4(), open: None }
    }
}

impl Open {
    /// A file that is there after a power cut, name and all. One of this name that is there already is of a month that has
    /// come again, and ends with a whole line.
    fn anew(dir: &Path, path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        // Until it is known to be empty.
        let mut open = Self { path, file, is_relied_on: true };
        match open.settle(dir) {
            Ok(()) => Ok(open),
            Err(error) => {
                open.abandon();
                Err(error)
            }
        }
    }

    fn settle(&mut self, dir: &Path) -> io::Result<()> {
        self.is_relied_on = self.file.metadata()?.len() > 0;
        File::open(dir)?.sync_all()
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(line)?;
        self.file.sync_data()?;
        self.is_relied_on = true;
        Ok(())
    }

    /// Leaves a file whose end may be torn as it is. One without a line that anybody relies on goes: a disk that stays full
    /// must not fill the directory with a file for each try. Where it cannot go it does no harm.
    fn abandon(self) {
        if !self.is_relied_on {
            fs::remove_file(&self.path).ok();
        }
    }
}
