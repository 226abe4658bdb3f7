//! The way to the database: what is left of a transaction that nobody waits for any more, and how long the line may get.

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt as _;
use mendline::db::{Connector, Db, DbError, LINE, Lock, Scope};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::support::TestDatabase;

#[derive(diesel::QueryableByName)]
struct Session {
    #[diesel(sql_type = diesel::sql_types::Int4)]
    pid: i32,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    clinic: Option<String>,
}

async fn session(db: &Db) -> Session {
    let ask = "SELECT pg_backend_pid() AS pid, nullif(current_setting('mendline.clinic_id', true), '') AS clinic";
    db.scoped(Scope::System, async |conn| Ok::<_, DbError>(diesel::sql_query(ask).get_result(conn).await?))
        .await
        .unwrap()
}

/// The client hangs up while its transaction waits for the patient's lock: in the statement that opens it.
#[tokio::test]
async fn a_transaction_abandoned_while_it_waits_for_its_lock_is_not_handed_to_the_next() {
    let database = TestDatabase::create().await;
    let (clinic, patient) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut holder = Connector::new(&database.url, None).unwrap().open().await.unwrap();
    let rows = format!(
        "INSERT INTO clinics (id, name, time_zone, locale, default_protocol, quiet_from, quiet_to, low_compliance_bp,
             triage_enabled, demo, version, created_at)
         VALUES ('{clinic}', 'C', 'UTC', 'en', 'conservative', '21:00', '08:00', 7000, true, false, 1, now());
         INSERT INTO patients (clinic_id, id, display_name, time_zone, locale, plan_revision, version, created_at)
         VALUES ('{clinic}', '{patient}', 'P', 'UTC', 'en', 0, 1, now());"
    );
    holder.batch_execute(&rows).await.unwrap();
    holder.batch_execute("BEGIN; SELECT 1 FROM patients FOR UPDATE").await.unwrap();
    let db = Db::connect(&database.url, 1, None).unwrap();
    let before = session(&db).await;
    let lock = Lock::Patient(clinic, patient);
    tokio::select! {
        _ = db.scoped_under(Scope::Clinic(clinic), lock, async |_| Ok::<_, DbError>(())) => panic!("the lock is held"),
        () = database.someone_waits_for_a_lock() => {}
    }
    holder.batch_execute("ROLLBACK").await.unwrap();
    let after = session(&db).await;
    assert_ne!(after.pid, before.pid, "the connection was handed on with its transaction open");
    assert_eq!(after.clinic, None);
}

/// Under more load than the database can take, whoever comes last is told so at once instead of making the line longer.
#[tokio::test]
async fn whoever_comes_when_the_line_is_long_is_asked_to_come_again() {
    let database = TestDatabase::create().await;
    let db = Db::connect(&database.url, 1, None).unwrap();
    let ((enter, entered), (release, released)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
    let busy = db.scoped(Scope::System, async move |_| {
        enter.send(()).unwrap();
        released.await.unwrap();
        Ok::<_, DbError>(())
    });
    let story = async {
        entered.await.unwrap();
        let mut line: Vec<_> = (0..LINE).map(|_| Box::pin(session(&db))).collect();
        assert!(line.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        let refused = db.ping().await.unwrap_err();
        assert!(matches!(refused, DbError::Unavailable(why) if why.starts_with(&LINE.to_string())));
        release.send(()).unwrap();
        for waiting in line {
            waiting.await;
        }
        db.ping().await.unwrap();
    };
    let (served, ()) = tokio::join!(busy, story);
    served.unwrap();
}
