//! Messages that travel together: who joins which batch, when it leaves, and how its answers find back to the senders.
//! A sender may go away at any moment; its letter is then not sent, or its answer not heard, and nobody else notices.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, oneshot};

use super::body::Message;
use crate::domain::alert::PushOutcome;
use crate::push::PushMessage;

/// The most messages in a request (Expo's limit).
pub(super) const MOST: usize = 100;

/// How long a batch waits for company while requests are free. A worker claims in batches, so company comes at once.
const LINGER: Duration = Duration::from_millis(3);

/// One message and who waits for its outcome.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) message: Message,
    /// For the time it has left when the request leaves.
    pub(super) expires: PushMessage,
    pub(super) answer: oneshot::Sender<PushOutcome>,
}

/// Batches that have not left yet.
#[derive(Debug, Default)]
pub(super) struct Collector(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    batches: HashMap<u64, Batch>,
    /// The batch that still takes letters, by app: a request speaks for one project only, and apps are projects.
    open: HashMap<String, u64>,
    last: u64,
}

#[derive(Debug)]
struct Batch {
    letters: Vec<Letter>,
    full: Arc<Notify>,
}

/// The right to send a batch: whoever joined it first has it.
#[derive(Debug)]
pub(super) struct Departure {
    batch: u64,
    full: Arc<Notify>,
}

impl Departure {
    /// Returns once the batch is full, or nobody joined for long enough.
    pub(super) async fn ready(&self) {
        tokio::select! {
            () = self.full.notified() => {}
            () = tokio::time::sleep(LINGER) => {}
        }
    }
}

impl Collector {
    /// Puts a letter to the others for the same app. If it is the first, the caller sees to the departure.
    pub(super) fn join(&self, app: Option<&str>, letter: Letter) -> Option<Departure> {
        let mut waiting = self.waiting();
        let Waiting { batches, open, last } = &mut *waiting;
        let app = app.unwrap_or_default();
        if let Some(batch) = open.get(app).and_then(|number| batches.get_mut(number)) {
            batch.letters.push(letter);
            if batch.letters.len() == MOST {
                batch.full.notify_one();
                open.remove(app);
            }
            return None;
        }
        *last += 1;
        let full = Arc::new(Notify::new());
        batches.insert(*last, Batch { letters: vec![letter], full: Arc::clone(&full) });
        open.insert(app.to_owned(), *last);
        Some(Departure { batch: *last, full })
    }

    /// Closes a batch and hands it over.
    pub(super) fn take(&self, departure: Departure) -> Vec<Letter> {
        let mut waiting = self.waiting();
        waiting.open.retain(|_, number| *number != departure.batch);
        waiting.batches.remove(&departure.batch).map(|batch| batch.letters).unwrap_or_default()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody still waits for and is still worth sending at `now`, with the time to live that it has left.
pub(super) fn still_wanted(letters: Vec<Letter>, now: DateTime<Utc>) -> Vec<Letter> {
    let wanted = letters.into_iter().filter(|letter| !letter.answer.is_closed());
    wanted
        .filter_map(|mut letter| match letter.expires.ttl_seconds(now) {
            Ok(ttl) => {
                letter.message.ttl = ttl;
                Some(letter)
            }
            Err(expired) => {
                drop(letter.answer.send(expired));
                None
            }
        })
        .collect()
}

/// Tells every sender the same. Nothing is left to send.
pub(super) fn answer_all(letters: Vec<Letter>, outcome: &PushOutcome) -> Vec<Vec<Letter>> {
    letters.into_iter().for_each(|letter| drop(letter.answer.send(outcome.clone())));
    Vec::new()
}

/// Tells each sender its own outcome. Nothing is left to send.
pub(super) fn answer_each(letters: Vec<Letter>, outcomes: Vec<PushOutcome>) -> Vec<Vec<Letter>> {
    letters.into_iter().zip(outcomes).for_each(|(letter, outcome)| drop(letter.answer.send(outcome)));
    Vec::new()
}

/// Two batches of a batch.
pub(super) fn halve(mut letters: Vec<Letter>) -> Vec<Vec<Letter>> {
    let second = letters.split_off(letters.len() / 2);
    vec![letters, second]
}

/// A batch for each project, as Expo sorts the addresses; halves where it does not say.
pub(super) fn apart(letters: Vec<Letter>, projects: &[Vec<String>]) -> Vec<Vec<Letter>> {
    let project_of = |letter: &Letter| projects.iter().position(|addresses| addresses.contains(&letter.message.to));
    let mut sorted: HashMap<Option<usize>, Vec<Letter>> = HashMap::new();
    for letter in letters {
        sorted.entry(project_of(&letter)).or_default().push(letter);
    }
    let mut batches: Vec<_> = sorted.into_values().collect();
    match batches.pop() {
        // Expo sees several projects where we see one: smaller batches end at a single message.
        Some(only) if batches.is_empty() && only.len() > 1 => halve(only),
        Some(only) if batches.is_empty() => answer_all(only, &PushOutcome::Rejected { reason: "projects".into() }),
        last => {
            batches.extend(last);
            batches
        }
    }
}
