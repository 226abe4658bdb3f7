//! Ways in: registering with an invitation, logging in, accepting an invitation, setting a forgotten password.
//! Passwords are hashed between transactions, never inside one.

use chrono_tz::Tz;
use diesel::OptionalExtension;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::admission::admit;
use super::password::refuse_derived;
use super::profile::MembershipView;
use super::reauthentication::match_login;
use super::refusal::Refusal;
use super::second_factor::Verdict;
use super::sessions::{self, Opened, Opening};
use super::store::{self, EndedBecause, OpenInvitation, StaffLock, User};
use super::{Auth, codes};
use crate::audit::{self, Entry};
use crate::clock::Clocks;
use crate::db::{Db, Scope, enter};
use crate::domain::role::Role;
use crate::protocols::Catalogue;
use crate::{calendar, patients, planning};

/// What every way in works with.
#[derive(Debug, Clone, Copy)]
pub struct Tools<'a> {
    /// The database.
    pub db: &'a Db,
    /// The time.
    pub clocks: &'a Clocks,
    /// Keys, tokens, passwords.
    pub auth: &'a Auth,
    /// Protocols: what a person is owed is planned anew when its record gets a login.
    pub catalogue: &'a Catalogue,
}

/// Where an invitation code stands in a body.
const INVITATION_CODE: &str = "/invitation_code";

/// A new login, checked. Without `Debug`: it holds a password.
pub struct Registration {
    /// From the invitation.
    pub invitation_code: String,
    /// Lower-cased.
    pub email: String,
    /// Acceptable.
    pub password: String,
    /// As the person wants to be called.
    pub display_name: String,
    /// Zone of the phone.
    pub time_zone: Tz,
    /// Language tag.
    pub locale: String,
    /// What the app calls what it runs on.
    pub device_name: Option<String>,
}

/// What somebody who logs in sends.
pub struct Login<'a> {
    /// Lower-cased.
    pub email: &'a str,
    /// As typed.
    pub password: &'a str,
    /// Of the authenticator app, or a recovery code.
    pub code: Option<&'a str>,
    /// An invitation to accept on the way in, for those who belong to no clinic any more and could not log in to accept one.
    pub invitation_code: Option<&'a str>,
    /// What the app calls what it runs on.
    pub device_name: Option<String>,
    /// Takes the deletion of the login back on the way in.
    pub cancels_deletion: bool,
}

/// Makes a login from an invitation and opens its first session.
pub async fn register(tools: Tools<'_>, form: Registration) -> Result<Opened, Refusal> {
    let Tools { db, clocks, auth, .. } = tools;
    let code = codes::hash(&form.invitation_code);
    // Before the work of hashing: a stranger without an invitation costs us next to nothing.
    let clinic_name = db
        .scoped(Scope::Identity, async |conn| {
            let invitation = invited(conn, clocks, &code, &form.email).await?;
            Ok::<_, Refusal>(store::find_clinic_name(conn, invitation.clinic_id).await?)
        })
        .await?;
    refuse_derived(&form.password, &[clinic_name, form.email.clone(), form.display_name.clone()])?;
    let password_hash = auth.passwords.hash(&form.password).await?;
    db.scoped(Scope::Identity, async |conn| {
        let invitation = invited(conn, clocks, &code, &form.email).await?;
        let now = clocks.wall.now();
        let user = User {
            id: clocks.fresh_id(),
            email: form.email,
            password_hash,
            display_name: form.display_name,
            time_zone: form.time_zone.name().to_owned(),
            locale: form.locale,
            tokens_valid_after: now,
            version: 1,
            created_at: now,
        };
        enter(conn, Scope::User(user.id)).await?;
        store::insert_user(conn, &user).await.map_err(email_taken)?;
        join(conn, tools, &user, &invitation, form.time_zone).await?;
        let opening = Opening { clinic: Some(invitation.clinic_id), device_name: form.device_name };
        sessions::open(conn, clocks, auth, user.id, opening).await
    })
    .await
}

fn email_taken(error: DieselError) -> Refusal {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Refusal::EmailTaken,
        other => other.into(),
    }
}

/// The open invitation behind the code, if this address may accept it. The transaction goes on in its clinic's scope.
async fn invited(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    code: &store::CodeHash,
    email: &str,
) -> Result<OpenInvitation, Refusal> {
    let unknown = || Refusal::Code(INVITATION_CODE);
    let clinic_id = store::find_inviting_clinic(conn, code).await?.ok_or_else(unknown)?;
    enter(conn, Scope::Clinic(clinic_id)).await?;
    let found = store::lock_open_invitation(conn, code, clocks.wall.now()).await?;
    let invitation = found.ok_or_else(unknown)?;
    match &invitation.email {
        Some(invited) if invited != email => Err(Refusal::OtherAddress("/email")),
        _ => Ok(invitation),
    }
}

/// Accepts the invitation for this login: membership, and for patients the link to their record. All of it happens in the
/// clinic's scope; the transaction goes on in the person's.
async fn join(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    user: &User,
    invitation: &OpenInvitation,
    zone: Tz,
) -> Result<Uuid, Refusal> {
    let clocks = tools.clocks;
    let (clinic_id, now) = (invitation.clinic_id, clocks.wall.now());
    let fresh = clocks.fresh_id();
    enter(conn, Scope::Clinic(clinic_id)).await?;
    let membership = store::insert_membership(conn, clinic_id, fresh, user.id, invitation.role, now).await?;
    let membership_id = membership.ok_or(Refusal::AlreadyMember)?;
    if invitation.role.is_staff() {
        store::lock_staff(conn, clinic_id, StaffLock::Newcomer).await?;
    }
    if let Some(patient_id) = invitation.patient_id {
        let care = clocks.care.now();
        let record = patients::store::lock_patient(conn, clinic_id, patient_id).await?;
        if !patients::store::update_link(conn, clinic_id, patient_id, user.id, care).await? {
            return Err(Refusal::PatientLinked);
        }
        patients::zones::change(conn, &record, zone, care).await?;
        let person = planning::lock(conn, clinic_id, patient_id).await?;
        person.replan(conn, tools.catalogue, care).await?;
    }
    store::accept_invitation(conn, clinic_id, invitation.id, user.id, now).await?;
    let entry = Entry {
        clinic_id,
        actor_id: Some(user.id),
        actor_role: invitation.role.as_str(),
        action: "invitation.accept",
        subject_kind: "invitation",
        subject_id: invitation.id,
        patient_id: invitation.patient_id,
    };
    audit::record(conn, clocks, entry).await?;
    enter(conn, Scope::User(user.id)).await?;
    Ok(membership_id)
}

/// The zone the person calls home. A name that new zone data no longer knows counts as UTC.
fn home(user: &User) -> Tz {
    user.time_zone.parse().unwrap_or(Tz::UTC)
}

/// Opens a session for whoever knows the password and, where there is a second factor, a code of it, which is used up by the
/// session it opens. A wrong code gets the answer of a wrong password.
pub async fn log_in(tools: Tools<'_>, login: Login<'_>) -> Result<Opened, Refusal> {
    let Tools { db, clocks, auth, .. } = tools;
    let (user, verdict) = match_login(db, clocks, auth, login.email, login.password, login.code).await?;
    db.scoped(Scope::User(user.id), async |conn| {
        let current = match login.cancels_deletion {
            true => store::lock_user(conn, user.id).await,
            false => store::share_user(conn, user.id).await,
        };
        // It may have been erased meanwhile.
        let current = current.optional()?.ok_or(Refusal::Credentials)?;
        if current.password_hash != user.password_hash {
            return Err(Refusal::Credentials);
        }
        // Set up between the two transactions: the session would be one that its setting up should have ended.
        if verdict == Verdict::Off && store::has_second_factor(conn, user.id).await? {
            return Err(Refusal::SecondFactorRequired);
        }
        if !verdict.use_up(conn, user.id).await? {
            return Err(Refusal::Credentials);
        }
        admit(conn, tools, user.id, login.cancels_deletion).await?;
        let mut opening = Opening { clinic: None, device_name: login.device_name };
        if let Some(code) = login.invitation_code {
            let invitation = invited(conn, clocks, &codes::hash(code), login.email).await?;
            join(conn, tools, &current, &invitation, home(&current)).await?;
            opening.clinic = Some(invitation.clinic_id);
        }
        sessions::open(conn, clocks, auth, user.id, opening).await
    })
    .await
}

/// Accepts an invitation for a login that exists; `zone` is that of the phone, where it says so.
pub async fn accept(tools: Tools<'_>, user_id: Uuid, code: &str, zone: Option<Tz>) -> Result<MembershipView, Refusal> {
    let Tools { db, clocks, .. } = tools;
    db.scoped(Scope::User(user_id), async |conn| {
        let user = store::share_user(conn, user_id).await?;
        admit(conn, tools, user_id, false).await?;
        let invitation = match invited(conn, clocks, &codes::hash(code), &user.email).await {
            // The address is not in this request: the code is what does not fit.
            Err(Refusal::OtherAddress(_)) => return Err(Refusal::OtherAddress(INVITATION_CODE)),
            other => other?,
        };
        let zone = zone.unwrap_or_else(|| home(&user));
        let id = join(conn, tools, &user, &invitation, zone).await?;
        let memberships = store::list_memberships(conn, user_id).await?;
        let joined = memberships.iter().find(|membership| membership.id == id).ok_or(DieselError::NotFound)?;
        Ok(joined.into())
    })
    .await
}

/// Sets a new password by a code that was handed out or sent, and ends every session: whose login it is. Other codes are void.
pub async fn reset(tools: Tools<'_>, code: &str, password: &str) -> Result<Uuid, Refusal> {
    let Tools { db, clocks, auth, .. } = tools;
    let code = codes::hash(code);
    let find = async |conn: &mut AsyncPgConnection| {
        let unknown = || Refusal::Code("/code");
        let login = store::find_login_to_reset(conn, &code).await?.ok_or_else(unknown)?;
        enter(conn, Scope::User(login)).await?;
        store::find_reset_code(conn, &code, clocks.wall.now()).await?.ok_or_else(unknown)
    };
    let known = db
        .scoped(Scope::Identity, async |conn| {
            let reset = find(conn).await?;
            Ok::<_, Refusal>(store::list_known_words(conn, reset.user_id).await?)
        })
        .await?;
    refuse_derived(password, &known)?;
    let password_hash = auth.passwords.hash(password).await?;
    let (user_id, at) = db
        .scoped(Scope::Identity, async |conn| {
            let store::OpenReset { user_id, clinic_id, issued_by } = find(conn).await?;
            store::lock_user(conn, user_id).await?;
            let memberships = store::list_memberships(conn, user_id).await?;
            // The login may have joined another clinic since, or left the one that issued the code: then that one does not
            // speak for it any more.
            let is_theirs = matches!(memberships.as_slice(), [only] if only.clinic_id == clinic_id);
            if issued_by.is_some() && !is_theirs {
                return Err(Refusal::Code("/code"));
            }
            let now = clocks.wall.now();
            if !store::use_reset_code(conn, &code, now).await? {
                return Err(Refusal::Code("/code"));
            }
            store::delete_reset_codes(conn, user_id, None).await?;
            store::update_password(conn, user_id, &password_hash).await?;
            store::end_sessions(conn, user_id, None, EndedBecause::Reset, now).await?;
            calendar::store::delete_feeds_of(conn, user_id, None).await?;
            store::call_back_tokens(conn, user_id, now).await?;
            let role = memberships.iter().find(|membership| membership.clinic_id == clinic_id);
            let entry = Entry {
                clinic_id,
                actor_id: Some(user_id),
                actor_role: role.map_or(Role::Patient, |membership| membership.role).as_str(),
                action: "password.reset",
                subject_kind: "user",
                subject_id: user_id,
                patient_id: role.and_then(|membership| membership.patient_id),
            };
            audit::record(conn, clocks, entry).await?;
            Ok::<_, Refusal>((user_id, now))
        })
        .await?;
    auth.revocations.note(user_id, at);
    Ok(user_id)
}
