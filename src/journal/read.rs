//! Reading the journal back: every file of the directory, whoever wrote it. A last line that a crash or a
//! full disk tore is tolerated and told; any other line that cannot be read is named by its number, never by what it holds.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{EXTENSION, Entry, JournalError};

/// What stands in the journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// What was erased, oldest first, each line once.
    pub entries: BTreeSet<Entry>,
    /// Ends of files that were being written when their process died or the disk failed: what they would have told of was not
    /// committed, or is told of by a later line.
    pub torn: Vec<BadLine>,
    /// Lines that are no entries. Somebody should look before anything relies on the rest.
    pub bad: Vec<BadLine>,
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// In which file.
    pub file: PathBuf,
    /// Its number, counted from 1.
    pub line: usize,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file.display(), self.line)
    }
}

pub(super) fn read(path: &Path) -> Result<Read, JournalError> {
    let io = |source| JournalError::Io { path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(io)?;
    let files = if found.is_dir() { files(path).map_err(io)? } else { vec![path.to_owned()] };
    let mut read = Read::default();
    for file in files {
        let text = fs::read(&file).map_err(|source| JournalError::Io { path: file.clone(), source })?;
        read_file(&file, &text, &mut read);
    }
    Ok(read)
}

fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    files.sort();
    Ok(files)
}

fn read_file(file: &Path, text: &[u8], read: &mut Read) {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let place = || BadLine { file: file.to_owned(), line: index + 1 };
        match serde_json::from_slice(line) {
            Ok(entry) => drop(read.entries.insert(entry)),
            // A whole line ends with its newline: what follows the last one was cut off.
            Err(_) if index + 1 == lines.len() => read.torn.push(place()),
            Err(_) => read.bad.push(place()),
        }
    }
}
