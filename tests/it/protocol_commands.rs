//! `mendline protocol check|show|diff|record`, run as its authors run it: files in, lines and a status out.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What a command said and how it ended.
struct Ran {
    status: i32,
    out: String,
    err: String,
}

/// Runs the command without any setting: none is needed.
fn protocol(args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_mendline"))
        .arg("protocol")
        .args(args)
        .env_clear()
        .env("MENDLINE_BIND", "not read")
        .output()
        .unwrap();
    Ran {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A copy of the core's sample protocol that may be spoilt.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["protocol.toml", "en.toml", "facts.toml"] {
            std::fs::copy(tree("src/domain/protocol/sample").join(name), dir.path().join(name)).unwrap();
        }
        Self(dir)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Replaces a text in a file and returns the place of its line as the command names it.
    fn replace(&self, name: &str, find: &str, with: &str) -> String {
        let path = self.0.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(find), "{name} does not contain {find:?}");
        std::fs::write(&path, text.replacen(find, with, 1)).unwrap();
        self.place(name, find, &text)
    }

    fn place(&self, name: &str, find: &str, text: &str) -> String {
        let line = 1 + text[..text.find(find).unwrap()].matches('\n').count();
        format!("{}:{line}: ", self.0.path().join(name).display())
    }
}

#[test]
fn a_sound_folder_is_called_sound_and_so_is_every_built_in_one() {
    let folder = Folder::new();
    let ran = protocol(&["check", folder.path()]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.starts_with("sample version 1 is sound: 16 items"), "{}", ran.out);

    for built_in in mendline::domain::protocol::builtin().unwrap() {
        let dir = tree("protocols").join(built_in.version.key());
        let ran = protocol(&["check", dir.to_str().unwrap()]);
        assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    }
}

#[test]
fn every_fault_of_every_file_is_told_at_once_with_its_line() {
    let folder = Folder::new();
    let places = [
        folder.replace("protocol.toml", "weight = 2", "wait = 2"),
        folder.replace("protocol.toml", "evidence = [\"M01\"]", "evidence = [\"M99\"]"),
        folder.replace("en.toml", "kept_it = { title = \"Kept it\", body", "kept_it = { title = \"Kept it\", colour"),
        folder.replace("facts.toml", "grade = \"clinic\"", "grade = \"neighbour\""),
    ];
    let ran = protocol(&["check", folder.path()]);
    assert_eq!(ran.status, 1);
    for (place, reason) in places.iter().zip(["unknown key `wait`", "M99", "unknown key `colour`", "neighbour"]) {
        let told = ran.out.lines().any(|line| line.starts_with(place) && line.contains(reason));
        assert!(told, "{place}{reason} is not among\n{}", ran.out);
    }
    assert_eq!(ran.err, format!("mendline: {} faults\n", ran.out.lines().count()));
}

#[test]
fn a_file_that_is_called_after_another_language_is_a_fault() {
    let folder = Folder::new();
    std::fs::rename(folder.0.path().join("en.toml"), folder.0.path().join("fr.toml")).unwrap();
    let ran = protocol(&["check", folder.path()]);
    assert_eq!(ran.status, 1);
    assert!(ran.out.contains("fr.toml:1: the file must be called en.toml"), "{}", ran.out);
}

#[test]
fn facts_may_stand_elsewhere() {
    let folder = Folder::new();
    std::fs::rename(folder.0.path().join("facts.toml"), folder.0.path().join("elsewhere")).unwrap();
    let elsewhere = folder.0.path().join("elsewhere");
    let ran = protocol(&["check", folder.path(), "--facts", elsewhere.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);

    std::fs::write(&elsewhere, "sources = {}\nfacts = {}\n").unwrap();
    let ran = protocol(&["check", folder.path(), "--facts", elsewhere.to_str().unwrap()]);
    assert!(ran.out.contains("evidence `M01` is no known fact"), "{}", ran.out);
}

#[test]
fn what_is_not_there_is_named() {
    for (args, name) in [
        (&["check", "/nowhere"][..], "/nowhere/protocol.toml"),
        (&["check", env!("CARGO_MANIFEST_DIR"), "--facts", "/no/facts"], "protocol.toml"),
        (&["show", "nobodys"], "those are: conservative, day-by-day, hour-by-hour"),
        (&["show", "conservative", "--performed-at", "yesterday"], "\"yesterday\" is no moment"),
        (&["show", "conservative", "--zone", "Europe/Atlantis"], "Europe/Atlantis"),
    ] {
        let ran = protocol(args);
        assert_ne!(ran.status, 0, "{args:?}");
        assert!(ran.err.contains(name), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_protocol_is_shown_as_a_plan() {
    let built_in = protocol(&["show", "conservative"]);
    let folder = protocol(&["show", tree("protocols/conservative").to_str().unwrap()]);
    assert_eq!((built_in.status, folder.status), (0, 0), "{}", folder.err);
    assert_eq!(built_in.out, folder.out);
    assert!(built_in.out.starts_with("conservative 2: Careful (en)\n"), "{}", built_in.out);
}

#[test]
fn a_treatment_is_shown_day_by_day_in_the_patients_own_time() {
    let sample = tree("src/domain/protocol/sample");
    let sample = sample.to_str().unwrap();
    let at = |moment: &str| {
        let ran = protocol(&["show", sample, "--performed-at", moment, "--zone", "Europe/Berlin"]);
        assert_eq!(ran.status, 0, "{}", ran.err);
        ran.out
    };
    // Two days later the clocks go forward: 72 h end an hour later by the wall clock, 09:00 stays 09:00.
    let out = at("2026-03-27T10:30");
    assert_eq!(out, at("2026-03-27T09:30:00Z"));
    insta::assert_snapshot!(out);
}

#[test]
fn a_recorded_version_may_not_change_under_its_number() {
    let folder = Folder::new();
    let path = folder.0.path().join("published.toml");
    let recorded = || std::fs::read_to_string(&path).unwrap();

    assert_eq!(protocol(&["record", folder.path()]).status, 0);
    let first = recorded();
    assert_eq!(protocol(&["check", folder.path()]).status, 0);
    folder.replace("protocol.toml", "key = \"sample\"", "# Only a comment.\nkey = \"sample\"");
    assert_eq!(protocol(&["check", folder.path()]).status, 0, "a comment is not content");

    folder.replace("en.toml", "Red and warm.", "Red, warm and tight.");
    let ran = protocol(&["check", folder.path()]);
    let place = folder.place("published.toml", "1 = ", &first);
    assert_eq!(ran.status, 1);
    assert!(ran.out.starts_with(&place) && ran.out.contains("version 1 was recorded with another"), "{}", ran.out);
    let ran = protocol(&["record", folder.path()]);
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("the next number"), "{}", ran.err);
    assert_eq!(recorded(), first);

    folder.replace("protocol.toml", "version = 1", "version = 2");
    assert_eq!(protocol(&["record", folder.path()]).status, 0);
    let second = recorded();
    assert!(second.starts_with(&first) && second.contains("\n2 = \""), "{second}");

    folder.replace("en.toml", "Red, warm and tight.", "Red and tight.");
    assert_eq!(protocol(&["record", folder.path(), "--unreleased"]).status, 0);
    assert!(recorded().starts_with(&first));
    assert_ne!(recorded(), second);
    assert_eq!(protocol(&["check", folder.path()]).status, 0);
}

#[test]
fn what_another_version_changes_is_told_in_days_and_hours() {
    let (old, new) = (Folder::new(), Folder::new());
    let same = protocol(&["diff", old.path(), new.path()]);
    assert_eq!((same.status, same.out.as_str()), (0, "sample 1 -> sample 1\nNothing changes for a patient.\n"));

    new.replace("protocol.toml", "version = 1", "version = 2");
    new.replace("protocol.toml", "to = \"PT72H\"", "to = \"PT48H\"");
    new.replace("protocol.toml", "reminders = [{ at = \"close\" }]\nevidence = [\"R09\"]", "evidence = [\"R09\"]");
    new.replace("en.toml", "Pores are open.", "The skin is open for some hours longer than it looks.");
    new.replace("protocol.toml", "after = \"PT24H\"", "after = \"PT48H\"");
    let told = protocol(&["diff", old.path(), new.path()]);
    assert_eq!((told.status, told.err.as_str()), (0, ""));
    let expected = [
        "sample 1 -> sample 2",
        "",
        "Items",
        "  restriction       Washing (first_wash)",
        "      why:",
        "        - Pores are open.",
        "        + The skin is open for some hours longer than it looks.",
        "  restriction       Make-up (make_up)",
        "      until: 72 h -> 48 h (24 h earlier)",
        "  restriction       Retinoids (retinoids)",
        "      told: close -> nothing",
        "",
        "Triage",
        "  redness_rising",
        "      from: 24 h -> 48 h (24 h later)",
        "",
    ];
    assert_eq!(told.out, expected.join("\n"));
}

#[test]
fn built_in_protocols_are_compared_by_key_or_by_key_and_number() {
    let number = mendline::domain::protocol::builtin().unwrap()[0].version.number();
    let named = format!("conservative@{number}");
    for name in ["conservative", named.as_str(), tree("protocols/conservative").to_str().unwrap()] {
        let told = protocol(&["diff", &named, name, "--locale", "en"]);
        assert_eq!(told.status, 0, "{}", told.err);
        assert!(told.out.ends_with("Nothing changes for a patient.\n"), "{name}: {}", told.out);
    }
    let shown = protocol(&["show", &named]);
    assert!(shown.out.starts_with(&format!("conservative {number}: ")), "{}", shown.err);
    for args in [["diff", "conservative@99", "conservative"], ["diff", "conservative", "nobodys"]] {
        let ran = protocol(&args);
        assert_eq!(ran.status, 1);
        assert!(ran.err.contains("those are: conservative"), "{}", ran.err);
    }
}
