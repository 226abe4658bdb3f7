//! Calendar feeds: what a calendar program reads at an address that only its patient knows, and for how long.

use chrono::TimeDelta;
use icalendar::{Calendar, Component, Event};
use mendline::domain::ids::calendar_entry_id;
use mendline::domain::protocol::builtin;
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::check_ins::Scene;
use crate::protocol_locales::accept;
use crate::support::{Answer, send};

/// The path of a fresh feed.
async fn feed(scene: &Scene) -> String {
    let made =
        scene.app.post("/v1/me/calendar-feeds", &scene.patient.token, json!({ "label": "Phone" })).await.expect(201);
    let url = made["url"].as_str().unwrap();
    url.strip_prefix(scene.app.state.public_url.trim_end_matches('/')).unwrap().to_owned()
}

/// Reads a feed as a calendar does: without a token, a cookie or anything else.
async fn read(scene: &Scene, path: &str) -> Answer {
    scene.app.get(path, "").await
}

/// The events that a parser of somebody else's reads. It takes lines as they are, so that how often a property may stand
/// there (RFC 5545, 3.6.1) is counted here.
fn parse(text: &str) -> Vec<Event> {
    assert!(text.split_terminator("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])), "{text}");
    assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:") && text.ends_with("END:VCALENDAR\r\n"));
    let unfolded = text.replace("\r\n ", "");
    for block in unfolded.split("BEGIN:VEVENT\r\n").skip(1) {
        let names = |name: &str| block.lines().filter(|line| line.split([':', ';']).next() == Some(name)).count();
        assert!(names("SEQUENCE") <= 1, "{block}");
        for once in ["UID", "DTSTAMP", "DTSTART", "SUMMARY", "STATUS", "CLASS", "END"] {
            let expected = 1 + usize::from(once == "END" && block.ends_with("END:VCALENDAR\r\n"));
            assert_eq!(names(once), expected, "{once}: {block}");
        }
    }
    let calendar: Calendar = text.parse().expect("a calendar");
    assert_eq!(calendar.property_value("METHOD"), Some("PUBLISH"));
    let events = calendar.components.iter().map(|part| part.as_event().expect("nothing but events").clone());
    let events: Vec<Event> = events.collect();
    for event in &events {
        assert!(event.get_timestamp().is_some() && event.get_start().is_some());
    }
    events
}

/// The uid of the entry of the scene's plan that the item names.
fn entry(scene: &Scene, item: &str) -> String {
    format!("{}@mendline", calendar_entry_id(scene.treatment, item))
}

/// The lines of the event with this uid, unfolded.
fn event(text: &str, uid: &str) -> Vec<String> {
    let unfolded = text.replace("\r\n ", "");
    let uid = format!("UID:{uid}");
    let blocks = unfolded.split("BEGIN:VEVENT\r\n").skip(1);
    let block = blocks.into_iter().find(|block| block.lines().any(|line| line == uid));
    block.unwrap_or_else(|| panic!("no {uid}: {unfolded}")).lines().map(str::to_owned).collect()
}

fn line<'a>(event: &'a [String], name: &str) -> &'a str {
    event.iter().find(|line| line.starts_with(name)).map_or("", String::as_str)
}

async fn set_appointment(scene: &Scene, more: Value) -> Value {
    let mut body = json!({
        "patient_id": scene.patient.caller.patient_id, "kind": "follow_up", "date": "2026-02-05", "time": "10:30",
        "minutes": 45, "note": "Back door, 2nd floor; ring twice",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    scene.app.post("/v1/appointments", &scene.clinician.token, body).await.expect(201)
}

async fn agree_to_details(scene: &Scene) {
    let path = "/v1/me/notification-preferences";
    let request = scene.app.request(Method::PUT, path, &scene.patient.token).header("if-match", "*");
    send(request.json(&json!({ "show_details": true }))).await.expect(200);
}

#[tokio::test]
async fn a_strict_parser_reads_the_whole_plan_and_neutral_titles_tell_nothing_of_it() {
    let scene = Scene::new().await;
    let appointment = set_appointment(&scene, json!({})).await;
    let path = feed(&scene).await;
    let answer = read(&scene, &path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "text/calendar; charset=utf-8");
    assert!(answer.headers["cache-control"].to_str().unwrap().starts_with("private"));
    assert!(!answer.headers.contains_key("set-cookie"));
    let events = parse(&answer.text);
    assert!(events.len() > 15, "{} events", events.len());
    let mut uids = std::collections::BTreeSet::new();
    for event in &events {
        let title = event.get_summary().unwrap();
        assert!(["Erinnerung", "Termin"].contains(&title), "{title}");
        assert_eq!(event.get_description(), None);
        assert!(uids.insert(event.get_uid().unwrap().to_owned()), "two events of one name");
    }
    // First wash after four hours, the three-day waits together, a milestone's day, the next session.
    for (name, start) in [
        ("first_wash", "DTSTART:20260202T160000Z"),
        ("hot_water", "DTSTART:20260205T120000Z"),
        ("flaking_peaks", "DTSTART;VALUE=DATE:20260205"),
        ("next_session", "DTSTART;VALUE=DATE:20260302"),
    ] {
        let found = event(&answer.text, &entry(&scene, name));
        assert_eq!(line(&found, "DTSTART"), start, "{name}");
    }
    let unfolded = answer.text.replace("\r\n ", "");
    for protocol in builtin().unwrap() {
        for item in &protocol.version.structure.items {
            assert!(!unfolded.contains(item.key.as_str()), "{}: {unfolded}", item.key);
        }
    }
    let date = event(&answer.text, &format!("{}@mendline", appointment["id"].as_str().unwrap()));
    assert_eq!((line(&date, "DTSTART"), line(&date, "DTEND")), ("DTSTART:20260205T093000Z", "DTEND:20260205T101500Z"));
    assert_eq!((line(&date, "SEQUENCE"), line(&date, "STATUS")), ("SEQUENCE:0", "STATUS:CONFIRMED"));
}

#[tokio::test]
async fn whoever_agreed_to_details_reads_what_it_is_about() {
    let scene = Scene::new().await;
    let appointment = set_appointment(&scene, json!({})).await;
    agree_to_details(&scene).await;
    let answer = read(&scene, &feed(&scene).await).await;
    parse(&answer.text);
    let date = event(&answer.text, &format!("{}@mendline", appointment["id"].as_str().unwrap()));
    assert_eq!(line(&date, "SUMMARY"), "SUMMARY;LANGUAGE=de:Kontrolle");
    assert_eq!(line(&date, "DESCRIPTION"), "DESCRIPTION:Back door\\, 2nd floor\\; ring twice");
    let waits = event(&answer.text, &entry(&scene, "make_up_heavy"));
    let title = line(&waits, "SUMMARY");
    // Our words in German, the protocol's in English: of no one language.
    assert!(title.starts_with("SUMMARY:Die übliche Wartezeit endet: "), "{title}");
}

#[tokio::test]
async fn titles_are_in_words_that_nobody_reviewed_once_the_clinic_has_accepted_them() {
    let scene = Scene::new().await;
    agree_to_details(&scene).await;
    let request = scene.app.request(Method::PATCH, "/v1/me", &scene.patient.token).header("if-match", "*");
    send(request.json(&json!({ "locale": "es" }))).await.expect(200);
    let admin = scene.app.stage(scene.patient.caller.clinic_id, Role::Administrator).await;
    let path = feed(&scene).await;
    let title = async || {
        let wash = event(&read(&scene, &path).await.text, &entry(&scene, "first_wash"));
        line(&wash, "SUMMARY").to_owned()
    };
    let english = title().await;
    accept(&scene.app, &admin.token).await.expect(200);
    let spanish = title().await;
    assert!(english.contains("Washing your face") && spanish.contains("Lavarte la cara"), "{english}, {spanish}");
}

#[tokio::test]
async fn names_stay_when_things_move_an_appointments_number_grows_and_what_was_called_off_says_so() {
    let scene = Scene::new().await;
    let appointment = set_appointment(&scene, json!({})).await;
    let path = feed(&scene).await;
    let uid = format!("{}@mendline", appointment["id"].as_str().unwrap());
    let wash = entry(&scene, "first_wash");
    let number = |text: &str, uid: &str| {
        line(&event(text, uid), "SEQUENCE:").trim_start_matches("SEQUENCE:").parse::<u32>().unwrap()
    };
    let first = read(&scene, &path).await.text;
    let edit = async |path: String, body: Value| {
        let request = scene.app.request(Method::PATCH, &path, &scene.clinician.token).header("if-match", "*");
        send(request.json(&body)).await.expect(200)
    };
    edit(format!("/v1/appointments/{}", appointment["id"].as_str().unwrap()), json!({ "time": "11:00" })).await;
    edit(format!("/v1/treatments/{}", scene.treatment), json!({ "performed_at": "2026-02-02T11:00:00Z" })).await;
    let moved = read(&scene, &path).await.text;
    assert_eq!(line(&event(&moved, &uid), "DTSTART"), "DTSTART:20260205T100000Z");
    assert_eq!(line(&event(&moved, &wash), "DTSTART"), "DTSTART:20260202T150000Z");
    assert!(number(&moved, &uid) > number(&first, &uid));
    let gone = format!("/v1/appointments/{}", appointment["id"].as_str().unwrap());
    assert_eq!(scene.app.delete(&gone, &scene.clinician.token).await.status, 204);
    let cancelled = read(&scene, &path).await.text;
    parse(&cancelled);
    assert_eq!(line(&event(&cancelled, &uid), "STATUS"), "STATUS:CANCELLED");
    assert!(number(&cancelled, &uid) > number(&moved, &uid));
}

#[tokio::test]
async fn who_has_the_feed_is_told_so_until_something_changes() {
    let scene = Scene::new().await;
    let path = feed(&scene).await;
    let tag = read(&scene, &path).await.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(scene.app.get_with(&path, "", "if-none-match", &tag).await.status, 304);
    scene.report(json!({ "redness": 1 })).await;
    assert_eq!(scene.app.get_with(&path, "", "if-none-match", &tag).await.status, 304, "no entry depends on it");
    set_appointment(&scene, json!({})).await;
    assert_eq!(scene.app.get_with(&path, "", "if-none-match", &tag).await.status, 200);
}

#[tokio::test]
async fn a_feed_is_read_until_it_is_revoked_and_its_address_is_shown_once() {
    let scene = Scene::new().await;
    let (path, other) = (feed(&scene).await, feed(&scene).await);
    let list = scene.app.get("/v1/me/calendar-feeds", &scene.patient.token).await.expect(200);
    let feeds = list["items"].as_array().unwrap();
    assert_eq!((feeds.len(), feeds[0].get("url"), &feeds[0]["label"]), (2, None, &json!("Phone")));
    let token = &scene.patient.token;
    let unnamed = scene.app.post("/v1/me/calendar-feeds", token, json!({ "label": " " })).await.expect(201);
    assert_eq!(unnamed.get("label"), None, "an empty label is none");
    let long = json!({ "label": "x".repeat(61) });
    let refused = scene.app.post("/v1/me/calendar-feeds", token, long).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/label");
    let unnamed = format!("/v1/me/calendar-feeds/{}", unnamed["id"].as_str().unwrap());
    assert_eq!(scene.app.delete(&unnamed, token).await.status, 204);
    let first = format!("/v1/me/calendar-feeds/{}", feeds[0]["id"].as_str().unwrap());
    assert_eq!(scene.app.delete(&first, &scene.patient.token).await.status, 204);
    assert_eq!(read(&scene, &path).await.problem(404), "not_found");
    assert_eq!(read(&scene, &other).await.status, 200, "the others go on");
    assert_eq!(scene.app.delete(&first, &scene.patient.token).await.problem(404), "not_found");
    for _ in 0..9 {
        feed(&scene).await;
    }
    let one_more = scene.app.post("/v1/me/calendar-feeds", &scene.patient.token, json!({})).await;
    assert_eq!(one_more.problem(409), "conflict");
}

#[tokio::test]
async fn a_feed_ends_with_the_login_that_made_it() {
    let scene = Scene::new().await;
    let path = feed(&scene).await;
    let (patient, user) = (scene.patient.caller.patient_id.unwrap(), scene.patient.caller.user_id);
    let administrator = scene.app.stage(scene.clinic, Role::Administrator).await;
    let member = format!("/v1/members/{}", scene.patient.caller.membership_id);
    scene.app.delete(&member, &administrator.token).await.expect(204);
    assert_eq!(read(&scene, &path).await.problem(404), "not_found");
    // The same login is the patient's once more: whoever kept the address of then reads nothing.
    scene.app.sql(&format!("UPDATE patients SET user_id = '{user}', linked_at = now() WHERE id = '{patient}'")).await;
    assert_eq!(read(&scene, &path).await.problem(404), "not_found");
}

#[tokio::test]
async fn guessing_addresses_slows_down_and_so_does_reading_one_without_end() {
    let scene = Scene::new().await;
    let path = feed(&scene).await;
    let mut served = 0;
    while read(&scene, &path).await.status == 200 {
        served += 1;
    }
    assert_eq!(served, 10);
    assert!(read(&scene, &path).await.headers.contains_key("retry-after"));
    assert_eq!(read(&scene, &feed(&scene).await).await.status, 200, "another feed is another matter");
    let guess = |n: usize| format!("/v1/calendar/{n:A>42}A.ics");
    let mut guesses = 0;
    while read(&scene, &guess(guesses)).await.status == 404 {
        guesses += 1;
    }
    assert!((90..=120).contains(&guesses), "{guesses} guesses");
    assert_eq!(read(&scene, &guess(7)).await.problem(429), "too_many_requests");
    assert_eq!(read(&scene, "/v1/calendar/short.ics").await.problem(404), "not_found");
}

/// Metrics count by the pattern of the route: no token becomes a label, or a log's field, which is the same word.
#[tokio::test]
async fn no_token_ends_up_where_operators_look() {
    let scene = Scene::new().await;
    let path = feed(&scene).await;
    read(&scene, &path).await;
    scene.app.care.advance(TimeDelta::minutes(1));
    let metrics = scene.app.ops("/metrics").await.text;
    let token = path.trim_start_matches("/v1/calendar/").trim_end_matches(".ics");
    assert!(metrics.contains("/v1/calendar/{token}.ics") && !metrics.contains(token));
}
