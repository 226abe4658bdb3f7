//! The private cluster through what happens to real processes: interrupted first starts, kills, restarts.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mendline::db::Connector;
use mendline::embedded::{DATABASE, Durability, Embedded, EmbeddedError};
use secrecy::SecretString;

use crate::support::binary::{Reachable, Serving, mendline};
use crate::support::server_programs;

async fn answers(cluster: &Embedded) {
    let url = SecretString::from(cluster.url(DATABASE));
    Connector::new(&url, None).unwrap().open().await.expect("the database of the cluster");
}

/// Server programs of which `postgres` does what `script` says.
fn broken_binaries(dir: &Path, programs: &Path, script: &str) -> std::path::PathBuf {
    let broken = dir.join("bin");
    std::fs::create_dir(&broken).unwrap();
    symlink(programs.join("initdb"), broken.join("initdb")).unwrap();
    let postgres = broken.join("postgres");
    std::fs::write(&postgres, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&postgres, std::fs::Permissions::from_mode(0o755)).unwrap();
    broken
}

#[tokio::test]
async fn a_first_start_that_fails_between_the_cluster_and_its_database_is_made_good_by_the_next() {
    let Some(programs) = server_programs() else { return };
    let dir = Reachable::new("half-made");
    for (program, script) in [
        // The statement fails, whatever it is.
        ("refuses", format!("cat >/dev/null; echo no | exec {}/postgres \"$@\"", programs.display())),
        ("dies", "kill -KILL $$".to_owned()),
    ] {
        let data_dir = dir.0.join(program);
        std::fs::create_dir(&data_dir).unwrap();
        let broken = broken_binaries(&data_dir, &programs, &script);
        let failed = Embedded::start(&data_dir, Some(&broken), Durability::None).unwrap_err();
        assert!(matches!(failed, EmbeddedError::Program { program: "postgres --single", .. }), "{program}: {failed}");
        assert!(!data_dir.join("postgres").exists(), "{program}: what is half made is not in its place");

        let cluster = Embedded::start(&data_dir, Some(&programs), Durability::None).unwrap();
        answers(&cluster).await;
        let names: Vec<String> = std::fs::read_dir(&data_dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("postgres.new"))
            .collect();
        assert!(names.is_empty(), "{program}: {names:?} are left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_is_killed_half_way_is_made_good_by_the_next() {
    if server_programs().is_none() {
        return;
    }
    let dir = Reachable::new("killed-making");
    let mut killed = mendline(&dir.0, None, &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    let half_made = async {
        let is_draft = |entry: std::fs::DirEntry| {
            entry.file_name().to_string_lossy().starts_with("postgres.new") && entry.path().join("PG_VERSION").exists()
        };
        while !std::fs::read_dir(&dir.0).unwrap().flatten().any(is_draft) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), half_made).await.expect("a first start");
    killed.kill().await.unwrap();
    assert!(Serving::start(&dir.0).await.stop().await);
}

#[tokio::test]
async fn a_server_starts_again_the_moment_it_was_killed_as_often_as_it_takes() {
    if server_programs().is_none() {
        return;
    }
    let dir = Reachable::new("killed");
    for _ in 0..4 {
        // Its watchdog is still stopping the database when the next one starts.
        Serving::start(&dir.0).await.process.kill().await.unwrap();
    }
    assert!(Serving::start(&dir.0).await.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doctor_looks_at_a_private_database_that_runs_and_neither_makes_nor_starts_one() {
    if server_programs().is_none() {
        return;
    }
    let dir = Reachable::new("doctor");
    let look = async || {
        let seen = mendline(&dir.0, None, &["doctor"]).output().await.unwrap();
        String::from_utf8_lossy(&seen.stdout).into_owned()
    };
    let before = look().await;
    assert!(before.contains("none yet: the first start makes a private one"), "{before}");
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 0, "neither keys nor a database");
    let server = Serving::start(&dir.0).await;
    let beside = look().await;
    assert!(beside.contains("schema") && beside.contains("queue"), "{beside}");
    assert!(server.stop().await);
    let after = look().await;
    assert!(after.contains("it was not looked at") && !after.contains("schema"), "{after}");
    assert!(!dir.0.join("postgres/postmaster.pid").exists(), "it was not started");
}

#[tokio::test]
async fn a_server_whose_address_is_taken_says_so_before_it_makes_anything() {
    let dir = Reachable::new("taken");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for variable in ["MENDLINE_BIND", "MENDLINE_OPS_BIND"] {
        let mut server = mendline(&dir.0, None, &["serve"]);
        let ended = server.env(variable, address.to_string()).output().await.unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(&format!("{variable}: {address} is taken")), "{said}");
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 0, "{said}");
    }
}

#[test]
fn binaries_that_are_not_where_the_operator_says_are_an_error_that_names_the_setting() {
    let dir = Reachable::new("no-binaries");
    let error = Embedded::start(&dir.0, Some(Path::new("/nonexistent")), Durability::None).unwrap_err().to_string();
    assert!(error.starts_with("PG_BIN_DIR: /nonexistent "), "{error}");
}
