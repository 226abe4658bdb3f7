//! Variables that are called like settings of ours and are none: most likely one that somebody misspelt. Only their names
//! are looked at; a value may be the secret that was meant for another.

use std::collections::BTreeSet;
use std::fmt;

use super::vars::Fault;

/// What the names of our own settings begin with.
const PREFIX: &str = "MENDLINE_";
/// How much alike two names must be for one to be meant by the other: of four letters one may be wrong.
const NEAR: f64 = 0.75;

/// A variable that is set and that nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// What it is called.
    pub name: String,
    /// The setting that was most likely meant.
    pub meant: Option<&'static str>,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meant {
            Some(meant) => write!(f, "{} is no setting: {meant} may be meant", self.name),
            None => write!(f, "{} is no setting", self.name),
        }
    }
}

/// Those of the names that begin like ours and are not known.
pub(super) fn among<'a>(names: impl Iterator<Item = &'a str>, known: &BTreeSet<&'static str>) -> Vec<Stranger> {
    names
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name) && !is_from_kubernetes(name))
        .map(|name| Stranger { name: name.to_owned(), meant: nearest(name, known) })
        .collect()
}

/// Faults stop the start before anybody is told of strangers: what each of those most likely means is told with them.
pub(super) fn hint(mut faults: Vec<Fault>, strangers: &[Stranger]) -> Vec<Fault> {
    for Stranger { name, meant } in strangers {
        let Some(variable) = *meant else { continue };
        let problem = format!("may be meant by {name}, which is no setting");
        match faults.iter_mut().find(|fault| fault.variable == variable) {
            Some(fault) => fault.problem = format!("{}; {problem}", fault.problem),
            None => faults.push(Fault { variable, problem }),
        }
    }
    faults
}

/// What Kubernetes tells every container about a Service that is called mendline
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_from_kubernetes(name: &str) -> bool {
    let words: Vec<&str> = name.strip_prefix(PREFIX).unwrap_or_default().split('_').collect();
    match words[..] {
        ["SERVICE", "HOST" | "PORT"] | ["SERVICE", "PORT", _, ..] | ["PORT"] => true,
        ["PORT", number, "TCP" | "UDP" | "SCTP", ..] => number.parse::<u16>().is_ok(),
        _ => false,
    }
}

fn nearest(name: &str, known: &BTreeSet<&'static str>) -> Option<&'static str> {
    let likeness = |known: &str| {
        let rest = |name: &str| name.strip_prefix(PREFIX).map(str::to_ascii_uppercase);
        Some(strsim::normalized_damerau_levenshtein(&rest(name)?, &rest(known)?))
    };
    let scored = known.iter().filter_map(|known| Some((likeness(known)?, *known)));
    let best = scored.max_by(|(one, _), (other, _)| f64::total_cmp(one, other));
    best.filter(|(likeness, _)| *likeness >= NEAR).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> Vec<String> {
        let known = BTreeSet::from(["MENDLINE_FCM_CREDENTIALS", "MENDLINE_FCM_RATE", "MENDLINE_BIND", "DATABASE_URL"]);
        among([name].into_iter(), &known).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_that_is_nearly_right_is_told_with_the_one_that_was_meant() {
        for (name, meant) in [
            ("MENDLINE_FCM_CREDENTIAL", "MENDLINE_FCM_CREDENTIALS"),
            ("MENDLINE_FMC_RATE", "MENDLINE_FCM_RATE"),
            ("MENDLINE_BINDS", "MENDLINE_BIND"),
            ("MENDLINE_fcm_rate", "MENDLINE_FCM_RATE"),
        ] {
            assert_eq!(told(name), [format!("{name} is no setting: {meant} may be meant")]);
        }
    }

    #[test]
    fn a_name_like_no_other_is_told_alone_and_what_is_not_ours_is_nobodys_business() {
        for name in ["MENDLINE_COLOUR", "MENDLINE_", "MENDLINE_DATABASE_URL"] {
            assert_eq!(told(name), [format!("{name} is no setting")]);
        }
        for name in ["MENDLINE_BIND", "DATABASE_URL", "DATABASE_URI", "PATH", "XMENDLINE_BINDS"] {
            assert!(told(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_kubernetes_says_of_a_service_of_our_name_is_no_stranger() {
        for name in [
            "MENDLINE_SERVICE_HOST",
            "MENDLINE_SERVICE_PORT",
            "MENDLINE_SERVICE_PORT_HTTP",
            "MENDLINE_PORT",
            "MENDLINE_PORT_8080_TCP",
            "MENDLINE_PORT_8080_TCP_PROTO",
            "MENDLINE_PORT_8080_TCP_PORT",
            "MENDLINE_PORT_53_UDP_ADDR",
        ] {
            assert!(told(name).is_empty(), "{name}");
        }
        for name in ["MENDLINE_SERVICE", "MENDLINE_PORTS", "MENDLINE_PORT_HTTP_TCP", "MENDLINE_PORT_8080_TCPS"] {
            assert_eq!(told(name), [format!("{name} is no setting")]);
        }
    }
}
