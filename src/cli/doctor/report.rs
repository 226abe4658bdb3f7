//! What a doctor found, line by line, and what to do about it.

use std::fmt::Write as _;

use serde::Serialize;

/// How bad it is; the exit status says the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failure,
}

#[derive(Debug, Serialize)]
struct Line {
    level: Level,
    area: String,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// As it should be.
    pub(super) fn ok(&mut self, area: &str, found: impl Into<String>) {
        self.lines.push(Line { level: Level::Ok, area: area.to_owned(), found: found.into(), remedy: None });
    }

    /// It works, and somebody should look at it.
    pub(super) fn warn(&mut self, area: &str, found: impl Into<String>, remedy: impl Into<String>) {
        self.push(Level::Warning, area, found, remedy);
    }

    /// It does not work.
    pub(super) fn fail(&mut self, area: &str, found: impl Into<String>, remedy: impl Into<String>) {
        self.push(Level::Failure, area, found, remedy);
    }

    /// `found` where it is as it should be, else a warning.
    pub(super) fn expect(&mut self, good: bool, area: &str, found: &str, wrong: &str, remedy: &str) {
        if good { self.ok(area, found) } else { self.warn(area, wrong, remedy) }
    }

    fn push(&mut self, level: Level, area: &str, found: impl Into<String>, remedy: impl Into<String>) {
        let (area, remedy) = (area.to_owned(), Some(remedy.into()));
        self.lines.push(Line { level, area, found: found.into(), remedy });
    }

    fn worst(&self) -> Level {
        self.lines.iter().map(|line| line.level).max().unwrap_or(Level::Ok)
    }

    /// 0: all is well; 1: there are warnings; 2: something does not work.
    pub(super) fn status(&self) -> u8 {
        match self.worst() {
            Level::Ok => 0,
            Level::Warning => 1,
            Level::Failure => 2,
        }
    }

    /// A line each; what is not as it should be is followed by what to do.
    pub(super) fn tell(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let level = match line.level {
                Level::Ok => "ok",
                Level::Warning => "warning",
                Level::Failure => "FAILURE",
            };
            let _ = writeln!(text, "{level:<8} {:<12} {}", line.area, line.found);
            if let Some(remedy) = &line.remedy {
                let _ = writeln!(text, "{:<21} -> {remedy}", "");
            }
        }
        let end = match self.worst() {
            Level::Ok => "all is well",
            Level::Warning => "it works; see the warnings",
            Level::Failure => "something does not work; see the failures",
        };
        text + end
    }
}
