//! Errands that requests leave: at most so many wait, a few are run at once, and none is told of to whoever left it.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

use super::Transport;

/// Errands of each kind that wait. More are given up, whomever they concern.
const WAITING: usize = 256;
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
    /// Codes that anybody may ask for.
    codes: mpsc::Sender<Errand>,
    /// What is told without being asked for, which codes must not crowd out.
    notices: mpsc::Sender<Errand>,
    waiting: Arc<Mutex<[mpsc::Receiver<Errand>; 2]>>,
}

impl std::fmt::Debug for Errands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errands").field("room", &self.codes.capacity()).finish_non_exhaustive()
    }
}

impl Errands {
    /// None yet.
    pub fn new(transport: Transport) -> Self {
        let ((codes, asked), (notices, told)) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
        Self { transport, codes, notices, waiting: Arc::new(Mutex::new([told, asked])) }
    }

    /// Leaves one to be run later.
    pub fn leave(&self, errand: Errand) -> Result<(), Full> {
        let line = match errand {
            Errand::Forgotten { .. } => &self.codes,
            Errand::PasswordChanged { .. } => &self.notices,
        };
        line.try_send(errand).map_err(|_full| Full)
    }

    /// The next one, once there is one: notices before codes.
    pub async fn next(&self) -> Option<Errand> {
        let [told, asked] = &mut *self.waiting.lock().await;
        tokio::select! {
            biased;
            notice = told.recv() => notice,
            code = asked.recv() => code,
        }
    }

    /// The way on which letters go.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}
