//! What entries of a calendar are called, in the languages of the sentences on lock screens: neutral, unless the patient
//! agreed to details.

use crate::domain::appointment::AppointmentKind;
use crate::domain::neutral_text::language;
use crate::domain::protocol::Kind;

/// The words of one language.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// The calendar, and every entry that is no appointment.
    pub reminder: &'static str,
    /// Every appointment.
    pub appointment: &'static str,
    /// With details: a session that is set.
    session: &'static str,
    /// With details: a look that is set.
    follow_up: &'static str,
    /// With details: before what no longer waits.
    wait_over: &'static str,
}

impl Words {
    /// The words in the language of a locale, or in English.
    pub fn of(locale: &str) -> Self {
        let [reminder, appointment, session, follow_up, wait_over] = match language(locale) {
            "es" => ["Recordatorio", "Cita", "Sesión", "Revisión", "Termina el tiempo de espera habitual"],
            "de" => ["Erinnerung", "Termin", "Sitzung", "Kontrolle", "Die übliche Wartezeit endet"],
            "fr" => ["Rappel", "Rendez-vous", "Séance", "Suivi", "Fin du délai d’attente habituel"],
            "pt" => ["Lembrete", "Compromisso", "Sessão", "Revisão", "Termina o tempo de espera habitual"],
            _ => ["Reminder", "Appointment", "Session", "Follow-up", "The usual waiting time ends"],
        };
        Self { reminder, appointment, session, follow_up, wait_over }
    }

    /// The title of an entry of the plan; `titles` are those of its items, where details may be shown.
    pub fn entry(self, kind: Kind, titles: Option<&[&str]>) -> String {
        match (titles, kind) {
            (None, _) => self.reminder.to_owned(),
            (Some(titles), Kind::Restriction) => format!("{}: {}", self.wait_over, titles.join(", ")),
            (Some(titles), _) => titles.join(", "),
        }
    }

    /// The title of an appointment.
    pub fn date(self, kind: AppointmentKind, details: bool) -> &'static str {
        match kind {
            _ if !details => self.appointment,
            AppointmentKind::Session => self.session,
            AppointmentKind::FollowUp => self.follow_up,
        }
    }
}
