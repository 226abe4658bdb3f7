//! What is done to a database that came back from a backup, thing by thing; `restore_drill.rs` tells the whole story.

use std::time::Duration;

use chrono::TimeDelta;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::after_restore::{AfterRestoreError, follow_up};
use mendline::auth::keys;
use mendline::clock::{Clock, Clocks};
use mendline::db::{Connector, Db, Group, hold_off};
use mendline::journal::{Entry, Erased};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use crate::support::binary::mendline;
use crate::support::people::PASSWORD;
use crate::support::restore::{after_restore, brought_back};
use crate::support::{TestApp, TestDatabase, as_group};

/// A clinic with a row of everything, all of whose ids are its own.
const EVERYTHING: &str = include_str!("support/everything.sql");

/// The same number of a clinic, and of everything of it.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

async fn owner(url: &SecretString) -> AsyncPgConnection {
    Connector::new(url, None).unwrap().open().await.unwrap()
}

/// A database that no server has ever met, with these clinics in it.
async fn with_clinics(numbers: &[u128]) -> (SecretString, AsyncPgConnection) {
    let url = TestDatabase::create().await.url;
    let mut owner = owner(&url).await;
    for number in numbers {
        owner.batch_execute(&EVERYTHING.replace("{id}", &id(*number).to_string())).await.unwrap();
    }
    // It has not been restored before.
    owner.batch_execute("DELETE FROM restores").await.unwrap();
    (url, owner)
}

/// How many rows a query brings.
async fn rows(owner: &mut AsyncPgConnection, sql: &str) -> usize {
    diesel::sql_query(sql).execute(owner).await.unwrap_or_else(|error| panic!("{error}: {sql}"))
}

async fn is_there(owner: &mut AsyncPgConnection, table: &str, id: Uuid) -> bool {
    rows(owner, &format!("SELECT FROM {table} WHERE id = '{id}'")).await == 1
}

#[tokio::test]
async fn whoever_starts_while_a_restore_is_followed_up_is_sent_away_and_told_why() {
    const WHY: &str = "a restore is being followed up (mendline admin after-restore)";
    let url = TestDatabase::create().await.url;
    let (mut hand, mut eye) = (owner(&url).await, owner(&url).await);
    // Somebody keeps it from ending.
    hand.batch_execute("BEGIN; LOCK TABLE restores").await.unwrap();
    let story = async {
        let waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while rows(&mut eye, waits).await == 0 {
            tokio::task::yield_now().await;
        }
        let dir = tempfile::tempdir().unwrap();
        for role in ["serve", "worker", "api"] {
            let started = mendline(dir.path(), Some(url.expose_secret()), &[role]).output();
            let ended = tokio::time::timeout(Duration::from_secs(60), started).await;
            let output = ended.unwrap_or_else(|_| panic!("{role} serves")).unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains(WHY), "{role}: {said}");
        }
        // Nor does a server come back that has lost its connections.
        for group in [Group::Api, Group::Worker] {
            let refused = Db::connect(&as_group(&url, group), 1, None).unwrap().ping().await.unwrap_err();
            assert!(refused.to_string().contains(WHY), "{refused}");
        }
        hand.batch_execute("COMMIT").await.unwrap();
    };
    let clocks = Clocks::system();
    let (followed, ()) = tokio::join!(after_restore(&url, &clocks, &[]), story);
    assert!(!followed.unwrap().done_before);
    Db::connect(&as_group(&url, Group::Worker), 1, None).unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn of_two_who_follow_a_restore_up_at_once_the_later_one_is_told_to_wait() {
    let url = TestDatabase::create().await.url;
    let mut first = owner(&url).await;
    let (db, clocks) = (Db::connect(&as_group(&url, Group::Worker), 1, None).unwrap(), Clocks::system());
    // It is connected before the other one holds everybody off.
    db.ping().await.unwrap();
    first.batch_execute("BEGIN").await.unwrap();
    assert!(hold_off(&mut first).await.unwrap());
    let refused = follow_up(&db, &clocks, None, &[]).await.unwrap_err();
    assert!(matches!(refused, AfterRestoreError::AtWork), "{refused}");
    assert_eq!(refused.to_string(), "another after-restore is at work: wait for it to end");
    first.batch_execute("ROLLBACK").await.unwrap();
    assert!(!follow_up(&db, &clocks, None, &[]).await.unwrap().done_before);
}

#[tokio::test]
async fn codes_that_may_have_been_used_since_the_backup_are_void_and_the_next_ones_are_good() {
    let made = keys::make().unwrap();
    let settings =
        [("MENDLINE_TOKEN_KEY", made.token.expose_secret()), ("MENDLINE_SECRET_KEY", made.secret.expose_secret())];
    let before = TestApp::start_stepped(&settings).await;
    let clinic = before.clinic().await;
    let (guarded, forgetful) = (before.clinician_of(&clinic).await, before.patient_of(&clinic).await);
    let (phone, _) = before.enrol(&guarded).await;
    let codes = format!("/v1/members/{}/reset-code", forgetful.membership_id);
    let proof = json!({ "current_password": PASSWORD });
    let handed_out = before.post(&codes, &clinic.admin.token, proof.clone()).await.expect(201)["code"].clone();

    let url = brought_back(&before.database.url).await;
    // The minute in which somebody may have seen a code being typed is lost.
    before.pass(TimeDelta::minutes(1));
    let clocks = before.state.clocks.clone();
    let report = after_restore(&url, &clocks, &[]).await.unwrap();
    assert_eq!(report.done.reset_codes_void, 1);

    let after = TestApp::start_anew(clocks, &url, &settings);
    for ahead in [0, 30] {
        let code = phone.code(after.state.clocks.wall.now() + TimeDelta::seconds(ahead));
        let refused = after.try_log_in(&guarded, Some(&code)).await;
        assert_eq!(refused.problem(401), "unauthenticated", "the code of {ahead} seconds from now");
    }
    after.pass(TimeDelta::seconds(90));
    let code = phone.code(after.state.clocks.wall.now());
    after.try_log_in(&guarded, Some(&code)).await.expect(200);

    let reset = |code| json!({ "code": code, "password": "another four plain words" });
    let refused = after.post("/v1/auth/reset", "", reset(&handed_out)).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/code");
    let admin = after.log_in(&clinic.admin).await;
    let anew = after.post(&codes, &admin.token, proof).await.expect(201)["code"].clone();
    after.post("/v1/auth/reset", "", reset(&anew)).await.expect(204);
}

#[tokio::test]
async fn staff_are_told_again_of_what_nobody_has_seen_at_clinics_and_of_patients_that_are_there() {
    let (open, closed, left, seen) = (1, 2, 3, 4);
    let (url, mut owner) = with_clinics(&[open, closed, left, seen]).await;
    let sql = format!(
        "UPDATE clinics SET closed_at = now(), erase_at = now() + interval '30 days' WHERE id = '{}';
         UPDATE patients SET user_id = NULL, linked_at = NULL, detached_at = now(), purge_at = now() + interval '1 year'
          WHERE id = '{}';
         UPDATE flags SET status = 'acknowledged', acknowledged_at = now() WHERE id = '{}'",
        id(closed),
        id(left),
        id(seen)
    );
    owner.batch_execute(&sql).await.unwrap();
    let report = after_restore(&url, &Clocks::system(), &[]).await.unwrap();
    assert_eq!(report.done.reports_told_again, 1);
    let told = "SELECT FROM flag_events WHERE kind = 'told_again'";
    assert_eq!(rows(&mut owner, told).await, 1);
    assert_eq!(rows(&mut owner, &format!("{told} AND flag_id = '{}'", id(open))).await, 1);
    let opened = format!("SELECT FROM flags WHERE opening = 2 AND id = '{}'", id(open));
    assert_eq!(rows(&mut owner, &opened).await, 1, "under a name that nobody was told before");
}

#[tokio::test]
async fn a_closed_clinic_has_its_whole_window_again_and_its_members_are_still_found() {
    let (closed, open) = (1, 2);
    let (url, mut owner) = with_clinics(&[closed, open]).await;
    let sql = format!(
        "DELETE FROM login_deletions;
         UPDATE clinics SET closed_at = now() - interval '29 days', erase_at = now() + interval '1 day' WHERE id = '{}';
         UPDATE memberships SET removed_at = c.closed_at FROM clinics AS c WHERE c.id = clinic_id",
        id(closed)
    );
    owner.batch_execute(&sql).await.unwrap();
    let report = after_restore(&url, &Clocks::system(), &[]).await.unwrap();
    assert_eq!(report.done.deletions_put_off, 1);
    let put_off = "SELECT FROM clinics AS c JOIN memberships AS m ON m.clinic_id = c.id AND m.removed_at = c.closed_at
                    WHERE c.erase_at BETWEEN now() + interval '29 days' AND now() + interval '31 days'";
    assert_eq!(rows(&mut owner, put_off).await, 1);
    assert_eq!(rows(&mut owner, "SELECT FROM clinics WHERE closed_at IS NULL AND erase_at IS NULL").await, 1);
}

#[tokio::test]
async fn a_record_that_the_clinic_let_go_stays_for_as_long_as_it_takes_to_enter_what_was_lost() {
    let (soon, later, final_one, linked) = (1, 2, 3, 4);
    let (url, mut owner) = with_clinics(&[soon, later, final_one, linked]).await;
    let left = |number, purge_at: &str, detached: &str| {
        format!(
            "UPDATE patients SET user_id = NULL, linked_at = NULL, unlinked_at = now() - interval '10 years',
                    purge_at = now() + interval '{purge_at}', detached_at = {detached} WHERE id = '{}';",
            id(number)
        )
    };
    let sql = [
        "DELETE FROM login_deletions;".to_owned(),
        left(soon, "-1 day", "NULL"),
        left(later, "90 days", "NULL"),
        left(final_one, "-1 day", "now()"),
        format!("UPDATE patients SET purge_at = now() WHERE id = '{}'", id(linked)),
    ];
    owner.batch_execute(&sql.concat()).await.unwrap();
    let report = after_restore(&url, &Clocks::system(), &[]).await.unwrap();
    assert_eq!(report.done.deletions_put_off, 1);
    let in_days = |from: &str, to: &str, number| {
        format!(
            "SELECT FROM patients WHERE purge_at BETWEEN now() + interval '{from}' AND now() + interval '{to}' AND id = '{}'",
            id(number)
        )
    };
    assert_eq!(rows(&mut owner, &in_days("29 days", "30 days", soon)).await, 1);
    assert_eq!(rows(&mut owner, &in_days("89 days", "90 days", later)).await, 1);
    for number in [final_one, linked] {
        assert_eq!(rows(&mut owner, &in_days("-2 days", "0 days", number)).await, 1);
    }
}

#[tokio::test]
async fn the_journal_erases_whom_it_names_and_nobody_whom_a_clinic_that_is_gone_leaves_without_one() {
    let gone = 1;
    let (url, mut owner) = with_clinics(&[gone]).await;
    // By the time that the clinic was erased one of them had joined another one, which the backup does not know; one had not,
    // and was erased with it; one belonged to no clinic in the backup already.
    let (joined, stayed, nowhere) = (id(11), id(12), id(13));
    for user in [joined, stayed, nowhere] {
        let sql = format!(
            "INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
             VALUES ('{user}', '{user}@example.org', '', 'U', 'UTC', 'en', now(), 1, now())"
        );
        owner.batch_execute(&sql).await.unwrap();
    }
    for user in [joined, stayed] {
        let sql = format!(
            "INSERT INTO memberships (clinic_id, id, user_id, role, created_at)
             VALUES ('{}', '{user}', '{user}', 'clinician', now())",
            id(gone)
        );
        owner.batch_execute(&sql).await.unwrap();
    }
    let at = Clock::system().now();
    let entry = |erased| Entry { at, erased };
    let journal = [
        entry(Erased::Login { id: stayed }),
        entry(Erased::Login { id: nowhere }),
        entry(Erased::Clinic { id: id(gone) }),
    ];
    // The journal is found only when all else has been done.
    let first = after_restore(&url, &Clocks::system(), &[]).await.unwrap();
    assert!(!first.done_before && is_there(&mut owner, "users", stayed).await);
    let report = after_restore(&url, &Clocks::system(), &journal).await.unwrap();
    let again = report.done.erased_again;
    assert_eq!((report.done_before, again.logins, again.patients, again.clinics), (true, 2, 0, 1), "{report:?}");
    assert!(!is_there(&mut owner, "clinics", id(gone)).await);
    for (user, stays) in [(joined, true), (id(gone), true), (stayed, false), (nowhere, false)] {
        assert_eq!(is_there(&mut owner, "users", user).await, stays, "{user}");
    }
    assert_eq!(rows(&mut owner, "SELECT FROM memberships").await, 0);
    let once_more = after_restore(&url, &Clocks::system(), &journal).await.unwrap();
    assert_eq!((once_more.done_before, once_more.done.erased_again.logins), (true, 0));
}
