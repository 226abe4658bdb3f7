//! The journal of deletions: kept, where it should be, and readable.

use super::report::Report;
use crate::config::Config;
use crate::journal::Journal;

const AREA: &str = "journal";

/// Looks at it.
pub(super) fn examine(config: &Config, report: &mut Report) {
    let Some(dir) = config.erasure_journal.as_deref() else {
        let found = "deletions are not written down outside the database: a restored backup would bring people back";
        match config.is_production() {
            true => report.warn(
                AREA,
                found,
                "set MENDLINE_ERASURE_JOURNAL to a directory that backups of the database leave out",
            ),
            false => report.ok(AREA, "not kept, as development needs none"),
        }
        return;
    };
    if std::fs::metadata(dir).is_ok_and(|found| found.permissions().readonly()) {
        let found = format!("{} cannot be written: nobody could be erased", dir.display());
        report.fail(AREA, found, "let the server's user write there");
        return;
    }
    match Journal::at(Some(dir)).and_then(|_| Journal::read(dir)) {
        Err(error) => {
            report.fail(AREA, error.to_string(), "make the directory, or name another in MENDLINE_ERASURE_JOURNAL")
        }
        Ok(read) if read.bad.is_empty() => {
            report.ok(AREA, format!("{} deletions in {}", read.entries.len(), dir.display()));
        }
        Ok(read) => {
            for bad in &read.bad {
                report.fail(
                    AREA,
                    format!("{bad}, is no entry"),
                    "mend or remove the line: a restore could not be followed",
                );
            }
        }
    }
}
