//! Who did what, in the languages of the sentences on lock screens.

use crate::domain::neutral_text::language;
use crate::domain::trail::{Area, Deed};

/// The languages there are.
pub const LANGUAGES: [&str; 5] = ["en", "es", "de", "fr", "pt"];

/// What somebody did with which part of a record, such as `Looked at: check-ins`.
pub fn sentence(locale: &str, deed: Deed, area: Area) -> String {
    format!("{}: {}", verb(locale, deed), noun(locale, area))
}

fn verb(locale: &str, deed: Deed) -> &'static str {
    let [looked, changed] = match language(locale) {
        "es" => ["Ha consultado", "Ha modificado"],
        "de" => ["Angesehen", "Geändert"],
        "fr" => ["A consulté", "A modifié"],
        "pt" => ["Consultou", "Alterou"],
        _ => ["Looked at", "Changed"],
    };
    match deed {
        Deed::Looked => looked,
        Deed::Changed => changed,
    }
}

fn noun(locale: &str, area: Area) -> &'static str {
    let [en, es, de, fr, pt] = match area {
        Area::Record => ["your record", "tu ficha", "deine Stammdaten", "votre dossier", "a sua ficha"],
        Area::Treatments => ["treatments", "tratamientos", "Behandlungen", "traitements", "tratamentos"],
        Area::Plan => {
            ["plan and advice", "plan y consejos", "Plan und Hinweise", "plan et conseils", "plano e conselhos"]
        }
        Area::CheckIns => ["check-ins", "seguimientos", "Rückmeldungen", "bilans", "relatos"],
        Area::FollowUp => [
            "what the clinic follows up",
            "lo que la clínica revisa",
            "was die Praxis nachverfolgt",
            "ce que la clinique suit",
            "o que a clínica acompanha",
        ],
        Area::Tasks => [
            "tasks and how they went",
            "tareas y su cumplimiento",
            "Aufgaben und ihr Verlauf",
            "tâches et leur suivi",
            "tarefas e o seu cumprimento",
        ],
        Area::Appointments => ["appointments", "citas", "Termine", "rendez-vous", "consultas"],
        Area::Messages => [
            "messages and devices",
            "mensajes y dispositivos",
            "Nachrichten und Geräte",
            "messages et appareils",
            "mensagens e dispositivos",
        ],
        Area::Trail => [
            "who looked at your record",
            "quién ha consultado tu ficha",
            "wer deine Akte angesehen hat",
            "qui a consulté votre dossier",
            "quem consultou a sua ficha",
        ],
    };
    match language(locale) {
        "es" => es,
        "de" => de,
        "fr" => fr,
        "pt" => pt,
        _ => en,
    }
}

/// Somebody whose login is gone.
pub fn former_member(locale: &str) -> &'static str {
    match language(locale) {
        "es" => "una persona que ya no está",
        "de" => "ein früheres Mitglied",
        "fr" => "un ancien membre",
        "pt" => "um antigo membro",
        _ => "a former member",
    }
}

/// Whoever runs the server.
pub fn operator(locale: &str) -> &'static str {
    match language(locale) {
        "es" => "quien opera el sistema de la clínica",
        "de" => "der Betreiber der Praxis",
        "fr" => "l’exploitant de la clinique",
        "pt" => "o operador da clínica",
        _ => "the clinic's operator",
    }
}

/// Whoever holds the address of a calendar feed.
pub fn calendar(locale: &str) -> &'static str {
    match language(locale) {
        "es" => "un calendario",
        "de" => "ein Kalender",
        "fr" => "un agenda",
        "pt" => "um calendário",
        _ => "a calendar",
    }
}
