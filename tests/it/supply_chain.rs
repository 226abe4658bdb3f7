//! What is shipped and how it is started: every dependency has its reason, and the image and the compose file give away no
//! more rights than the program needs. That they work is tried by script/image-trial.

use std::collections::BTreeSet;

use serde_json::{Value, json};

const MANIFEST: &str = include_str!("../../Cargo.toml");
const REASONS: &str = include_str!("../../docs/DEPENDENCIES.md");
const IMAGE: &str = include_str!("../../Dockerfile");
const COMPOSE: &str = include_str!("../../compose.yaml");

/// Rows of the table below a heading: crate and reason.
fn rows(heading: &str) -> Vec<(&'static str, &'static str)> {
    let section = REASONS.split("\n## ").find_map(|section| section.strip_prefix(heading)).expect(heading);
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    cells.map(|(name, reason)| (name, reason.trim_end_matches('|').trim())).collect()
}

#[test]
fn every_dependency_has_its_reason_and_every_reason_its_dependency() {
    let manifest: toml::Table = MANIFEST.parse().unwrap();
    let named =
        |table: &str| -> BTreeSet<&str> { manifest[table].as_table().unwrap().keys().map(String::as_str).collect() };
    let in_binary = named("dependencies");
    // What tests only want more of has its reason above.
    let in_tests: BTreeSet<&str> = named("dev-dependencies").difference(&in_binary).copied().collect();
    for (heading, wanted) in [("In the binary\n", &in_binary), ("In tests and benchmarks only\n", &in_tests)] {
        let rows = rows(heading);
        let told: BTreeSet<&str> = rows.iter().map(|(name, _)| *name).collect();
        assert_eq!(told, *wanted, "left: docs/DEPENDENCIES.md; right: Cargo.toml");
        assert_eq!(rows.len(), told.len(), "a crate has two rows");
        for (name, reason) in rows {
            assert!(reason.len() > 10, "{name}: {reason:?} is no reason");
        }
    }
}

/// Instructions of the Dockerfile's last stage: what an image is made of.
fn shipped() -> Vec<(String, String)> {
    let lines: Vec<&str> = IMAGE.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let instructions = joined.lines().filter_map(|line| line.split_once(' '));
    let instructions: Vec<_> = instructions.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect();
    let last = instructions.iter().rposition(|(word, _)| word == "FROM").expect("a stage");
    instructions[last..].to_vec()
}

/// The words of a command in the form that no shell takes apart.
fn words(command: &str) -> Vec<String> {
    serde_json::from_str(command).unwrap_or_else(|_| panic!("by a shell: {command}"))
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_starts_no_shell() {
    let shipped = shipped();
    let said = |wanted: &str| -> Vec<&str> {
        shipped.iter().filter(|(word, _)| word == wanted).map(|(_, rest)| rest.as_str()).collect()
    };
    let once = |wanted: &str| match said(wanted)[..] {
        [rest] => rest,
        ref several => panic!("{wanted}: {several:?}"),
    };
    assert_eq!(once("FROM"), "scratch", "whatever a base holds is there for whoever breaks in");
    for absent in ["RUN", "ADD", "SHELL", "VOLUME"] {
        assert!(said(absent).is_empty(), "{absent}: {:?}", said(absent));
    }
    let (user, group) = once("USER").split_once(':').unwrap();
    assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0, "{user}:{group}");
    let health = once("HEALTHCHECK").split_once(" CMD ").expect("a health check").1;
    for command in [once("ENTRYPOINT"), health] {
        assert!(words(command)[0].starts_with('/'), "looked for where the environment says: {command}");
    }
    assert!(!words(once("CMD")).is_empty());
    for secret in ["KEY", "PASSWORD", "TOKEN", "SECRET", "URL"] {
        assert!(!once("ENV").contains(secret), "a {secret} of all who have the image: {}", once("ENV"));
    }
}

#[test]
fn composed_containers_have_no_rights_and_no_disk() {
    let compose: Value = serde_saphyr::from_str(COMPOSE).unwrap();
    let services = compose["services"].as_object().unwrap();
    let named: BTreeSet<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(named, BTreeSet::from(["postgres", "migrate", "mendline"]));
    for (name, service) in services {
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
        for right in
            ["privileged", "cap_add", "devices", "user", "group_add", "pid", "ipc", "network_mode", "entrypoint"]
        {
            assert!(service.get(right).is_none(), "{name} has {right}");
        }
        let health = &service["healthcheck"];
        let asked = health.is_null() || health["disable"] == json!(true) || health["test"][0] == "CMD";
        assert!(asked, "{name}: asked for its health by a shell: {health}");
        for port in service.get("ports").and_then(Value::as_array).into_iter().flatten() {
            assert!(
                port.as_str().unwrap().starts_with("127.0.0.1:"),
                "reached from outside without TLS: {name} {port}"
            );
        }
    }
    for ours in [&services["mendline"], &services["migrate"]] {
        assert_eq!((&ours["read_only"], &ours["cap_drop"]), (&json!(true), &json!(["ALL"])));
        assert!(ours["command"].is_array() && ours.get("volumes").is_none() && ours.get("tmpfs").is_none(), "{ours}");
    }
}
