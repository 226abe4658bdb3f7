//! A comparison of two versions as a person would read it: days and hours, earlier and later. Rendering to text only; who
//! prints it is the command line's affair.

use super::super::show::{item_line, rule_line};
use super::super::units::{DayTime, IsoDuration};
use super::{Aspect, Change, Diff, Entry, Fate, Side, Value};

/// The longest value that stands on one line with what it was.
const SHORT: usize = 40;

/// What differs, in plain text.
pub fn diff_text(diff: &Diff, from: Side<'_>, to: Side<'_>) -> String {
    let name = |side: Side<'_>| format!("{} {}", side.version.key(), side.version.number());
    let mut lines = vec![format!("{} -> {}", name(from), name(to))];
    if diff.is_empty() {
        lines.push("Nothing changes for a patient.".to_owned());
    }
    if !diff.plan.is_empty() {
        lines.push("\nThe plan as a whole".to_owned());
        lines.extend(diff.plan.iter().flat_map(|change| change_lines(change, "  ")));
    }
    for (heading, entries) in diff.sections().into_iter().filter(|(_, entries)| !entries.is_empty()) {
        lines.push(format!("\n{heading}"));
        lines.extend(entries.iter().flat_map(|entry| entry_lines(entry, from, to)));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn entry_lines(entry: &Entry, from: Side<'_>, to: Side<'_>) -> Vec<String> {
    match entry.fate {
        Fate::Added => vec![format!("+ {}", whole(entry, to))],
        Fate::Removed => vec![format!("- {}", whole(entry, from))],
        Fate::Changed => {
            let head = format!("  {}", head(entry));
            let changes = entry.changes.iter().flat_map(|change| change_lines(change, "      "));
            std::iter::once(head).chain(changes).collect()
        }
    }
}

/// An entry on one line: an item and a rule as the plan shows them.
fn whole(entry: &Entry, side: Side<'_>) -> String {
    let structure = &side.version.structure;
    let line = match entry.kind {
        Some(_) => side.version.item(&entry.key).map(|item| item_line(side.version, side.texts, item)),
        None => {
            let is_rule = entry.changes.iter().any(|change| change.aspect == Aspect::Level);
            let rule = structure.triage.iter().find(|rule| is_rule && rule.key == entry.key);
            rule.map(|rule| rule_line(side.texts, rule))
        }
    };
    line.map_or_else(|| head(entry), |line| line.trim_start().to_owned())
}

fn head(entry: &Entry) -> String {
    let name = match &entry.title {
        Some(title) => format!("{title} ({})", entry.key),
        None => entry.key.clone(),
    };
    entry.kind.map_or_else(|| name.clone(), |kind| format!("{:<17} {name}", kind.as_str()))
}

fn change_lines(change: &Change, indent: &str) -> Vec<String> {
    let label = label(change);
    let (before, after) = (spoken(change.before.as_ref()), spoken(change.after.as_ref()));
    if before.chars().count() > SHORT || after.chars().count() > SHORT {
        let was = change.before.as_ref().map(|_| format!("{indent}  - {before}"));
        let is = change.after.as_ref().map(|_| format!("{indent}  + {after}"));
        return std::iter::once(format!("{indent}{label}:")).chain(was).chain(is).collect();
    }
    let moved = moved(change).map_or_else(String::new, |moved| format!(" ({moved})"));
    vec![format!("{indent}{label}: {before} -> {after}{moved}")]
}

fn label(change: &Change) -> String {
    let own = change.aspect.as_str().replace('_', " ");
    let name = match change.aspect {
        Aspect::Opens => "from",
        Aspect::Closes => "until",
        Aspect::ClosesLatest => "until at the latest",
        Aspect::EndsWith => "until the condition",
        Aspect::SoftCloses => "with care until",
        Aspect::SoftClosesLatest => "with care until at the latest",
        Aspect::SoftEndsWith => "with care until the condition",
        Aspect::Reminder => "told",
        _ => &own,
    };
    change.of.as_ref().map_or_else(|| name.to_owned(), |of| format!("{name} ({of})"))
}

fn spoken(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::After(duration) | Value::Length(duration)) => duration.spoken(),
        Some(Value::OnDay { day, time: DayTime::START }) => format!("day {day}"),
        Some(Value::OnDay { day, time: DayTime::END }) => format!("the end of day {day}"),
        Some(Value::OnDay { day, time }) => format!("day {day}, {time}"),
        Some(Value::Text(text)) => text.clone(),
    }
}

fn moved(change: &Change) -> Option<String> {
    let by = change.by()?;
    let (less, more) = match change.before {
        Some(Value::Length(_)) => ("shorter", "longer"),
        _ => ("earlier", "later"),
    };
    Some(if by < IsoDuration::ZERO { format!("{} {less}", (-by).spoken()) } else { format!("{} {more}", by.spoken()) })
}
