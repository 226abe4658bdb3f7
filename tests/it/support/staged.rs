//! Clinics, logins and patients put straight into the database, with tokens as the server would issue them: for tests of
//! what people may do once they are there, without walking each of them through an invitation.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mendline::auth::extract::Caller;
use mendline::db::Connector;
use mendline::domain::role::Role;
use uuid::Uuid;

use super::TestApp;

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Staged {
    pub caller: Caller,
    pub token: String,
}

impl TestApp {
    /// Runs SQL as the owner.
    pub async fn sql(&self, sql: &str) {
        let mut conn = Connector::new(&self.database.url, None).unwrap().open().await.unwrap();
        conn.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The one number that a query brings.
    pub async fn count(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            value: i64,
        }
        let mut conn = Connector::new(&self.database.url, None).unwrap().open().await.unwrap();
        diesel::sql_query(format!("SELECT ({sql}) AS value")).get_result::<Row>(&mut conn).await.unwrap().value
    }

    /// Returns once so many wait for a lock in this app's database.
    pub async fn until_waiting(&self, many: i64) {
        let waiting = "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
                        WHERE NOT l.granted AND a.datname = current_database()";
        let waited = async { while self.count(waiting).await < many {} };
        tokio::time::timeout(Duration::from_secs(30), waited).await.expect("somebody who waits");
    }

    /// A clinic in Berlin, quiet from 21:00 to 08:00.
    pub async fn stage_clinic(&self) -> Uuid {
        let id = Uuid::new_v4();
        self.sql(&format!(
            "INSERT INTO clinics (id, name, time_zone, locale, default_protocol, quiet_from, quiet_to,
                 low_compliance_bp, triage_enabled, demo, version, created_at)
             VALUES ('{id}', 'Clinic', 'Europe/Berlin', 'de', 'conservative', '21:00', '08:00', 7000, true, false, 1, now())"
        ))
        .await;
        id
    }

    /// A fresh login, in the clinic's books under `role`; a patient has a record.
    pub async fn stage(&self, clinic: Uuid, role: Role) -> Staged {
        let user = Uuid::new_v4();
        // By the app's wall clock, as its tokens: the database's may be months ahead of a stepped one.
        let valid_after = (self.state.clocks.wall.now() - TimeDelta::hours(1)).to_rfc3339();
        self.sql(&format!(
            "INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
             VALUES ('{user}', '{user}@example.org', '', 'Somebody', 'Europe/Berlin', 'de', '{valid_after}', 1, now())"
        ))
        .await;
        self.stage_membership(user, clinic, role).await
    }

    /// One more clinic for a login: a person may be known at several.
    pub async fn stage_membership(&self, user: Uuid, clinic: Uuid, role: Role) -> Staged {
        let (membership, session, patient) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let now = self.care.now().to_rfc3339();
        let mut sql = format!(
            "INSERT INTO memberships (clinic_id, id, user_id, role, created_at)
                 VALUES ('{clinic}', '{membership}', '{user}', '{role}', now());
             INSERT INTO sessions (id, user_id, clinic_id, created_at, last_used_at, idle_expires_at, expires_at)
                 VALUES ('{session}', '{user}', '{clinic}', now(), now(), now() + interval '1 day', now() + interval '1 day');"
        );
        if role == Role::Patient {
            sql += &format!(
                "INSERT INTO patients (clinic_id, id, user_id, display_name, time_zone, locale, linked_at, plan_revision,
                     version, created_at)
                 VALUES ('{clinic}', '{patient}', '{user}', 'Somebody', 'Europe/Berlin', 'de', '{now}', 0, 1, '{now}');
                 INSERT INTO patient_zones (clinic_id, patient_id, valid_from, zone)
                 VALUES ('{clinic}', '{patient}', '{now}', 'Europe/Berlin');"
            );
        }
        self.sql(&sql).await;
        let caller = Caller {
            user_id: user,
            clinic_id: clinic,
            membership_id: membership,
            role,
            patient_id: (role == Role::Patient).then_some(patient),
            session_id: session,
        };
        let token = self.state.auth.tokens.issue(&caller, self.state.clocks.wall.now()).unwrap();
        Staged { caller, token }
    }
}
