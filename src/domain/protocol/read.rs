//! Reading TOML so that every fault is found at once, each with file, line and reason. Knows nothing of protocols.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file's name as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, in words for the author of the file.
    pub reason: String,
    /// Where in the file's data it stands, such as `items[3].window`; empty for the file as a whole.
    pub path: String,
}

/// The most faults that are listed of one protocol: who has so many has made one mistake many times.
pub const MOST_FAULTS: usize = 100;
/// The most entries of any list: days of two years are the longest that means anything.
pub(super) const MOST_ENTRIES: usize = 1_000;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// A file's name and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    /// What faults call it.
    pub name: &'a str,
    /// Its whole text.
    pub text: &'a str,
}

/// Faults of a file: the first that were found, and how many more there are.
#[derive(Debug, Default)]
pub struct Faults {
    pub listed: Vec<Fault>,
    pub more: usize,
}

impl Faults {
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    pub fn extend(&mut self, other: Self) {
        self.listed.extend(other.listed);
        self.more += other.more;
    }

    /// In order of file and line, with a last entry that says how many are not listed.
    pub fn into_list(self, file: &str) -> Vec<Fault> {
        let (mut listed, mut more) = (self.listed, self.more);
        listed.sort();
        listed.dedup();
        more += listed.len().saturating_sub(MOST_FAULTS);
        listed.truncate(MOST_FAULTS);
        if more > 0 {
            let reason = format!("{more} more faults are not listed");
            listed.push(Fault { file: file.to_owned(), line: 1, reason, path: String::new() });
        }
        listed
    }
}

/// One file being read: where things stand and what is wrong with it.
pub struct Doc<'s> {
    file: File<'s>,
    line_starts: Vec<usize>,
    faults: RefCell<Faults>,
    spots: RefCell<BTreeMap<String, usize>>,
}

impl<'s> Doc<'s> {
    pub fn new(file: File<'s>) -> Self {
        let breaks = file.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        let line_starts = std::iter::once(0).chain(breaks).collect();
        Self { file, line_starts, faults: RefCell::default(), spots: RefCell::default() }
    }

    /// Parses the text. Syntax errors become faults; the table is given only if nothing worse than a key named twice
    /// was found, since anything else makes what follows a guess.
    pub fn parse(&self) -> Option<Spanned<DeTable<'s>>> {
        let (table, errors) = DeTable::parse_recoverable(self.file.text);
        let mut readable = true;
        for error in errors {
            readable &= error.message().contains("duplicate key");
            let at = error.span().map_or(0, |span| span.start);
            self.fault_at(self.line(at), "", error.message().to_owned());
        }
        readable.then_some(table)
    }

    pub fn root<'t>(&'t self, table: &'t Spanned<DeTable<'s>>) -> Table<'t, 's> {
        Table::new(self, table.get_ref(), 1, String::new())
    }

    /// The file's name without its folders and its ending.
    pub fn stem(&self) -> &str {
        let name = self.file.name.rsplit('/').next().unwrap_or(self.file.name);
        name.strip_suffix(".toml").unwrap_or(name)
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).max(1)
    }

    /// A fault at a path such as `items[3].window`, or the closest ancestor that was read.
    pub fn fault(&self, path: &str, reason: impl Into<String>) {
        self.fault_at(self.spot(path), path, reason.into());
    }

    fn fault_at(&self, line: usize, path: &str, reason: String) {
        let mut faults = self.faults.borrow_mut();
        if faults.listed.len() < MOST_FAULTS {
            faults.listed.push(Fault { file: self.file.name.to_owned(), line, reason, path: path.to_owned() });
        } else {
            faults.more += 1;
        }
    }

    fn spot(&self, path: &str) -> usize {
        let spots = self.spots.borrow();
        let mut path = path;
        loop {
            if let Some(line) = spots.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return 1,
            }
        }
    }

    pub fn into_faults(self) -> Faults {
        self.faults.into_inner()
    }
}

/// A table being read. Keys that nobody asked for are unknown: [`Table::finish`] says so.
pub struct Table<'t, 's> {
    doc: &'t Doc<'s>,
    table: &'t DeTable<'s>,
    line: usize,
    path: String,
    asked: RefCell<BTreeSet<String>>,
}

impl<'t, 's> Table<'t, 's> {
    fn new(doc: &'t Doc<'s>, table: &'t DeTable<'s>, line: usize, path: String) -> Self {
        doc.spots.borrow_mut().insert(path.clone(), line);
        Self { doc, table, line, path, asked: RefCell::default() }
    }

    /// Where it stands, such as `items[3].window`.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn name(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { self.path.clone() }
    }

    /// A fault at this table.
    pub fn fault(&self, reason: impl Into<String>) {
        self.doc.fault_at(self.line, &self.path, reason.into());
    }

    /// A fault at one of its keys.
    pub fn fault_in(&self, key: &str, reason: impl Into<String>) {
        self.doc.fault(&self.below(key), reason);
    }

    /// How many entries the list at a key has; nothing where there is no list.
    pub fn length(&self, key: &str) -> usize {
        self.value(key).and_then(|(value, _)| value.as_array()).map_or(0, |list| list.len())
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub fn keys(&self) -> Vec<String> {
        self.table.keys().map(|key| key.get_ref().to_string()).collect()
    }

    fn value(&self, key: &str) -> Option<(&'t DeValue<'s>, String)> {
        self.asked.borrow_mut().insert(key.to_owned());
        let value = self.table.get(key)?;
        let path = self.below(key);
        self.doc.spots.borrow_mut().insert(path.clone(), self.doc.line(value.span().start));
        Some((value.get_ref(), path))
    }

    /// Says that a key is missing unless it is there (then its value was at fault and that has been said).
    pub fn need<T>(&self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has(key) {
            self.fault(format!("{} needs `{key}`", self.name()));
        }
        value
    }

    fn wrong(&self, path: &str, expected: &str, found: &DeValue<'_>) {
        self.doc.fault(path, format!("`{path}` must be {expected}, not {}", found.type_str()));
    }

    pub fn string(&self, key: &str) -> Option<String> {
        let (value, path) = self.value(key)?;
        self.as_string(&path, value)
    }

    fn as_string(&self, path: &str, value: &DeValue<'_>) -> Option<String> {
        match value {
            DeValue::String(text) if text.trim().is_empty() => {
                self.doc.fault(path, format!("`{path}` is empty"));
                None
            }
            DeValue::String(text) if text.contains('\0') => {
                self.doc.fault(path, format!("`{path}` holds a NUL character"));
                None
            }
            DeValue::String(text) => Some(text.trim().to_owned()),
            other => {
                self.wrong(path, "a string", other);
                None
            }
        }
    }

    pub fn boolean(&self, key: &str) -> Option<bool> {
        let (value, path) = self.value(key)?;
        match value {
            DeValue::Boolean(value) => Some(*value),
            other => {
                self.wrong(&path, "true or false", other);
                None
            }
        }
    }

    pub fn integer<T: TryFrom<i64>>(&self, key: &str, least: i64, most: i64) -> Option<T> {
        let (value, path) = self.value(key)?;
        self.as_integer(&path, value, least, most)
    }

    fn as_integer<T: TryFrom<i64>>(&self, path: &str, value: &DeValue<'_>, least: i64, most: i64) -> Option<T> {
        let DeValue::Integer(number) = value else {
            self.wrong(path, "a whole number", value);
            return None;
        };
        let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let fits = number.filter(|number| (least..=most).contains(number)).and_then(|number| T::try_from(number).ok());
        if fits.is_none() {
            self.doc.fault(path, format!("`{path}` must be between {least} and {most}"));
        }
        fits
    }

    /// A number with or without a fraction.
    pub fn number(&self, key: &str) -> Option<f64> {
        let (value, path) = self.value(key)?;
        let number = match value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong(&path, "a number", value);
        }
        number
    }

    /// A string that is read by `FromStr`.
    pub fn parsed<T: FromStr<Err = String>>(&self, key: &str) -> Option<T> {
        let text = self.string(key)?;
        self.as_parsed(&self.below(key), &text)
    }

    fn as_parsed<T: FromStr<Err = String>>(&self, path: &str, text: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(reason) => {
                self.doc.fault(path, format!("`{path}`: {reason}"));
                None
            }
        }
    }

    pub fn table(&self, key: &str) -> Option<Table<'t, 's>> {
        let (value, path) = self.value(key)?;
        self.as_table(path, value)
    }

    fn as_table(&self, path: String, value: &'t DeValue<'s>) -> Option<Table<'t, 's>> {
        let line = self.doc.spot(&path);
        match value {
            DeValue::Table(table) => Some(Table::new(self.doc, table, line, path)),
            other => {
                self.wrong(&path, "a table", other);
                None
            }
        }
    }

    fn elements(&self, key: &str) -> Vec<(&'t DeValue<'s>, String)> {
        let Some((value, path)) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value else {
            self.wrong(&path, "a list", value);
            return Vec::new();
        };
        if array.len() > MOST_ENTRIES {
            self.doc.fault(&path, format!("`{path}`: {} entries are more than {MOST_ENTRIES}", array.len()));
            return Vec::new();
        }
        let element = |(index, value): (usize, &'t Spanned<DeValue<'s>>)| {
            let path = format!("{path}[{index}]");
            self.doc.spots.borrow_mut().insert(path.clone(), self.doc.line(value.span().start));
            (value.get_ref(), path)
        };
        array.iter().enumerate().map(element).collect()
    }

    pub fn tables(&self, key: &str) -> Vec<Table<'t, 's>> {
        self.elements(key).into_iter().filter_map(|(value, path)| self.as_table(path, value)).collect()
    }

    pub fn strings(&self, key: &str) -> Vec<String> {
        self.elements(key).into_iter().filter_map(|(value, path)| self.as_string(&path, value)).collect()
    }

    pub fn parsed_list<T: FromStr<Err = String>>(&self, key: &str) -> Vec<T> {
        let read = |(value, path): (&DeValue<'s>, String)| self.as_parsed(&path, &self.as_string(&path, value)?);
        self.elements(key).into_iter().filter_map(read).collect()
    }

    pub fn integers<T: TryFrom<i64>>(&self, key: &str, least: i64, most: i64) -> Vec<T> {
        let read = |(value, path): (&DeValue<'s>, String)| self.as_integer(&path, value, least, most);
        self.elements(key).into_iter().filter_map(read).collect()
    }

    /// Says which keys nobody asked for.
    pub fn finish(self) {
        for (key, value) in self.table {
            if !self.asked.borrow().contains(key.get_ref().as_ref()) {
                let line = self.doc.line(key.span().start.min(value.span().start));
                self.doc.fault_at(
                    line,
                    &self.below(key.get_ref()),
                    format!("unknown key `{}` in {}", key.get_ref(), self.name()),
                );
            }
        }
    }
}
