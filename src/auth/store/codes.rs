//! One-time codes: invitations as they are accepted, and password resets.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Int8, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::role;
use crate::db::hot::hot_query;
use crate::domain::role::Role;
use crate::schema::{invitations, reset_codes};

/// SHA-256 of a code.
pub type CodeHash = [u8; 32];

/// An invitation that may be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvitation {
    /// Its id.
    pub id: Uuid,
    /// Where it leads.
    pub clinic_id: Uuid,
    /// What the person becomes.
    pub role: Role,
    /// The record to link, for patients.
    pub patient_id: Option<Uuid>,
    /// The only address that may accept it.
    pub email: Option<String>,
}

hot_query! {
    struct ClinicOfInvitation { hash: Vec<u8> as Binary }
    returns SqlUuid;
    "SELECT clinic_id FROM clinic_of_invitation($1)"
}

/// The clinic behind an invitation's code, whatever has become of that, in any scope.
pub async fn find_inviting_clinic(conn: &mut AsyncPgConnection, hash: &CodeHash) -> QueryResult<Option<Uuid>> {
    ClinicOfInvitation { hash: hash.to_vec() }.get_result(conn).await.optional()
}

/// The invitation with this code if it can still be accepted, locked until the transaction ends.
pub async fn lock_open_invitation(
    conn: &mut AsyncPgConnection,
    hash: &CodeHash,
    now: DateTime<Utc>,
) -> QueryResult<Option<OpenInvitation>> {
    type Row = (Uuid, Uuid, String, Option<Uuid>, Option<String>);
    let row: Option<Row> = invitations::table
        .filter(invitations::code_hash.eq(hash.as_slice()))
        .filter(invitations::accepted_at.is_null())
        .filter(invitations::revoked_at.is_null())
        .filter(invitations::expires_at.gt(now))
        .for_update()
        .select((
            invitations::id,
            invitations::clinic_id,
            invitations::role,
            invitations::patient_id,
            invitations::email,
        ))
        .first(conn)
        .await
        .optional()?;
    row.map(|(id, clinic_id, text, patient_id, email)| {
        Ok(OpenInvitation { id, clinic_id, role: role(&text)?, patient_id, email })
    })
    .transpose()
}

/// Marks an invitation accepted.
pub async fn accept_invitation(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(invitations::table.find((clinic_id, id)))
        .set((invitations::accepted_at.eq(now), invitations::accepted_by.eq(user_id)))
        .execute(conn)
        .await?;
    Ok(())
}

/// A code with which a password may be set.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = reset_codes)]
pub struct NewResetCode {
    /// SHA-256 of the code.
    pub code_hash: Vec<u8>,
    /// Whose password.
    pub user_id: Uuid,
    /// The clinic that hands it out.
    pub clinic_id: Uuid,
    /// The administrator; absent for the operator.
    pub issued_by: Option<Uuid>,
    /// When (wall clock).
    pub issued_at: DateTime<Utc>,
    /// Useless from then on.
    pub expires_at: DateTime<Utc>,
    /// It is sent to the login's address; otherwise somebody hands it out.
    pub by_mail: bool,
}

/// Stores a reset code; earlier ones of the same person that came the same way are void from now on. A stranger who asks for
/// one by mail must not make void what a clinic has handed out.
pub async fn insert_reset_code(conn: &mut AsyncPgConnection, code: &NewResetCode) -> QueryResult<()> {
    diesel::delete(
        reset_codes::table
            .filter(reset_codes::user_id.eq(code.user_id))
            .filter(reset_codes::by_mail.eq(code.by_mail).and(reset_codes::used_at.is_null())),
    )
    .execute(conn)
    .await?;
    diesel::insert_into(reset_codes::table).values(code).execute(conn).await?;
    Ok(())
}

/// A password reset that was handed out and not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct OpenReset {
    /// Whose password may be set.
    pub user_id: Uuid,
    /// The clinic that issued it.
    pub clinic_id: Uuid,
    /// The administrator who did; absent where the operator did.
    pub issued_by: Option<Uuid>,
}

hot_query! {
    struct LoginOfResetCode { hash: Vec<u8> as Binary }
    returns SqlUuid;
    "SELECT user_id FROM login_of_reset_code($1)"
}

/// The login behind a reset code, whatever has become of that, in any scope.
pub async fn find_login_to_reset(conn: &mut AsyncPgConnection, hash: &CodeHash) -> QueryResult<Option<Uuid>> {
    LoginOfResetCode { hash: hash.to_vec() }.get_result(conn).await.optional()
}

/// The reset behind a code, while that is good for anything.
pub async fn find_reset_code(
    conn: &mut AsyncPgConnection,
    hash: &CodeHash,
    now: DateTime<Utc>,
) -> QueryResult<Option<OpenReset>> {
    reset_codes::table
        .filter(reset_codes::code_hash.eq(hash.as_slice()))
        .filter(reset_codes::used_at.is_null())
        .filter(reset_codes::expires_at.gt(now))
        .select((reset_codes::user_id, reset_codes::clinic_id, reset_codes::issued_by))
        .first(conn)
        .await
        .optional()
}

/// Uses a code up; false if somebody else just did.
pub async fn use_reset_code(conn: &mut AsyncPgConnection, hash: &CodeHash, now: DateTime<Utc>) -> QueryResult<bool> {
    let unused = reset_codes::table.find(hash.as_slice()).filter(reset_codes::used_at.is_null());
    let used = diesel::update(unused).set(reset_codes::used_at.eq(now)).execute(conn).await?;
    Ok(used == 1)
}

hot_query! {
    struct CountClinics { login: Uuid as SqlUuid }
    returns Int8;
    "SELECT clinics FROM count_clinics_of_login($1)"
}

/// How many clinics the login belongs to, in any scope: one clinic sees no membership of another.
pub async fn count_clinics(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<i64> {
    CountClinics { login: user_id }.get_result(conn).await
}

/// Makes the codes void that were issued for a login, or those of one clinic.
pub async fn delete_reset_codes(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    clinic_id: Option<Uuid>,
) -> QueryResult<()> {
    let mut open = diesel::delete(reset_codes::table).filter(reset_codes::user_id.eq(user_id)).into_boxed();
    open = open.filter(reset_codes::used_at.is_null());
    if let Some(clinic_id) = clinic_id {
        open = open.filter(reset_codes::clinic_id.eq(clinic_id));
    }
    open.execute(conn).await?;
    Ok(())
}

/// Removes every code that nobody has used, as far as is known. Returns how many.
pub async fn delete_open_reset_codes(conn: &mut AsyncPgConnection) -> QueryResult<usize> {
    diesel::delete(reset_codes::table.filter(reset_codes::used_at.is_null())).execute(conn).await
}
