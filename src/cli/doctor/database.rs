//! Postgres: is it there, whose is it, is it current, and will it keep what it is given?

use chrono::TimeDelta;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::report::Report;
use super::{login, trail};
use crate::alerts::queue;
use crate::cli::Database;
use crate::clock::Clocks;
use crate::config::Config;
use crate::db::{Connector, Db, Group, MigrationState, Survey, migration_state, standing, survey};
use crate::embedded;
use crate::protocols::check_registered;

/// Clocks that differ by more than this make tokens and leases go wrong.
const SKEW: TimeDelta = TimeDelta::seconds(5);
/// From here on what is due should have been sent.
const OVERDUE: TimeDelta = TimeDelta::seconds(60);
/// The oldest server that the SQL is written for.
const OLDEST: i32 = 150_000;

const AREA: &str = "database";

/// Looks at all of it.
pub(super) async fn examine(config: &Config, clocks: &Clocks, report: &mut Report) {
    if config.database.url.is_none() && !embedded::exists(&config.data_dir) {
        report.ok(AREA, "none yet: the first start makes a private one");
        return;
    }
    let Ok(database) = Database::find(config) else {
        let remedy = "ask again while `mendline serve` runs, or set DATABASE_URL";
        report.warn(AREA, "nobody runs the private one just now: it was not looked at", remedy);
        return;
    };
    match database.connect(config) {
        Ok(access) => {
            // A server that is away is away for both: that is one line.
            if let Some(mut conn) = opened(&access.api, "DATABASE_URL", report).await {
                if let Err(error) = look_around(config, clocks, &mut conn, report).await {
                    report.fail(AREA, format!("asking it: {error:#}"), "see its log");
                }
                if let Some(mut conn) = opened(&access.worker, worker_variable(config), report).await
                    && let Err(error) = look_at_queue(config, clocks, &mut conn, report).await
                {
                    report.fail("queue", format!("asking for it: {error:#}"), "see the database's log");
                }
            }
        }
        Err(error) => report.fail(AREA, format!("DATABASE_URL: {error:#}"), "write it as the README says"),
    }
    owner(config, report).await;
}

/// Where the worker's login stands.
fn worker_variable(config: &Config) -> &'static str {
    if config.database.worker_url.is_some() { "MENDLINE_WORKER_URL" } else { "DATABASE_URL" }
}

async fn opened(db: &Db, variable: &str, report: &mut Report) -> Option<AsyncPgConnection> {
    let remedy =
        format!("check host, port, password and sslmode in {variable}, and that the server lets this machine in");
    match db.connector().open().await {
        Ok(conn) => Some(conn),
        Err(error) => {
            report.fail(AREA, format!("{variable}: {error}"), remedy);
            None
        }
    }
}

/// Where migrations run as somebody else, that one gets in too.
async fn owner(config: &Config, report: &mut Report) {
    let Some(url) = &config.database.migrate_url else { return };
    let opened = match Connector::new(url, config.database.extra_ca.as_deref()) {
        Ok(connector) => connector.open().await.map_err(|error| error.to_string()),
        Err(error) => Err(format!("{error:#}")),
    };
    match opened {
        Ok(_) => report.ok("owner", "MENDLINE_MIGRATE_URL connects"),
        Err(error) => {
            report.fail("owner", format!("MENDLINE_MIGRATE_URL: {error}"), "check it: `mendline migrate` needs it");
        }
    }
}

async fn look_around(
    config: &Config,
    clocks: &Clocks,
    conn: &mut AsyncPgConnection,
    report: &mut Report,
) -> anyhow::Result<()> {
    // Built-in protocols are everybody's; only workers see them as part of everything.
    conn.batch_execute("SET mendline.scope = 'system'").await?;
    let before = clocks.wall.now();
    let found = survey(conn).await?;
    let between = before + (clocks.wall.now() - before) / 2;
    clock(found.now - between, report);
    server(&found, report);
    login::tell(Group::Api, &standing(conn).await?, config, report);
    settings(&found, config, report);
    match migration_state(conn).await? {
        MigrationState::Behind { missing } => report.fail(
            "schema",
            format!("behind this binary: {} missing", missing.join(", ")),
            "run `mendline migrate`; whether the old servers can go on meanwhile is in docs/OPERATIONS.md",
        ),
        MigrationState::Current => {
            report.ok("schema", "current");
            match check_registered(conn).await {
                Ok(()) => report.ok("protocols", "registered"),
                Err(error) => report.fail("protocols", error.to_string(), "run `mendline migrate`"),
            }
        }
    }
    Ok(())
}

/// What only workers see.
async fn look_at_queue(
    config: &Config,
    clocks: &Clocks,
    conn: &mut AsyncPgConnection,
    report: &mut Report,
) -> anyhow::Result<()> {
    let login = standing(conn).await?;
    login::tell(Group::Worker, &login, config, report);
    if login.is_worker && migration_state(conn).await? == MigrationState::Current {
        conn.batch_execute("SET mendline.scope = 'system'").await?;
        queued(clocks, conn, report).await?;
        trail::examine(clocks, conn, report).await?;
    }
    Ok(())
}

fn clock(skew: TimeDelta, report: &mut Report) {
    let found = format!("{} ms apart from the database's", skew.num_milliseconds().abs());
    if skew.abs() > SKEW {
        report.warn("clock", found, "run NTP on both machines: leases, tokens and due moments depend on it");
    } else {
        report.ok("clock", found);
    }
}

fn server(found: &Survey, report: &mut Report) {
    let version = format!("PostgreSQL {}.{}", found.version / 10_000, found.version % 10_000);
    if found.version < OLDEST {
        report.fail(AREA, format!("{version} is too old"), "upgrade to 15 or later");
    } else {
        report.ok(AREA, version);
    }
    if found.read_only {
        report.fail(AREA, "takes no writes: a standby, or read-only", "name the primary in DATABASE_URL");
    }
    if !found.network {
        report.ok("database TLS", "a Unix socket needs none");
    } else {
        report.expect(
            found.tls,
            "database TLS",
            "encrypted, its certificate verified",
            "the connection is plain",
            "set sslmode=require in DATABASE_URL, unless the network between is your own",
        );
    }
}

fn settings(found: &Survey, config: &Config, report: &mut Report) {
    // One pool as the API and one as the worker; beside them a worker's place, its claims and its settles, and the API's
    // feed of revoked tokens.
    let wanted = 2 * i64::from(config.database.pool_size) + 4;
    let there = i64::from(found.connections);
    let figures = format!("{wanted} for this process, {there} in all, {} in use", found.in_use);
    if wanted > there {
        report.fail("connections", figures, "lower MENDLINE_DATABASE_POOL, or raise max_connections");
    } else if wanted + found.in_use > there {
        report.warn("connections", figures, "lower MENDLINE_DATABASE_POOL, or raise max_connections");
    } else {
        report.ok("connections", figures);
    }
    for (good, name, harm) in [
        (found.fsync, "fsync", "a power cut may ruin the whole database"),
        (found.full_page_writes, "full_page_writes", "a power cut may ruin pages"),
        (found.synchronous_commit, "synchronous_commit", "a crash loses what was answered with success"),
        (found.autovacuum, "autovacuum", "the queue gets slower by the day"),
    ] {
        if !good {
            report.warn("durability", format!("{name} is off: {harm}"), format!("set {name} = on in postgresql.conf"));
        }
    }
    if found.fsync && found.full_page_writes && found.synchronous_commit && found.autovacuum {
        report.ok("durability", "what is committed stays, and is tidied up after");
    }
}

async fn queued(clocks: &Clocks, conn: &mut AsyncPgConnection, report: &mut Report) -> anyhow::Result<()> {
    let now = clocks.care.now();
    let (due, oldest) = queue::queue_depth(conn, now).await?;
    match oldest.map(|oldest| now - oldest).filter(|late| *late > OVERDUE) {
        Some(late) => report.warn(
            "queue",
            format!("{due} alerts are due, the oldest for {} s", late.num_seconds()),
            "see whether a worker runs (`mendline serve` or `mendline worker`), and what its log says",
        ),
        None => report.ok("queue", format!("{due} alerts are due now")),
    }
    let lost = queue::count_lost(conn, now).await?;
    if lost > 0 {
        report.warn(
            "queue",
            format!("{lost} overdue alerts have no entry in alert_queue"),
            "a running worker puts them back within the hour; see OPERATIONS for how entries get lost",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Survey {
        Survey {
            version: 170_002,
            now: chrono::DateTime::UNIX_EPOCH,
            tls: true,
            network: true,
            connections: 97,
            in_use: 20,
            fsync: true,
            full_page_writes: true,
            synchronous_commit: true,
            autovacuum: true,
            read_only: false,
        }
    }

    fn config() -> Config {
        let url = ("DATABASE_URL".to_owned(), "postgres://u@h/d".to_owned());
        Config::read(crate::config::Vars::from_map([url].into())).unwrap()
    }

    fn told(found: &Survey) -> (u8, String) {
        let mut report = Report::default();
        server(found, &mut report);
        settings(found, &config(), &mut report);
        (report.status(), report.tell())
    }

    #[test]
    fn a_server_that_is_well_needs_nothing() {
        let (status, text) = told(&well());
        assert_eq!(status, 0, "{text}");
        assert!(!text.contains("->"), "{text}");
    }

    #[test]
    fn whatever_is_not_as_it_should_be_is_named_with_what_to_do() {
        for (found, status, said, remedy) in [
            (Survey { version: 140_010, ..well() }, 2, "PostgreSQL 14.10 is too old", "15 or later"),
            (Survey { read_only: true, ..well() }, 2, "takes no writes", "the primary"),
            (Survey { tls: false, ..well() }, 1, "plain", "sslmode=require"),
            (Survey { connections: 10, ..well() }, 2, "10 in all", "MENDLINE_DATABASE_POOL"),
            (Survey { in_use: 90, ..well() }, 1, "90 in use", "max_connections"),
            (Survey { fsync: false, ..well() }, 1, "fsync is off", "fsync = on"),
            (Survey { synchronous_commit: false, ..well() }, 1, "a crash loses", "synchronous_commit = on"),
            (Survey { autovacuum: false, ..well() }, 1, "autovacuum is off", "autovacuum = on"),
        ] {
            let (got, text) = told(&found);
            assert_eq!(got, status, "{text}");
            assert!(text.contains(said) && text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn clocks_that_differ_by_more_than_five_seconds_are_a_warning_either_way() {
        for (seconds, status) in [(0, 0), (5, 0), (6, 1), (-6, 1)] {
            let mut report = Report::default();
            clock(TimeDelta::seconds(seconds), &mut report);
            assert_eq!(report.status(), status, "{seconds}");
        }
    }
}
