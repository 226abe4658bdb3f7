//! Protocols in the database and over HTTP. What a protocol is and means is `domain::protocol`.

mod accept;
mod catalogue;
mod diff_view;
mod disagreement_view;
pub mod drafts;
mod locale_view;
mod register;
pub mod routes;
mod rule_view;
pub(crate) mod store;
mod summary_view;
pub mod view;
mod withdraw;
mod withdrawal_view;
mod words;

pub use accept::Accepted;
pub use catalogue::{Catalogue, CatalogueError, Origin, Published, content_hash};
pub use diff_view::DiffView;
pub use register::{RegisterError, check_registered, register, register_built_ins};
pub use words::{words, words_of_both};

/// Whether a key may be that of a clinic's own protocol. Names of built-ins never begin like this, so that none which a
/// later release brings can be taken already.
pub fn own_key(key: &str) -> bool {
    key.strip_prefix("own-").is_some_and(|rest| {
        !rest.is_empty()
            && key.len() <= 64
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::own_key;
    use crate::domain::protocol::builtin;

    #[test]
    fn no_built_in_protocol_is_called_like_a_clinics_own() {
        assert!(builtin().unwrap().iter().all(|built_in| !own_key(built_in.version.key())));
        for (key, own) in
            [("own-plan", true), ("own-", false), ("own-Plan", false), ("owner", false), ("own-a b", false)]
        {
            assert_eq!(own_key(key), own, "{key}");
        }
    }
}
