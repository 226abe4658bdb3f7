//! Seals of the audit trail: whoever changes it afterwards, with whatever rights, is noticed.

use std::process::Output;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use mendline::audit::Entry;
use mendline::audit::seal::seal_due;
use mendline::audit::store::drop_months;
use mendline::audit::store::seals::list_clinics;
use mendline::audit::verify::{Fault, Verdict, kept_from, verify};
use mendline::db::{DbError, Scope};
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::binary::mendline;
use crate::worker_maintenance::work_until_none;

/// A clinic with two entries on each of three days and none on a fourth, all over, and none sealed.
async fn four_days(app: &TestApp) -> Uuid {
    let clinic = app.stage_clinic().await;
    for _ in 0..3 {
        for _ in 0..2 {
            let entry = Entry::by_operator(clinic, "patient.read", "patient", Uuid::new_v4());
            let entry = Entry { actor_role: "clinician", ..entry };
            app.state.reads.note(entry).await.unwrap();
        }
        app.state.reads.flush().await.unwrap();
        app.pass(TimeDelta::days(1));
    }
    app.pass(TimeDelta::days(1));
    clinic
}

async fn seal(app: &TestApp) -> usize {
    seal_due(&app.state.worker_db, &app.state.keys, app.state.clocks.wall.now()).await.unwrap()
}

async fn look(app: &TestApp, clinic: Uuid) -> Verdict {
    let state = &app.state;
    verify(&state.worker_db, &state.keys, clinic, (None, None), state.clocks.wall.now()).await.unwrap()
}

fn day(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 2, number).unwrap()
}

#[tokio::test]
async fn a_day_is_sealed_once_an_hour_after_it_is_over_whether_anything_happened_or_not() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = four_days(&app).await;
    // It is noon of the 6th.
    assert_eq!(seal(&app).await, 4);
    assert_eq!(seal(&app).await, 0, "a seal is made once");
    let seals = format!(
        "SELECT count(*) FROM audit_seals AS s WHERE clinic_id = '{clinic}' AND entries = CASE WHEN day < '2026-02-05' THEN 2 ELSE 0 END
            AND previous IS NOT DISTINCT FROM (SELECT seal FROM audit_seals AS p WHERE p.clinic_id = s.clinic_id AND p.day = s.day - 1)"
    );
    assert_eq!(app.count(&seals).await, 4);
    let verdict = look(&app, clinic).await;
    assert_eq!((verdict.days, verdict.entries, verdict.pending, verdict.faults), (4, 6, 0, vec![]));
    assert_eq!(verdict.newest.unwrap().0, day(5));

    app.pass(TimeDelta::hours(12) + TimeDelta::minutes(59));
    assert_eq!(seal(&app).await, 0, "what happened late may still be on its way");
    app.pass(TimeDelta::minutes(1));
    assert_eq!(look(&app, clinic).await.pending, 1);
    assert_eq!(seal(&app).await, 1);
    app.pass(TimeDelta::days(3));
    assert_eq!(
        look(&app, clinic).await.faults,
        [(day(7), Fault::NoSeal), (day(8), Fault::NoSeal)],
        "nobody seals any more"
    );
}

#[tokio::test]
async fn a_worker_that_starts_seals_what_is_over() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = four_days(&app).await;
    work_until_none(&app, "clinics WHERE NOT EXISTS (SELECT FROM audit_seals WHERE day = '2026-02-05')").await;
    assert_eq!((look(&app, clinic).await.days, seal(&app).await), (4, 0));
}

#[tokio::test]
async fn an_owner_who_changes_removes_or_adds_anything_is_noticed() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = four_days(&app).await;
    seal(&app).await;
    app.sql("CREATE TABLE kept_entries AS TABLE audit; CREATE TABLE kept_seals AS TABLE audit_seals").await;
    let one = "(SELECT id FROM audit WHERE at::date = '2026-02-03' LIMIT 1)";
    let mut missed = Vec::new();
    for (tampering, expected) in [
        ("SELECT 1".to_owned(), vec![]),
        (format!("UPDATE audit SET patient_id = gen_random_uuid() WHERE id = {one}"), vec![(3, Fault::Changed)]),
        (format!("UPDATE audit SET address = '192.0.2.1' WHERE id = {one}"), vec![(3, Fault::Changed)]),
        (format!("UPDATE audit SET at = at + interval '1 microsecond' WHERE id = {one}"), vec![(3, Fault::Changed)]),
        (format!("DELETE FROM audit WHERE id = {one}"), vec![(3, Fault::Removed(1))]),
        (
            format!("UPDATE audit SET at = at + interval '1 day' WHERE id = {one}"),
            vec![(3, Fault::Removed(1)), (4, Fault::Added(1))],
        ),
        (
            format!(
                "INSERT INTO audit (at, id, clinic_id, actor_role, action, subject_kind, subject_id)
                 VALUES ('2026-02-05T10:00:00Z', gen_random_uuid(), '{clinic}', 'operator', 'a.read', 'a', gen_random_uuid())"
            ),
            vec![(5, Fault::Added(1))],
        ),
        (
            format!(
                "INSERT INTO audit (at, id, clinic_id, actor_role, action, subject_kind, subject_id)
                 VALUES ('2026-01-05T10:00:00Z', gen_random_uuid(), '{clinic}', 'operator', 'a.read', 'a', gen_random_uuid())"
            ),
            vec![(5 - 31, Fault::Older)],
        ),
        ("DELETE FROM audit_seals WHERE day = '2026-02-03'".to_owned(), vec![(3, Fault::NoSeal), (4, Fault::Unlinked)]),
        (
            // The first days as if they had never been.
            "DELETE FROM audit_seals WHERE day < '2026-02-04'; DELETE FROM audit WHERE at < '2026-02-04'".to_owned(),
            vec![(4, Fault::Unlinked)],
        ),
        // An entry, and the count and the digest of its day with it: without the key there is no seal for them.
        (
            "DELETE FROM audit WHERE at::date = '2026-02-03';
             UPDATE audit_seals SET entries = 0, digest = (SELECT digest FROM audit_seals WHERE day = '2026-02-05')
              WHERE day = '2026-02-03'"
                .to_owned(),
            vec![(3, Fault::Forged)],
        ),
        ("UPDATE audit_seals SET sealed_at = sealed_at - interval '1 day' WHERE day = '2026-02-05'".to_owned(), vec![(5, Fault::Forged)]),
    ] {
        app.sql(&tampering).await;
        let found = look(&app, clinic).await.faults;
        let date = |number: i32| day(1) + TimeDelta::days(i64::from(number) - 1);
        let expected: Vec<_> = expected.into_iter().map(|(number, fault)| (date(number), fault)).collect();
        if found != expected {
            missed.push(format!("{tampering}: {found:?}"));
        }
        app.sql(
            "TRUNCATE audit; TRUNCATE audit_seals; INSERT INTO audit TABLE kept_entries; INSERT INTO audit_seals TABLE kept_seals",
        )
        .await;
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// `admin verify-audit` on the app's database, with its keys.
async fn command(app: &TestApp, arguments: &[&str]) -> Output {
    let data_dir = &app.config.data_dir;
    let arguments = [&["admin", "verify-audit"], arguments].concat();
    mendline(data_dir, Some(app.database.url.expose_secret()), &arguments).output().await.unwrap()
}

#[tokio::test]
async fn the_command_tells_clinic_by_clinic_and_fails_where_something_does_not_hold() {
    // In real time, as the command is: the days are put back by hand.
    let app = TestApp::start().await;
    let (one, other) = (app.stage_clinic().await, app.stage_clinic().await);
    for clinic in [one, other] {
        let entry = "(at, id, clinic_id, actor_role, action, subject_kind, subject_id)";
        app.sql(&format!(
            "INSERT INTO audit {entry} SELECT now() - interval '3 days' + n * interval '1 second', gen_random_uuid(), '{clinic}',
                    'operator', 'a.read', 'a', gen_random_uuid() FROM generate_series(1, 2) AS n"
        ))
        .await;
    }
    seal(&app).await;
    let well = command(&app, &[]).await;
    let said = String::from_utf8_lossy(&well.stdout).into_owned();
    assert!(well.status.success(), "{said}{}", String::from_utf8_lossy(&well.stderr));
    for clinic in [one, other] {
        assert!(said.contains(&format!("clinic {clinic}: ")) && said.contains("as they were sealed"), "{said}");
    }
    assert!(!said.contains("NOT"), "{said}");

    app.sql(&format!("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE clinic_id = '{one}' LIMIT 1)")).await;
    let (all, whole, faulty) = (
        command(&app, &[]).await,
        command(&app, &["--clinic", &other.to_string()]).await,
        command(&app, &["--clinic", &one.to_string(), "--json"]).await,
    );
    assert!(String::from_utf8_lossy(&all.stdout).contains("1 fewer entries than were sealed"));
    assert!(String::from_utf8_lossy(&all.stderr).contains("1 clinics"));
    assert_eq!([&all, &whole, &faulty].map(|ended| ended.status.code()), [Some(1), Some(0), Some(1)]);
    let told: serde_json::Value = serde_json::from_slice(&faulty.stdout).unwrap();
    assert_eq!(
        (told["clinic_id"].as_str(), told["faults"].as_array().unwrap().len()),
        (Some(one.to_string().as_str()), 1)
    );
    // A span without the day is a span without the fault.
    let today = app.state.clocks.wall.now().date_naive().to_string();
    assert!(command(&app, &["--from", &today, "--clinic", &one.to_string()]).await.status.success());
    assert_eq!(command(&app, &["--clinic", &Uuid::new_v4().to_string()]).await.status.code(), Some(1));
}

#[tokio::test]
async fn the_trail_of_a_clinic_that_is_gone_is_sealed_to_its_end_and_can_be_verified() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = four_days(&app).await;
    seal(&app).await;
    let entry =
        Entry { actor_role: "clinician", ..Entry::by_operator(clinic, "patient.read", "patient", Uuid::new_v4()) };
    app.state.reads.note(entry).await.unwrap();
    app.state.reads.flush().await.unwrap();
    app.sql(&format!("DELETE FROM clinics WHERE id = '{clinic}'")).await;
    app.pass(TimeDelta::days(10));
    assert_eq!(look(&app, clinic).await.faults, [(day(6), Fault::NoSeal)], "the day of the last entry, and none later");
    assert_eq!((seal(&app).await, seal(&app).await), (1, 0));
    let verdict = look(&app, clinic).await;
    assert_eq!((verdict.days, verdict.entries, verdict.pending, verdict.faults), (5, 7, 0, vec![]));
    let clinics =
        app.state.worker_db.scoped(Scope::System, async |conn: &mut _| Ok::<_, DbError>(list_clinics(conn).await?));
    assert_eq!(clinics.await.unwrap(), [clinic]);

    app.sql("DELETE FROM audit WHERE at::date = '2026-02-03'").await;
    assert_eq!(look(&app, clinic).await.faults, [(day(3), Fault::Removed(2))]);
}

#[tokio::test]
async fn a_worker_drops_months_of_the_trail_through_a_narrow_door_once_they_are_six_years_old() {
    let app = TestApp::start().await;
    let now: DateTime<Utc> = app.state.clocks.wall.now();
    for months in [100, 70] {
        app.sql(&format!(
            "SELECT ensure_month_partitions('audit', (current_date - interval '{months} months')::date, 1);
             INSERT INTO audit (at, id, clinic_id, actor_role, action, subject_kind, subject_id)
             VALUES (now() - interval '{months} months', gen_random_uuid(), gen_random_uuid(), 'operator', 'a.read', 'a',
                     gen_random_uuid())"
        ))
        .await;
    }
    let drop_before = async |before: NaiveDate| {
        let work = async |conn: &mut _| Ok::<_, DbError>(drop_months(conn, before).await?);
        app.state.worker_db.scoped(Scope::System, work).await
    };
    assert_eq!(drop_before(kept_from(now)).await.unwrap(), 1);
    assert_eq!(app.count("SELECT count(*) FROM audit WHERE action = 'a.read'").await, 1, "what is younger is kept");
    let early = drop_before(now.date_naive() - TimeDelta::days(365)).await.unwrap_err();
    assert!(early.to_string().contains("kept longer"), "{early}");
}
