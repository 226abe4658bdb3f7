//! From TOML to items: windows, recurrences, reminders.

use super::item::{
    Actor, DEFAULT_GRACE, DEFAULT_PRIORITY, Item, Kind, Recurrence, Reminder, ReminderAt, Slot, Soft, Spread, Window,
};
use super::parse::{LAST_DAY, duration, inner_name, name, needed_duration};
use super::read::Table;
use super::units::DayTime;

/// What a patient can switch on.
const MODES: [&str; 1] = ["outdoors"];

pub(super) fn item(table: Table<'_, '_>) -> Option<Item> {
    let key = inner_name(&table, "key");
    let kind = table.need("kind", table.parsed("kind"));
    let item = Item {
        key: key.clone().unwrap_or_default(),
        kind: kind.unwrap_or(Kind::Faq),
        group: name(&table, "group", '_'),
        relation: table.parsed("relation"),
        window: table.table("window").and_then(window),
        soft: table.table("soft").and_then(soft),
        range: table.table("range").and_then(spread),
        recurrence: table.table("recurrence").and_then(recurrence),
        grace: duration(&table, "grace").unwrap_or(DEFAULT_GRACE),
        actor: table.parsed("actor").unwrap_or(Actor::Patient),
        counts: table.boolean("counts").unwrap_or(false),
        weight: table.integer("weight", 1, 100).unwrap_or(1),
        priority: table.integer("priority", 0, 100).unwrap_or(DEFAULT_PRIORITY),
        hold_on_flag: table.boolean("hold_on_flag").unwrap_or(false),
        reminders: table.tables("reminders").into_iter().filter_map(reminder).collect(),
        links: table.strings("links"),
        evidence: table.strings("evidence"),
        product_decision: table.boolean("product_decision").unwrap_or(false),
    };
    // A part that is there but could not be read would only raise doubts about the rest.
    let whole = ["window", "soft", "range", "recurrence"].iter().all(|part| {
        let read = match *part {
            "window" => item.window.is_some(),
            "soft" => item.soft.is_some(),
            "range" => item.range.is_some(),
            _ => item.recurrence.is_some(),
        };
        read || !table.has(part)
    });
    table.finish();
    (key.is_some() && kind.is_some() && whole).then_some(item)
}

fn window(table: Table<'_, '_>) -> Option<Window> {
    let basis = table.need("basis", table.string("basis"));
    let window = match basis.as_deref() {
        Some("elapsed") => {
            let from = duration(&table, "from").unwrap_or_default();
            let to = duration(&table, "to");
            // An end that is there but could not be read is not the same as no end.
            (to.is_some() || !table.has("to")).then_some(Window::Elapsed { from, to })
        }
        Some("local_day") => {
            let from_day = table.need("from_day", table.integer("from_day", 0, LAST_DAY));
            let to_day = table.integer("to_day", 0, LAST_DAY);
            let from_time = table.parsed("from_time").unwrap_or(DayTime::START);
            let to_time = table.parsed("to_time").unwrap_or(DayTime::END);
            from_day.map(|from_day| Window::LocalDay { from_day, to_day, from_time, to_time })
        }
        Some("condition") => {
            let from = duration(&table, "from").unwrap_or_default();
            let minimum = needed_duration(&table, "minimum");
            let until = inner_name(&table, "until");
            let cap = needed_duration(&table, "cap");
            minimum.zip(until).zip(cap).map(|((minimum, until), cap)| Window::Condition { from, minimum, until, cap })
        }
        Some(other) => {
            table.fault_in("basis", format!("`{other}` is none of: elapsed, local_day, condition"));
            return None;
        }
        None => return None,
    };
    table.finish();
    window
}

fn soft(table: Table<'_, '_>) -> Option<Soft> {
    let soft = if table.has("until") {
        let until = inner_name(&table, "until");
        let cap = needed_duration(&table, "cap");
        until.zip(cap).map(|(until, cap)| Soft::Condition { until, cap })
    } else {
        needed_duration(&table, "to").map(|to| Soft::Fixed { to })
    };
    table.finish();
    soft
}

pub(super) fn spread(table: Table<'_, '_>) -> Option<Spread> {
    let min = needed_duration(&table, "min");
    let max = needed_duration(&table, "max");
    table.finish();
    Some(Spread { min: min?, max: max? })
}

fn slot(table: Table<'_, '_>) -> Option<Slot> {
    let from = table.need("from", table.parsed("from"));
    let to = table.need("to", table.parsed("to"));
    table.finish();
    Some(Slot { from: from?, to: to? })
}

fn recurrence(table: Table<'_, '_>) -> Option<Recurrence> {
    let kind = table.need("kind", table.string("kind"));
    let recurrence = match kind.as_deref() {
        Some("once") => Some(Recurrence::Once { offset: duration(&table, "offset").unwrap_or_default() }),
        Some("daily") => Some(Recurrence::Daily),
        Some("times") => {
            let times: Vec<Slot> = table.tables("times").into_iter().filter_map(slot).collect();
            if times.is_empty() {
                table.fault("`times` needs at least one slot");
            }
            Some(Recurrence::Times { times, days: table.integers("days", 0, LAST_DAY) })
        }
        Some("every") => {
            let hours = table.need("hours", table.integer("hours", 1, 24));
            let from = table.need("from", table.parsed("from"));
            let to = table.need("to", table.parsed("to"));
            let mode = table.need("while", table.string("while"));
            if let Some(mode) = mode.as_deref().filter(|mode| !MODES.contains(mode)) {
                table.fault_in("while", format!("`{mode}` is no mode a patient can switch on: {}", MODES.join(", ")));
            }
            let clock = hours.zip(from).zip(to).zip(mode);
            clock.map(|(((hours, from), to), mode)| Recurrence::Every { hours, from, to, mode })
        }
        Some("as_needed") => Some(Recurrence::AsNeeded),
        Some(other) => {
            table.fault_in("kind", format!("`{other}` is none of: once, daily, times, every, as_needed"));
            return None;
        }
        None => return None,
    };
    table.finish();
    recurrence
}

fn reminder(table: Table<'_, '_>) -> Option<Reminder> {
    let at: Option<ReminderAt> = table.need("at", table.parsed("at"));
    let reminder = Reminder {
        at: at.unwrap_or(ReminderAt::Open),
        offset: table.parsed("offset").unwrap_or_default(),
        day: table.integer("day", 0, LAST_DAY),
        from_day: table.integer("from_day", 0, LAST_DAY),
        to_day: table.integer("to_day", 0, LAST_DAY),
        seq: table.integers("seq", 0, 100),
        text: table.string("text"),
    };
    table.finish();
    at.map(|_| reminder)
}
