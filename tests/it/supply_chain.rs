//! What is shipped and how it is started: every dependency has its reason, and the image and the compose file give away no
//! more rights than the program needs. Read as text.

use std::collections::BTreeSet;

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

#[test]
fn the_image_runs_as_nobody_in_particular_and_starts_no_shell() {
    let shipped = IMAGE.rsplit("\nFROM ").next().unwrap();
    let last = |instruction: &str| shipped.lines().rfind(|line| line.starts_with(instruction)).expect(instruction);
    let (user, group) = last("USER ").trim_start_matches("USER ").split_once(':').unwrap();
    assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0, "{user}:{group}");
    let after = shipped.split("\nUSER ").nth(1).unwrap();
    assert!(!after.contains("\nRUN ") && !after.contains("\nCOPY ") && !after.contains("\nVOLUME "), "{after}");
    for instruction in ["ENTRYPOINT ", "CMD "] {
        assert!(last(instruction).trim_start_matches(instruction).starts_with('['), "{instruction}by a shell");
    }
    assert!(last("HEALTHCHECK ").contains(" CMD ["), "a health check by a shell");
}

#[test]
fn composed_containers_have_no_rights_and_no_disk() {
    let ours = COMPOSE.split("\nx-mendline: &mendline\n").nth(1).unwrap().split("\nservices:\n").next().unwrap();
    for line in ["read_only: true", "cap_drop: [ALL]", "security_opt: [\"no-new-privileges:true\"]"] {
        assert!(ours.lines().any(|found| found.trim() == line), "{line}");
    }
    // Sections stand at the margin, services two spaces from it.
    let services =
        COMPOSE.split("\nservices:\n").nth(1).unwrap().split("\n\n").take_while(|part| part.starts_with("  "));
    let services: Vec<&str> = services.collect();
    assert!(services.len() > 2, "the services were not found");
    for service in services.iter().filter(|service| !service.contains("postgres:\n    image:")) {
        assert!(service.contains("<<: *mendline"), "has other rights than ours:\n{service}");
        assert!(
            !service.contains("privileged") && !service.contains("cap_add") && !service.contains("user: "),
            "{service}"
        );
    }
    let is_port =
        |line: &&str| line.trim().starts_with("- ") && [":8080", ":9090"].iter().any(|port| line.contains(port));
    for port in COMPOSE.lines().filter(is_port) {
        assert!(port.trim().starts_with("- 127.0.0.1:"), "reached from outside without TLS: {port}");
    }
}
