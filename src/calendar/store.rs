//! SQL over `calendar_feeds`.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::schema::{calendar_feeds, login_deletions, notification_preferences, patients, users};

/// A feed as stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = calendar_feeds)]
pub struct CalendarFeed {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Whose recovery it shows.
    pub patient_id: Uuid,
    /// The login that made it.
    pub user_id: Uuid,
    /// SHA-256 of the secret in its address.
    pub token_hash: Vec<u8>,
    /// What the person calls it.
    pub label: Option<String>,
    /// When it was made (wall clock).
    pub created_at: DateTime<Utc>,
}

/// The feeds of a patient, the oldest first.
pub async fn list_feeds(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Uuid,
) -> QueryResult<Vec<CalendarFeed>> {
    calendar_feeds::table
        .filter(calendar_feeds::clinic_id.eq(clinic_id).and(calendar_feeds::patient_id.eq(patient_id)))
        .order((calendar_feeds::created_at, calendar_feeds::id))
        .select(CalendarFeed::as_select())
        .load(conn)
        .await
}

/// Adds a feed.
pub async fn insert_feed(conn: &mut AsyncPgConnection, feed: &CalendarFeed) -> QueryResult<()> {
    diesel::insert_into(calendar_feeds::table).values(feed).execute(conn).await?;
    Ok(())
}

/// Removes a patient's feed; `false` if there is no such one.
pub async fn delete_feed(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Uuid,
    id: Uuid,
) -> QueryResult<bool> {
    let feed = calendar_feeds::table.find((clinic_id, id)).filter(calendar_feeds::patient_id.eq(patient_id));
    Ok(diesel::delete(feed).execute(conn).await? == 1)
}

/// Removes every feed that a login made, at one clinic or at all: whoever has their addresses reads nothing from then on.
pub async fn delete_feeds_of(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    clinic_id: Option<Uuid>,
) -> QueryResult<usize> {
    let made = diesel::delete(calendar_feeds::table.filter(calendar_feeds::user_id.eq(user_id)));
    match clinic_id {
        Some(clinic) => made.filter(calendar_feeds::clinic_id.eq(clinic)).execute(conn).await,
        None => made.execute(conn).await,
    }
}

hot_query! {
    struct ClinicOfFeed { hash: Vec<u8> as Binary }
    returns SqlUuid;
    "SELECT clinic_id FROM clinic_of_feed($1)"
}

/// The clinic whose patient made the feed with this hash, in any scope.
pub async fn find_clinic_of_feed(conn: &mut AsyncPgConnection, hash: &[u8; 32]) -> QueryResult<Option<Uuid>> {
    ClinicOfFeed { hash: hash.to_vec() }.get_result(conn).await.optional()
}

/// Whose feed an address is, and how it is to be put into words.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Reader {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Whose recovery it shows.
    pub patient_id: Uuid,
    /// Language of the login behind it.
    pub locale: String,
    /// Whether titles may say what they are about; absent where the person never chose.
    pub show_details: Option<bool>,
    /// The feed.
    pub feed_id: Uuid,
}

/// The feed with this hash, as long as its login is still the patient's.
pub async fn find_reader(conn: &mut AsyncPgConnection, hash: &[u8; 32]) -> QueryResult<Option<Reader>> {
    calendar_feeds::table
        .inner_join(users::table.on(users::id.eq(calendar_feeds::user_id)))
        .inner_join(
            patients::table.on(patients::clinic_id
                .eq(calendar_feeds::clinic_id)
                .and(patients::id.eq(calendar_feeds::patient_id))
                .and(patients::user_id.eq(calendar_feeds::user_id.nullable()))),
        )
        .left_join(notification_preferences::table.on(notification_preferences::user_id.eq(calendar_feeds::user_id)))
        .filter(calendar_feeds::token_hash.eq(hash.as_slice()))
        // One that was made while its person left is read by nobody.
        .filter(not(exists(login_deletions::table.find(calendar_feeds::user_id))))
        .select((
            calendar_feeds::clinic_id,
            calendar_feeds::patient_id,
            users::locale,
            notification_preferences::show_details.nullable(),
            calendar_feeds::id,
        ))
        .first(conn)
        .await
        .optional()
}
