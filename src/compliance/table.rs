//! Compliance as a table for spreadsheets: one line for every part of a breakdown, the same columns whatever is broken down.

use crate::domain::compliance::Compliance;
use crate::spreadsheet::Sheet;

/// The first line.
const COLUMNS: [&str; 16] = [
    "breakdown",
    "key",
    "label",
    "from",
    "to",
    "completion_bp",
    "on_time_bp",
    "done_on_time",
    "done_late",
    "skipped",
    "unreported",
    "excluded",
    "closed",
    "done_w",
    "on_time_w",
    "closed_w",
];

/// A table in the making.
pub struct Table(Sheet);

/// What a line is about.
#[derive(Debug, Clone, Default)]
pub struct Part<'a> {
    /// What is broken down: `total`, `day`, `item` and so on.
    pub breakdown: &'a str,
    /// Which part of it.
    pub key: &'a str,
    /// What people call it.
    pub label: &'a str,
    /// Its first date or moment.
    pub from: Option<String>,
    /// Its last one.
    pub to: Option<String>,
}

impl<'a> Part<'a> {
    /// The whole of it.
    pub fn of(breakdown: &'a str) -> Self {
        Self { breakdown, ..Self::default() }
    }
}

impl Table {
    /// A table with its first line.
    pub fn begin() -> anyhow::Result<Self> {
        Ok(Self(Sheet::begin(COLUMNS)?))
    }

    /// One line more.
    pub fn line(&mut self, part: Part<'_>, compliance: &Compliance) -> anyhow::Result<()> {
        let share = |share: Option<i64>| share.map(|share| share.to_string()).unwrap_or_default();
        let Compliance { counts, done_w, on_time_w, closed_w, .. } = compliance;
        let shares = [share(compliance.completion_bp), share(compliance.on_time_bp)];
        let figures = [
            counts.done_on_time,
            counts.done_late,
            counts.skipped,
            counts.unreported,
            counts.excluded,
            counts.closed,
            *done_w,
            *on_time_w,
            *closed_w,
        ]
        .map(|figure| figure.to_string());
        let (from, to) = (part.from.unwrap_or_default(), part.to.unwrap_or_default());
        let part = [part.breakdown, part.key, part.label, &from, &to];
        self.0.line(part.into_iter().chain(shares.iter().chain(&figures).map(String::as_str)))
    }

    /// The whole table.
    pub fn end(self) -> anyhow::Result<Vec<u8>> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_line_says_what_was_counted() {
        let mut table = Table::begin().unwrap();
        let compliance = Compliance { completion_bp: Some(5000), done_w: 1, closed_w: 2, ..Compliance::default() };
        let day = chrono::NaiveDate::from_ymd_opt(2026, 6, 1).unwrap();
        table
            .line(
                Part { breakdown: "day", from: Some(day.to_string()), to: Some(day.to_string()), ..Part::default() },
                &compliance,
            )
            .unwrap();
        let text = String::from_utf8(table.end().unwrap()).unwrap();
        let (first, second) = text.split_once("\r\n").unwrap();
        assert_eq!(first, COLUMNS.join(","));
        assert_eq!(second, "day,,,2026-06-01,2026-06-01,5000,,0,0,0,0,0,0,1,0,2\r\n");
    }

    proptest! {
        #[test]
        fn no_cell_is_a_formula_and_every_name_is_read_back(name in "[-=+@\t\r\n,\"a-z ;|]{0,12}") {
            let mut table = Table::begin().unwrap();
            table.line(Part { breakdown: "treatment", label: &name, ..Part::default() }, &Compliance::default()).unwrap();
            let rows = read(&table.end().unwrap());
            let cell = &rows[1][2];
            prop_assert_eq!(rows[1].len(), COLUMNS.len());
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
            prop_assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), name);
        }
    }
}
