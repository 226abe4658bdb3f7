//! One throw-away cluster per test run (on tmpfs where there is room), one migrated template, a copy of it per test.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel_async::SimpleAsyncConnection;
use mendline::clock::Clock;
use mendline::db::{Connector, Group, let_groups_log_in, migrate, open_as_owner};
use mendline::embedded::{Durability, Embedded, find_binaries, url_as};
use mendline::protocols::register_built_ins;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

enum Cluster {
    /// Ours; its watchdog stops it when this process ends.
    Own(Embedded),
    /// `DATABASE_URL`: somebody else's server, on which we may create databases.
    Given(String),
}

fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "the suite is told its server by the environment")]
        match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => Cluster::Given(url),
            _ => {
                let dir = scratch();
                let programs = server_programs();
                Cluster::Own(Embedded::start(&dir, programs.as_deref(), Durability::None).expect("a test cluster"))
            }
        }
    })
}

/// Where the server's programs are. Whoever runs the suite on a server of their own may have none: tests of what only a
/// server of our own can show have nothing to show then, and say so.
#[expect(clippy::print_stderr, reason = "what a test does not show must not go unsaid")]
pub fn server_programs() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the binaries may be given, as for the server")]
    let given = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
    let found = find_binaries(given.as_deref()).ok();
    if found.is_none() {
        eprintln!("no Postgres server programs on this machine: tests of the private server show nothing");
    }
    found
}

/// A fresh directory on tmpfs, after sweeping away what ended runs left there.
fn scratch() -> PathBuf {
    let tmpfs = PathBuf::from("/dev/shm");
    let root = if tmpfs.is_dir() { tmpfs } else { std::env::temp_dir() };
    for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with("mendline-test-");
        let lock = std::fs::File::open(entry.path().join("lock"));
        if ours && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
    root.join(format!("mendline-test-{}", std::process::id()))
}

/// The URL of `database` on the test server.
fn url(database: &str) -> SecretString {
    SecretString::from(match cluster() {
        Cluster::Own(embedded) => embedded.url(database),
        Cluster::Given(given) => {
            let (base, query) = given.split_once('?').unwrap_or((given, ""));
            let root = base.rsplit_once('/').map_or(base, |(root, _)| root);
            let separator = if query.is_empty() { "" } else { "?" };
            format!("{root}/{database}{separator}{query}")
        }
    })
}

/// The same database as one of the server's own roles, which no test's app is more than.
pub fn as_group(owner: &SecretString, group: Group) -> SecretString {
    as_role(owner, group.name())
}

/// The same database as another role.
pub fn as_role(owner: &SecretString, role: &str) -> SecretString {
    let owner = owner.expose_secret();
    let own = url_as(role, owner);
    SecretString::from(if own == owner {
        // Somebody else's server: whoever may create databases there may take the role, if not log in as it.
        let separator = if owner.contains('?') { '&' } else { '?' };
        format!("{owner}{separator}options=-c%20role%3D{role}")
    } else {
        own
    })
}

/// The maintenance database of the test server.
pub fn admin_url() -> SecretString {
    url("postgres")
}

/// Creates an empty or copied database and returns its URL.
pub async fn create_database(name: &str, template: Option<&str>) -> SecretString {
    let mut conn = Connector::new(&admin_url(), None).unwrap().open().await.expect("the test server");
    let sql = match template {
        Some(template) => format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"),
        None => format!("CREATE DATABASE {name} TEMPLATE template0"),
    };
    conn.batch_execute(&sql).await.expect("a new database");
    url(name)
}

async fn template() -> &'static str {
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("template_{}", std::process::id());
            let url = create_database(&name, None).await;
            migrate(&url, None).await.expect("migrations");
            let mut owner = open_as_owner(&url, None).await.expect("the template");
            register_built_ins(&mut owner, Clock::system().now()).await.expect("protocols");
            let_groups_log_in(&mut owner).await.expect("roles");
            drop(owner);
            let mut conn = Connector::new(&admin_url(), None).unwrap().open().await.expect("the test server");
            conn.batch_execute(&format!("ALTER DATABASE {name} WITH is_template true allow_connections false"))
                .await
                .expect("a template");
            name
        })
        .await
}

/// A migrated database of one test's own.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    pub url: SecretString,
}

impl TestDatabase {
    pub async fn create() -> Self {
        let template = template().await;
        let name = format!("t_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { url: create_database(&name, Some(template)).await }
    }

    /// Returns once a session of this test's database waits for another one's lock.
    pub async fn someone_waits_for_a_lock(&self) {
        use diesel_async::RunQueryDsl;
        let mut conn = Connector::new(&self.url, None).unwrap().open().await.unwrap();
        let waiting =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while diesel::sql_query(waiting).execute(&mut conn).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// How many alerts are left `sending`, or scheduled and not in the queue: asked by every test when it ends, on a thread
    /// of its own.
    pub fn stranded(&self) -> i64 {
        let url = self.url.expose_secret().to_owned();
        let ask = async move {
            use diesel::prelude::*;
            use diesel_async::RunQueryDsl;
            use mendline::schema::{alert_queue as queue, alerts};
            let mut conn = Connector::new(&SecretString::from(url), None)?.open().await?;
            let entry = queue::table
                .filter(queue::clinic_id.eq(alerts::clinic_id).and(queue::alert_id.eq(alerts::id)))
                .filter(queue::at.eq(alerts::next_attempt_at));
            let stranded = alerts::state.eq("scheduled").and(diesel::dsl::not(diesel::dsl::exists(entry)));
            let stranded = alerts::table.filter(alerts::state.eq("sending").or(stranded));
            anyhow::Ok(stranded.count().get_result(&mut conn).await?)
        };
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(ask)
        })
        .join()
        .expect("the asking thread")
        .unwrap_or(0)
    }
}
