//! What a patient reads about an appointment, in the languages of the sentences on lock screens. Nothing here says what it
//! is for.

use chrono::DateTime;
use chrono_tz::Tz;

use super::message::Rendered;
use crate::domain::appointment::Told;

/// The languages there are words in.
pub const LANGUAGES: &[&str] = &["en", "es", "de", "fr", "pt"];

/// The words in one of these languages, or English. A push is put into words without looking anything up, so that it comes
/// without the time; the app, which asks, is told it as a clock at the clinic shows it.
pub fn of(told: Told, starts_at: Option<DateTime<Tz>>, language: &str) -> Rendered {
    let [set, moved, cancelled, day_before, hours_before] = match language {
        "es" => [
            "Tienes una cita nueva",
            "Tu cita ha cambiado de hora",
            "Tu cita se ha cancelado",
            "Tu cita se acerca",
            "Tu cita es dentro de poco",
        ],
        "de" => [
            "Du hast einen neuen Termin",
            "Dein Termin wurde verlegt",
            "Dein Termin wurde abgesagt",
            "Dein Termin steht bevor",
            "Dein Termin ist bald",
        ],
        "fr" => [
            "Vous avez un nouveau rendez-vous",
            "Votre rendez-vous a été déplacé",
            "Votre rendez-vous a été annulé",
            "Votre rendez-vous approche",
            "Votre rendez-vous est bientôt",
        ],
        "pt" => [
            "Você tem um novo horário marcado",
            "Seu horário marcado mudou",
            "Seu horário marcado foi cancelado",
            "Seu horário marcado se aproxima",
            "Seu horário marcado é em breve",
        ],
        _ => [
            "You have a new appointment",
            "Your appointment was moved",
            "Your appointment was cancelled",
            "Your appointment is coming up",
            "Your appointment is soon",
        ],
    };
    let title = match told {
        Told::Set => set,
        Told::Moved => moved,
        Told::Cancelled => cancelled,
        Told::DayBefore => day_before,
        Told::HoursBefore => hours_before,
    };
    let body = starts_at.map(|at| format!("{} ({})", at.format("%Y-%m-%d, %H:%M"), at.timezone().name()));
    Rendered { title: title.to_owned(), body: body.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn every_language_says_something_else_for_everything_there_is_to_tell() {
        let said: Vec<String> = LANGUAGES
            .iter()
            .flat_map(|language| Told::ALL.iter().map(|told| of(*told, None, language).title))
            .collect();
        for (index, title) in said.iter().enumerate() {
            assert!(!title.is_empty() && !said[..index].contains(title), "{title}");
        }
    }

    #[test]
    fn the_time_is_that_of_the_clinic() {
        let at = chrono_tz::Europe::Berlin.with_ymd_and_hms(2026, 2, 5, 10, 30, 0).unwrap();
        assert_eq!(of(Told::DayBefore, Some(at), "en").body, "2026-02-05, 10:30 (Europe/Berlin)");
    }
}
