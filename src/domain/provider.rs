//! Who carries messages to phones, as far as the rest of the program has to know them. What is true of one of them stands in
//! its own file below `push`: neither this file nor anything else here knows a provider by name.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;

use super::address::AddressForm;
use super::device::Environment;

/// A push provider: what is true of it, configured or not. There is one value for each, and that is what is compared.
pub struct Provider {
    /// The word that it is known by in the contract, the database, logs and metrics.
    pub word: &'static str,
    /// For how long an address is believed of whose app nobody has heard: afterwards the phone is most likely gone, and
    /// a provider that goes on accepting for it only flatters the figures.
    pub believed_for: TimeDelta,
    /// What its addresses look like.
    pub address: AddressForm,
    /// What can be in trouble as a whole.
    pub services: Services,
}

/// For whom an answer about a whole service speaks: the key of pauses and of "many at once".
#[derive(Debug, Clone, Copy)]
pub enum Services {
    /// The provider is one service and bears its name.
    One,
    /// There are several: the name of the one behind an address in an environment.
    Several(for<'a> fn(&'a str, Environment) -> Cow<'a, str>),
}

impl Provider {
    /// The name of the service behind an address.
    pub fn service<'a>(&self, address: &'a str, environment: Environment) -> Cow<'a, str> {
        match self.services {
            Services::One => self.word.into(),
            Services::Several(name) => name(address, environment),
        }
    }
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Provider {}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

/// All providers that this program knows, in the order in which they are listed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Providers(Arc<[&'static Provider]>);

/// The word of no provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownProvider {
    word: String,
    known: Vec<&'static str>,
}

impl Providers {
    /// The provider of this word.
    pub fn find(&self, word: &str) -> Result<&'static Provider, UnknownProvider> {
        let unknown =
            || UnknownProvider { word: word.to_owned(), known: self.iter().map(|provider| provider.word).collect() };
        self.iter().find(|provider| provider.word == word).ok_or_else(unknown)
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &'static Provider> {
        self.0.iter().copied()
    }
}

impl FromIterator<&'static Provider> for Providers {
    fn from_iter<I: IntoIterator<Item = &'static Provider>>(providers: I) -> Self {
        Self(providers.into_iter().collect())
    }
}

impl fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is none of: {}", self.word, self.known.join(", "))
    }
}

impl std::error::Error for UnknownProvider {}

#[cfg(test)]
mod tests {
    use super::*;

    static PIGEON: Provider = provider("pigeon", Services::One);
    static OWL: Provider =
        provider("owl", Services::Several(|address, _| address.split('@').next_back().unwrap().into()));

    const fn provider(word: &'static str, services: Services) -> Provider {
        Provider { word, believed_for: TimeDelta::days(1), address: AddressForm::of(|_| Ok(())), services }
    }

    #[test]
    fn a_provider_is_found_by_its_word_and_another_word_is_told_which_there_are() {
        let known: Providers = [&PIGEON, &OWL].into_iter().collect();
        assert_eq!(known.find("owl"), Ok(&OWL));
        assert_ne!(known.find("owl"), Ok(&PIGEON));
        assert_eq!(known.find("sms").unwrap_err().to_string(), r#""sms" is none of: pigeon, owl"#);
    }

    #[test]
    fn a_service_is_the_provider_itself_unless_it_has_several() {
        let services = [&PIGEON, &OWL].map(|provider| provider.service("ada@tower", Environment::Production));
        assert_eq!(services, ["pigeon", "tower"]);
    }
}
