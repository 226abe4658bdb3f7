//! The house rules that a compiler does not keep: who may import whom, who writes alert states, how files open and how
//! long they get. Read from the sources as text. A rule is changed here together with docs/ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mendline::push::CARRIERS;

/// What a file is for; decides what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Pure decisions.
    Domain,
    /// Providers of push messages.
    Push,
    /// SQL, the queue of alerts included.
    Store,
    /// HTTP handlers and what their answers look like.
    Routes,
    /// Who is asking, and whether they may see what they ask for.
    Extract,
    /// What a body must hold; what an answer looks like.
    Shape,
    /// Shows together what several slices show.
    Gathering,
    /// Writes that span tables, and blocks of them that join a caller's transaction.
    UseCase,
    /// The delivery worker.
    Worker,
    /// Puts everything together.
    Root,
    /// What all stand on: named file by file.
    Base,
}

/// Rooms that put things together.
const ROOTS: &[&str] = &["app", "cli", "demo", "main", "lib"];
/// Rooms that show together what slices show each: they read through any slice's store, and show it by its views.
const GATHERERS: &[&str] = &["offline"];
/// Rooms that others stand on, and what each of them may use itself.
const BASE: &[(&str, &[&str])] = &[
    ("answer", &[]),
    ("body", &["error", "domain"]),
    ("clock", &["failpoint"]),
    // What a provider wants to be told stands in its own file; everything that is wrong is still reported at once.
    ("config", &["failpoint", "push"]),
    // What a URL and a root certificate must look like is said once, where settings are read.
    ("db", &["config", "failpoint"]),
    ("embedded", &["config"]),
    // The one door: what other rooms fail with becomes a problem here.
    ("error", &["auth::keys", "db", "planning", "protocols", "telemetry"]),
    ("failpoint", &[]),
    ("form", &["body", "error"]),
    ("journal", &[]),
    ("idempotency", &["auth::extract", "db::hot", "error", "schema"]),
    ("language", &["error"]),
    ("paging", &["error", "query"]),
    ("preconditions", &["error", "language"]),
    ("query", &["body", "error"]),
    ("schema", &[]),
    ("sending", &[]),
    ("spreadsheet", &[]),
    ("telemetry", &[]),
];
/// Blocks that any use case may join to its transaction, though they are use cases themselves.
const BLOCKS: &[&str] = &[
    "alerts::queue",
    "audit",
    "auth::Auth",
    "auth::codes",
    "auth::email",
    "auth::extract",
    "auth::fetch_token",
    "auth::keys",
    "auth::revocation",
    "consents",
    "erasure",
    "escalation",
    "idempotency",
    "invitations",
    "mail",
    "patients::record",
    "patients::zones",
    "personal_data",
    "planning",
    "protocols",
    "recovery",
];
/// What handlers share.
const HTTP: &[&str] = &[
    "answer",
    "app::State",
    "audit",
    "auth::email",
    "auth::extract",
    "auth::fetch_token",
    "auth::reauthentication",
    "body",
    "db",
    "domain",
    "error",
    "form",
    "idempotency",
    "language",
    "mail",
    "paging",
    "planning",
    "preconditions",
    "protocols",
    "query",
    "recovery",
    "sending",
    "telemetry",
];
/// Handlers in files that are not called routes.
const HANDLERS: &[&str] = &["auth/me.rs", "treatments/read.rs"];

/// Breaches that stand, each with its reason: file, what it uses.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("after_restore/erased.rs", "clinics::removal", "what the journal says of a clinic is done as it was"),
    ("after_restore/mod.rs", "clinics::removal", "a record has the reprieve that a closed clinic has"),
    ("after_restore/mod.rs", "nudges::put_off_due", "a round that may have been made is a thing of the nudges"),
    ("offline/bundle.rs", "alerts::routes", "reminders are put into words where the inbox is"),
    ("offline/bundle_view.rs", "alerts::routes", "reminders are put into words where the inbox is"),
];

/// Files over 300 lines, each with its reason.
const LONG: &[(&str, &str)] = &[
    ("domain/protocol/read.rs", "one reader of every kind of value that a protocol's file may hold"),
    ("error.rs", "every error with its slug, title and status: exhaustive, and worth reading on one page"),
    ("schema.rs", "generated from the catalogue of a migrated database"),
];

impl Kind {
    fn of(file: &str) -> Self {
        let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
        let (room, stem) = (parts[0], parts[parts.len() - 1]);
        let inside = |name: &str| parts.len() > 1 && parts[1..].contains(&name);
        match room {
            "domain" => Self::Domain,
            "push" => Self::Push,
            "worker" => Self::Worker,
            room if ROOTS.contains(&room) => Self::Root,
            room if BASE.iter().any(|(name, _)| *name == room) => Self::Base,
            _ if inside("store") || inside("queue") => Self::Store,
            room if GATHERERS.contains(&room) => Self::Gathering,
            _ if inside("routes") || HANDLERS.contains(&file) => Self::Routes,
            _ if stem == "extract" => Self::Extract,
            _ if ["fields", "view", "words"].iter().any(|shape| stem.ends_with(shape)) => Self::Shape,
            _ => Self::UseCase,
        }
    }

    /// Paths below the crate that files of this kind may use beside their own room.
    fn may_use(self, file: &str) -> Vec<&'static str> {
        match self {
            Self::Domain => vec![],
            Self::Push => vec!["clock", "config", "domain", "telemetry"],
            Self::Store => vec!["clock", "db", "domain", "failpoint", "schema", "telemetry"],
            Self::Routes | Self::Gathering => HTTP.to_vec(),
            Self::Extract => {
                vec!["app::State", "auth", "clock", "db", "domain", "error", "patients::store", "treatments::store"]
            }
            Self::Shape => vec!["body", "domain", "error", "language", "query", "recovery"],
            Self::UseCase => {
                let base = [
                    "body",
                    "clock",
                    "config",
                    "db",
                    "domain",
                    "error",
                    "failpoint",
                    "journal",
                    "schema",
                    "spreadsheet",
                    "telemetry",
                ];
                [BLOCKS, &base].concat()
            }
            Self::Worker => vec![
                "alerts",
                "audit",
                "auth::keys",
                "auth::prune",
                "clinics::removal",
                "clock",
                "config",
                "db",
                "devices",
                "domain",
                "erasure",
                "escalation",
                "failpoint",
                "idempotency",
                "invitations::store",
                "journal",
                "nudges",
                "offline",
                "patients",
                "planning",
                "protocols",
                "push",
                "push_health",
                "telemetry",
            ],
            Self::Root => vec![""],
            Self::Base => {
                let room = file.split(['/', '.']).next().unwrap();
                BASE.iter().find(|(name, _)| *name == room).unwrap().1.to_vec()
            }
        }
    }
}

/// A source file without its comments and its tests.
struct Source {
    /// Path below `src`.
    file: String,
    text: String,
    code: String,
}

impl Source {
    fn read(path: &Path, file: String) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let code: String = text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .map(|line| line.split("//").next().unwrap_or(""))
            .collect::<Vec<_>>()
            .join("\n");
        Self { file, text, code }
    }

    fn room(&self) -> &str {
        self.file.split(['/', '.']).next().unwrap()
    }

    fn is_test(&self) -> bool {
        let stem = self.file.trim_end_matches(".rs");
        stem.ends_with("/tests") || stem.ends_with("_tests") || stem.ends_with("/sample") || stem.contains("_tests/")
    }

    /// Paths of this crate that the code names, without `crate::`; what is imported as a module is followed.
    fn uses(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, _) in self.code.match_indices("crate::") {
            let before = self.code[..at].chars().next_back().unwrap_or(' ');
            if !before.is_alphanumeric() && before != '_' && before != '$' {
                expand("", &self.code[at + "crate::".len()..], &mut found);
            }
        }
        let modules: Vec<String> = found.iter().filter(|path| !path.contains("::")).cloned().collect();
        for module in modules {
            let mut followed = BTreeSet::new();
            for (at, _) in self.code.match_indices(&format!("{module}::")) {
                let before = self.code[..at].chars().next_back().unwrap_or(' ');
                if !before.is_alphanumeric() && before != '_' && before != ':' {
                    expand(&format!("{module}::"), &self.code[at + module.len() + 2..], &mut followed);
                }
            }
            if !followed.is_empty() {
                found.remove(&module);
                found.extend(followed);
            }
        }
        found
    }
}

/// Reads one path, or a tree of them in braces, at the start of `text`, to a depth of two names.
fn expand(prefix: &str, text: &str, found: &mut BTreeSet<String>) {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('{') {
        let mut depth = 1;
        let mut start = 0;
        for (at, character) in inner.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && character == ',') {
                let part = inner[start..at].trim();
                if !part.is_empty() {
                    expand(prefix, part, found);
                }
                start = at + 1;
            }
            if depth == 0 {
                return;
            }
        }
        return;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name == "self" || name.is_empty() {
        found.insert(prefix.trim_end_matches("::").to_owned());
        return;
    }
    let path = format!("{prefix}{name}");
    match rest.strip_prefix("::") {
        Some(rest) if !path.contains("::") => expand(&format!("{path}::"), rest, found),
        _ => drop(found.insert(path)),
    }
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(&path, found),
                false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
                false => {}
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.sort();
    let sources: Vec<Source> =
        found.iter().map(|path| Source::read(path, path.strip_prefix(&root).unwrap().display().to_string())).collect();
    assert!(sources.len() > 100, "the sources were not found");
    sources
}

fn names(source: &Source, word: &str) -> bool {
    source.code.match_indices(word).any(|(at, _)| {
        let before = source.code[..at].chars().next_back().unwrap_or(' ');
        let after = source.code[at + word.len()..].chars().next().unwrap_or(' ');
        let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
        !part_of_a_word(before) && !part_of_a_word(after)
    })
}

#[track_caller]
fn nothing(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn rooms_use_only_what_they_may() {
    let mut breaches = Vec::new();
    let mut excused = BTreeSet::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let kind = Kind::of(&source.file);
        let may = kind.may_use(&source.file);
        for path in source.uses() {
            let own = path == source.room() || path.starts_with(&format!("{}::", source.room()));
            let allowed =
                own || may.iter().any(|may| may.is_empty() || path == *may || path.starts_with(&format!("{may}::")));
            // A use case reads and writes through any slice's store.
            let through_store = kind == Kind::UseCase && path.ends_with("::store");
            // A body may hold another slice's, as an invitation holds a patient.
            let through_shape = kind == Kind::Routes && path.ends_with("::fields");
            let shown = ["::store", "::read", "::fields", "view"].iter().any(|end| path.ends_with(end));
            let gathered = kind == Kind::Gathering && shown;
            if allowed || through_store || through_shape || gathered {
                continue;
            }
            match EXCEPTIONS.iter().find(|(file, uses, _)| *file == source.file && *uses == path) {
                Some(exception) => drop(excused.insert(exception)),
                None => breaches.push(format!("src/{}: {kind:?} may not use crate::{path}", source.file)),
            }
        }
    }
    let idle = EXCEPTIONS.iter().filter(|exception| !excused.contains(exception));
    breaches
        .extend(idle.map(|(file, uses, _)| format!("src/{file}: no longer uses crate::{uses}; drop the exception")));
    nothing(breaches);
}

/// Where a provider is named outside its own file and the list in `push/mod.rs`, each with its reason.
const NAMED: &[(&str, &str, &str)] = &[
    ("app/about.rs", "web_push", "browsers subscribe with a key of ours, which `GET /v1/config` shows"),
    ("app/providers.rs", "web_push", "reads that key"),
    ("demo/phone.rs", "web_push", "the demo's phone is a browser's subscription"),
    ("domain/push_service.rs", "web_push", "endpoints are chosen by devices, and may say whose they are"),
    ("push/fcm/body.rs", "apns", "a field of FCM's message is called so"),
];

#[test]
fn a_push_provider_is_known_by_name_to_its_own_file_alone() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test() && source.file != "push/mod.rs") {
        for word in CARRIERS.iter().map(|carrier| carrier.provider.word) {
            let own = source.file.starts_with(&format!("push/{word}"));
            let excused = NAMED.iter().any(|(file, name, _)| *file == source.file && *name == word);
            if !own && names(source, word) != excused {
                breaches.push(format!("src/{}: {word}", source.file));
            }
        }
    }
    nothing(breaches);
}

#[test]
fn crates_that_do_io_stay_in_their_rooms() {
    let http = [
        "answer",
        "body",
        "error",
        "form",
        "idempotency",
        "language",
        "preconditions",
        "query",
        "sending",
        "telemetry",
    ];
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let kind = Kind::of(&source.file);
        let room = source.room();
        let web = matches!(kind, Kind::Routes | Kind::Gathering | Kind::Extract | Kind::Root) || http.contains(&room);
        // A handler opens the transaction and may name the connection that it passes on; it asks it nothing.
        let sql = !matches!(kind, Kind::Domain | Kind::Push | Kind::Routes | Kind::Gathering | Kind::Shape);
        let client = kind == Kind::Push || kind == Kind::Root;
        for (word, allowed) in
            [("actix_web", web), ("diesel", sql), ("RunQueryDsl", sql), ("sql_query", sql), ("reqwest", client)]
        {
            let excused = EXCEPTIONS.iter().any(|(file, uses, _)| *file == source.file && *uses == word);
            if !allowed && !excused && names(source, word) {
                breaches.push(format!("src/{}: {kind:?} may not use {word}", source.file));
            }
        }
    }
    nothing(breaches);
}

/// Who makes connections beside `push/http`, the one builder of outgoing clients, each with its reason.
const CONNECTS: &[(&str, &str)] = &[
    ("cli/healthcheck.rs", "asks this machine's own operators' address, which the operator set"),
    ("mail/transport.rs", "hands letters to the one server that the operator names"),
    ("demo/api.rs", "is the demo's app, which calls the demo's own server"),
];

#[test]
fn outgoing_clients_are_built_in_one_place() {
    let ways = [
        "ClientBuilder",
        "Client::builder",
        "Client::new",
        "Client::default",
        "reqwest::get",
        "reqwest::blocking",
        "hyper_util",
        "AsyncSmtpTransport",
        "TcpStream",
        "TcpSocket",
        "UdpSocket",
        "lookup_host",
        "ToSocketAddrs",
    ];
    let outside = |source: &&Source| !source.is_test() && !source.file.starts_with("push/http");
    let breaches: Vec<String> = sources()
        .iter()
        .filter(outside)
        .filter(|source| {
            ways.iter().any(|way| names(source, way)) != CONNECTS.iter().any(|(file, _)| *file == source.file)
        })
        .map(|source| format!("src/{}: connects by itself, or no longer does though it is listed", source.file))
        .collect();
    nothing(breaches);
    let builder = sources().into_iter().find(|source| source.file == "push/http.rs").unwrap();
    for must in [".redirect(redirect::Policy::none())", ".no_proxy()", ".timeout(", ".connect_timeout("] {
        assert!(builder.code.contains(must), "the one builder has lost {must}");
    }
}

#[test]
fn the_domain_is_pure() {
    let known = ["std", "chrono", "chrono_tz", "serde", "uuid", "url", "toml", "crate", "super", "self"];
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.room() == "domain" && !source.is_test()) {
        let modules: BTreeSet<&str> = source.code.lines().filter_map(|line| line.trim().strip_prefix("mod ")).collect();
        for line in source.code.lines().map(|line| line.trim().trim_start_matches("pub ")) {
            let Some(root) = line.strip_prefix("use ").and_then(|path| path.split([':', ';', ' ']).next()) else {
                continue;
            };
            let own = modules.iter().any(|module| module.trim_end_matches(';') == root);
            let of_an_enum = root.starts_with(char::is_uppercase);
            if !own && !of_an_enum && !known.contains(&root) && !source.code.contains(&format!("mod {root};")) {
                breaches.push(format!("src/{}: uses {root}", source.file));
            }
        }
        for word in ["async", "tokio", "futures_util", "tracing"] {
            if names(source, word) {
                breaches.push(format!("src/{}: names {word}", source.file));
            }
        }
    }
    nothing(breaches);
}

#[test]
fn alert_states_are_written_by_the_queue_alone() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !source.file.starts_with("alerts/queue")) {
        let code = source.code.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let forbidden = [
            "update alerts set",
            "update alerts as",
            "update only alerts",
            "insert into alerts ",
            "insert into alerts(",
            "delete from alerts ",
            "update(alerts",
            "update(dsl::alerts",
            "insert_into(alerts",
            "insert_into(dsl::alerts",
            "schema::alerts::dsl::*",
        ];
        // Erasing rows past their retention is no change of state.
        let erasing = source.file == "alerts/store/retention.rs";
        for statement in forbidden {
            if code.contains(statement) && !(erasing && statement.starts_with("delete")) {
                breaches.push(format!("src/{}: {statement}", source.file));
            }
        }
    }
    nothing(breaches);
}

#[test]
fn every_source_file_says_what_lives_in_it() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//!") && source.file != "schema.rs");
    nothing(silent.map(|source| format!("src/{}: does not open with //!", source.file)).collect());
}

#[test]
fn no_source_file_grows_past_three_hundred_lines_without_a_reason() {
    let lengths: BTreeMap<String, usize> = sources()
        .iter()
        .filter(|source| !source.is_test())
        .map(|source| (source.file.clone(), source.code.trim_end().lines().count()))
        .collect();
    let too_long = lengths.iter().filter(|(file, lines)| **lines > 300 && !LONG.iter().any(|(long, _)| long == *file));
    let mut breaches: Vec<String> = too_long.map(|(file, lines)| format!("src/{file}: {lines} lines")).collect();
    for (file, _) in LONG {
        if lengths.get(*file).is_none_or(|lines| *lines <= 300) {
            breaches.push(format!("src/{file}: no longer that long; drop it from the list"));
        }
    }
    nothing(breaches);
}

#[test]
fn every_file_of_this_suite_is_part_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(root.join("main.rs")).unwrap();
    let files = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let modules = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let left_out = modules.filter(|name| name != "main" && name != "snapshots");
    let left_out = left_out.filter(|name| !main.lines().any(|line| line == format!("mod {name};")));
    nothing(left_out.map(|name| format!("tests/it/{name}: main.rs does not name it")).collect());
}

/// The layer of dependencies is built from the manifest and an empty crate: a target without a file breaks the image.
#[test]
fn the_image_knows_every_target_of_the_manifest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let image = fs::read_to_string(root.join("Dockerfile")).unwrap();
    let several = ["bin", "test", "bench"].into_iter().filter_map(|kind| manifest.get(kind)?.as_array());
    let targets = several.flatten().chain(manifest.get("lib"));
    let paths = targets.map(|target| match target.get("path") {
        Some(path) => path.as_str().unwrap().to_owned(),
        None => format!("benches/{}.rs", target["name"].as_str().unwrap()),
    });
    nothing(
        paths.filter(|path| !image.contains(path.as_str())).map(|path| format!("{path}: not in the image")).collect(),
    );
}

#[test]
fn nothing_is_called_utils_models_or_services() {
    let vague = ["utils", "util", "helpers", "common", "models", "services", "misc"];
    let named = sources()
        .into_iter()
        .filter(|source| source.file.trim_end_matches(".rs").split('/').any(|part| vague.contains(&part)));
    nothing(named.map(|source| format!("src/{}: says nothing about what it is", source.file)).collect());
}

#[test]
fn imports_are_read_whatever_their_form() {
    let code = "use crate::db::{Db, hot::hot_query};\nuse crate::{error::ApiError, patients};\n\
                fn f() { patients::zones::follow(); crate::planning::lock(); $crate::x(); }";
    let source = Source { file: "flags/submit.rs".to_owned(), text: code.to_owned(), code: code.to_owned() };
    let seen: Vec<String> = source.uses().into_iter().collect();
    assert_eq!(seen, ["db::Db", "db::hot", "error::ApiError", "patients::zones", "planning::lock"]);
    assert_eq!(Kind::of(&source.file), Kind::UseCase);
}
