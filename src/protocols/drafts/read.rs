//! Reading a draft as the protocol that it would be, with the very checks of `mendline protocol check`.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::store::Draft;
use crate::domain::protocol::{Fault, File, Files, ProtocolVersion, builtin_facts, load};

/// How many drafts are read at once: each takes a processor for a moment, and requests must not want for one.
static READERS: Semaphore = Semaphore::const_new(2);

/// What a draft amounts to.
#[derive(Debug, Clone)]
pub enum Reading {
    /// A protocol that could be published.
    Sound(Arc<ProtocolVersion>),
    /// Everything that is wrong with it, as far as it is listed.
    Faulty(Vec<DraftFault>),
}

/// Something wrong in a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFault {
    /// JSON pointer into the draft, and on into the data that its file holds.
    pub pointer: String,
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Why a draft could not even be read.
#[derive(Debug, thiserror::Error)]
#[error("a draft could not be read: {0}")]
pub struct ReadError(String);

/// Reads a draft on a thread of its own: laying a plan out for every hour of a day is too long for one that answers requests.
pub async fn read(draft: &Draft) -> Result<Reading, ReadError> {
    let turn = READERS.acquire().await.map_err(|closed| ReadError(closed.to_string()))?;
    let draft = draft.clone();
    // The turn goes along: the work goes on where a client has hung up.
    let work = move || {
        let read = check(&draft);
        drop(turn);
        read
    };
    tokio::task::spawn_blocking(work).await.map_err(|panic| ReadError(panic.to_string()))
}

fn check(draft: &Draft) -> Reading {
    let names: Vec<String> = draft.locales.iter().map(|locale| format!("{locale}.toml")).collect();
    match load(&files(draft, &names)) {
        Ok(version) => Reading::Sound(Arc::new(version)),
        Err(faults) => Reading::Faulty(faults.into_iter().map(|fault| DraftFault::new(fault, &names)).collect()),
    }
}

/// The draft's files under the names that a folder would give them.
pub fn files<'a>(draft: &'a Draft, names: &'a [String]) -> Files<'a> {
    let texts = names.iter().zip(&draft.texts).map(|(name, text)| File { name, text });
    Files {
        structure: File { name: "protocol.toml", text: &draft.structure },
        texts: texts.collect(),
        facts: builtin_facts(),
    }
}

impl DraftFault {
    fn new(fault: Fault, names: &[String]) -> Self {
        let file = match names.iter().position(|name| *name == fault.file) {
            Some(index) => format!("/texts/{index}/toml"),
            None => "/structure".to_owned(),
        };
        Self { pointer: file + &pointer(&fault.path), line: fault.line, reason: fault.reason }
    }
}

/// `items[3].window` as `/items/3/window`.
fn pointer(path: &str) -> String {
    let parts = path.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty());
    parts.map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_pointer() {
        for (path, expected) in [
            ("", ""),
            ("key", "/key"),
            ("items[3].window", "/items/3/window"),
            ("items[3].reminders[0].a/b~", "/items/3/reminders/0/a~1b~0"),
        ] {
            assert_eq!(pointer(path), expected);
        }
    }
}
