//! Rows put straight into the database, for tests of the worker alone: a person with phones, and alerts.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use mendline::alerts::queue::{self, Owed, PlannedState, Recipient, RecipientKind};
use mendline::db::{DbError, Scope};
use mendline::devices::sealed::SealedAddress;
use mendline::schema::{alerts, attempts, clinics, devices, patients, users};
use uuid::Uuid;

use super::TestApp;

/// A patient with a login, and no phone yet.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub clinic_id: Uuid,
    pub patient_id: Uuid,
    pub user_id: Uuid,
}

impl Person {
    pub fn recipient(&self) -> Recipient {
        Recipient { clinic_id: self.clinic_id, kind: RecipientKind::Patient, id: self.patient_id }
    }
}

/// Runs `work` on the test's database.
pub async fn run<T>(app: &TestApp, work: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>) -> T {
    app.state
        .worker_db
        .scoped(Scope::System, async |conn| work(conn).await.map_err(DbError::Query))
        .await
        .expect("the test's database")
}

pub async fn person(app: &TestApp) -> Person {
    let (clinic_id, patient_id, user_id) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let now = app.care.now();
    run(app, async |conn| {
        diesel::insert_into(clinics::table)
            .values((
                clinics::id.eq(clinic_id),
                clinics::name.eq("Seeded"),
                clinics::time_zone.eq("UTC"),
                clinics::locale.eq("en"),
                clinics::default_protocol.eq("conservative"),
                clinics::quiet_from.eq(chrono::NaiveTime::from_hms_opt(21, 0, 0).unwrap()),
                clinics::quiet_to.eq(chrono::NaiveTime::from_hms_opt(8, 0, 0).unwrap()),
                clinics::low_compliance_bp.eq(6000),
                clinics::triage_enabled.eq(true),
                clinics::demo.eq(false),
                clinics::version.eq(1),
                clinics::created_at.eq(now),
            ))
            .execute(conn)
            .await?;
        diesel::insert_into(users::table)
            .values((
                users::id.eq(user_id),
                users::email.eq(format!("{user_id}@example.org")),
                users::password_hash.eq("x"),
                users::display_name.eq("Seeded"),
                users::time_zone.eq("UTC"),
                users::locale.eq("en"),
                users::tokens_valid_after.eq(now),
                users::version.eq(1),
                users::created_at.eq(now),
            ))
            .execute(conn)
            .await?;
        diesel::insert_into(patients::table)
            .values((
                patients::clinic_id.eq(clinic_id),
                patients::id.eq(patient_id),
                patients::user_id.eq(user_id),
                patients::display_name.eq("Seeded"),
                patients::time_zone.eq("UTC"),
                patients::locale.eq("en"),
                patients::linked_at.eq(now),
                patients::plan_revision.eq(0),
                patients::version.eq(1),
                patients::created_at.eq(now),
            ))
            .execute(conn)
            .await
    })
    .await;
    Person { clinic_id, patient_id, user_id }
}

/// A phone of this person's, reached through the recorded FCM.
pub async fn phone(app: &TestApp, person: Person) -> Uuid {
    let id = Uuid::new_v4();
    let sealed = SealedAddress { address: format!("token-{id}"), keys: None };
    device(app, person, id, "fcm", &sealed).await
}

/// A device of any provider.
pub async fn device(app: &TestApp, person: Person, id: Uuid, provider: &str, address: &SealedAddress) -> Uuid {
    let now = app.state.clocks.wall.now();
    let sealed = address.seal(&app.state.keys, id).unwrap();
    let hash = [id.as_bytes().as_slice(), id.as_bytes()].concat();
    run(app, async |conn| {
        diesel::insert_into(devices::table)
            .values((
                devices::id.eq(id),
                devices::user_id.eq(person.user_id),
                devices::provider.eq(provider),
                devices::app_id.eq(""),
                devices::environment.eq("production"),
                devices::address_kind.eq("token"),
                devices::address_hash.eq(hash),
                devices::address_sealed.eq(sealed),
                devices::locale.eq("en"),
                devices::time_zone.eq("UTC"),
                devices::permission.eq("granted"),
                devices::registered_at.eq(now - TimeDelta::hours(1)),
                devices::last_seen_at.eq(now),
            ))
            .execute(conn)
            .await
    })
    .await;
    id
}

/// An alert that is due so long after the care clock's now, and worth something for so long.
pub fn owed(app: &TestApp, key: &str, due_in: TimeDelta, lasts: TimeDelta) -> Owed {
    let due_at = app.care.now() + due_in;
    Owed {
        dedupe_key: key.to_owned(),
        category: "milestone",
        urgent: false,
        treatment_id: None,
        flag_id: None,
        device_id: None,
        protocol_version_id: None,
        item_key: None,
        day_index: None,
        seq: None,
        due_at,
        expires_at: due_at + lasts,
        state: PlannedState::Scheduled,
    }
}

/// Makes these the person's whole plan.
pub async fn plan(app: &TestApp, person: Person, owed: &[Owed]) -> usize {
    let now = app.care.now();
    run(app, async |conn| queue::replace_plan(conn, person.recipient(), owed, now, now, 1).await).await
}

/// One alert that is due now and lasts a day.
pub async fn due_now(app: &TestApp, person: Person, key: &str) {
    plan(app, person, &[owed(app, key, TimeDelta::zero(), TimeDelta::days(1))]).await;
}

/// An alert's row, as far as tests ask.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = alerts)]
pub struct AlertRow {
    pub dedupe_key: String,
    pub state: String,
    pub tries: i32,
    pub claim_no: i32,
    pub due_at: DateTime<Utc>,
    pub next_attempt_at: DateTime<Utc>,
    pub reason: Option<String>,
}

/// All alerts, by key.
pub async fn alerts(app: &TestApp) -> Vec<AlertRow> {
    run(app, async |conn| alerts::table.order(alerts::dedupe_key).select(AlertRow::as_select()).load(conn).await).await
}

/// One person's alerts, by key.
pub async fn alerts_of(app: &TestApp, person: Person) -> Vec<AlertRow> {
    let own = alerts::table.filter(alerts::recipient_id.eq(person.patient_id));
    run(app, async |conn| own.order(alerts::dedupe_key).select(AlertRow::as_select()).load(conn).await).await
}

/// The state of the alert under a key.
pub async fn state(app: &TestApp, key: &str) -> String {
    let rows = alerts(app).await;
    rows.into_iter().find(|row| row.dedupe_key == key).map_or_else(|| "absent".to_owned(), |row| row.state)
}

/// Returns once the alert under a key is in that state.
pub async fn wait_for(app: &TestApp, key: &str, expected: &str) {
    let there = async {
        while state(app, key).await != expected {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(std::time::Duration::from_secs(30), there).await.is_err() {
        panic!("{key} is {}, not {expected}", state(app, key).await);
    }
}

/// Outcomes of all attempts, in order of claims.
pub async fn outcomes(app: &TestApp) -> Vec<String> {
    run(app, async |conn| {
        attempts::table.order((attempts::claim_no, attempts::at)).select(attempts::outcome).load(conn).await
    })
    .await
}

/// Ids of the devices that are left.
pub async fn devices_left(app: &TestApp) -> Vec<Uuid> {
    run(app, async |conn| devices::table.filter(devices::quarantined_at.is_null()).select(devices::id).load(conn).await)
        .await
}
