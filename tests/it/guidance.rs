//! "May I do this yet?": guidance for now and for any other moment.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use mendline::domain::protocol::{IsoDuration, Kind};
use mendline::domain::role::Role;
use serde_json::{Value, json};

use crate::support::treatments::utc;
use crate::support::{Staged, TestApp};

async fn treated() -> (TestApp, Staged, String) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let clinician = app.stage(clinic, Role::Clinician).await;
    let patient = app.stage(clinic, Role::Patient).await;
    let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), app.care.now()).await;
    (app, patient, format!("/v1/treatments/{treatment}/guidance"))
}

fn find<'a>(list: &'a Value, key: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn right_after_the_treatment_everything_waits_the_soonest_first_with_its_reason() {
    let (app, patient, path) = treated().await;
    let body = app.get(&path, &patient.token).await.expect(200);
    assert!(body["phase"]["key"].is_string() && body["phase"]["title"].is_string());
    assert!(body.get("at").is_none());
    let not_yet = body["not_yet"].as_array().unwrap();
    let until: Vec<_> = not_yet.iter().map(|entry| entry["until"].as_str().unwrap()).collect();
    assert!(until.is_sorted() && !until.is_empty());
    for entry in not_yet {
        assert!(!entry["why"].as_str().unwrap().is_empty(), "{entry}");
        assert!(!entry["evidence"].as_array().unwrap().is_empty(), "{entry}");
    }
    let wash = find(&body["not_yet"], "first_wash");
    assert_eq!(wash["until"], "2026-02-02T16:00:00Z");
    assert_eq!(wash["soft_until"], "2026-02-04T12:00:00Z");
    let acids = find(&body["not_yet"], "acids");
    assert_eq!((&acids["earliest"], &acids["until"]), (&json!("2026-02-12T12:00:00Z"), &json!("2026-02-16T12:00:00Z")));
    assert_eq!(body["open_again"], json!([]));
    assert_eq!(body["today"], json!([]), "the first day asks for nothing");
}

#[tokio::test]
async fn what_has_opened_again_keeps_its_care_until_the_soft_bound() {
    let (app, patient, path) = treated().await;
    app.care.advance(TimeDelta::hours(4));
    let body = app.get(&path, &patient.token).await.expect(200);
    let wash = find(&body["open_again"], "first_wash");
    assert_eq!((&wash["since"], &wash["soft_until"]), (&json!("2026-02-02T16:00:00Z"), &json!("2026-02-04T12:00:00Z")));
    assert!(find(&body["not_yet"], "first_wash").is_null());
    app.care.advance(TimeDelta::hours(44));
    let body = app.get(&path, &patient.token).await.expect(200);
    assert!(find(&body["open_again"], "first_wash").get("soft_until").is_none());
}

#[tokio::test]
async fn another_moment_can_be_asked_for_and_is_named_in_the_answer() {
    let (app, patient, path) = treated().await;
    let asked = app.get(&format!("{path}?at=2026-02-05T06:30:00Z"), &patient.token).await.expect(200);
    assert_eq!(asked["at"], "2026-02-05T06:30:00Z");
    assert!(find(&asked["not_yet"], "make_up")["until"] == "2026-02-05T12:00:00Z");
    let today = asked["today"].as_array().unwrap();
    assert!(today.iter().all(|task| task["local_date"] == "2026-02-05"));
    let states: Vec<_> = today.iter().map(|task| (task["item_key"].as_str(), task["state"].as_str())).collect();
    assert!(states.contains(&(Some("cleanse_and_moisturise"), Some("open"))), "{states:?}");
    assert!(states.contains(&(Some("kept_it"), Some("ahead"))), "{states:?}");
    // An offset is a way of writing the same moment.
    let same = app.get(&format!("{path}?at=2026-02-05T07:30:00%2B01:00"), &patient.token).await.expect(200);
    assert_eq!(same, asked);
    app.care.set(utc("2026-02-05T06:30:00Z"));
    let mut now = app.get(&path, &patient.token).await.expect(200);
    now["at"] = asked["at"].clone();
    assert_eq!(now, asked);
}

/// What nobody could report any more is not called unreported: compliance does not count it either.
#[tokio::test]
async fn once_a_treatment_has_ended_its_tasks_stay_where_they_stood() {
    let (app, patient, path) = treated().await;
    let clinician = app.stage(patient.caller.clinic_id, Role::Clinician).await;
    app.care.set(utc("2026-02-05T06:30:00Z"));
    let before = app.get(&path, &patient.token).await.expect(200);
    let open = |guidance: &Value| -> Vec<(String, String)> {
        let today = guidance["today"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|task| task["open_at"].as_str() < Some("2026-02-05T06:30:00Z"));
        today.map(|task| (task["id"].to_string(), task["state"].as_str().unwrap().to_owned())).collect()
    };
    assert!(open(&before).iter().any(|(_, state)| state == "open"), "{before}");
    let treatment = path.trim_end_matches("/guidance").to_owned();
    app.post(&format!("{treatment}/complete"), &clinician.token, json!({})).await.expect(200);
    app.care.set(utc("2026-02-06T12:00:00Z"));
    let later = app.get(&format!("{path}?at=2026-02-05T22:30:00Z"), &patient.token).await.expect(200);
    assert_eq!(open(&later), open(&before));
    let tasks = app.get(&format!("{treatment}/tasks?from=2026-02-05&to=2026-02-05"), &patient.token).await.expect(200);
    assert_eq!(tasks["items"], later["today"], "and stand there among the tasks alike");
}

/// Before the treatment nothing waits, which would read as if everything were fine: there is no answer at all.
#[tokio::test]
async fn outside_the_plan_there_is_no_answer_but_where_the_plan_lies() {
    let (app, patient, path) = treated().await;
    for (at, within) in [
        ("2026-02-02T11:59:59Z", false),
        ("2026-02-02T12:00:00Z", true),
        // The last prompt ends with day index 48.
        ("2026-03-22T23:00:00Z", true),
        ("2026-03-22T23:00:01Z", false),
    ] {
        let answer = app.get(&format!("{path}?at={at}"), &patient.token).await;
        if within {
            assert!(answer.expect(200)["phase"].is_object(), "{at}");
        } else {
            let refused = answer.expect(422);
            assert_eq!(refused["errors"][0]["pointer"], "at");
            assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("2026-"), "{refused}");
        }
    }
    app.care.set(utc("2026-06-01T00:00:00Z"));
    let now = app.get(&path, &patient.token).await.expect(200);
    assert_eq!(now["not_yet"], json!([]), "long after the plan nothing waits");
    assert_eq!(app.get(&format!("{path}?at=2026-05-31T00:00:00Z"), &patient.token).await.status, 200);
}

/// The facts of the sources about what should wait, by number; each must be behind some answer.
fn restriction_facts() -> Vec<String> {
    (1..=40).map(|number| format!("R{number:02}")).collect()
}

#[tokio::test]
async fn every_restriction_of_the_facts_can_be_asked_about_at_every_bound_with_countdown_reason_and_sources() {
    let (app, patient, path) = treated().await;
    let version = app.state.protocols.latest("conservative").unwrap().version.clone();
    let restrictions = version.structure.items.iter().filter(|item| item.kind == Kind::Restriction);
    let topics: Vec<&str> = restrictions.map(|item| item.key.as_str()).collect();
    let performed_at = app.care.now();
    let mut cited = std::collections::BTreeSet::new();
    for topic in &topics {
        let ask = async |at: DateTime<Utc>| {
            let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let answer = app.get(&format!("{path}?topic={topic}&at={at}"), &patient.token).await.expect(200);
            let own = |entry: &&Value| entry["key"] == *topic;
            let lists = ["not_yet", "open_again"]
                .map(|list| answer[list].as_array().unwrap().iter().filter(own).cloned().collect::<Vec<_>>());
            assert_eq!(lists.iter().map(Vec::len).sum::<usize>(), 1, "{topic} is in one of the two lists at {at}");
            let [not_yet, open_again] = lists;
            (not_yet.first().cloned(), open_again.first().cloned())
        };
        let (waits, _) = ask(performed_at).await;
        let waits = waits.unwrap_or_else(|| panic!("{topic} waits right after the treatment"));
        assert_eq!(waits["key"], *topic);
        let hard = utc(waits["until"].as_str().unwrap());
        assert_eq!(waits["remaining"], json!(IsoDuration::between(performed_at, hard)));
        assert!(!waits["why"].as_str().unwrap().is_empty() && waits.get("instead").is_some(), "{topic}");
        for evidence in waits["evidence"].as_array().unwrap() {
            let source = &evidence["cited"][0];
            assert!(!evidence["value"].as_str().unwrap().is_empty() && source["title"].is_string(), "{evidence}");
            cited.insert(evidence["id"].as_str().unwrap().to_owned());
        }
        let (just_before, _) = ask(hard - TimeDelta::seconds(1)).await;
        assert_eq!(just_before.unwrap()["remaining"], "PT1S", "{topic}");
        let (_, over) = ask(hard).await;
        let over = over.unwrap_or_else(|| panic!("{topic} is over at its bound"));
        assert_eq!(over["since"], waits["until"]);
        if let Some(soft) = waits.get("soft_until") {
            assert_eq!((&over["soft_until"], over["soft_advice"].is_string()), (soft, true), "{topic}");
            let soft = utc(soft.as_str().unwrap());
            assert_eq!(over["soft_remaining"], json!(IsoDuration::between(hard, soft)));
            let (_, after) = ask(soft).await;
            assert!(after.unwrap().get("soft_until").is_none());
        }
    }
    let carried: Vec<&String> = version.structure.not_carried.iter().flat_map(|entry| &entry.facts).collect();
    let missing: Vec<_> =
        restriction_facts().into_iter().filter(|id| !cited.contains(id) && !carried.contains(&id)).collect();
    assert!(missing.is_empty(), "no answer cites {missing:?}");
}

#[tokio::test]
async fn a_group_answers_for_all_of_its_restrictions_and_an_unknown_topic_names_those_there_are() {
    let (app, patient, path) = treated().await;
    let group = app.get(&format!("{path}?topic=make_up"), &patient.token).await.expect(200);
    let keys: Vec<_> = group["not_yet"].as_array().unwrap().iter().map(|entry| entry["key"].clone()).collect();
    assert_eq!(keys, [json!("make_up"), json!("make_up_heavy")]);
    let refused = app.get(&format!("{path}?topic=skydiving"), &patient.token).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "topic");
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("retinoids"));
}

#[tokio::test]
async fn a_moment_that_is_none_is_refused_with_a_pointer() {
    let (app, patient, path) = treated().await;
    for wrong in
        ["tomorrow", "2026-02-30T00:00:00Z", "2026-02-05", "9999-12-31T23:59:59Z", "-262143-01-01T00:00:00Z", ""]
    {
        let answer = app.get(&format!("{path}?at={wrong}"), &patient.token).await;
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.text);
        assert_eq!(answer.body["errors"][0]["pointer"], "at", "{wrong}");
    }
    assert_eq!(app.get(&format!("{path}?when=now"), &patient.token).await.problem(400), "malformed");
}

#[tokio::test]
async fn the_answer_is_known_until_a_boundary_passes() {
    let (app, patient, path) = treated().await;
    let first = app.get(&path, &patient.token).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    app.care.advance(TimeDelta::minutes(30));
    assert_eq!(app.get_with(&path, &patient.token, "if-none-match", &tag).await.status, 304);
    let counted = app.get(&path, &patient.token).await;
    assert_eq!(counted.headers["etag"], tag.as_str(), "a countdown alone is no news");
    assert_eq!(find(&counted.body["not_yet"], "first_wash")["remaining"], "PT3H30M");
    app.care.advance(TimeDelta::minutes(210));
    assert_eq!(app.get_with(&path, &patient.token, "if-none-match", &tag).await.status, 200);
}
