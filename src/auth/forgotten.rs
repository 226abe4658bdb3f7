//! Forgotten passwords, and the letters about passwords. A request only leaves an errand, whosever address it names: what
//! follows happens after its answer, so that neither the answer nor its time tells who has a login.

use chrono::TimeDelta;
use diesel_async::AsyncPgConnection;
use futures_util::{StreamExt as _, stream};
use uuid::Uuid;

use super::codes;
use super::entry::Tools;
use super::store::{self, NewResetCode, User};
use crate::audit::{self, Entry};
use crate::db::{DbError, Scope, enter};
use crate::erasure::store as deletions;
use crate::mail::{AT_ONCE, Errand, Errands, Letter, MailError, Transport};

/// How long a code that was sent can be used.
pub const VALID_FOR: TimeDelta = TimeDelta::minutes(30);

/// Why a letter was not written.
#[derive(Debug, thiserror::Error)]
enum ForgottenError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The mail server.
    #[error(transparent)]
    Mail(#[from] MailError),
}

impl From<diesel::result::Error> for ForgottenError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Runs errands, a few at once, for as long as it is polled. One that fails is told to the operator, by the login's id.
pub async fn run(errands: &Errands, tools: Tools<'_>) {
    let each = stream::unfold(errands, |errands| async move { Some((errands.next().await?, errands)) });
    each.for_each_concurrent(AT_ONCE, |errand| one(tools, errands.transport(), errand)).await;
}

async fn one(tools: Tools<'_>, transport: &Transport, errand: Errand) {
    match errand {
        Errand::Forgotten { email } => send_code(tools, transport, email).await,
        Errand::PasswordChanged { user_id } => send_notice(tools, transport, user_id).await,
    }
}

/// Writes a code for whoever has this address, if somebody has, and sends it there. Earlier ones that were sent are void.
async fn send_code(tools: Tools<'_>, transport: &Transport, email: String) {
    let (user, code) = match write_code(tools, email).await {
        Ok(Some(written)) => written,
        Ok(None) => return,
        Err(error) => return tracing::error!(%error, "a code for a forgotten password was not written"),
    };
    let letter = Letter::ResetCode { code: &code, minutes: VALID_FOR.num_minutes() };
    told(user.id, transport.send(&user.email, &user.locale, letter, tools.clocks.wall.now()).await);
}

async fn write_code(tools: Tools<'_>, email: String) -> Result<Option<(User, String)>, ForgottenError> {
    // Their own, since they go into a task that may move between threads.
    let (clocks, auth) = (tools.clocks.clone(), tools.auth.clone());
    let work = async move |conn: &mut AsyncPgConnection| {
        let Some(user) = store::find_user_by_email(conn, &email).await? else { return Ok(None) };
        // Whoever asks from many addresses fills nobody's mailbox.
        if auth.throttle.pay_letter(user.id, clocks.wall.now()).is_err() {
            return Ok(None);
        }
        enter(conn, Scope::User(user.id)).await?;
        store::lock_user(conn, user.id).await?;
        // Who is about to be erased is told nothing, and gets in by no new password.
        if deletions::find_pending(conn, user.id).await?.is_some() {
            return Ok(None);
        }
        // Who belongs to no clinic any more could not log in.
        let memberships = store::list_memberships(conn, user.id).await?;
        let Some(membership) = memberships.first() else { return Ok(None) };
        let (now, code) = (clocks.wall.now(), auth.keys.code(Uuid::new_v4()));
        let new = NewResetCode {
            code_hash: codes::hash(&code).to_vec(),
            user_id: user.id,
            clinic_id: membership.clinic_id,
            issued_by: None,
            issued_at: now,
            expires_at: now + VALID_FOR,
            by_mail: true,
        };
        store::insert_reset_code(conn, &new).await?;
        let entry = Entry {
            clinic_id: membership.clinic_id,
            actor_id: None,
            actor_role: "server",
            action: "password.reset_code",
            subject_kind: "user",
            subject_id: user.id,
            patient_id: membership.patient_id,
        };
        audit::record(conn, &clocks, entry).await?;
        Ok::<_, ForgottenError>(Some((user, code)))
    };
    tools.db.scoped(Scope::Identity, work).await
}

/// Tells somebody that the password was changed, in case that somebody else did it.
async fn send_notice(tools: Tools<'_>, transport: &Transport, user_id: Uuid) {
    let find =
        async move |conn: &mut AsyncPgConnection| Ok::<_, ForgottenError>(store::find_user(conn, user_id).await?);
    let found = tools.db.scoped(Scope::User(user_id), find).await;
    match found {
        Ok(user) => {
            let sent = transport.send(&user.email, &user.locale, Letter::PasswordChanged, tools.clocks.wall.now());
            told(user_id, sent.await);
        }
        Err(error) => tracing::error!(user.id = %user_id, %error, "a notice of a changed password was not written"),
    }
}

fn told(user_id: Uuid, sent: Result<(), MailError>) {
    match sent {
        Ok(()) => tracing::info!(user.id = %user_id, "a letter about a password was handed in"),
        Err(error) => tracing::error!(user.id = %user_id, %error, "a letter about a password was not handed in"),
    }
}
