//! What is appended is read again, whole, whatever else lies in the directory.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Entry, Erased, Journal, JournalError, Open};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn entry(text: &str, erased: Erased) -> Entry {
    Entry { at: at(text), erased }
}

fn files(dir: &tempfile::TempDir) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn what_is_appended_is_read_again_whoever_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    let written = [
        entry("2026-03-31T23:59:59Z", Erased::Login { id: Uuid::from_u128(1) }),
        entry("2026-04-01T00:00:00Z", Erased::Patient { clinic_id: Uuid::from_u128(2), id: Uuid::from_u128(3) }),
        entry("2026-04-02T00:00:00.000001Z", Erased::Clinic { id: Uuid::from_u128(2) }),
    ];
    let journals = [Journal::at(Some(dir.path())).unwrap(), Journal::at(Some(dir.path())).unwrap()];
    for (index, entry) in written.iter().enumerate() {
        journals[index % 2].append(entry.erased, entry.at).await.unwrap();
    }
    fs::write(dir.path().join("README"), "kept for restores").unwrap();
    let read = Journal::read(dir.path()).unwrap();
    assert_eq!(read.entries.into_iter().collect::<Vec<_>>(), written);
    assert!(read.torn.is_empty() && read.bad.is_empty());
    assert_eq!(files(&dir).len(), 4, "a file for each process and month, and the README");
    let first = fs::read_to_string(&files(&dir)[0]).unwrap();
    let expected = r#"{"at":"2026-03-31T23:59:59Z","kind":"login","id":"00000000-0000-0000-0000-000000000001"}"#;
    assert_eq!(first, format!("{expected}\n"));
}

#[tokio::test]
async fn lines_of_many_tasks_do_not_run_into_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::at(Some(dir.path())).unwrap();
    let moment = at("2026-03-01T00:00:00Z");
    let append = |id| {
        let journal = journal.clone();
        async move { journal.append(Erased::Login { id: Uuid::from_u128(id) }, moment).await.unwrap() }
    };
    futures_util::future::join_all((0..100).map(append)).await;
    assert_eq!(Journal::read(dir.path()).unwrap().entries.len(), 100);
    assert_eq!(files(&dir).len(), 1);
}

#[tokio::test]
async fn a_torn_end_is_told_and_any_other_bad_line_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::at(Some(dir.path())).unwrap();
    journal.append(Erased::Login { id: Uuid::from_u128(1) }, at("2026-03-01T00:00:00Z")).await.unwrap();
    let file = files(&dir).remove(0);
    let whole = fs::read_to_string(&file).unwrap();

    fs::write(&file, format!("{whole}{}", &whole[..20])).unwrap();
    let read = Journal::read(&file).unwrap();
    assert_eq!((read.entries.len(), read.bad.len()), (1, 0));
    assert_eq!(read.torn[0].to_string(), format!("{}, line 2", file.display()));

    fs::write(&file, format!("{}\n{whole}\n{}", &whole[..20], whole.trim_end())).unwrap();
    let read = Journal::read(&file).unwrap();
    assert_eq!((read.entries.len(), read.torn.len()), (1, 0), "the same line twice, the last one without its newline");
    assert_eq!(read.bad[0].line, 1);

    fs::write(&file, b"{\"at\":\"2026-03-01T00:00:00Z\",\"kind\":\"person\",\"id\":\"x\"}\n\xff\n").unwrap();
    let read = Journal::read(&file).unwrap();
    assert_eq!(read.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [1, 2]);
}

/// The disk takes a part of a line from now on, and is full.
fn fill(journal: &Journal, part: &[u8]) {
    let mut writing = journal.0.as_ref().unwrap().writing.lock().unwrap();
    let open = writing.open.as_mut().unwrap();
    open.file.write_all(part).unwrap();
    open.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
}

#[tokio::test]
async fn behind_a_line_that_a_full_disk_tore_nothing_is_written_and_all_that_is_whole_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::at(Some(dir.path())).unwrap();
    let moment = at("2026-03-01T00:00:00Z");
    let [one, two, three] = [1, 2, 3].map(|id| Erased::Login { id: Uuid::from_u128(id) });
    journal.append(one, moment).await.unwrap();
    fill(&journal, br#"{"at":"2026-03-01T00:00"#);
    let failed = journal.append(two, moment).await;
    assert!(matches!(failed, Err(JournalError::Io { .. })), "whoever erases must not commit: {failed:?}");
    // There is room again, and the worker's next run has come.
    for erased in [three, two] {
        journal.append(erased, moment).await.unwrap();
    }
    let read = Journal::read(dir.path()).unwrap();
    let erased: Vec<Erased> = read.entries.iter().map(|entry| entry.erased).collect();
    assert_eq!(erased, [one, two, three]);
    assert!(read.bad.is_empty(), "nothing stands in the way of a restore: {:?}", read.bad);
    assert_eq!((read.torn.len(), files(&dir).len()), (1, 2));
}

#[tokio::test]
async fn a_disk_that_stays_full_does_not_fill_the_directory_with_files() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::at(Some(dir.path())).unwrap();
    let moment = at("2026-03-01T00:00:00Z");
    for _ in 0..3 {
        let name = journal.0.as_ref().unwrap().writing.lock().unwrap().name;
        let file = Open::anew(dir.path(), dir.path().join(format!("2026-03-{name}.jsonl"))).unwrap();
        journal.0.as_ref().unwrap().writing.lock().unwrap().open = Some(file);
        fill(&journal, b"{");
        assert!(journal.append(Erased::Clinic { id: Uuid::nil() }, moment).await.is_err());
    }
    assert!(files(&dir).is_empty());
}

#[test]
fn a_file_whose_name_may_be_lost_goes_unless_it_holds_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let [empty, begun] = ["empty", "begun"].map(|name| dir.path().join(format!("2026-03-{name}.jsonl")));
    fs::write(&begun, "a line\n").unwrap();
    for path in [empty, begun.clone()] {
        assert!(Open::anew(&dir.path().join("missing"), path).is_err());
    }
    assert_eq!(files(&dir), [begun]);
}

#[tokio::test]
async fn without_a_directory_nothing_is_written_and_a_missing_one_is_a_fault() {
    let none = Journal::at(None).unwrap();
    assert!(!none.is_kept());
    none.append(Erased::Clinic { id: Uuid::nil() }, at("2026-03-01T00:00:00Z")).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert!(matches!(Journal::at(Some(&missing)), Err(JournalError::NoDirectory(_))));
    let gone = Journal::at(Some(dir.path())).unwrap();
    drop(dir);
    let failed = gone.append(Erased::Clinic { id: Uuid::nil() }, at("2026-03-01T00:00:00Z")).await;
    assert!(matches!(failed, Err(JournalError::Io { .. })), "whoever erases must not commit: {failed:?}");
}
