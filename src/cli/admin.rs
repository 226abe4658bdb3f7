//! What the server's operator does by hand: setting clinics up, inviting staff, helping somebody back in. Every command
//! works beside a running `serve`, and answers in JSON where `--json` is given.

use anyhow::Context;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::{Database, say};
use crate::app::State;
use crate::audit::{self, Entry};
use crate::auth::keys::Keys;
use crate::auth::store::EndedBecause;
use crate::auth::{Auth, email, store as logins};
use crate::body::Faults;
use crate::clinics::create::{NewClinic, create};
use crate::clinics::store::find_clinic;
use crate::clock::Clocks;
use crate::config::Config;
use crate::db::{Db, DbError, Group, Scope};
use crate::domain::role::Role;
use crate::invitations::{self, Invitee};
use crate::members::change::write_reset_code;

/// What an operator may do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set a clinic up and print the code with which its administrator registers
    CreateClinic(CreateClinic),
    /// Invite somebody to a clinic's staff
    Invite(Invite),
    /// Print a code with which somebody sets a forgotten password
    ResetCode(ResetCode),
    /// Tell the whole story of everything that a patient was owed on a day
    Explain(super::explain::Explain),
    /// Say whether the audit trail still is what was sealed; status 1 where it is not
    VerifyAudit(super::verify_audit::VerifyAudit),
    /// Write everything of a clinic into a new directory, as JSON lines
    ExportClinic(super::clinic::Export),
    /// Close a clinic: nobody belongs to it any more, and thirty days later a worker erases it and all of it
    RemoveClinic(super::clinic::Remove),
    /// Open a clinic again that was closed and has not been erased
    KeepClinic(super::clinic::Keep),
    /// Follow up a database that came back from a backup, before servers are started on it
    AfterRestore(super::after_restore::AfterRestore),
    /// Make or rotate keys
    #[command(subcommand)]
    Keys(super::keys::Command),
}

/// A clinic to be set up.
#[derive(Debug, Args)]
pub struct CreateClinic {
    /// What the clinic calls itself
    #[arg(long, value_parser = name)]
    name: String,
    /// IANA time zone, such as Europe/Berlin
    #[arg(long)]
    time_zone: Tz,
    /// The only address that may accept the invitation
    #[arg(long, value_parser = address)]
    admin_email: String,
    /// Language tag
    #[arg(long, default_value = "en", value_parser = locale)]
    locale: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Somebody to be invited.
#[derive(Debug, Args)]
pub struct Invite {
    /// The clinic's id
    #[arg(long)]
    clinic: Uuid,
    /// clinician or administrator; patients are invited by their clinic
    #[arg(long, value_parser = staff)]
    role: Role,
    /// The only address that may accept the invitation
    #[arg(long, value_parser = address)]
    email: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Somebody who forgot the password.
#[derive(Debug, Args)]
pub struct ResetCode {
    /// The login's address
    #[arg(long, value_parser = address)]
    email: String,
    /// Take the second factor away too, for somebody who lost phone and recovery codes: every session ends
    #[arg(long)]
    second_factor: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    clinic_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    expires_at: DateTime<Utc>,
}

/// Runs a command that needs the database.
pub async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let done = on_database(config, &database, command).await;
    let closed = database.close().await;
    done.and(closed)
}

async fn on_database(config: &Config, database: &Database, command: Command) -> anyhow::Result<()> {
    if let Command::AfterRestore(asked) = command {
        return super::after_restore::run(config, database, asked).await;
    }
    let access = database.prepare(config, &[Group::Worker]).await?;
    let db = access.worker.clone();
    let (clocks, keys) = (Clocks::system(), Keys::load(config)?);
    match command {
        Command::Explain(asked) => super::explain::run(&State::build(config, access, clocks)?, &asked).await,
        Command::CreateClinic(asked) => {
            let new = NewClinic {
                name: asked.name,
                time_zone: asked.time_zone,
                locale: asked.locale,
                admin_email: asked.admin_email,
                demo: false,
            };
            let made = create(&db, &clocks, &keys, new).await?;
            let answer = Answer {
                clinic_id: Some(made.clinic_id),
                invitation_code: Some(made.invitation_code),
                code: None,
                expires_at: made.expires_at,
            };
            print(&answer, asked.json)
        }
        Command::Invite(asked) => invite(&db, &clocks, &keys, asked).await,
        Command::ResetCode(asked) => reset_code(&db, &clocks, &Auth::new(&keys, &config.http.public_url), asked).await,
        Command::VerifyAudit(asked) => super::verify_audit::run(&db, &clocks, &keys, &asked).await,
        Command::ExportClinic(asked) => super::clinic::export(&db, &clocks, &asked).await,
        Command::RemoveClinic(asked) => super::clinic::remove(&db, &clocks, asked).await,
        Command::KeepClinic(asked) => super::clinic::keep(&db, &clocks, asked).await,
        Command::Keys(command) => super::keys::run(command),
        // This has run before anything was migrated.
        Command::AfterRestore(_) => Ok(()),
    }
}

async fn invite(db: &Db, clocks: &Clocks, keys: &Keys, asked: Invite) -> anyhow::Result<()> {
    let invitee = Invitee { id: clocks.fresh_id(), role: asked.role, patient_id: None, email: Some(asked.email) };
    let issued = db
        .scoped(Scope::System, async |conn| {
            find_clinic(conn, asked.clinic).await?;
            let issued = invitations::issue(conn, clocks, keys, asked.clinic, None, &invitee).await?;
            let entry = Entry::by_operator(asked.clinic, "invitation.create", "invitation", issued.id);
            audit::record(conn, clocks, entry).await?;
            Ok::<_, DbError>(issued)
        })
        .await;
    let issued = match issued {
        Err(DbError::Query(diesel::result::Error::NotFound)) => anyhow::bail!("there is no clinic {}", asked.clinic),
        other => other?,
    };
    let answer = Answer {
        clinic_id: Some(asked.clinic),
        invitation_code: Some(issued.code),
        code: None,
        expires_at: issued.expires_at,
    };
    print(&answer, asked.json)
}

async fn reset_code(db: &Db, clocks: &Clocks, auth: &Auth, asked: ResetCode) -> anyhow::Result<()> {
    let issued = db
        .scoped(Scope::System, async |conn| {
            let Some(user) = logins::find_user_by_email(conn, &asked.email).await? else { return Ok(None) };
            let memberships = logins::list_memberships(conn, user.id).await?;
            let Some(membership) = memberships.first() else { return Ok(None) };
            let issued = write_reset_code(conn, clocks, auth, user.id, membership.clinic_id, None).await?;
            // The factor first: what is noted below is what was there to take away.
            let mut is_taken = false;
            if asked.second_factor {
                logins::lock_user(conn, user.id).await?;
                let now = clocks.wall.now();
                is_taken = logins::delete_second_factor(conn, user.id).await?;
                logins::end_sessions(conn, user.id, None, EndedBecause::SecondFactor, now).await?;
                logins::call_back_tokens(conn, user.id, now).await?;
            }
            for membership in &memberships {
                let done = ["member.reset_code", "member.reset_second_factor"];
                for action in done.into_iter().take(1 + usize::from(is_taken)) {
                    let entry = Entry::by_operator(membership.clinic_id, action, "member", membership.id);
                    audit::record(conn, clocks, entry).await?;
                }
            }
            Ok::<_, DbError>(Some(issued))
        })
        .await?;
    let issued = issued.context("nobody who belongs to a clinic has this address")?;
    let answer =
        Answer { clinic_id: None, invitation_code: None, code: Some(issued.code), expires_at: issued.expires_at };
    print(&answer, asked.json)
}

/// One JSON object, or a line per field.
pub(super) fn print(answer: &impl Serialize, json: bool) -> anyhow::Result<()> {
    let value = serde_json::to_value(answer).context("writing the answer")?;
    if json {
        say(&value.to_string());
        return Ok(());
    }
    for (field, value) in value.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        say(&format!("{field}: {text}"));
    }
    Ok(())
}

/// One value through the API's own checks.
fn checked<T>(check: impl FnOnce(&mut Faults) -> T) -> Result<T, String> {
    let mut faults = Faults::default();
    let value = check(&mut faults);
    match faults.finish() {
        Ok(()) => Ok(value),
        Err(crate::error::ApiError::Invalid(errors)) => {
            Err(errors.into_iter().map(|error| error.detail).collect::<Vec<_>>().join("; "))
        }
        Err(other) => Err(other.to_string()),
    }
}

fn name(text: &str) -> Result<String, String> {
    checked(|faults| faults.text("", text, 1..=200))
}

fn address(text: &str) -> Result<String, String> {
    checked(|faults| email::check(faults, "", text))
}

fn locale(text: &str) -> Result<String, String> {
    checked(|faults| faults.locale("", text))
}

fn staff(text: &str) -> Result<Role, String> {
    text.parse()
        .ok()
        .filter(|role: &Role| role.is_staff())
        .ok_or_else(|| "expected clinician or administrator".to_owned())
}
