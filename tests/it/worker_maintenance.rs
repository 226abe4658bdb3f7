//! Tidying up: a worker that starts does it at once, whatever was left undone for months, and one job that fails stops no
//! other.

use diesel::QueryableByName;
use diesel::sql_types::Int8;
use diesel_async::RunQueryDsl;
use mendline::db::Connector;
use mendline::worker::Worker;
use tokio_util::sync::CancellationToken;

use crate::support::{TestApp, seed};

/// An attempt so many days ago.
fn attempt(days_ago: u32) -> String {
    format!(
        "INSERT INTO attempts (at, clinic_id, alert_id, device_id, claim_no, provider, outcome, duration_ms)
         VALUES (clock_timestamp() - interval '{days_ago} days', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
                 1, 'fcm', 'accepted', 1);"
    )
}

/// Takes this month's partition of a table away, as if nobody had made it.
fn without_this_month(table: &str) -> String {
    format!(
        "DO $$ BEGIN EXECUTE format('DROP TABLE %I', '{table}_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')); END $$;"
    )
}

pub async fn count(app: &TestApp, from: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = Int8)]
        rows: i64,
    }
    let sql = format!("SELECT count(*) AS rows FROM {from}");
    // As the owner: nobody else may look at a partition by itself.
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let counted: Counted = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
    counted.rows
}

/// Runs a worker until there are no rows in `from`.
pub async fn work_until_none(app: &TestApp, from: &str) {
    let (stop, worker) = (CancellationToken::new(), Worker::new(app.worker_parts()));
    let story = async {
        while count(app, from).await > 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(worker.run(stop.clone()), story) };
    let (ended, ()) = tokio::time::timeout(std::time::Duration::from_secs(30), both).await.expect("tidied up");
    ended.unwrap();
}

const OLD: &str = "attempts WHERE at < clock_timestamp() - interval '90 days'";

#[tokio::test]
async fn what_fell_beside_its_months_partition_is_put_there_and_what_is_old_goes_when_a_worker_starts() {
    let app = TestApp::start().await;
    app.sql(&(without_this_month("attempts") + &attempt(0) + &attempt(100))).await;
    assert_eq!((count(&app, "attempts_rest").await, count(&app, "attempts").await), (2, 2));

    work_until_none(&app, OLD).await;
    assert_eq!((count(&app, "attempts_rest").await, count(&app, "attempts").await), (0, 1));
    app.sql(&attempt(0)).await;
    assert_eq!(count(&app, "attempts_rest").await, 0, "and so is what comes after it");
}

#[tokio::test]
async fn a_job_that_fails_stops_no_other() {
    let app = TestApp::start().await;
    let broken = "CREATE OR REPLACE FUNCTION ensure_month_partitions(parent text, since date, months integer)
                  RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;";
    app.sql(&(broken.to_owned() + &attempt(100))).await;
    assert_eq!(count(&app, OLD).await, 1);
    work_until_none(&app, OLD).await;
}

#[tokio::test]
async fn dead_addresses_go_a_day_later_and_what_dead_workers_knew_once_it_is_old() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let [old, fresh, suspect, living] = [
        seed::phone(&app, person).await,
        seed::phone(&app, person).await,
        seed::phone(&app, person).await,
        seed::phone(&app, person).await,
    ];
    for (device, reason, age) in [(old, "unregistered", "25h"), (fresh, "unregistered", "23h"), (suspect, "x", "99h")] {
        app.sql(&format!(
            "UPDATE devices SET quarantined_at = clock_timestamp() - interval '{age}', quarantine_reason = '{reason}'
              WHERE id = '{device}'"
        ))
        .await;
    }
    for (age, until) in [("2h", "1 minute"), ("2h", "-1 minute"), ("50 minutes", "-1 minute")] {
        app.sql(&format!(
            "INSERT INTO push_health SELECT gen_random_uuid(), 'fcm', 'fcm', true, 'paused', 'quota', 'q', now(),
                    now() + interval '{until}', 0, 0, 0, 0, now() - interval '{age}'"
        ))
        .await;
    }
    work_until_none(&app, &format!("devices WHERE id = '{old}'")).await;
    work_until_none(&app, "push_health WHERE seen_at < now() - interval '1 hour' AND until < now()").await;
    for left in [fresh, suspect, living] {
        assert_eq!(count(&app, &format!("devices WHERE id = '{left}'")).await, 1);
    }
    assert_eq!(count(&app, "push_health WHERE cause = 'quota' AND seen_at < now() - interval '40 minutes'").await, 2);
}

#[tokio::test]
async fn a_month_of_attempts_that_is_over_goes_as_a_whole() {
    let app = TestApp::start().await;
    let month =
        "DO $$ BEGIN PERFORM ensure_month_partitions('attempts', (now() - interval '200 days')::date, 1); END $$;";
    app.sql(&(month.to_owned() + &attempt(200) + &attempt(1))).await;
    let partitions = "pg_inherits WHERE inhparent = 'attempts'::regclass";
    let before = count(&app, partitions).await;
    assert_eq!(count(&app, "attempts").await, 2);

    work_until_none(&app, OLD).await;
    assert_eq!((count(&app, "attempts").await, count(&app, partitions).await), (1, before - 1));
}

#[tokio::test]
async fn alerts_that_ended_more_than_a_year_ago_are_forgotten_batch_by_batch_and_no_others() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let alert = |key: &str, days: u32, state: &str| {
        let ended = if state == "scheduled" { "NULL" } else { "due" };
        format!(
            "INSERT INTO alerts (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, due_at,
                 next_attempt_at, expires_at, state, plan_revision, superseded, claim_no, tries, finalized_at)
             SELECT '{}', gen_random_uuid(), 'patient', '{}', '{key}' || n, 'routine', false, due, due,
                    due + interval '900 days', '{state}', 1, false, 0, 0, {ended}
               FROM (SELECT n, '{}'::timestamptz - interval '{days} days' AS due FROM generate_series(1, 6000) AS n) AS d;",
            person.clinic_id,
            person.patient_id,
            app.care.now()
        )
    };
    app.sql(&(alert("old", 366, "failed") + &alert("young", 364, "failed"))).await;
    app.sql("DELETE FROM alerts WHERE dedupe_key ~ '^young' AND dedupe_key <> 'young1'").await;
    work_until_none(&app, "alerts WHERE dedupe_key ~ '^old'").await;
    assert_eq!(count(&app, "alerts").await, 1);
}
