//! A restore, rehearsed from end to end as OPERATIONS tells it: a clinic at work is dumped and goes on, the database is lost
//! and comes back from the dump, and servers start again. `script/drill` runs this and shows the table at its end.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::TimeDelta;
use diesel_async::AsyncPgConnection;
use mendline::after_restore::{AfterRestoreError, follow_up};
use mendline::auth::keys;
use mendline::clinics::removal;
use mendline::clock::{Clock, Clocks};
use mendline::db::{Connector, Db, Group};
use mendline::erasure;
use mendline::journal::{Erased, Journal};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use crate::support::binary::mendline;
use crate::support::people::{Clinic, Person};
use crate::support::restore::{admin, after_restore, alone, name_of};
use crate::support::treatments::utc;
use crate::support::{TestApp, TestDatabase, as_group, create_database, seed, server_programs};

async fn run(program: &Path, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A phone of somebody's, reached through the recorded FCM.
async fn phone(app: &TestApp, of: &Person) -> Uuid {
    let id = Uuid::new_v4();
    let body = json!({
        "provider": "fcm", "address": format!("token-{id}"), "locale": "en", "time_zone": "Europe/Berlin",
        "permission": "granted",
    });
    app.put(&format!("/v1/me/devices/{id}"), &of.token, body).await.expect(201);
    id
}

fn delivered(app: &TestApp) -> BTreeSet<Uuid> {
    app.fcm.sent().into_iter().map(|sent| sent.message.delivery_id).collect()
}

fn delivered_to(app: &TestApp, phone: Uuid) -> usize {
    app.fcm.sent().into_iter().filter(|sent| sent.target.device_id == phone).count()
}

/// Two clinics, of which the second one leaves, and everybody's phones.
struct Town {
    app: TestApp,
    clinic: Clinic,
    leaving: Clinic,
    clinician: Person,
    clinicians_phone: Uuid,
    stays: Person,
    goes: Person,
    treatment: String,
}

impl Town {
    async fn found(settings: &[(&str, &str)]) -> Self {
        let app = TestApp::start_with(settings).await;
        let (clinic, leaving) = (app.clinic().await, app.clinic().await);
        let clinician = app.clinician_of(&clinic).await;
        let (stays, goes) = (app.patient_of(&clinic).await, app.patient_of(&clinic).await);
        let clinicians_phone = phone(&app, &clinician).await;
        for person in [&stays, &goes, &leaving.admin] {
            phone(&app, person).await;
        }
        let treatment = app.treat(&clinician.token, stays.patient(), app.care.now()).await;
        app.treat(&clinician.token, goes.patient(), app.care.now()).await;
        Self { app, clinic, leaving, clinician, clinicians_phone, stays, goes, treatment }
    }

    /// What people do in a day.
    async fn live(&self, hours: i64) {
        for _ in 0..hours {
            self.app.advance(TimeDelta::hours(1)).await;
        }
    }

    async fn report_pus(&self) {
        let body = json!({ "recorded_at": self.app.care.now(), "symptoms": { "pus": "coloured" } });
        let path = format!("/v1/treatments/{}/check-ins", self.treatment);
        let report = self.app.post(&path, &self.stays.token, body).await.expect(201);
        assert_eq!(report["triage"]["level"], "urgent");
    }

    async fn cursor(&self) -> String {
        let page = self.app.get("/v1/sync", &self.stays.token).await.expect(200);
        page["next_cursor"].as_str().expect("where to go on").to_owned()
    }

    /// A login and a clinic are erased for good, and the journal knows.
    async fn erase(&self, journal: &Journal) {
        let state = &self.app.state;
        journal.append(Erased::Login { id: self.goes.user_id }, state.clocks.wall.now()).await.unwrap();
        let erased =
            seed::run(&self.app, async |conn| erasure::erase(conn, &state.clocks, self.goes.user_id).await).await;
        assert!(erased);
        removal::close(&state.worker_db, &state.clocks, self.leaving.id, "Clinic").await.unwrap();
        let wall = Clock::manual(state.clocks.wall.now() + removal::WINDOW);
        let later = Clocks { wall, ..state.clocks.clone() };
        assert_eq!(removal::erase_due(&state.worker_db, &later, journal).await.unwrap(), 1);
    }
}

/// The programs that dump and restore, where this machine has them.
struct Programs {
    dump: std::path::PathBuf,
    restore: std::path::PathBuf,
}

impl Programs {
    #[expect(clippy::print_stderr, reason = "what a test does not show must not go unsaid")]
    fn find() -> Option<Self> {
        let programs = server_programs()?;
        let found = Self { dump: programs.join("pg_dump"), restore: programs.join("pg_restore") };
        let both = found.dump.is_file() && found.restore.is_file();
        if !both {
            eprintln!("no pg_dump beside the server's programs: a restore was not rehearsed");
        }
        both.then_some(found)
    }

    async fn dump(&self, url: &SecretString, file: &str) {
        run(&self.dump, &["--format=custom", "--file", file, url.expose_secret()]).await;
    }

    async fn restore(&self, file: &str, name: &str) -> SecretString {
        let url = create_database(name, None).await;
        let into = format!("--dbname={}", url.expose_secret());
        run(&self.restore, &["--no-owner", "--exit-on-error", "--single-transaction", &into, file]).await;
        url
    }
}

async fn as_worker(url: &SecretString) -> AsyncPgConnection {
    Connector::new(&as_group(url, Group::Worker), None).unwrap().open().await.unwrap()
}

/// Why nothing is done while somebody else is connected.
async fn refused(url: &SecretString) -> AfterRestoreError {
    let (db, clocks) = (Db::connect(&as_group(url, Group::Worker), 1, None).unwrap(), Clocks::system());
    follow_up(&db, &clocks, None, &[]).await.unwrap_err()
}

/// The same by the binary, for whom months have passed.
async fn command(url: &SecretString, arguments: &[&str]) -> (bool, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [&["admin", "after-restore", "--json"], arguments].concat();
    let output = mendline(dir.path(), Some(url.expose_secret()), &arguments).output().await.unwrap();
    alone(url).await;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[expect(clippy::print_stdout, reason = "what script/drill shows")]
fn table(rows: &[(&str, usize)]) {
    println!("{:<66} {:>6}", "after the restore", "");
    for (what, number) in rows {
        println!("{what:<66} {number:>6}");
    }
}

#[tokio::test]
async fn a_restored_database_sends_nothing_again_brings_nobody_back_and_goes_on() {
    let Some(programs) = Programs::find() else { return };
    let made = keys::make().unwrap();
    let settings =
        [("MENDLINE_TOKEN_KEY", made.token.expose_secret()), ("MENDLINE_SECRET_KEY", made.secret.expose_secret())];
    let files = tempfile::tempdir().unwrap();
    let (dump, journal_dir) = (files.path().join("dump"), files.path().join("journal"));
    std::fs::create_dir(&journal_dir).unwrap();
    let (dump, journal) = (dump.to_str().unwrap(), Journal::at(Some(&journal_dir)).unwrap());

    // A clinic at work. Nobody has acknowledged the report when the dump is made.
    let town = Town::found(&settings).await;
    town.live(20).await;
    town.report_pus().await;
    town.app.drain_worker().await;
    let told_before = delivered_to(&town.app, town.clinicians_phone);
    let old_cursor = town.cursor().await;
    let sent_by_the_dump = delivered(&town.app).len();
    assert!(sent_by_the_dump > 0 && told_before > 0, "{sent_by_the_dump} sent, {told_before} to the clinician");
    // Somebody is leaving, with half of the window gone: they may take it back in the hours that are lost.
    town.app
        .sql(
            "INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
             VALUES (gen_random_uuid(), 'leaving@example.org', '', 'Leaving', 'UTC', 'en', now(), 1, now());
             INSERT INTO login_deletions (user_id, requested_at, erase_at)
             SELECT id, now() - interval '7 days', now() + interval '7 days' FROM users WHERE email = 'leaving@example.org'",
        )
        .await;
    programs.dump(&town.app.database.url, dump).await;

    // It goes on: alerts are sent, people and a clinic are erased.
    town.live(30).await;
    town.erase(&journal).await;
    let (sent, at) = (delivered(&town.app), town.app.care.now());
    let sent_since = sent.len() - sent_by_the_dump;
    assert!(sent_since > 0, "or nothing could be sent twice");
    let Town { app, clinic, leaving, clinician, clinicians_phone, stays, goes, treatment } = town;
    let lost = app.database.url.clone();
    drop(app);

    // The database is lost, and comes back from the dump.
    let name = name_of(&lost);
    admin(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    let url = programs.restore(dump, &format!("back_{name}")).await;

    // Nothing is done while somebody works on it, nor for a moment that it knows more than.
    let somebody = as_worker(&url).await;
    let refused = refused(&url).await;
    assert!(matches!(&refused, AfterRestoreError::NotAlone(who) if who == &["mendline_worker"]), "{refused}");
    drop(somebody);
    alone(&url).await;
    let (done, _, said) = command(&url, &["--restored-to", "2026-01-01T00:00:00Z"]).await;
    assert!(!done && said.contains("it was not restored to that moment"), "{said}");
    let broken = files.path().join("broken.jsonl");
    std::fs::write(&broken, "nobody\n").unwrap();
    let (done, _, said) = command(&url, &["--journal", broken.to_str().unwrap()]).await;
    assert!(!done && said.contains("broken.jsonl, line 1") && !said.contains("nobody"), "{said}");

    let clocks = Clocks { care: Clock::manual(at), wall: Clock::system() };
    let written: Vec<_> = Journal::read(&journal_dir).unwrap().entries.into_iter().collect();
    let report = after_restore(&url, &clocks, &written).await.unwrap();
    assert!(!report.done_before && report.done.alerts_forgone > 0, "{report:?}");
    // One who left, and the administrator of the clinic that is gone.
    assert_eq!((report.done.erased_again.logins, report.done.erased_again.clinics), (2, 1), "{report:?}");
    assert_eq!((report.done.reports_told_again, report.done.clinics), (1, 1), "{report:?}");
    assert_eq!(report.done.deletions_put_off, 1, "{report:?}");
    let (done, said, _) = command(&url, &["--journal", journal_dir.to_str().unwrap()]).await;
    let again: Value = serde_json::from_str(&said).unwrap();
    assert!(done && again["done_before"] == true && again["alerts_forgone"] == 0, "{said}");
    assert_eq!(again["followed_up_at"], json!(report.followed_up_at));

    // Servers start.
    let app = TestApp::start_at(TestDatabase { url: url.clone() }, &url, &settings).await;
    let anew = "SELECT count(*) FROM login_deletions WHERE erase_at > now() + interval '13 days'";
    assert_eq!(app.count(anew).await, 1, "a whole window again");
    app.care.set(at);
    app.drain_worker().await;
    let told_again = delivered_to(&app, clinicians_phone);
    assert_eq!(delivered(&app).len(), told_again, "of all that was due, staff alone hear of what nobody had seen");
    assert_eq!(told_again, 1);

    // An app's tokens of before are called back, its session goes on, and it reads everything anew.
    app.get("/v1/me", &stays.token).await.expect(401);
    let renew = async |person: &Person| {
        let body = json!({ "refresh_token": person.refresh_token });
        Person::from_answer(&app.post("/v1/auth/refresh", "", body).await.expect(200))
    };
    let (stays, clinician) = (renew(&stays).await, renew(&clinician).await);
    let answer = app.get(&format!("/v1/sync?cursor={old_cursor}"), &stays.token).await;
    assert_eq!(answer.problem(410), "resync_required");
    let anew = app.get("/v1/sync", &stays.token).await.expect(200);
    let is_there = anew["items"].as_array().unwrap().iter().any(|item| item["id"] == treatment.as_str());
    assert!(is_there, "{anew}");

    // A plan that is made anew owes nothing of the past again.
    let (from, path) = (at.date_naive() + chrono::Days::new(5), format!("/v1/treatments/{treatment}/excuses"));
    app.post(&path, &clinician.token, json!({ "from": from, "reason": "Away." })).await.expect(201);
    app.drain_worker().await;
    assert_eq!(delivered(&app).len(), told_again);
    // Who may, sees what was called off and why.
    let admin = renew(&clinic.admin).await;
    let failed = app.get("/v1/alerts/failed?from=2026-02-01T00:00:00Z&state=expired", &admin.token).await.expect(200);
    let reasons: BTreeSet<&str> =
        failed["items"].as_array().unwrap().iter().filter_map(|alert| alert["reason"].as_str()).collect();
    assert!(reasons.contains("after_restore"), "{failed}");

    // What comes is sent, and nobody is there who was gone.
    for _ in 0..30 {
        app.advance(TimeDelta::hours(1)).await;
    }
    let sent_after = delivered(&app);
    let again = sent_after.intersection(&sent).count();
    let back = format!(
        "SELECT (SELECT count(*) FROM users WHERE id = '{}') + (SELECT count(*) FROM clinics WHERE id = '{1}')
              + (SELECT count(*) FROM memberships WHERE clinic_id = '{1}')",
        goes.user_id, leaving.id
    );
    let back = usize::try_from(app.count(&back).await).unwrap();
    let new = sent_after.len() - told_again;
    table(&[
        ("messages that had been sent by the dump", sent_by_the_dump),
        ("messages that had been sent between the dump and the loss", sent_since),
        ("alerts that the dump owed again and that were called off", report.done.alerts_forgone),
        ("of all these, messages that were sent a second time", again),
        ("people and clinics erased since the dump that came back", back),
        ("notices to staff of what nobody had seen", told_again),
        ("messages of the thirty hours that followed", new),
    ]);
    assert_eq!((again, back), (0, 0));
    assert!(new > 0, "what is due from then on is sent");
    assert!(utc("2026-02-04T00:00:00Z") < app.care.now());
}
