//! What a lock screen may show without anybody's consent: four sentences, and no others.
//! They say that something waits and nothing of what it is: no clinic, no treatment, no body, no measurement.

use super::words::word_enum;

word_enum! {
    /// Which of the four sentences fits. Its word is the `category` in payloads, and the Android channel, so that people
    /// can mute by kind.
    pub enum NeutralKind {
        /// Something to read.
        Message = "message",
        /// Something to do.
        Reminder = "reminder",
        /// Something to answer.
        Question = "question",
        /// For staff: somebody waits for them.
        Review = "review",
    }
}

/// The language in which sentences come for `locale` (a BCP 47 tag; only its language counts): English where we do not
/// speak it.
pub fn language(locale: &str) -> &'static str {
    let language = locale.split(['-', '_']).next().unwrap_or_default();
    ["es", "de", "fr", "pt"].into_iter().find(|ours| language.eq_ignore_ascii_case(ours)).unwrap_or("en")
}

impl NeutralKind {
    /// The sentence in the language of `locale`.
    pub fn sentence(self, locale: &str) -> &'static str {
        let [message, reminder, question, review] = match language(locale) {
            "es" => [
                "Tienes un mensaje nuevo.",
                "Un recordatorio para ti.",
                "Una pregunta para ti.",
                "Alguien espera tu revisión.",
            ],
            "de" => [
                "Du hast eine neue Nachricht.",
                "Eine Erinnerung für dich.",
                "Eine Frage an dich.",
                "Jemand wartet auf deine Durchsicht.",
            ],
            "fr" => [
                "Vous avez un nouveau message.",
                "Un rappel pour vous.",
                "Une question pour vous.",
                "Quelqu’un attend votre avis.",
            ],
            "pt" => [
                "Você tem uma nova mensagem.",
                "Um lembrete para você.",
                "Uma pergunta para você.",
                "Alguém espera a sua revisão.",
            ],
            _ => {
                ["You have a new message.", "A reminder for you.", "A question for you.", "Someone needs your review."]
            }
        };
        match self {
            Self::Message => message,
            Self::Reminder => reminder,
            Self::Question => question,
            Self::Review => review,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_language_of_a_locale_counts_and_english_is_the_fallback() {
        assert_eq!(NeutralKind::Reminder.sentence("en-GB"), "A reminder for you.");
        assert_eq!(NeutralKind::Reminder.sentence("DE_at"), "Eine Erinnerung für dich.");
        assert_eq!(NeutralKind::Review.sentence("xx"), "Someone needs your review.");
        assert_eq!(NeutralKind::Message.sentence(""), "You have a new message.");
    }

    #[test]
    fn every_sentence_is_one_short_sentence_and_differs_from_the_others() {
        for locale in ["en", "es", "de", "fr", "pt"] {
            let sentences = NeutralKind::ALL.iter().map(|kind| kind.sentence(locale)).collect::<Vec<_>>();
            for (index, sentence) in sentences.iter().enumerate() {
                assert!(sentence.ends_with('.') && sentence.chars().count() <= 40, "{sentence}");
                assert!(!sentences[..index].contains(sentence), "{sentence}");
            }
        }
    }
}
