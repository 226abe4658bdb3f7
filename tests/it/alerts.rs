//! The inbox: what a push refers to, in words, for its recipient and nobody else.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use mendline::domain::role::Role;
use serde_json::{Value, json};

use crate::check_ins::{Scene, phone};

fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}

async fn inbox(scene: &Scene, token: &str) -> Vec<Value> {
    scene.app.get("/v1/alerts", token).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_push_leads_to_the_words_that_the_lock_screen_does_not_show() {
    let scene = Scene::new().await;
    let patients_phone = phone(&scene.app, &scene.patient).await;
    assert!(inbox(&scene, &scene.patient.token).await.is_empty(), "nothing is due yet");
    scene.app.advance(hours(4)).await;
    let pushed = scene.pushed(patients_phone);
    assert!(!pushed.is_empty());
    for push in pushed {
        assert_eq!(push.text.body, None);
        let path = format!("/v1/alerts/{}", push.payload.alert_id);
        let answer = scene.app.get(&path, &scene.patient.token).await;
        assert_eq!(
            (&answer.headers["content-language"], &answer.headers["cache-control"]),
            (&"en".parse().unwrap(), &"no-store".parse().unwrap())
        );
        let alert = answer.expect(200);
        assert_eq!((&alert["state"], &alert["sent_at"]), (&json!("sent"), &json!(scene.app.care.now())));
        assert!(!alert["title"].as_str().unwrap().is_empty() && !alert["body"].as_str().unwrap().is_empty());
        let link = alert["link"].as_str().unwrap();
        assert!(link.starts_with(&format!("mendline://treatments/{}/", scene.treatment)), "{link}");
        assert!(alert.get("opened_at").is_none());
        assert!(inbox(&scene, &scene.patient.token).await.contains(&alert));
    }
    let titles: Vec<String> = inbox(&scene, &scene.patient.token)
        .await
        .iter()
        .map(|alert| alert["title"].as_str().unwrap().to_owned())
        .collect();
    assert!(titles.contains(&"First gentle rinse".to_owned()), "{titles:?}");
}

#[tokio::test]
async fn the_first_opening_counts() {
    let scene = Scene::new().await;
    phone(&scene.app, &scene.patient).await;
    scene.app.advance(hours(4)).await;
    let alert = inbox(&scene, &scene.patient.token).await[0].clone();
    let path = format!("/v1/alerts/{}/opened", alert["id"].as_str().unwrap());
    let opened = scene.app.post(&path, &scene.patient.token, json!({})).await.expect(200);
    assert_eq!(opened["opened_at"], json!(scene.app.care.now()));
    scene.app.advance(TimeDelta::minutes(3)).await;
    assert_eq!(scene.app.post(&path, &scene.patient.token, json!({})).await.expect(200), opened);
    let neighbour = scene.app.stage(scene.clinic, Role::Patient).await;
    assert_eq!(scene.app.post(&path, &neighbour.token, json!({})).await.problem(404), "not_found");
    assert_eq!(scene.app.get(path.trim_end_matches("/opened"), &scene.clinician.token).await.problem(404), "not_found");
}

#[tokio::test]
async fn staff_read_who_it_is_and_nobody_else_reads_what_is_theirs() {
    let scene = Scene::new().await;
    let clinicians_phone = phone(&scene.app, &scene.clinician).await;
    let report = scene.report(json!({ "pus": "coloured" })).await;
    scene.app.drain_worker().await;
    let path = format!("/v1/alerts/{}", scene.pushed(clinicians_phone)[0].payload.alert_id);
    let alert = scene.app.get(&path, &scene.clinician.token).await.expect(200);
    assert_eq!((&alert["category"], &alert["title"]), (&json!("flag"), &json!("A check-in asks for your review")));
    assert_eq!(alert["body"], "Somebody was asked to call the clinic now.");
    let flag = report["triage"]["flags"][0]["id"].as_str().unwrap();
    assert_eq!(alert["link"], format!("mendline://treatments/{}/flags/{flag}", scene.treatment));
    let colleague = scene.app.stage(scene.clinic, Role::Clinician).await;
    let elsewhere = scene.app.stage_clinic().await;
    let stranger = scene.app.stage(elsewhere, Role::Administrator).await;
    for other in [&colleague, &scene.patient, &stranger] {
        assert_eq!(scene.app.get(&path, &other.token).await.problem(404), "not_found");
        assert!(!inbox(&scene, &other.token).await.contains(&alert));
    }
    assert_eq!(scene.app.get(&path, "").await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn what_was_called_off_leaves_the_inbox_and_can_still_be_looked_up() {
    let scene = Scene::after(hours(30)).await;
    phone(&scene.app, &scene.clinician).await;
    let report = scene.report(json!({ "pain": 2 })).await;
    let alert = inbox(&scene, &scene.clinician.token).await[0].clone();
    assert_eq!(alert["state"], "scheduled");
    scene.act(&report["triage"]["flags"][0], "acknowledge", json!({})).await.expect(200);
    assert!(inbox(&scene, &scene.clinician.token).await.is_empty());
    let path = format!("/v1/alerts/{}", alert["id"].as_str().unwrap());
    assert_eq!(scene.app.get(&path, &scene.clinician.token).await.expect(200)["state"], "cancelled");
}

#[tokio::test]
async fn who_asked_for_details_sees_them_on_the_lock_screen_and_staff_never_do() {
    let scene = Scene::new().await;
    let (patients_phone, clinicians_phone) =
        (phone(&scene.app, &scene.patient).await, phone(&scene.app, &scene.clinician).await);
    for who in [&scene.patient, &scene.clinician] {
        scene.app.put("/v1/me/notification-preferences", &who.token, json!({ "show_details": true })).await.expect(200);
    }
    scene.report(json!({ "pus": "coloured" })).await;
    scene.app.advance(hours(4)).await;
    let rinse = scene.pushed(patients_phone).into_iter().find(|push| push.text.title == "First gentle rinse");
    let rinse = rinse.expect("the words of the protocol");
    assert!(rinse.text.body.unwrap().starts_with("The usual four hours"));
    let review = &scene.pushed(clinicians_phone)[0];
    assert_eq!((review.text.title.as_str(), &review.text.body), ("Someone needs your review.", &None));
}

#[tokio::test]
async fn a_test_push_has_words_too() {
    let scene = Scene::new().await;
    let clinicians_phone = phone(&scene.app, &scene.clinician).await;
    let tested =
        scene.app.post(&format!("/v1/me/devices/{clinicians_phone}/test"), &scene.clinician.token, json!({})).await;
    let id = tested.expect(202)["alert_id"].as_str().unwrap().to_owned();
    let alert = scene.app.get(&format!("/v1/alerts/{id}"), &scene.clinician.token).await.expect(200);
    assert_eq!((&alert["category"], &alert["title"]), (&json!("test"), &json!("It works")));
    assert_eq!(alert["link"], format!("mendline://alerts/{id}"));
}

#[tokio::test]
async fn pages_meet_every_alert_once_newest_first() {
    let scene = Scene::new().await;
    phone(&scene.app, &scene.patient).await;
    for _ in 0..6 {
        scene.app.advance(hours(12)).await;
    }
    let all = inbox(&scene, &scene.patient.token).await;
    let due: Vec<_> = all.iter().map(|alert| alert["due_at"].as_str().unwrap()).collect();
    assert!(due.len() > 4 && due.is_sorted_by(|a, b| a >= b), "{due:?}");
    let (mut met, mut path) = (Vec::new(), "/v1/alerts?limit=2".to_owned());
    loop {
        let page = scene.app.get(&path, &scene.patient.token).await.expect(200);
        met.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/alerts?limit=2&cursor={cursor}");
    }
    assert_eq!(met, all);
}

#[tokio::test]
async fn what_is_to_come_is_told_beforehand_for_phones_that_no_push_reaches() {
    let scene = Scene::new().await;
    phone(&scene.app, &scene.patient).await;
    let ahead = async |query: &str| {
        let list = scene.app.get(&format!("/v1/me/reminders{query}"), &scene.patient.token).await.expect(200);
        list["items"].as_array().unwrap().clone()
    };
    let fortnight = ahead("").await;
    assert!(fortnight.len() > 10 && fortnight.is_sorted_by_key(|alert| alert["due_at"].as_str().unwrap().to_owned()));
    let now = scene.app.care.now();
    let until = |days| (now + TimeDelta::days(days)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let after = (now + TimeDelta::days(14) + TimeDelta::seconds(1)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let all = ahead(&format!("?to={}", until(60))).await;
    assert_eq!(all[..fortnight.len()], fortnight[..]);
    assert!(all.len() > fortnight.len());
    let later = ahead(&format!("?from={after}&to={}", until(60))).await;
    assert_eq!(later[..], all[fortnight.len()..]);
    let first = &fortnight[0];
    assert_eq!(first["state"], "scheduled");
    assert!(!first["title"].as_str().unwrap().is_empty());

    let due: DateTime<Utc> = first["due_at"].as_str().unwrap().parse().unwrap();
    scene.app.advance(due - scene.app.care.now()).await;
    let left = ahead("").await;
    assert!(!left.iter().any(|alert| alert["id"] == first["id"]), "what was sent is not rung again");
    let before = ahead("?from=2020-01-01T00:00:00Z").await;
    assert_eq!(before, left, "nothing of the past");

    let neighbour = scene.app.stage(scene.clinic, Role::Patient).await;
    assert_eq!(scene.app.get("/v1/me/reminders", &neighbour.token).await.expect(200), json!({ "items": [] }));
    for query in ["?from=tomorrow", "?to=2026-03-01", "?to=2999-01-01T00:00:00Z"] {
        let answer = scene.app.get(&format!("/v1/me/reminders{query}"), &scene.patient.token).await;
        assert_eq!(answer.problem(422), "invalid", "{query}");
    }
}
