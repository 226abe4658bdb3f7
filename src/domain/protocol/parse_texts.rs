//! From TOML to texts and facts. Which of them must exist is checked in `validate.rs`.

use std::collections::BTreeMap;

use super::facts::{Citation, Fact, FactWindow, Facts, Figures, Source};
use super::parse::LAST_DAY;
use super::parse_item::spread;
use super::read::Table;
use super::span::spans;
use super::texts::{AlertText, FieldText, ItemText, PlainText, Texts};

pub(super) fn texts(root: Table<'_, '_>) -> Option<Texts> {
    let locale = root.need("locale", root.string("locale"));
    let reviewed = root.boolean("reviewed").unwrap_or(false);
    let name = root.need("name", root.string("name"));
    let phases = by_key(&root, "phases", plain);
    let items = by_key(&root, "items", item_text);
    let advice = by_key(&root, "advice", plain);
    let check_in = by_key(&root, "check_in", field_text);
    root.finish();
    Some(Texts { locale: locale?, reviewed, name: name?, phases, items, advice, check_in })
}

pub(super) fn facts(root: Table<'_, '_>) -> Facts {
    let (sources, facts) = (by_key(&root, "sources", source), by_key(&root, "facts", fact));
    let spans = spans(&root, &facts);
    let facts = Facts { sources, facts, spans };
    for (id, fact) in &facts.facts {
        for source in fact.cited.iter().map(|citation| &citation.source).chain(fact.positions.keys()) {
            if !facts.sources.contains_key(source) {
                root.fault_in(&format!("facts.{id}"), format!("fact {id} cites unknown source `{source}`"));
            }
        }
    }
    root.finish();
    facts
}

fn by_key<'t, 's, T>(
    root: &Table<'t, 's>,
    section: &str,
    read: impl Fn(Table<'t, 's>) -> Option<T>,
) -> BTreeMap<String, T> {
    let Some(table) = root.table(section) else { return BTreeMap::new() };
    let entry = |key: String| {
        let value = table.table(&key).and_then(&read)?;
        Some((key, value))
    };
    let entries = table.keys().into_iter().filter_map(entry).collect();
    table.finish();
    entries
}

fn plain(table: Table<'_, '_>) -> Option<PlainText> {
    let title = table.need("title", table.string("title"));
    let body = table.string("body");
    table.finish();
    Some(PlainText { title: title?, body })
}

fn alert(table: Table<'_, '_>) -> Option<AlertText> {
    let title = table.need("title", table.string("title"));
    let body = table.need("body", table.string("body"));
    table.finish();
    Some(AlertText { title: title?, body: body? })
}

fn item_text(table: Table<'_, '_>) -> Option<ItemText> {
    let title = table.need("title", table.string("title"));
    let text = ItemText {
        title: title.clone().unwrap_or_default(),
        body: table.string("body"),
        why: table.string("why"),
        instead: table.string("instead"),
        soft: table.string("soft"),
        alert: table.table("alert").and_then(alert),
        alerts: by_key(&table, "alerts", alert),
    };
    table.finish();
    title.map(|_| text)
}

fn field_text(table: Table<'_, '_>) -> Option<FieldText> {
    let question = table.need("question", table.string("question"));
    let anchors = table.strings("anchors");
    table.finish();
    Some(FieldText { question: question?, anchors })
}

fn source(table: Table<'_, '_>) -> Option<Source> {
    let title = table.need("title", table.string("title"));
    let grade = table.need("grade", table.parsed("grade"));
    table.finish();
    Some(Source { title: title?, grade: grade? })
}

fn citation(table: Table<'_, '_>) -> Option<Citation> {
    let source = table.need("source", table.string("source"));
    let at = table.need("at", table.string("at"));
    table.finish();
    Some(Citation { source: source?, at: at? })
}

fn fact(table: Table<'_, '_>) -> Option<Fact> {
    let value = table.need("value", table.string("value"));
    let cited: Vec<Citation> = table.tables("cited").into_iter().filter_map(citation).collect();
    if cited.is_empty() {
        table.fault("a fact needs at least one entry in `cited`");
    }
    let figures = Figures {
        window: table.table("window").and_then(fact_window),
        relation: table.parsed("relation"),
        wait: table.table("wait").and_then(spread),
        frequency: table.string("frequency"),
        vague: table.boolean("vague").unwrap_or(false),
        attributed: table.string("attributed"),
    };
    let positions = table.table("positions").map(positions).unwrap_or_default();
    let decision = table.string("decision");
    let note = table.string("note");
    table.finish();
    Some(Fact { value: value?, cited, figures, positions, decision, note })
}

fn fact_window(table: Table<'_, '_>) -> Option<FactWindow> {
    let window = if table.has("first_day") {
        let first_day = table.integer("first_day", 0, LAST_DAY);
        let last_day = table.need("last_day", table.integer("last_day", 0, LAST_DAY));
        first_day.zip(last_day).map(|(first_day, last_day)| FactWindow::Days { first_day, last_day })
    } else {
        let from = table.need("from", table.parsed("from"));
        let to = table.need("to", table.parsed("to"));
        from.zip(to).map(|(from, to)| FactWindow::Elapsed { from, to })
    };
    let backwards = match window {
        Some(FactWindow::Elapsed { from, to }) => to < from,
        Some(FactWindow::Days { first_day, last_day }) => last_day < first_day,
        None => false,
    };
    if backwards {
        table.fault("the window ends before it starts");
    }
    table.finish();
    window
}

fn positions(table: Table<'_, '_>) -> BTreeMap<String, String> {
    let positions = table.keys().into_iter().filter_map(|key| table.string(&key).map(|said| (key, said))).collect();
    table.finish();
    positions
}
