//! In which language a protocol speaks to somebody. Words that nobody reviewed are not served in place of the language
//! that the protocol was written in, unless the clinic has accepted them.

use crate::domain::protocol::{ProtocolVersion, Texts};
use crate::language::Wanted;

/// Whether words are served: reviewed ones, those of the language that the protocol was written in, accepted ones.
fn is_served(version: &ProtocolVersion, texts: &Texts, accepted: &[String]) -> bool {
    texts.reviewed || texts.locale == version.structure.base_locale || accepted.contains(&texts.locale)
}

/// The version's words in the best language for a request; `fallbacks` are the person's and the clinic's languages. The
/// version's own language is always there.
pub fn words<'v>(version: &'v ProtocolVersion, accepted: &[String], wanted: &Wanted, fallbacks: &[&str]) -> &'v Texts {
    let base = version.structure.base_locale.as_str();
    let served = version.texts.values().filter(|texts| is_served(version, texts, accepted));
    let available: Vec<&str> = served.map(|texts| texts.locale.as_str()).collect();
    let fallbacks: Vec<&str> = fallbacks.iter().copied().chain([base]).collect();
    version.texts.get(wanted.pick(&fallbacks, &available)).unwrap_or_else(|| version.base_texts())
}

/// The words of two versions in one language, so that they can be compared: the best one for a request that is served of
/// both, else each version's own. Each with what is accepted of it.
pub fn words_of_both<'v>(
    (one, accepted_of_one): (&'v ProtocolVersion, &[String]),
    (other, accepted_of_other): (&'v ProtocolVersion, &[String]),
    wanted: &Wanted,
    fallbacks: &[&str],
) -> (&'v Texts, &'v Texts) {
    let texts = words(one, accepted_of_one, wanted, fallbacks);
    let same = other.texts.get(&texts.locale);
    match same.filter(|same| is_served(other, same, accepted_of_other)) {
        Some(same) => (texts, same),
        None => (one.base_texts(), other.base_texts()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::protocol::builtin;

    /// A protocol written in German with a reviewed French and an unreviewed Italian translation.
    fn translated() -> ProtocolVersion {
        let mut version = ProtocolVersion::clone(&builtin().unwrap()[0].version);
        let english = version.base_texts().clone();
        version.structure.base_locale = "de".to_owned();
        let in_language = |locale: &str, reviewed| Texts { locale: locale.to_owned(), reviewed, ..english.clone() };
        version.texts = [("de", false), ("fr", true), ("it", false)]
            .map(|(locale, reviewed)| (locale.to_owned(), in_language(locale, reviewed)))
            .into();
        version
    }

    #[test]
    fn translations_are_served_once_reviewed_and_the_protocols_own_language_always() {
        let version = translated();
        let spoken = |fallbacks: &[&str]| words(&version, &[], &Wanted::default(), fallbacks).locale.as_str();
        assert_eq!(spoken(&["fr-CH", "de"]), "fr");
        assert_eq!(spoken(&["it", "fr"]), "fr");
        assert_eq!(spoken(&["it"]), "de");
        assert_eq!(spoken(&["en"]), "de");
        assert_eq!(spoken(&[]), "de");
        let accepted = ["it".to_owned()];
        let spoken = |fallbacks: &[&str]| words(&version, &accepted, &Wanted::default(), fallbacks).locale.as_str();
        assert_eq!((spoken(&["it", "fr"]), spoken(&["fr"]), spoken(&["en"])), ("it", "fr", "de"));
    }

    #[test]
    fn two_versions_are_compared_in_one_language_if_both_have_it() {
        let (version, english) = (translated(), &builtin().unwrap()[0].version);
        let spoken = |other: &ProtocolVersion, fallback: &str| {
            let (one, other) = words_of_both((&version, &[]), (other, &[]), &Wanted::default(), &[fallback]);
            (one.locale.clone(), other.locale.clone())
        };
        assert_eq!(spoken(&version, "fr"), ("fr".to_owned(), "fr".to_owned()));
        assert_eq!(spoken(english, "fr"), ("de".to_owned(), "en".to_owned()));
        let mut unreviewed = translated();
        unreviewed.texts.get_mut("fr").unwrap().reviewed = false;
        assert_eq!(spoken(&unreviewed, "fr"), ("de".to_owned(), "de".to_owned()));
    }
}
