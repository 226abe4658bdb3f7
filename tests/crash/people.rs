//! A clinic with patients, their phones and their logins, as the seed says.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use mendline::auth::extract::Caller;
use mendline::auth::keys::Keys;
use mendline::devices::sealed::SealedAddress;
use mendline::domain::role::Role;
use uuid::Uuid;

use crate::dice::Dice;
use crate::sql::Sql;

#[derive(Debug, Clone)]
pub struct Patient {
    pub caller: Caller,
    pub id: Uuid,
    pub phones: Vec<Phone>,
    /// Removed from the clinic, or perhaps so.
    pub touched: bool,
}

#[derive(Debug, Clone)]
pub struct Phone {
    pub id: Uuid,
    /// Registered or removed by an action: it was not there all the time.
    pub touched: bool,
}

pub struct People {
    pub clinic: Uuid,
    pub admin: Caller,
    pub patients: Vec<Patient>,
}

/// The address that stands for a phone.
pub fn token(phone: Uuid) -> String {
    format!("token-{phone}")
}

fn caller(dice: &mut Dice, clinic: Uuid, role: Role) -> Caller {
    Caller {
        user_id: dice.uuid(),
        clinic_id: clinic,
        membership_id: dice.uuid(),
        role,
        patient_id: (role == Role::Patient).then(|| dice.uuid()),
        session_id: dice.uuid(),
    }
}

impl People {
    pub fn throw(dice: &mut Dice) -> Self {
        let clinic = dice.uuid();
        let admin = caller(dice, clinic, Role::Administrator);
        let patients = (0..dice.between(4, 10))
            .map(|_| {
                let caller = caller(dice, clinic, Role::Patient);
                let phones = if dice.percent(8) { 0 } else { dice.between(1, 3) };
                let phones = (0..phones).map(|_| Phone { id: dice.uuid(), touched: false }).collect();
                Patient { id: caller.patient_id.unwrap(), caller, phones, touched: false }
            })
            .collect();
        Self { clinic, admin, patients }
    }

    /// Puts them all into an empty database.
    pub async fn seed(&self, sql: &Sql, keys: &Keys, now: DateTime<Utc>) -> anyhow::Result<()> {
        let (clinic, now) = (self.clinic, now.to_rfc3339());
        let mut text = format!(
            "INSERT INTO clinics (id, name, time_zone, locale, default_protocol, quiet_from, quiet_to, low_compliance_bp,
                 triage_enabled, demo, version, created_at)
             VALUES ('{clinic}', 'Clinic', 'UTC', 'en', 'conservative', '21:00', '08:00', 7000, true, false, 1, '{now}');"
        );
        let callers = self.patients.iter().map(|patient| &patient.caller).chain([&self.admin]);
        for Caller { user_id, membership_id, role, session_id, .. } in callers {
            write!(
                text,
                "INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version,
                     created_at)
                 VALUES ('{user_id}', '{user_id}@example.org', '', 'Somebody', 'UTC', 'en',
                     timestamptz '{now}' - interval '1 hour', 1, '{now}');
                 INSERT INTO memberships (clinic_id, id, user_id, role, created_at)
                 VALUES ('{clinic}', '{membership_id}', '{user_id}', '{role}', '{now}');
                 INSERT INTO sessions (id, user_id, clinic_id, created_at, last_used_at, idle_expires_at, expires_at)
                 VALUES ('{session_id}', '{user_id}', '{clinic}', '{now}', '{now}', timestamptz '{now}' + interval '9 days',
                     timestamptz '{now}' + interval '9 days');"
            )?;
        }
        for Patient { id, caller, phones, .. } in &self.patients {
            write!(
                text,
                "INSERT INTO patients (clinic_id, id, user_id, display_name, time_zone, locale, linked_at, plan_revision,
                     version, created_at)
                 VALUES ('{clinic}', '{id}', '{0}', 'Somebody', 'UTC', 'en', '{now}', 0, 1, '{now}');
                 INSERT INTO patient_zones (clinic_id, patient_id, valid_from, zone)
                 VALUES ('{clinic}', '{id}', '{now}', 'UTC');",
                caller.user_id
            )?;
            for phone in phones {
                let sealed = SealedAddress { address: token(phone.id), keys: None }.seal(keys, phone.id)?;
                let sealed: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
                write!(
                    text,
                    "INSERT INTO devices (id, user_id, session_id, provider, app_id, environment, address_kind, address_hash,
                         address_sealed, locale, time_zone, permission, registered_at, last_seen_at)
                     VALUES ('{0}', '{1}', '{2}', 'fcm', '', 'production', 'token', sha256(uuid_send('{0}')),
                         '\\x{sealed}', 'en', 'UTC', 'granted', timestamptz '{now}' - interval '1 hour', '{now}');",
                    phone.id, caller.user_id, caller.session_id
                )?;
            }
        }
        sql.run(&text).await
    }
}
