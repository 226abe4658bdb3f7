//! How much a protocol may ask for: what is laid out on every reading of a treatment must stay small.

use super::item::{Item, Kind, Recurrence, Window};
use super::parse::Parsed;
use super::read::Doc;
use super::version::Structure;

/// The most tasks of a treatment and reminders of them together. The built-in plans have about two hundred.
pub const MOST_OCCURRENCES: u64 = 10_000;

/// Says so at the item that brings the sum over the limit.
pub(super) fn occurrences(doc: &Doc<'_>, parsed: &Parsed, structure: &Structure) {
    let mut sum = 0u64;
    for (item, path) in structure.items.iter().zip(&parsed.item_paths) {
        sum = sum.saturating_add(of(item));
        if sum > MOST_OCCURRENCES {
            let reason =
                format!("with item `{}` there are more than {MOST_OCCURRENCES} tasks and reminders of them", item.key);
            return doc.fault(path, reason);
        }
    }
}

/// How many tasks an item has, and how many reminders all of them.
fn of(item: &Item) -> u64 {
    let days = match &item.window {
        Some(Window::LocalDay { from_day, to_day, .. }) => {
            u64::try_from(to_day.unwrap_or(*from_day) - from_day).unwrap_or(0) + 1
        }
        _ => 1,
    };
    let tasks = match (item.kind, &item.recurrence) {
        (Kind::Routine | Kind::CheckIn, Some(recurrence)) => match recurrence {
            Recurrence::Daily => days,
            Recurrence::Times { times, days: chosen } => {
                let days = if chosen.is_empty() { days } else { chosen.len() as u64 };
                days.saturating_mul(times.len() as u64)
            }
            Recurrence::Every { hours, from, to, .. } => {
                let minutes = u64::from(to.minutes().saturating_sub(from.minutes()));
                days.saturating_mul(minutes / (u64::from(*hours) * 60).max(1))
            }
            Recurrence::Once { .. } | Recurrence::AsNeeded => 1,
        },
        _ => 1,
    };
    tasks.saturating_mul(1 + item.reminders.len() as u64)
}
