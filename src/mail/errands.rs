//! Errands that requests leave: at most so many wait, a few are run at once, and none is told of to whoever left it.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

use super::Transport;

/// Errands that wait. More are refused, whomever they concern.
const WAITING: usize = 32;
/// Errands that are run at once.
pub const AT_ONCE: usize = 4;

/// A letter to be written, once it is known to whom.
pub enum Errand {
    /// Somebody says that this address's password is forgotten.
    Forgotten {
        /// Lower-cased; perhaps nobody's.
        email: String,
    },
    /// This login's password was changed.
    PasswordChanged {
        /// The login.
        user_id: Uuid,
    },
}

/// There is no room for another errand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many letters wait to be written")]
pub struct Full;

/// The errands of one process. Cheap to clone; all clones share them.
#[derive(Clone)]
pub struct Errands {
    transport: Transport,
    left: mpsc::Sender<Errand>,
    waiting: Arc<Mutex<mpsc::Receiver<Errand>>>,
}

impl std::fmt::Debug for Errands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errands").field("room", &self.left.capacity()).finish_non_exhaustive()
    }
}

impl Errands {
    /// None yet.
    pub fn new(transport: Transport) -> Self {
        let (left, waiting) = mpsc::channel(WAITING);
        Self { transport, left, waiting: Arc::new(Mutex::new(waiting)) }
    }

    /// Leaves one to be run later.
    pub fn leave(&self, errand: Errand) -> Result<(), Full> {
        self.left.try_send(errand).map_err(|_full| Full)
    }

    /// The next one, once there is one.
    pub async fn next(&self) -> Option<Errand> {
        self.waiting.lock().await.recv().await
    }

    /// The way on which letters go.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}
