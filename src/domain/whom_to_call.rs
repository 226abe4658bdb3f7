//! Whom a patient can call, as the clinic says it, and what a patient hears whom the clinic's phones did not hear. One
//! text, wherever it is read.

use super::protocol::PlainText;

/// The clinic's lines, as it wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// How to reach the clinic.
    pub contact: Option<String>,
    /// Whom to turn to while it is closed.
    pub out_of_hours: Option<String>,
    /// Whom to call in an emergency.
    pub emergency: Option<String>,
}

impl Lines {
    /// What a patient is told whose urgent report could reach nobody: kind, plain, and never a promise.
    pub fn nobody_reached(&self) -> PlainText {
        let whom =
            self.contact.as_ref().map_or_else(|| "your clinic".to_owned(), |line| format!("your clinic: {line}"));
        let emergency = match &self.emergency {
            Some(line) => format!("emergency services: {line}"),
            None => "emergency services".to_owned(),
        };
        let sentences = [
            Some("We could not reach anybody at your clinic with a message about your check-in.".to_owned()),
            Some(format!("Do not wait for an answer here: please call {}", ended(&whom))),
            self.out_of_hours.as_deref().map(ended),
            Some(format!("If you feel seriously ill or it gets worse quickly, call {}", ended(&emergency))),
        ];
        let body = sentences.into_iter().flatten().collect::<Vec<_>>().join(" ");
        PlainText { title: "Nobody has seen this yet".to_owned(), body: Some(body) }
    }
}

/// The sentence with an end.
fn ended(sentence: &str) -> String {
    let ended = sentence.ends_with(['.', '!', '?']);
    if ended { sentence.to_owned() } else { format!("{sentence}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clinic_without_lines_is_still_to_be_called() {
        let body = Lines::default().nobody_reached().body.unwrap();
        assert!(body.contains("please call your clinic. If you feel seriously ill"), "{body}");
        assert!(body.ends_with("call emergency services."), "{body}");
    }

    #[test]
    fn every_line_that_the_clinic_has_is_named() {
        let lines = Lines {
            contact: Some("030 123".to_owned()),
            out_of_hours: Some("At night: 116117".to_owned()),
            emergency: Some("112".to_owned()),
        };
        let body = lines.nobody_reached().body.unwrap();
        assert!(body.contains("please call your clinic: 030 123. At night: 116117. If"), "{body}");
        assert!(body.ends_with("call emergency services: 112."), "{body}");
    }
}
