//! Faults in texts: words that are missing in the base language, words for things that do not exist in any.

use std::collections::BTreeSet;

use super::item::{Item, Kind};
use super::parse::Parsed;
use super::read::Doc;
use super::texts::Texts;
use super::version::Structure;
use crate::domain::symptoms::{Answer, Field, HIGHEST_STEP};

/// Key of the advice that is given when no rule matches.
pub const NO_ADVICE: &str = "none";

/// Words of the base language that must exist.
pub(super) fn base(doc: &Doc<'_>, structure: &Structure, texts: &Texts) {
    for phase in &structure.phases {
        if !texts.phases.contains_key(&phase.key) {
            doc.fault("phases", format!("missing text: phase `{}`", phase.key));
        }
    }
    for item in &structure.items {
        item_texts(doc, item, texts);
    }
    let mut advice: BTreeSet<&str> = structure.triage.iter().map(|rule| rule.advice.as_str()).collect();
    advice.insert(NO_ADVICE);
    for key in advice {
        match texts.advice.get(key) {
            None => doc.fault("advice", format!("missing text: advice `{key}`")),
            Some(text) if text.body.is_none() => {
                doc.fault(&format!("advice.{key}"), format!("missing text: body of advice `{key}`"));
            }
            Some(_) => {}
        }
    }
    for field in &structure.check_in_fields {
        if !texts.check_in.contains_key(field.as_str()) {
            doc.fault("check_in", format!("missing text: check-in field `{field}`"));
        }
    }
}

fn item_texts(doc: &Doc<'_>, item: &Item, texts: &Texts) {
    let key = &item.key;
    let Some(text) = texts.items.get(key) else {
        doc.fault("items", format!("missing text: item `{key}`"));
        return;
    };
    let missing = |what: &str| doc.fault(&format!("items.{key}"), format!("missing text: {what} of item `{key}`"));
    if !matches!(item.kind, Kind::Restriction | Kind::CheckIn) && text.body.is_none() {
        missing("body");
    }
    if item.kind == Kind::Restriction && text.why.is_none() {
        missing("why");
    }
    let names: BTreeSet<Option<&str>> = item.reminders.iter().map(|reminder| reminder.text.as_deref()).collect();
    for name in names {
        if text.alert_text(name).is_none() {
            missing(&name.map_or_else(|| "alert".to_owned(), |name| format!("alert `{name}`")));
        }
    }
}

/// Words of any language that belong to nothing, and anchors that do not fit their field.
pub(super) fn any(doc: &Doc<'_>, parsed: &Parsed, structure: &Structure, texts: &Texts) {
    for key in texts.items.keys().filter(|key| !parsed.named.contains(key)) {
        doc.fault(&format!("items.{key}"), format!("text for item `{key}`, which does not exist"));
    }
    for key in texts.phases.keys().filter(|key| !structure.phases.iter().any(|phase| phase.key == **key)) {
        doc.fault(&format!("phases.{key}"), format!("text for phase `{key}`, which does not exist"));
    }
    for (name, text) in &texts.check_in {
        let path = format!("check_in.{name}");
        let Some(field) = Field::ALL.iter().find(|field| field.as_str() == name) else {
            doc.fault(&path, format!("text for check-in field `{name}`, which does not exist"));
            continue;
        };
        let wanted = match field.answer() {
            Answer::Scale => usize::from(HIGHEST_STEP) + 1,
            Answer::Choice(words) => words.len(),
            Answer::YesNo | Answer::Temperature => 0,
        };
        if text.anchors.len() != wanted {
            let found = text.anchors.len();
            doc.fault(&path, format!("check-in field `{name}` takes {wanted} anchors, not {found}"));
        }
    }
}
