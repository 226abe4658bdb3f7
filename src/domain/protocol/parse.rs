//! From TOML to a protocol's structure. Shape only: what the parts must fulfil together is checked in `validate.rs`.

use super::parse_item::item;
use super::parse_rule::rule;
use super::read::Table;
use super::rule::Condition;
use super::units::IsoDuration;
use super::version::{AppliesTo, NotCarried, Phase, PhaseStart, Series, Structure};

/// The most items a protocol may have.
pub const MOST_ITEMS: usize = 500;
/// Day indexes lie within two years after the treatment.
pub(super) const LAST_DAY: i64 = 730;

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
    let count = root.length("items");
    let too_many = count > MOST_ITEMS;
    if too_many {
        root.fault_in("items", format!("{count} items are more than the {MOST_ITEMS} a protocol may have"));
    }
    let tables = if too_many { Vec::new() } else { root.tables("items") };
    for table in tables {
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
    // What follows from a part that was not read would only raise doubts about the rest.
    let structure = || {
        if too_many {
            return None;
        }
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
pub(super) fn name(table: &Table<'_, '_>, key: &str, joiner: char) -> Option<String> {
    let text = table.string(key)?;
    let plain = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joiner);
    if !plain {
        table.fault_in(key, format!("`{text}` must be at most 64 lower-case letters, digits and '{joiner}'"));
    }
    Some(text)
}

pub(super) fn inner_name(table: &Table<'_, '_>, key: &str) -> Option<String> {
    table.need(key, name(table, key, '_'))
}

pub(super) fn duration(table: &Table<'_, '_>, key: &str) -> Option<IsoDuration> {
    let duration: IsoDuration = table.parsed(key)?;
    if duration < IsoDuration::ZERO {
        table.fault_in(key, format!("`{key}` must not be negative"));
    }
    Some(duration)
}

pub(super) fn needed_duration(table: &Table<'_, '_>, key: &str) -> Option<IsoDuration> {
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
