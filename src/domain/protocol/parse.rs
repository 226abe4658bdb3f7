//! From TOML to a protocol's structure. Shape only: what the parts must fulfil together is checked in `validate.rs`.

use super::item::{
    Actor, DEFAULT_GRACE, DEFAULT_PRIORITY, Item, Recurrence, Reminder, ReminderAt, Slot, Soft, Spread, Window,
};
use super::read::Table;
use super::rule::{Condition, Level, Rule, Test, When};
use super::units::{DayTime, IsoDuration};
use super::version::{AppliesTo, NotCarried, Phase, PhaseStart, Series, Structure};
use crate::domain::symptoms::{Answer, Field, centi};

/// Day indexes lie within two years after the treatment.
pub(super) const LAST_DAY: i64 = 730;
const MODES: [&str; 1] = ["outdoors"];

/// What could be read, and the keys of everything that was named, readable or not: a reference to something broken is
/// not also a reference to something missing.
pub(super) struct Parsed {
    pub structure: Option<Structure>,
    pub named: Vec<String>,
    /// Path of each item in `structure.items`, and of each rule in `structure.triage`.
    pub item_paths: Vec<String>,
    pub rule_paths: Vec<String>,
}

pub(super) fn structure(root: Table<'_, '_>) -> Parsed {
    let key = root.need("key", name(&root, "key", '-'));
    let version = root.need("version", root.integer("version", 1, 1_000_000));
    let base_locale = root.need("base_locale", root.string("base_locale"));
    let alerts_a_day = root.integer("alerts_a_day", 1, 12).unwrap_or(4);
    let applies_to = root.need("applies_to", root.table("applies_to")).map(applies_to);
    let series = root.table("series").and_then(series);
    let not_carried = root.tables("not_carried").into_iter().filter_map(not_carried).collect();
    let phases = root.tables("phases").into_iter().filter_map(phase).collect();
    let conditions = root.tables("conditions").into_iter().filter_map(condition).collect();
    let check_in_fields = root.parsed_list("check_in_fields");
    let (mut named, mut items, mut item_paths) = (Vec::new(), Vec::new(), Vec::new());
    for table in root.tables("items") {
        named.extend(table.string("key"));
        let path = table.path().to_owned();
        if let Some(item) = item(table) {
            items.push(item);
            item_paths.push(path);
        }
    }
    let (mut triage, mut rule_paths) = (Vec::new(), Vec::new());
    for table in root.tables("triage") {
        let path = table.path().to_owned();
        if let Some(rule) = rule(table) {
            triage.push(rule);
            rule_paths.push(path);
        }
    }
    root.finish();
    let structure = || {
        Some(Structure {
            key: key?,
            version: version?,
            base_locale: base_locale?,
            alerts_a_day,
            applies_to: applies_to?,
            series,
            not_carried,
            phases,
            conditions,
            check_in_fields,
            items,
            triage,
        })
    };
    Parsed { structure: structure(), named, item_paths, rule_paths }
}

/// A key: lower-case letters, digits and one kind of joiner, so that it can stand in URLs, ids and dedupe keys.
fn name(table: &Table<'_, '_>, key: &str, joiner: char) -> Option<String> {
    let text = table.string(key)?;
    let plain = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joiner);
    if !plain {
        table.fault_in(key, format!("`{text}` must be at most 64 lower-case letters, digits and '{joiner}'"));
    }
    Some(text)
}

fn inner_name(table: &Table<'_, '_>, key: &str) -> Option<String> {
    table.need(key, name(table, key, '_'))
}

fn duration(table: &Table<'_, '_>, key: &str) -> Option<IsoDuration> {
    let duration: IsoDuration = table.parsed(key)?;
    if duration < IsoDuration::ZERO {
        table.fault_in(key, format!("`{key}` must not be negative"));
    }
    Some(duration)
}

fn needed_duration(table: &Table<'_, '_>, key: &str) -> Option<IsoDuration> {
    table.need(key, duration(table, key))
}

fn applies_to(table: Table<'_, '_>) -> AppliesTo {
    let applies_to = AppliesTo { areas: table.strings("areas"), modalities: table.strings("modalities") };
    for (key, list) in [("areas", &applies_to.areas), ("modalities", &applies_to.modalities)] {
        if list.is_empty() {
            table.fault(format!("applies_to needs at least one of `{key}`"));
        }
    }
    table.finish();
    applies_to
}

fn series(table: Table<'_, '_>) -> Option<Series> {
    let sessions = table.need("sessions", table.integer("sessions", 1, 50));
    let most = table.need("most", table.integer("most", 1, 50));
    let interval_min = needed_duration(&table, "interval_min");
    let interval_max = needed_duration(&table, "interval_max");
    table.finish();
    Some(Series { sessions: sessions?, most: most?, interval_min: interval_min?, interval_max: interval_max? })
}

fn not_carried(table: Table<'_, '_>) -> Option<NotCarried> {
    let facts = table.strings("facts");
    let reason = table.need("reason", table.string("reason"));
    table.finish();
    Some(NotCarried { facts, reason: reason? })
}

fn phase(table: Table<'_, '_>) -> Option<Phase> {
    let key = inner_name(&table, "key");
    let from = match (duration(&table, "from"), table.integer("from_day", 0, LAST_DAY)) {
        (Some(from), None) => Some(PhaseStart::Elapsed { from }),
        (None, Some(from_day)) => Some(PhaseStart::Day { from_day }),
        _ => {
            table.fault("a phase needs either `from` or `from_day`");
            None
        }
    };
    table.finish();
    Some(Phase { key: key?, from: from? })
}

fn condition(table: Table<'_, '_>) -> Option<Condition> {
    let key = inner_name(&table, "key");
    let field = table.need("field", table.parsed("field"));
    let counts_from = duration(&table, "counts_from").unwrap_or_default();
    table.finish();
    Some(Condition { key: key?, field: field?, counts_from })
}

fn item(table: Table<'_, '_>) -> Option<Item> {
    let key = inner_name(&table, "key");
    let kind = table.need("kind", table.parsed("kind"));
    let item = Item {
        key: key.clone().unwrap_or_default(),
        kind: kind.unwrap_or(super::item::Kind::Faq),
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

fn rule(table: Table<'_, '_>) -> Option<Rule> {
    let key = inner_name(&table, "key");
    let level: Option<Level> = table.need("level", table.parsed("level"));
    if level == Some(Level::None) {
        table.fault_in("level", "a rule's level is routine, soon, urgent or emergency");
    }
    let advice = inner_name(&table, "advice");
    let after = duration(&table, "after");
    let before = duration(&table, "before");
    let recheck = duration(&table, "recheck");
    let when = table.need("when", table.table("when").and_then(when));
    let evidence = table.strings("evidence");
    let product_decision = table.boolean("product_decision").unwrap_or(false);
    table.finish();
    Some(Rule {
        key: key?,
        level: level?,
        advice: advice?,
        after,
        before,
        recheck,
        when: when?,
        evidence,
        product_decision,
    })
}

fn when(table: Table<'_, '_>) -> Option<When> {
    for key in ["all", "any"] {
        if table.has(key) {
            let tables = table.tables(key);
            let (wanted, parts) = (tables.len(), tables.into_iter().filter_map(when).collect::<Vec<_>>());
            if wanted == 0 {
                table.fault_in(key, format!("`{key}` needs at least one part"));
            }
            table.finish();
            let whole = wanted > 0 && parts.len() == wanted;
            return whole.then_some(if key == "all" { When::All { all: parts } } else { When::Any { any: parts } });
        }
    }
    let field = table.need("field", table.parsed("field"));
    let test = field.and_then(|field| test(&table, field));
    table.finish();
    test.map(When::Test)
}

fn test(table: &Table<'_, '_>, field: Field) -> Option<Test> {
    let given = ["at_least", "is", "rising"].into_iter().filter(|key| table.has(key)).collect::<Vec<_>>();
    match (field.answer(), given.as_slice()) {
        (Answer::Scale, ["at_least"]) => {
            table.integer("at_least", 1, 3).map(|at_least| Test::AtLeast { field, at_least })
        }
        (Answer::Scale, ["rising"]) => table.integer("rising", 1, 3).map(|rising| Test::Rising { field, rising }),
        (Answer::YesNo, ["is"]) => table.boolean("is").map(|is| Test::Is { field, is }),
        (Answer::Choice(words), ["is"]) => {
            let is = table.string("is")?;
            if !words.contains(&is.as_str()) {
                table.fault_in("is", format!("`{field}` is one of: {}", words.join(", ")));
            }
            Some(Test::Word { field, is })
        }
        (Answer::Temperature, ["at_least"]) => {
            let at_least = table.number("at_least").and_then(centi);
            if !at_least.is_some_and(|centi| (3000..=4500).contains(&centi)) {
                table.fault_in("at_least", "a body temperature lies between 30 and 45 degrees Celsius");
            }
            at_least.map(|at_least| Test::Warm { field, at_least })
        }
        (answer, _) => {
            let tests = match answer {
                Answer::Scale => "one of `at_least` and `rising`",
                Answer::YesNo | Answer::Choice(_) => "`is`",
                Answer::Temperature => "`at_least`",
            };
            for key in given {
                let _ = table.has(key);
            }
            table.fault(format!("a test of `{field}` takes {tests}"));
            None
        }
    }
}
