//! Setting up a clinic: its record with the default figures, and the invitation for its first administrator.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::store::{self, Clinic};
use crate::audit::{self, Entry};
use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};
use crate::domain::role::Role;
use crate::invitations::{self, Invitee};

/// The protocol that a treatment gets when nobody chooses one: the careful one.
const DEFAULT_PROTOCOL: &str = "conservative";
/// From when patients are left alone, by their own clock.
const QUIET_FROM: (u32, u32) = (21, 0);
/// Until when.
const QUIET_TO: (u32, u32) = (8, 0);
/// Share of on-time tasks below which a patient asks for attention.
const LOW_COMPLIANCE_BP: i32 = 6000;

/// How long an urgent flag waits before all clinicians are told.
const ESCALATE_CLINICIANS_MINUTES: i32 = 15;
/// How long it waits before the administrators are told.
const ESCALATE_ADMINISTRATORS_MINUTES: i32 = 60;
/// Staff are told of patients who do less than this share of what is asked.
const NUDGE_BELOW_BP: i32 = 5000;
/// Over how many days that is counted.
const NUDGE_DAYS: i32 = 7;
/// About as many tasks as the default protocol asks for in three days.
const NUDGE_MIN_TASKS: i32 = 15;
/// For how many years the record of a patient who left is kept. Ten is what German law asks for (section 630f of the civil code);
/// others ask for less or more.
const RETENTION_YEARS: i32 = 10;

/// A clinic to be set up.
#[derive(Debug, Clone)]
pub struct NewClinic {
    /// What it calls itself.
    pub name: String,
    /// Where it is.
    pub time_zone: Tz,
    /// Language tag.
    pub locale: String,
    /// The first administrator's lower-cased address.
    pub admin_email: String,
    /// Made by the demo.
    pub demo: bool,
}

/// A clinic that is set up.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its id.
    pub clinic_id: Uuid,
    /// With this its administrator registers.
    pub invitation_code: String,
    /// Useless from then on.
    pub expires_at: DateTime<Utc>,
}

/// Sets a clinic up, in one transaction.
pub async fn create(db: &Db, clocks: &Clocks, keys: &Keys, new: NewClinic) -> Result<Created, DbError> {
    let clinic_id = clocks.fresh_id();
    let clinic = Clinic {
        id: clinic_id,
        name: new.name,
        time_zone: new.time_zone.name().to_owned(),
        locale: new.locale,
        default_protocol: DEFAULT_PROTOCOL.to_owned(),
        quiet_from: time(QUIET_FROM),
        quiet_to: time(QUIET_TO),
        low_compliance_bp: LOW_COMPLIANCE_BP,
        triage_enabled: true,
        emergency_line: None,
        contact_line: None,
        out_of_hours_text: None,
        escalate_clinicians_minutes: ESCALATE_CLINICIANS_MINUTES,
        escalate_administrators_minutes: ESCALATE_ADMINISTRATORS_MINUTES,
        nudge_enabled: true,
        nudge_below_bp: NUDGE_BELOW_BP,
        nudge_days: NUDGE_DAYS,
        nudge_min_tasks: NUDGE_MIN_TASKS,
        require_second_factor: false,
        retention_years: RETENTION_YEARS,
        demo: new.demo,
        version: 1,
        created_at: clocks.wall.now(),
    };
    let (id, email) = (clocks.fresh_id(), Some(new.admin_email));
    let administrator = Invitee { id, role: Role::Administrator, patient_id: None, email };
    db.scoped(Scope::System, async |conn| {
        store::insert_clinic(conn, &clinic).await?;
        let issued = invitations::issue(conn, clocks, keys, clinic_id, None, &administrator).await?;
        audit::record(conn, clocks, Entry::by_operator(clinic_id, "clinic.create", "clinic", clinic_id)).await?;
        Ok(Created { clinic_id, invitation_code: issued.code, expires_at: issued.expires_at })
    })
    .await
}

fn time((hour, minute): (u32, u32)) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default()
}
