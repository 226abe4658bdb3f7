//! SQL over `notification_preferences`. They belong to logins; only the clinic's quiet hours come from a clinic.

use chrono::{DateTime, NaiveTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::domain::preferences::{Choices, ZoneMode, day_time, stored_time};
use crate::domain::reminders::QuietHours;
use crate::schema::{clinics, notification_preferences as prefs};

type Row = (Option<NaiveTime>, Option<NaiveTime>, Option<NaiveTime>, Vec<String>, bool, i32, i32, String, bool, i32);

/// What a person chose, and how often they have: version 0 and the defaults for whoever never did.
pub async fn find_choices(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<(Choices, i32)> {
    let row: Option<Row> = prefs::table
        .find(user_id)
        .select((
            prefs::quiet_from,
            prefs::quiet_to,
            prefs::preferred_time,
            prefs::categories_off,
            prefs::show_details,
            prefs::daily_cap,
            prefs::minimum_gap_minutes,
            prefs::zone_mode,
            prefs::paused,
            prefs::version,
        ))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(choices).unwrap_or_default())
}

fn choices(
    (from, to, preferred, off, show_details, daily_cap, gap, zone_mode, paused, version): Row,
) -> (Choices, i32) {
    let choices = Choices {
        quiet: from.zip(to).map(|(from, to)| QuietHours { from: day_time(from), to: day_time(to) }),
        preferred_time: preferred.map(day_time),
        off: off.iter().filter_map(|word| word.parse().ok()).collect(),
        show_details,
        daily_cap,
        minimum_gap_minutes: gap,
        zone_mode: zone_mode.parse().unwrap_or(ZoneMode::Device),
        paused,
    };
    (choices, version)
}

/// The quiet hours of a clinic.
pub async fn find_clinic_quiet(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<QuietHours> {
    let (from, to) =
        clinics::table.find(clinic_id).select((clinics::quiet_from, clinics::quiet_to)).first(conn).await?;
    Ok(QuietHours { from: day_time(from), to: day_time(to) })
}

/// Writes what a person chose over whatever they chose before.
pub async fn update_choices(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    choices: &Choices,
    version: i32,
    wall_now: DateTime<Utc>,
) -> QueryResult<()> {
    let off: Vec<&str> = choices.off.iter().map(|category| category.as_str()).collect();
    let values = (
        prefs::quiet_from.eq(choices.quiet.and_then(|quiet| stored_time(quiet.from))),
        prefs::quiet_to.eq(choices.quiet.and_then(|quiet| stored_time(quiet.to))),
        prefs::preferred_time.eq(choices.preferred_time.and_then(stored_time)),
        prefs::categories_off.eq(off),
        prefs::show_details.eq(choices.show_details),
        prefs::daily_cap.eq(choices.daily_cap),
        prefs::minimum_gap_minutes.eq(choices.minimum_gap_minutes),
        prefs::zone_mode.eq(choices.zone_mode.as_str()),
        prefs::paused.eq(choices.paused),
        prefs::version.eq(version),
        prefs::updated_at.eq(wall_now),
    );
    diesel::insert_into(prefs::table)
        .values((prefs::user_id.eq(user_id), values.clone()))
        .on_conflict(prefs::user_id)
        .do_update()
        .set(values)
        .execute(conn)
        .await?;
    Ok(())
}

/// Makes edits of one person's preferences wait for each other until the transaction ends, whether or not there are any
/// yet: the login's row stands for them.
pub async fn lock_preferences(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<()> {
    use crate::schema::users;
    users::table.find(user_id).select(users::id).for_no_key_update().first::<Uuid>(conn).await?;
    Ok(())
}
