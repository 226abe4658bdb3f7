//! E-mail addresses as login names.

use crate::body::Faults;

/// RFC 5321: the longest path, less its brackets.
const LONGEST: usize = 254;

/// Trimmed and lower-cased: how an address is stored and looked up.
pub fn normalised(email: &str) -> String {
    email.trim().to_ascii_lowercase()
}

/// The normalised address; a fault if nobody could have it. Only ASCII: the database and we must agree on what lower
/// case is. A domain of another script has an `xn--` form.
pub fn check(faults: &mut Faults, pointer: &str, email: &str) -> String {
    let email = normalised(email);
    let plausible = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local.len() <= 64
            && domain.split('.').all(|label| !label.is_empty())
            && !domain.contains('@')
    });
    let clean = email.bytes().all(|byte| byte.is_ascii_graphic());
    if !(plausible && clean && email.len() <= LONGEST) {
        faults.push(pointer, "is not an e-mail address such as jo@example.org");
    }
    email
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for (text, fine) in [
            (" Jo.Smith+x@Example.ORG ", true),
            ("jo@localhost", true),
            ("jo", false),
            ("@example.org", false),
            ("jo@", false),
            ("jo@a@b", false),
            ("jo@example..org", false),
            ("jo smith@example.org", false),
            ("jö@example.org", false),
        ] {
            let mut faults = Faults::default();
            let email = check(&mut faults, "/email", text);
            assert_eq!(faults.finish().is_ok(), fine, "{text}");
            assert_eq!(email, email.to_ascii_lowercase().trim());
        }
    }
}
