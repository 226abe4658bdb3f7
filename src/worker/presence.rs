//! A worker's place among the others: a connection of its own that holds its session lock and listens for calls.
//! When the connection goes, the database says at once that this worker is gone; so does this module.

use anyhow::Context;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::alerts::queue::{WAKE_CHANNEL, register_worker};
use crate::db::Db;

/// Why a sleeping worker woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// Something is due.
    Called,
    /// The session lock is gone.
    Lost,
}

/// A registration. Dropping it gives the place up.
pub(super) struct Presence {
    number: i32,
    call: mpsc::Sender<()>,
    calls: mpsc::Receiver<()>,
    lost: CancellationToken,
    _leave: DropGuard,
}

impl Presence {
    /// Takes a fresh number, its session lock, and listens.
    pub(super) async fn register(db: &Db) -> anyhow::Result<Self> {
        let mut conn = db.connector().open().await.context("the worker's own connection")?;
        let number = loop {
            let number = fresh_number();
            if register_worker(&mut conn, number).await.context("taking the worker's lock")? {
                break number;
            }
        };
        conn.batch_execute("SET statement_timeout = 0; SET idle_session_timeout = 0").await?;
        conn.batch_execute(&format!("LISTEN {WAKE_CHANNEL}")).await.context("listening")?;
        let (call, calls) = mpsc::channel(1);
        let (lost, leave) = (CancellationToken::new(), CancellationToken::new());
        #[expect(clippy::disallowed_methods, reason = "it ends when this registration is dropped")]
        tokio::spawn(keep(conn, call.clone(), lost.clone(), leave.clone()));
        Ok(Self { number, call, calls, lost, _leave: leave.drop_guard() })
    }

    /// The number in `claimed_by`.
    pub(super) fn number(&self) -> i32 {
        self.number
    }

    /// Whether the place is still held.
    pub(super) fn is_alive(&self) -> bool {
        !self.lost.is_cancelled()
    }

    /// Cancelled once the place is lost.
    pub(super) fn alive(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// For those of this worker who know of something that it ought to look at. Calls that nobody has heard yet are one.
    pub(super) fn caller(&self) -> mpsc::Sender<()> {
        self.call.clone()
    }

    /// Waits for a call, or for the loss of the place.
    pub(super) async fn next(&mut self) -> Wake {
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Wake::Lost,
            _ = self.calls.recv() => Wake::Called,
        }
    }
}

/// Keeps the connection until it breaks or the worker leaves. Calls that nobody has heard yet are one call.
async fn keep(mut conn: AsyncPgConnection, call: mpsc::Sender<()>, lost: CancellationToken, leave: CancellationToken) {
    {
        let notifications = conn.notifications_stream();
        tokio::pin!(notifications);
        loop {
            let heard = tokio::select! {
                () = leave.cancelled() => break,
                heard = notifications.next() => heard,
            };
            match heard {
                Some(Ok(_)) => drop(call.try_send(())),
                Some(Err(_)) | None => break,
            }
        }
    }
    lost.cancel();
    drop(conn);
}

/// A positive number that no living worker is likely to have; the lock tells if one has.
fn fresh_number() -> i32 {
    let bits = Uuid::new_v4().as_u128();
    i32::try_from(bits & 0x7fff_fffe).unwrap_or(0) + 1
}
