//! What docs/SECURITY.md and docs/ASVS.md claim: the tests they name exist, nothing of the standard is left out, and the
//! counts at the top are those of the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const SECURITY: &str = include_str!("../../docs/SECURITY.md");
const ASVS: &str = include_str!("../../docs/ASVS.md");

/// Requirements of levels 1 and 2 by chapter, as ASVS 5.0.0 has them.
const CHAPTERS: [usize; 17] = [27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7];
const VERDICTS: [&str; 4] = ["tested", "by design", "not applicable", "not met"];

/// A requirement's row.
struct Row {
    number: &'static str,
    level: &'static str,
    verdict: &'static str,
    why: &'static str,
}

fn rows() -> Vec<Row> {
    let lines = ASVS.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| no."));
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[number, level, _, verdict, why] = cells.as_slice() else { panic!("five cells: {line}") };
        Row { number, level, verdict, why }
    };
    lines.map(row).collect()
}

/// Tests that a text names, as `path::name` between back ticks.
fn named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.rsplit_once("::").filter(|(path, _)| path.ends_with(".rs"))).collect()
}

fn exists((path, name): (&str, &str)) -> bool {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let Some(at) = lines.iter().position(|line| line.contains(&format!("fn {name}("))) else { return false };
    // Property tests of one macro have the attribute as well.
    lines[..at].iter().rev().take_while(|line| line.starts_with('#')).any(|line| line.contains("test"))
}

#[test]
fn every_test_that_the_papers_name_is_one() {
    let missing: Vec<_> = [SECURITY, ASVS].into_iter().flat_map(named).filter(|test| !exists(*test)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named(SECURITY).len() > 20 && named(ASVS).len() > 80, "the tests were not found");
    assert!(!exists(("tests/it/security.rs", "exists")) && !exists(("tests/it/security.rs", "nothing")));
}

#[test]
fn every_requirement_has_one_row_with_one_verdict_and_its_reason() {
    let rows = rows();
    let mut by_chapter = BTreeMap::<usize, BTreeSet<&str>>::new();
    for row in &rows {
        let chapter = row.number.split('.').next().unwrap().parse().unwrap();
        assert!(by_chapter.entry(chapter).or_default().insert(row.number), "{}: twice", row.number);
        assert!(["1", "2"].contains(&row.level), "{}: level {}", row.number, row.level);
        assert!(VERDICTS.contains(&row.verdict), "{}: {}", row.number, row.verdict);
        assert!(!row.why.is_empty(), "{}: no reason", row.number);
        assert_eq!(row.verdict == "tested", row.why.starts_with('`') && !named(row.why).is_empty(), "{}", row.number);
        if row.verdict == "not met" {
            assert!(
                row.why.contains("needed: ") || row.why.contains("as ") || row.why.contains("see "),
                "{}",
                row.number
            );
        }
    }
    let counts: Vec<usize> = by_chapter.values().map(BTreeSet::len).collect();
    assert_eq!(counts, CHAPTERS);
}

#[test]
fn the_counts_at_the_top_are_those_of_the_rows() {
    let rows = rows();
    let count = |verdict: &str| rows.iter().filter(|row| row.verdict == verdict).count();
    let told = VERDICTS.map(|verdict| format!("{} {verdict}", count(verdict)));
    let line = format!("{} requirements: {}.", rows.len(), told.join(", "));
    assert!(ASVS.lines().any(|found| found == line), "docs/ASVS.md must say: {line}");
    assert!(SECURITY.contains(&line), "docs/SECURITY.md must say: {line}");
}
