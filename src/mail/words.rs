//! What letters say, in English and German. No name of a clinic, no word of what somebody is treated for, no link: who reads a
//! mailbox over a shoulder learns that somebody has a login.

use crate::domain::neutral_text::language;

/// What is written to somebody.
#[derive(Debug, Clone, Copy)]
pub enum Letter<'a> {
    /// A code to set a new password with, which is good for so many minutes.
    ResetCode {
        /// What the person types.
        code: &'a str,
        /// Until it is useless.
        minutes: i64,
    },
    /// The password was changed.
    PasswordChanged,
}

/// A subject and a text.
pub(super) struct Words {
    pub(super) subject: &'static str,
    pub(super) text: String,
}

impl Letter<'_> {
    /// In the language of a locale, or in English.
    pub(super) fn words(self, locale: &str) -> Words {
        match (self, language(locale)) {
            (Self::ResetCode { code, minutes }, "de") => Words {
                subject: "Code für ein neues Passwort",
                text: format!(
                    "Hallo,\n\nmit diesem Code können Sie in der App ein neues Passwort festlegen:\n\n    {code}\n\n\
                     Er gilt {minutes} Minuten und nur einmal. Ein Code, der früher angefordert wurde, gilt nicht mehr.\n\n\
                     Sie haben keinen Code angefordert? Dann brauchen Sie nichts zu tun: Ihr Passwort bleibt, wie es ist. \
                     Geben Sie den Code niemandem.\n"
                ),
            },
            (Self::ResetCode { code, minutes }, _) => Words {
                subject: "Code for a new password",
                text: format!(
                    "Hello,\n\nwith this code you can set a new password in the app:\n\n    {code}\n\n\
                     It works for {minutes} minutes and once. A code that was asked for earlier no longer works.\n\n\
                     You did not ask for a code? Then there is nothing to do: your password stays as it is. \
                     Give the code to nobody.\n"
                ),
            },
            (Self::PasswordChanged, "de") => Words {
                subject: "Ihr Passwort wurde geändert",
                text: "Hallo,\n\ndas Passwort für Ihren Zugang in der App wurde soeben geändert.\n\n\
                       Waren Sie das nicht? Fordern Sie in der App einen Code für ein neues Passwort an, legen Sie eines fest, \
                       und sagen Sie der Stelle Bescheid, die Ihnen die App gegeben hat.\n"
                    .to_owned(),
            },
            (Self::PasswordChanged, _) => Words {
                subject: "Your password was changed",
                text: "Hello,\n\nthe password of your login in the app was changed just now.\n\n\
                       Was that not you? Ask for a code for a new password in the app, set one, and tell whoever gave you \
                       the app.\n"
                    .to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_hold_the_code_and_neither_a_link_nor_a_word_of_health() {
        for locale in ["en", "de-AT", "pt-BR"] {
            let code = Letter::ResetCode { code: "7K0QF-1ABCD", minutes: 30 }.words(locale);
            assert!(code.text.contains("\n    7K0QF-1ABCD\n") && code.text.contains(" 30 "), "{}", code.text);
            for words in [code, Letter::PasswordChanged.words(locale)] {
                let all = format!("{}\n{}", words.subject, words.text).to_lowercase();
                for never in [
                    "http",
                    "://",
                    "clinic",
                    "klinik",
                    "praxis",
                    "patient",
                    "treatment",
                    "behandlung",
                    "needl",
                    "skin",
                    "haut",
                ] {
                    assert!(!all.contains(never), "{locale}: {never}");
                }
                assert!(words.subject.is_ascii() || locale == "de-AT");
            }
        }
    }
}
