//! What a protocol's items must fulfil beyond their shape: every breach is a fault, all are found at once.
//! Words are checked in `validate_texts.rs`, rules and references to facts in `validate_rules.rs`.

use std::collections::BTreeSet;

use super::item::{Actor, Item, Kind, Soft, Window};
use super::parse::Parsed;
use super::read::{Doc, File};
use super::units::IsoDuration;
use super::validate_size;
use super::version::{PhaseStart, Structure};

pub(super) fn items(doc: &Doc<'_>, parsed: &Parsed, structure: &Structure) {
    duplicates(doc, "items", parsed.named.iter().map(String::as_str));
    duplicates(doc, "phases", structure.phases.iter().map(|phase| phase.key.as_str()));
    duplicates(doc, "conditions", structure.conditions.iter().map(|condition| condition.key.as_str()));
    duplicates(doc, "triage", structure.triage.iter().map(|rule| rule.key.as_str()));
    phases(doc, structure);
    if let Some(series) = &structure.series {
        if series.interval_max < series.interval_min {
            doc.fault("series.interval_max", "`interval_max` is before `interval_min`");
        }
        if series.most < series.sessions {
            doc.fault("series.most", "`most` is less than `sessions`");
        }
    }
    for (item, path) in structure.items.iter().zip(&parsed.item_paths) {
        let check = Check { doc, path, item };
        check.kind();
        check.window();
        check.soft_and_range();
        check.recurrence();
        check.counting(structure);
        check.reminders();
        check.references(parsed, structure);
    }
    validate_size::occurrences(doc, parsed, structure);
}

/// What is wrong with a structure that was read without a fault and has been changed since. Its items may link to `named`.
pub fn faults_of(structure: &Structure, named: Vec<String>) -> Vec<String> {
    let doc = Doc::new(File { name: "", text: "" });
    let item_paths = structure.items.iter().map(|item| item.key.clone()).collect();
    items(&doc, &Parsed { structure: None, named, item_paths, rule_paths: Vec::new() }, structure);
    doc.into_faults().into_list("").into_iter().map(|fault| fault.reason).collect()
}

fn duplicates<'a>(doc: &Doc<'_>, section: &str, keys: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for (index, key) in keys.enumerate() {
        if !seen.insert(key) {
            doc.fault(&format!("{section}[{index}].key"), format!("`{key}` is named twice in {section}"));
        }
    }
}

fn phases(doc: &Doc<'_>, structure: &Structure) {
    match structure.phases.first().map(|phase| phase.from) {
        None => doc.fault("phases", "a protocol needs at least one phase"),
        Some(PhaseStart::Elapsed { from: IsoDuration::ZERO } | PhaseStart::Day { from_day: 0 }) => {}
        Some(_) => doc.fault("phases[0]", "the first phase must start with the treatment"),
    }
    for (index, pair) in structure.phases.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let ordered = match (before.from, after.from) {
            (PhaseStart::Elapsed { from: a }, PhaseStart::Elapsed { from: b }) => a < b,
            (PhaseStart::Day { from_day: a }, PhaseStart::Day { from_day: b }) => a < b,
            (PhaseStart::Elapsed { .. }, PhaseStart::Day { from_day }) => from_day > 0,
            (PhaseStart::Day { from_day }, PhaseStart::Elapsed { from }) => {
                from >= IsoDuration::days(i64::from(from_day))
            }
        };
        if !ordered {
            let path = format!("phases[{}]", index + 1);
            doc.fault(&path, format!("phase `{}` does not start after `{}`", after.key, before.key));
        }
    }
}

/// One item under examination.
pub(super) struct Check<'a> {
    pub doc: &'a Doc<'a>,
    pub path: &'a str,
    pub item: &'a Item,
}

impl Check<'_> {
    pub fn fault(&self, part: &str, reason: impl AsRef<str>) {
        let path = if part.is_empty() { self.path.to_owned() } else { format!("{}.{part}", self.path) };
        self.doc.fault(&path, format!("item `{}`: {}", self.item.key, reason.as_ref()));
    }

    fn kind(&self) {
        let item = self.item;
        let needs_window = matches!(
            item.kind,
            Kind::Milestone | Kind::Restriction | Kind::Routine | Kind::CheckIn | Kind::FollowUp | Kind::Session
        );
        if needs_window && item.window.is_none() {
            self.fault("", format!("a {} needs a window", item.kind));
        }
        let bounded = match &item.window {
            Some(Window::Elapsed { to, .. }) => to.is_some(),
            Some(Window::LocalDay { to_day, .. }) => to_day.is_some(),
            Some(Window::Condition { .. }) => true,
            None => false,
        };
        if item.kind == Kind::Restriction && item.window.is_some() && !bounded {
            self.fault("window", "a restriction needs a bound or a cap");
        } else if needs_window && item.window.is_some() && !bounded {
            self.fault("window", format!("a {} needs an end", item.kind));
        }
        let begins_later = match &item.window {
            Some(Window::Elapsed { from, .. } | Window::Condition { from, .. }) => !from.delta().is_zero(),
            Some(Window::LocalDay { from_day, .. }) => *from_day != 0,
            None => false,
        };
        if item.kind == Kind::Restriction && begins_later {
            // Whoever asks "may I yet?" is answered with one that runs or one that is over, and must not take silence for yes.
            self.fault("window", "a restriction begins with the treatment");
        }
        match (item.kind, &item.recurrence) {
            (Kind::Routine | Kind::CheckIn, None) => self.fault("", format!("a {} needs a recurrence", item.kind)),
            (Kind::Routine | Kind::CheckIn, Some(_)) | (_, None) => {}
            (_, Some(_)) => self.fault("recurrence", format!("a {} does not recur", item.kind)),
        }
        if item.evidence.is_empty() && !item.product_decision {
            self.fault("", "needs evidence, or `product_decision = true` where no source gives the figure");
        }
        if item.actor == Actor::Clinic && !item.reminders.is_empty() {
            self.fault("reminders", "what the clinic does is not asked of the patient: no reminders");
        }
    }

    fn window(&self) {
        match &self.item.window {
            Some(Window::Elapsed { from, to: Some(to) }) if to <= from => self.fault("window", "`to` is before `from`"),
            Some(Window::LocalDay { from_day, to_day: Some(to_day), .. }) if to_day < from_day => {
                self.fault("window", "`to_day` is before `from_day`");
            }
            Some(Window::LocalDay { from_day, to_day, from_time, to_time }) => {
                let daily = self.item.recurrence.is_some() || *to_day == Some(*from_day);
                if daily && to_time <= from_time {
                    self.fault("window", "`to_time` is before `from_time`");
                }
            }
            Some(Window::Condition { from, minimum, cap, .. }) => {
                if minimum < from {
                    self.fault("window", "`minimum` is before `from`");
                }
                if cap < minimum || cap <= from {
                    self.fault("window", "`cap` is before `minimum`");
                }
            }
            Some(Window::Elapsed { .. }) | None => {}
        }
    }

    fn soft_and_range(&self) {
        let item = self.item;
        if item.soft.is_some() && item.kind != Kind::Restriction {
            self.fault("soft", "only a restriction has a soft bound");
        }
        if matches!(item.window, Some(Window::LocalDay { .. })) && item.soft.is_some() {
            self.fault("soft", "a soft bound counts from T0 and cannot follow a window of local days");
        }
        let end = match &item.window {
            Some(Window::Elapsed { to, .. }) => *to,
            Some(Window::Condition { cap, .. }) => Some(*cap),
            Some(Window::LocalDay { .. }) | None => None,
        };
        let soft = item.soft.as_ref().map(|soft| match soft {
            Soft::Fixed { to } => *to,
            Soft::Condition { cap, .. } => *cap,
        });
        if soft.zip(end).is_some_and(|(soft, end)| soft <= end) {
            self.fault("soft", "the soft bound is before the hard one");
        }
        if item.range.is_some_and(|range| range.max < range.min) {
            self.fault("range", "`max` is before `min`");
        }
    }

    fn references(&self, parsed: &Parsed, structure: &Structure) {
        for (index, link) in self.item.links.iter().enumerate() {
            if *link == self.item.key {
                self.fault(&format!("links[{index}]"), "links to itself");
            } else if !parsed.named.contains(link) {
                self.fault(&format!("links[{index}]"), format!("links to `{link}`, which does not exist"));
            }
        }
        let window = match &self.item.window {
            Some(Window::Condition { until, .. }) => Some(("window.until", until)),
            _ => None,
        };
        let soft = match &self.item.soft {
            Some(Soft::Condition { until, .. }) => Some(("soft.until", until)),
            _ => None,
        };
        for (part, until) in window.into_iter().chain(soft) {
            if !structure.conditions.iter().any(|condition| condition.key == *until) {
                self.fault(part, format!("waits for the condition `{until}`, which does not exist"));
            }
        }
    }
}
