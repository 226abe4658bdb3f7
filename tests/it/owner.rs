//! The owner of the tables behind the wall that binds it too: what it needs to migrate, what a later migration's backfill
//! finds, how the data are taken away and brought back.

use std::path::Path;

use diesel::QueryableByName;
use diesel::sql_types::{Int8, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::auth::keys;
use mendline::clock::Clock;
use mendline::db::{Connector, Group, migrate, open_as_owner};
use mendline::protocols::register_built_ins;
use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;

use crate::support::binary::mendline;
use crate::support::{TestDatabase, admin_url, as_group, as_role, create_database, server_programs};

const CLINIC: &str = "00000000-0000-4000-8000-00000000000a";

async fn open(url: &SecretString) -> AsyncPgConnection {
    Connector::new(url, None).unwrap().open().await.unwrap()
}

async fn admin(sql: &str) {
    open(&admin_url()).await.batch_execute(sql).await.unwrap();
}

/// An empty database that belongs to somebody who may do nothing else, and its owner's URL.
async fn estate(name: &str, owner: &str) -> SecretString {
    let url = create_database(name, None).await;
    admin(&format!("ALTER DATABASE {name} OWNER TO {owner}")).await;
    as_role(&url, owner)
}

/// A migrated database that belongs to somebody who is no superuser, with a clinic in it.
async fn settled(name: &str, owner: &str) -> SecretString {
    // Whoever migrated first on this server has made the groups.
    TestDatabase::create().await;
    admin(&format!("CREATE ROLE {owner} LOGIN; GRANT mendline_api, mendline_worker TO {owner}")).await;
    let url = estate(name, owner).await;
    migrate(&url, None).await.unwrap();
    let mut conn = open_as_owner(&url, None).await.unwrap();
    register_built_ins(&mut conn, Clock::system().now()).await.unwrap();
    conn.batch_execute(&include_str!("support/everything.sql").replace("{id}", CLINIC)).await.unwrap();
    url
}

#[tokio::test]
async fn an_owner_that_lacks_a_right_is_told_the_statements_that_give_it() {
    TestDatabase::create().await;
    let (name, owner) = (format!("poor_{}", std::process::id()), format!("poor_owner_{}", std::process::id()));
    admin(&format!("CREATE ROLE {owner} LOGIN")).await;
    let url = estate(&name, &owner).await;
    let told = format!("{:#}", migrate(&url, None).await.unwrap_err());
    let grant = format!("GRANT mendline_api, mendline_worker TO {owner};");
    assert!(told.contains(&grant) && told.contains("CREATE ROLE mendline_api NOLOGIN;"), "{told}");
    admin(&grant).await;
    assert!(!migrate(&url, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_was_not_given_the_owners_login_is_told_so_before_it_migrates() {
    let database = TestDatabase::create().await;
    for group in [Group::Api, Group::Worker] {
        let told = format!("{:#}", migrate(&as_group(&database.url, group), None).await.unwrap_err());
        assert!(told.contains("MENDLINE_MIGRATE_URL") && !told.contains("GRANT"), "{told}");
    }
}

#[tokio::test]
async fn what_a_later_migration_fills_in_reaches_its_rows() {
    let url = settled(&format!("later_{}", std::process::id()), &format!("later_owner_{}", std::process::id())).await;
    let backfill = "UPDATE patients SET plan_revision = plan_revision + 1";
    let mut as_migrations_run = open_as_owner(&url, None).await.unwrap();
    assert_eq!(diesel::sql_query(backfill).execute(&mut as_migrations_run).await.unwrap(), 1);
    // Which is no matter of course: the wall is forced on the owner.
    assert_eq!(diesel::sql_query(backfill).execute(&mut open(&url).await).await.unwrap(), 0);
}

/// How many rows all tables have together.
async fn rows(url: &SecretString) -> i64 {
    #[derive(QueryableByName)]
    struct Sum {
        #[diesel(sql_type = Text)]
        sql: String,
    }
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = Int8)]
        count: i64,
    }
    let counts =
        "SELECT 'SELECT ' || string_agg(format('(SELECT count(*) FROM %I)', relname), ' + ') || ' AS count' AS sql
          FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition";
    let mut conn = open_as_owner(url, None).await.unwrap();
    let Sum { sql } = diesel::sql_query(counts).get_result(&mut conn).await.unwrap();
    let count: Count = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
    count.count
}

async fn run(program: &Path, arguments: &[&str], scope: Option<&str>) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(scope) = scope {
        command.env("PGOPTIONS", format!("-c mendline.scope={scope}"));
    }
    let output = command.output().await.unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// As OPERATIONS tells it: a role that no policy holds takes everything, or the owner does, in the system's scope.
#[tokio::test]
async fn a_dump_is_whole_or_refused_and_comes_back_with_its_wall() {
    let Some(programs) = server_programs() else { return };
    let (dump, restore) = (programs.join("pg_dump"), programs.join("pg_restore"));
    if !dump.is_file() {
        eprintln!("no pg_dump beside the server's programs: dumps were not tried");
        return;
    }
    let (pid, files) = (std::process::id(), tempfile::tempdir().unwrap());
    let (name, owner, dumper) = (format!("kept_{pid}"), format!("kept_owner_{pid}"), format!("dumper_{pid}"));
    let url = settled(&name, &owner).await;
    admin(&format!("CREATE ROLE {dumper} LOGIN BYPASSRLS; GRANT pg_read_all_data TO {dumper}")).await;
    let before = rows(&url).await;
    assert!(before > 50, "{before}");

    let file = files.path().join("dump");
    let file = file.to_str().unwrap();
    let plain = ["--format=custom", "--file", file];
    let refused = run(&dump, &[&plain[..], &[url.expose_secret()]].concat(), None).await.unwrap_err();
    assert!(refused.contains("row-level security"), "the owner's dump is not silently empty: {refused}");

    let as_dumper = SecretString::from(url.expose_secret().replacen(&owner, &dumper, 1));
    for (number, (who, flags, scope)) in
        [(&as_dumper, &[][..], None), (&url, &["--enable-row-security"][..], Some("system"))].into_iter().enumerate()
    {
        run(&dump, &[&plain[..], flags, &[who.expose_secret()]].concat(), scope).await.unwrap();
        let back = estate(&format!("back_{number}_{pid}"), &owner).await;
        let into = format!("--dbname={}", back.expose_secret());
        let flags = ["--no-owner", "--exit-on-error", "--single-transaction", &into, file];
        run(&restore, &flags, None).await.unwrap();
        assert!(migrate(&back, None).await.unwrap().is_empty(), "nothing is left to migrate");
        assert_eq!(rows(&back).await, before);
        let mut unscoped = open(&back).await;
        let seen = diesel::sql_query("SELECT FROM patients").execute(&mut unscoped).await.unwrap();
        assert_eq!(seen, 0, "the wall came back with it");
    }
}

#[tokio::test]
async fn in_production_nobody_serves_with_a_login_that_no_policy_holds_or_that_is_another_groups() {
    let (owner, made) = (format!("serving_owner_{}", std::process::id()), keys::make().unwrap());
    let owned = settled(&format!("serving_{}", std::process::id()), &owner).await;
    let database = TestDatabase::create().await;
    let dir = tempfile::tempdir().unwrap();
    for (role, url, said) in [
        ("api", database.url.clone(), "SUPERUSER or BYPASSRLS"),
        ("worker", database.url.clone(), "SUPERUSER or BYPASSRLS"),
        ("api", owned, "owns the tables"),
        ("api", as_group(&database.url, Group::Worker), "is no member of mendline_api"),
        ("worker", as_group(&database.url, Group::Api), "is no member of mendline_worker"),
    ] {
        let mut server = mendline(dir.path(), None, &[role]);
        let settings = [
            ("MENDLINE_ENV", "production"),
            ("DATABASE_URL", url.expose_secret()),
            ("MENDLINE_PUBLIC_URL", "https://mendline.example.org"),
            ("MENDLINE_TOKEN_KEY", made.token.expose_secret()),
            ("MENDLINE_SECRET_KEY", made.secret.expose_secret()),
            ("MENDLINE_VAPID_KEY", made.vapid.expose_secret()),
            ("MENDLINE_VAPID_SUBJECT", "mailto:ops@example.org"),
        ];
        let ended = server.envs(settings).output().await.unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && told.contains(said), "{role}: {told}");
    }
}
