//! Who the server is to Postgres. Two groups, which `migrate` makes, hold what the API and the workers may do; the logins in
//! `DATABASE_URL` and `MENDLINE_WORKER_URL` are their members, or on a private cluster the groups themselves. Neither owns
//! anything: whoever does could take the policies away again.

use anyhow::Context;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use secrecy::SecretString;

use super::Connector;

/// What makes the groups is a migration like any other, and runs before every migration: a database that was restored on
/// another server brings its tables and not the roles.
const GROUPS: &str = include_str!("../../migrations/2026-11-27-000020_roles/up.sql");

/// One of the two groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What answers requests: sees one clinic or one person at a time.
    Api,
    /// What works through everybody's alerts, and the operator's commands.
    Worker,
}

impl Group {
    /// What Postgres calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "mendline_api",
            Self::Worker => "mendline_worker",
        }
    }
}

/// A connection of the owner's, in the system's scope and without a limit on statements: row-level security binds the owner
/// too, and what a migration changes must not silently be nothing.
pub async fn open_as_owner(url: &SecretString, extra_ca: Option<&str>) -> anyhow::Result<AsyncPgConnection> {
    let mut conn = Connector::new(url, extra_ca)?.open().await.context("connecting as the owner")?;
    conn.batch_execute("SET statement_timeout = 0; SET mendline.scope = 'system'").await?;
    Ok(conn)
}

/// Makes the groups where they are missing, and the owner their member. Safe beside other databases of the same server.
pub(super) async fn ensure_groups(conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
    let Standing { role: owner, is_installed, owns, is_api, is_worker, .. } = standing(conn).await?;
    anyhow::ensure!(
        is_api == is_worker,
        "{owner} is a login of the servers' (it belongs to {} and to nothing else), and they own no tables: name the owner's \
         login in MENDLINE_MIGRATE_URL",
        if is_api { Group::Api.name() } else { Group::Worker.name() }
    );
    anyhow::ensure!(
        owns || !is_installed,
        "{owner} does not own the tables, and only who does may migrate: name the owner's login in MENDLINE_MIGRATE_URL"
    );
    let Err(error) = conn.batch_execute(GROUPS).await else { return Ok(()) };
    let (api, worker) = (Group::Api.name(), Group::Worker.name());
    Err(error).context(format!(
        "the roles {api} and {worker} are needed, and {owner} cannot make them; have somebody who may run: \
         CREATE ROLE {api} NOLOGIN; CREATE ROLE {worker} NOLOGIN; GRANT {api}, {worker} TO {owner}; \
         (those that exist already are not made again)"
    ))
}

/// Lets the groups read which migrations have run, which every server asks at its start.
pub(super) async fn show_migrations(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    conn.batch_execute("GRANT SELECT ON __diesel_schema_migrations TO mendline_api, mendline_worker").await
}

/// On a server of our own, which nobody reaches but through our socket, the groups are logins themselves.
pub async fn let_groups_log_in(owner: &mut AsyncPgConnection) -> QueryResult<()> {
    owner.batch_execute("ALTER ROLE mendline_api LOGIN; ALTER ROLE mendline_worker LOGIN").await
}

/// What a login can do to our tables.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Standing {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub role: String,
    /// A superuser, or one with BYPASSRLS.
    #[diesel(sql_type = Bool)]
    pub bypasses: bool,
    /// There are tables of ours.
    #[diesel(sql_type = Bool)]
    pub is_installed: bool,
    /// It owns the tables, or is a member of who does.
    #[diesel(sql_type = Bool)]
    pub owns: bool,
    /// It has what the API needs.
    #[diesel(sql_type = Bool)]
    pub is_api: bool,
    /// It has what workers need.
    #[diesel(sql_type = Bool)]
    pub is_worker: bool,
}

/// Looks at the login of a connection. Where the groups do not exist yet it belongs to neither.
pub async fn standing(conn: &mut AsyncPgConnection) -> QueryResult<Standing> {
    let sql = "
        SELECT r.rolname::text AS role, r.rolsuper OR r.rolbypassrls AS bypasses,
               to_regclass('public.alerts') IS NOT NULL AS is_installed,
               EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('public')
                          AND c.relname IN ('alerts', 'patients', 'users') AND pg_has_role(c.relowner, 'MEMBER')) AS owns,
               coalesce(pg_has_role(to_regrole('mendline_api')::oid, 'USAGE'), false) AS is_api,
               coalesce(pg_has_role(to_regrole('mendline_worker')::oid, 'USAGE'), false) AS is_worker
          FROM pg_roles AS r WHERE r.rolname = current_user";
    diesel::sql_query(sql).get_result(conn).await
}

impl Standing {
    /// Nothing but what one of the groups is.
    pub fn is_of_one_group(&self) -> bool {
        !self.bypasses && !self.owns && self.is_api != self.is_worker
    }

    /// What keeps the login from being this group's, or makes the policies nothing to it; with what to do.
    pub fn fault(&self, group: Group) -> Option<(String, String)> {
        let (role, name) = (&self.role, group.name());
        if self.bypasses {
            let what = format!("{role} is held by no policy (SUPERUSER or BYPASSRLS)");
            return Some((what, format!("log in as a role that is neither, after: GRANT {name} TO that role")));
        }
        if self.owns {
            let what = format!("{role} owns the tables and could take their policies away");
            return Some((what, format!("log in as another role, after: GRANT {name} TO that role")));
        }
        let belongs = match group {
            Group::Api => self.is_api,
            Group::Worker => self.is_worker,
        };
        (!belongs).then(|| (format!("{role} is no member of {name}"), format!("GRANT {name} TO {role}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_faulted_for_what_it_can_do_and_for_what_it_cannot() {
        let well = |is_api, is_worker| Standing {
            role: "login".to_owned(),
            bypasses: false,
            is_installed: true,
            owns: false,
            is_api,
            is_worker,
        };
        assert_eq!(well(true, false).fault(Group::Api), None);
        assert_eq!(well(false, true).fault(Group::Worker), None);
        for (standing, group, said) in [
            (well(false, true), Group::Api, "no member of mendline_api"),
            (well(true, false), Group::Worker, "no member of mendline_worker"),
            (Standing { bypasses: true, ..well(true, true) }, Group::Api, "BYPASSRLS"),
            (Standing { owns: true, ..well(true, true) }, Group::Worker, "owns the tables"),
        ] {
            let (what, remedy) = standing.fault(group).unwrap();
            assert!(what.contains(said) && remedy.contains(&format!("GRANT {}", group.name())), "{what}: {remedy}");
        }
    }
}
