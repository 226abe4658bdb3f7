//! What an alert says: the neutral sentence on a lock screen, and the text that the app fetches and shows. It is put into
//! words when it is sent or fetched, never when it is planned.

use crate::domain::neutral_text::NeutralKind;
use crate::domain::protocol::{Level, PlainText, ProtocolVersion, Texts};
use crate::domain::whom_to_call::Lines;

/// Which neutral sentence fits a category of alerts.
pub fn neutral_kind(category: &str) -> NeutralKind {
    match category {
        "routine" | "session" | "follow_up" => NeutralKind::Reminder,
        "check_in" => NeutralKind::Question,
        "flag" => NeutralKind::Review,
        _ => NeutralKind::Message,
    }
}

/// An alert in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The first line.
    pub title: String,
    /// What there is to say.
    pub body: String,
}

/// The words of the protocol's item behind an alert, in these texts or the protocol's own language. `None` where the
/// version has no such item any more.
pub fn of_item(version: &ProtocolVersion, texts: &Texts, item_key: &str, seq: Option<i32>) -> Option<Rendered> {
    let item = version.item(item_key)?;
    let name = seq.and_then(|seq| item.reminder_of(seq)).and_then(|reminder| reminder.text.as_deref());
    let text = version.alert_text(texts, item_key, name).or_else(|| version.alert_text(texts, item_key, None));
    if let Some(text) = text {
        return Some(Rendered { title: text.title.clone(), body: text.body.clone() });
    }
    let text = version.item_text(texts, item_key)?;
    Some(Rendered { title: text.title.clone(), body: text.body.clone().unwrap_or_default() })
}

/// What staff read about a flag, once they are logged in: who it is and what the patient was told to do.
pub fn of_flag(patient_name: &str, level: Level) -> Rendered {
    let body = match level {
        Level::Emergency => format!("{patient_name} was told to call emergency services. Please get in touch at once."),
        Level::Urgent => format!("{patient_name} was asked to call the clinic now."),
        Level::Soon => format!("{patient_name} was asked to contact the clinic today or tomorrow."),
        Level::Routine | Level::None => format!("{patient_name} reported something to mention at the next contact."),
    };
    Rendered { title: "A check-in asks for your review".to_owned(), body }
}

/// What a patient reads whose report could reach nobody.
pub fn nobody_reached(lines: &Lines) -> Rendered {
    let PlainText { title, body } = lines.nobody_reached();
    Rendered { title, body: body.unwrap_or_default() }
}

/// What the same message says once somebody has seen the report: whoever reads it later is not alarmed any more.
pub fn seen() -> Rendered {
    Rendered {
        title: "Your clinic has seen your check-in".to_owned(),
        body: "Somebody at your clinic has taken it on. If you are worried, call your clinic.".to_owned(),
    }
}

/// What a test says.
pub fn of_test() -> Rendered {
    Rendered { title: "It works".to_owned(), body: "Messages reach this device.".to_owned() }
}

/// What is left to say where nothing else can be said.
pub fn neutral(category: &str, locale: &str) -> Rendered {
    Rendered { title: neutral_kind(category).sentence(locale).to_owned(), body: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::protocol::builtin;

    #[test]
    fn every_alert_that_a_built_in_protocol_can_owe_has_words_of_its_own() {
        for built_in in builtin().unwrap() {
            let version = &built_in.version;
            let mut reminders = 0;
            for item in &version.structure.items {
                for (index, reminder) in item.reminders.iter().enumerate() {
                    let seq = i32::try_from(index).unwrap();
                    let said = of_item(version, version.base_texts(), &item.key, Some(seq)).unwrap();
                    assert!(!said.title.is_empty() && !said.body.is_empty(), "{}", item.key);
                    if let Some(name) = &reminder.text {
                        let own = &version.base_texts().items[&item.key].alerts[name];
                        assert_eq!((&said.title, &said.body), (&own.title, &own.body));
                    }
                    reminders += 1;
                }
            }
            assert!(reminders > 10, "{} reminders", reminders);
        }
    }

    #[test]
    fn an_item_that_is_gone_has_no_words() {
        let version = &builtin().unwrap()[0].version;
        assert_eq!(of_item(version, version.base_texts(), "long_forgotten", Some(0)), None);
    }
}
