//! Who the server is to Postgres: do the policies hold it, and does it have what it needs?

use super::report::Report;
use crate::config::Config;
use crate::db::{Group, Standing};

/// Whether the policies hold a login, and whether it is this group's.
pub(super) fn tell(group: Group, login: &Standing, config: &Config, report: &mut Report) {
    let (area, name) = ("role", &login.role);
    match login.fault(group) {
        // One login is configured, and it is the other group's alone: a machine for one part of the server.
        Some((what, _)) if config.database.worker_url.is_none() && login.is_of_one_group() => report.ok(area, what),
        Some((what, remedy)) if config.is_production() => report.fail(area, what, remedy),
        Some((what, remedy)) => report.warn(area, what, remedy),
        None if group == Group::Api && login.is_worker => report.warn(
            area,
            format!("{name} answers requests and may see every clinic's data, as workers must"),
            "give workers a login of their own in MENDLINE_WORKER_URL, and REVOKE mendline_worker from this one",
        ),
        None => report.ok(area, format!("{name}, as {}", group.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Vars};

    fn config() -> Config {
        let url = ("DATABASE_URL".to_owned(), "postgres://u@h/d".to_owned());
        Config::read(Vars::from_map([url].into())).unwrap()
    }

    #[test]
    fn a_login_that_no_policy_holds_is_a_warning_and_in_production_a_failure() {
        let login = Standing {
            role: "app".to_owned(),
            bypasses: false,
            is_installed: true,
            owns: false,
            is_api: true,
            is_worker: false,
        };
        let production = Config { environment: Environment::Production, ..config() };
        for (login, config, status) in [
            (login.clone(), production.clone(), 0),
            (Standing { is_worker: true, ..login.clone() }, production.clone(), 1),
            (Standing { bypasses: true, ..login.clone() }, config(), 1),
            (Standing { bypasses: true, ..login.clone() }, production.clone(), 2),
            (Standing { owns: true, ..login.clone() }, production.clone(), 2),
            (Standing { is_api: false, ..login.clone() }, production.clone(), 2),
            (Standing { is_api: false, is_worker: true, ..login.clone() }, production, 0),
        ] {
            let mut report = Report::default();
            tell(Group::Api, &login, &config, &mut report);
            assert_eq!(report.status(), status, "{}", report.tell());
        }
    }
}
