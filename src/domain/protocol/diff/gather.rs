//! Traits and how they are gathered: moments as moments, lengths as lengths, all else as text.

use super::super::item::{Kind, Soft, Window};
use super::super::texts::{AlertText, ItemText, PlainText};
use super::super::units::IsoDuration;
use super::{Aspect, Value};

/// One property of an entry.
#[derive(Debug, Clone)]
pub(super) struct Trait {
    pub(super) aspect: Aspect,
    pub(super) of: Option<String>,
    pub(super) value: Value,
}

/// An entry with all its properties.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) key: String,
    pub(super) kind: Option<Kind>,
    pub(super) title: Option<String>,
    pub(super) traits: Vec<Trait>,
}

/// Traits while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Traits(Vec<Trait>);

impl Traits {
    /// All of them.
    pub(super) fn done(self) -> Vec<Trait> {
        self.0
    }

    pub(super) fn add(&mut self, aspect: Aspect, value: Value) {
        self.0.push(Trait { aspect, of: None, value });
    }

    pub(super) fn text(&mut self, aspect: Aspect, value: impl ToString) {
        self.add(aspect, Value::Text(value.to_string()));
    }

    pub(super) fn some(&mut self, aspect: Aspect, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.text(aspect, value);
        }
    }

    pub(super) fn named(&mut self, aspect: Aspect, of: &str, value: &str) {
        self.0.push(Trait { aspect, of: Some(of.to_owned()), value: Value::Text(value.to_owned()) });
    }

    pub(super) fn list(&mut self, aspect: Aspect, values: &[String]) {
        if !values.is_empty() {
            self.text(aspect, values.join(", "));
        }
    }

    pub(super) fn after(&mut self, aspect: Aspect, moment: Option<IsoDuration>) {
        if let Some(moment) = moment {
            self.add(aspect, Value::After(moment));
        }
    }

    pub(super) fn length(&mut self, aspect: Aspect, length: Option<IsoDuration>) {
        if let Some(length) = length {
            self.add(aspect, Value::Length(length));
        }
    }

    pub(super) fn window(&mut self, window: &Window) {
        match window {
            Window::Elapsed { from, to } => {
                self.text(Aspect::Basis, "elapsed");
                self.after(Aspect::Opens, Some(*from));
                self.after(Aspect::Closes, *to);
            }
            Window::LocalDay { from_day, to_day, from_time, to_time } => {
                self.text(Aspect::Basis, "local_day");
                self.add(Aspect::Opens, Value::OnDay { day: *from_day, time: *from_time });
                match to_day {
                    Some(day) => self.add(Aspect::Closes, Value::OnDay { day: *day, time: *to_time }),
                    None => self.text(Aspect::TimesOfDay, format!("{from_time}-{to_time}")),
                }
            }
            Window::Condition { from, minimum, until, cap } => {
                self.text(Aspect::Basis, "condition");
                self.after(Aspect::Opens, Some(*from));
                self.after(Aspect::Closes, Some(*minimum));
                self.after(Aspect::ClosesLatest, Some(*cap));
                self.text(Aspect::EndsWith, until);
            }
        }
    }

    pub(super) fn soft(&mut self, soft: &Soft) {
        match soft {
            Soft::Fixed { to } => self.after(Aspect::SoftCloses, Some(*to)),
            Soft::Condition { until, cap } => {
                self.after(Aspect::SoftClosesLatest, Some(*cap));
                self.text(Aspect::SoftEndsWith, until);
            }
        }
    }

    pub(super) fn words(&mut self, text: &ItemText) {
        let ItemText { title, body, why, instead, soft, alert, alerts } = text;
        self.text(Aspect::Title, title);
        self.some(Aspect::Body, body.as_ref());
        self.some(Aspect::Why, why.as_ref());
        self.some(Aspect::Instead, instead.as_ref());
        self.some(Aspect::SoftAdvice, soft.as_ref());
        let says = |AlertText { title, body }: &AlertText| format!("{title}: {body}");
        self.some(Aspect::Alert, alert.as_ref().map(says));
        for (name, alert) in alerts {
            self.named(Aspect::Alert, name, &says(alert));
        }
    }

    pub(super) fn plain(&mut self, text: Option<&PlainText>) {
        if let Some(PlainText { title, body }) = text {
            self.text(Aspect::Title, title);
            self.some(Aspect::Body, body.as_ref());
        }
    }
}
