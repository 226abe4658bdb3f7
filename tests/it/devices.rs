//! Devices: registered by whoever is logged in, one owner per address at a time, never shown and never stored readable.

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mendline::db::Connector;
use mendline::devices::sealed::SealedAddress;
use mendline::devices::store::{DEAD, quarantine};
use mendline::domain::role::Role;
use mendline::push::web_push::{Receiver, VapidKey, VapidKeys};
use mendline::schema::{audit, devices, patient_zones};
use mendline::worker::Worker;
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Staged, TestApp, seed};

async fn patient() -> (TestApp, Staged) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let patient = app.stage(clinic, Role::Patient).await;
    (app, patient)
}

fn path(device: Uuid) -> String {
    format!("/v1/me/devices/{device}")
}

fn fcm(token: &str, zone: &str) -> Value {
    json!({"provider": "fcm", "address": token, "locale": "de-DE", "time_zone": zone, "permission": "granted"})
}

fn berlin(token: &str) -> Value {
    fcm(token, "Europe/Berlin")
}

async fn connect(app: &TestApp) -> diesel_async::AsyncPgConnection {
    Connector::new(&app.database.url, None).unwrap().open().await.unwrap()
}

async fn device_ids(app: &TestApp, who: &Staged) -> Vec<String> {
    let list = app.get("/v1/me/devices", &who.token).await.expect(200);
    list["items"].as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap().to_owned()).collect()
}

async fn zones(app: &TestApp, who: &Staged) -> Vec<String> {
    patient_zones::table
        .filter(patient_zones::patient_id.eq(who.caller.patient_id.unwrap()))
        .filter(patient_zones::clinic_id.eq(who.caller.clinic_id))
        .order(patient_zones::valid_from)
        .select(patient_zones::zone)
        .load(&mut connect(app).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_device_is_registered_listed_and_forgotten() {
    let (app, ada) = patient().await;
    let id = Uuid::new_v4();
    let made = app.put(&path(id), &ada.token, berlin("token-1")).await;
    assert_eq!(made.headers["cache-control"], "no-store");
    let made = made.expect(201);
    assert_eq!(made["id"], id.to_string());
    assert_eq!((&made["reachable"], &made["current"]), (&json!(true), &json!(true)));
    let again = app.put(&path(id), &ada.token, berlin("token-1")).await.expect(200);
    assert!(again["last_seen_at"].as_str() > made["last_seen_at"].as_str());
    assert_eq!(device_ids(&app, &ada).await, [id.to_string()]);
    assert_eq!(app.delete(&path(id), &ada.token).await.status, 204);
    assert_eq!(app.delete(&path(id), &ada.token).await.problem(404), "not_found");
    assert!(device_ids(&app, &ada).await.is_empty());
}

#[tokio::test]
async fn neither_an_answer_nor_the_database_holds_an_address_in_the_clear() {
    let (app, ada) = patient().await;
    let id = Uuid::new_v4();
    let answer = app.put(&path(id), &ada.token, berlin("very-secret-token")).await;
    assert!(!answer.text.contains("very-secret"), "{}", answer.text);
    let (hash, sealed): (Vec<u8>, Vec<u8>) = devices::table
        .find(id)
        .select((devices::address_hash, devices::address_sealed))
        .first(&mut connect(&app).await)
        .await
        .unwrap();
    assert_eq!(hash.len(), 32);
    assert!(!sealed.windows(11).any(|bytes| bytes == b"very-secret"));
    let opened = SealedAddress::open(&app.state.keys, id, &sealed).unwrap();
    assert_eq!(opened.address, "very-secret-token");
    assert!(SealedAddress::open(&app.state.keys, Uuid::new_v4(), &sealed).is_none(), "bound to its device");
}

#[tokio::test]
async fn an_address_that_somebody_else_registers_leaves_the_device_that_had_it() {
    let (app, ada) = patient().await;
    let elsewhere = app.stage_clinic().await;
    let grace = app.stage(elsewhere, Role::Clinician).await;
    let (first, second, third) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    app.put(&path(first), &ada.token, berlin("shared-phone")).await.expect(201);
    app.put(&path(second), &ada.token, berlin("own-phone")).await.expect(201);
    app.put(&path(third), &grace.token, berlin("shared-phone")).await.expect(201);
    assert_eq!(device_ids(&app, &ada).await, [second.to_string()]);
    assert_eq!(device_ids(&app, &grace).await, [third.to_string()]);
    // The same address at another app of the provider is another address.
    let mut other_app = berlin("shared-phone");
    other_app["app_id"] = json!("staff-app");
    app.put(&path(first), &ada.token, other_app).await.expect(201);
    assert_eq!(device_ids(&app, &grace).await, [third.to_string()]);
}

#[tokio::test]
async fn of_many_who_register_one_address_at_once_exactly_one_has_it_in_the_end() {
    let (app, ada) = patient().await;
    let grace = app.stage(ada.caller.clinic_id, Role::Patient).await;
    for round in 0..5 {
        let address = format!("phone-{round}");
        let put = |who: &Staged| {
            let (token, id) = (who.token.clone(), Uuid::new_v4());
            let (app, body) = (&app, berlin(&address));
            async move { app.put(&path(id), &token, body).await.status.as_u16() }
        };
        let statuses = tokio::join!(put(&ada), put(&grace), put(&ada), put(&grace));
        assert_eq!(statuses, (201, 201, 201, 201), "round {round}");
        assert_eq!(device_ids(&app, &ada).await.len() + device_ids(&app, &grace).await.len(), round + 1);
    }
}

#[tokio::test]
async fn two_who_swap_their_addresses_at_once_do_not_wait_for_each_other_forever() {
    let (app, ada) = patient().await;
    let grace = app.stage(ada.caller.clinic_id, Role::Patient).await;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    app.put(&path(one), &ada.token, berlin("phone-a")).await.expect(201);
    app.put(&path(other), &grace.token, berlin("phone-b")).await.expect(201);
    let (at_one, at_other) = (path(one), path(other));
    for round in 0..20 {
        let (to_one, to_other) = if round % 2 == 0 { ("phone-b", "phone-a") } else { ("phone-a", "phone-b") };
        let (first, second) = tokio::join!(
            app.put(&at_one, &ada.token, berlin(to_one)),
            app.put(&at_other, &grace.token, berlin(to_other)),
        );
        for answer in [first, second] {
            assert!(answer.status.is_success(), "round {round}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn another_logins_device_id_is_refused_and_its_device_stays() {
    let (app, ada) = patient().await;
    let grace = app.stage(ada.caller.clinic_id, Role::Patient).await;
    let id = Uuid::new_v4();
    app.put(&path(id), &ada.token, berlin("phone-a")).await.expect(201);
    for address in ["phone-a", "phone-b"] {
        assert_eq!(app.put(&path(id), &grace.token, berlin(address)).await.problem(409), "id_taken");
    }
    assert_eq!(app.delete(&path(id), &grace.token).await.problem(404), "not_found");
    assert_eq!(device_ids(&app, &ada).await, [id.to_string()]);
}

#[tokio::test]
async fn a_suspect_address_is_trusted_again_once_the_app_registers_it() {
    let (app, ada) = patient().await;
    let id = Uuid::new_v4();
    app.put(&path(id), &ada.token, berlin("phone-a")).await.expect(201);
    let now = app.state.clocks.wall.now();
    quarantine(&mut connect(&app).await, id, "BadDeviceToken", now, now).await.unwrap();
    let list = app.get("/v1/me/devices", &ada.token).await.expect(200);
    assert_eq!(list["items"][0]["reachable"], false);
    let again = app.put(&path(id), &ada.token, berlin("phone-a")).await.expect(200);
    assert_eq!(again["reachable"], true);
}

#[tokio::test]
async fn a_dead_address_is_left_alone_unless_it_was_registered_after_it_died() {
    let (app, ada) = patient().await;
    let id = Uuid::new_v4();
    app.put(&path(id), &ada.token, berlin("phone-a")).await.expect(201);
    let mut conn = connect(&app).await;
    let registered_at: chrono::DateTime<Utc> =
        devices::table.find(id).select(devices::registered_at).first(&mut conn).await.unwrap();
    let now = app.state.clocks.wall.now();
    for (died_at, reachable) in [(TimeDelta::seconds(-1), true), (TimeDelta::seconds(1), false)] {
        quarantine(&mut conn, id, DEAD, registered_at + died_at, now).await.unwrap();
        let list = app.get("/v1/me/devices", &ada.token).await.expect(200);
        assert_eq!(list["items"][0]["reachable"], reachable);
    }
}

#[tokio::test]
async fn a_login_keeps_its_twenty_last_used_devices() {
    let (app, ada) = patient().await;
    let ids: Vec<Uuid> = (0..22).map(|_| Uuid::new_v4()).collect();
    for (number, id) in ids.iter().enumerate() {
        app.put(&path(*id), &ada.token, berlin(&format!("phone-{number}"))).await.expect(201);
    }
    let mut kept = device_ids(&app, &ada).await;
    kept.reverse();
    let expected: Vec<String> = ids[2..].iter().map(Uuid::to_string).collect();
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_device_is_said_at_once() {
    let (app, ada) = patient().await;
    let body = json!({
        "provider": "web_push", "address": "http://127.0.0.1/push", "address_kind": "fid", "environment": "sandbox",
        "app_id": "a b", "locale": "?", "time_zone": "Mars", "permission": "granted"
    });
    let answer = app.put(&path(Uuid::new_v4()), &ada.token, body).await.expect(422);
    let pointers: Vec<_> =
        answer["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/address", "/address_kind", "/keys", "/environment", "/app_id", "/locale", "/time_zone"]);
    let unknown =
        json!({"provider": "pigeon", "address": "x", "locale": "de", "time_zone": "UTC", "permission": "granted"});
    assert_eq!(app.put(&path(Uuid::new_v4()), &ada.token, unknown).await.problem(400), "malformed");
    assert_eq!(app.put("/v1/me/devices/1", &ada.token, berlin("x")).await.problem(404), "not_found");
    assert_eq!(app.put(&path(Uuid::new_v4()), "", berlin("x")).await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn the_patients_zone_follows_the_phone_at_most_once_an_hour() {
    let (app, ada) = patient().await;
    let id = Uuid::new_v4();
    app.care.advance(TimeDelta::minutes(5));
    app.put(&path(id), &ada.token, berlin("phone")).await.expect(201);
    assert_eq!(zones(&app, &ada).await, ["Europe/Berlin"], "where the record began");
    app.put(&path(id), &ada.token, fcm("phone", "America/New_York")).await.expect(200);
    assert_eq!(zones(&app, &ada).await, ["Europe/Berlin", "America/New_York"], "the first change is not held back");
    app.care.advance(TimeDelta::minutes(59));
    app.put(&path(id), &ada.token, berlin("phone")).await.expect(200);
    assert_eq!(zones(&app, &ada).await.len(), 2, "two phones must not throw the plan about");
    app.care.advance(TimeDelta::minutes(1));
    app.put(&path(id), &ada.token, berlin("phone")).await.expect(200);
    assert_eq!(zones(&app, &ada).await, ["Europe/Berlin", "America/New_York", "Europe/Berlin"]);
}

#[tokio::test]
async fn a_phone_moves_the_person_at_every_clinic_that_knows_them_and_nobody_else() {
    let (app, ada) = patient().await;
    let second_clinic = app.stage_clinic().await;
    let ada_there = app.stage_membership(ada.caller.user_id, second_clinic, Role::Patient).await;
    let grace = app.stage(second_clinic, Role::Patient).await;
    app.care.advance(TimeDelta::minutes(5));
    app.put(&path(Uuid::new_v4()), &ada.token, fcm("phone", "Asia/Tokyo")).await.expect(201);
    for here in [&ada, &ada_there] {
        assert_eq!(zones(&app, here).await, ["Europe/Berlin", "Asia/Tokyo"]);
    }
    assert_eq!(zones(&app, &grace).await, ["Europe/Berlin"]);
}

#[tokio::test]
async fn registering_and_removing_a_device_stands_in_the_audit_trail() {
    let (app, ada) = patient().await;
    let id = Uuid::new_v4();
    app.put(&path(id), &ada.token, berlin("phone")).await.expect(201);
    app.put(&path(id), &ada.token, berlin("phone")).await.expect(200);
    app.delete(&path(id), &ada.token).await;
    let actions: Vec<(String, Option<Uuid>)> = audit::table
        .filter(audit::subject_id.eq(id))
        .order(audit::at)
        .select((audit::action, audit::patient_id))
        .load(&mut connect(&app).await)
        .await
        .unwrap();
    let patient = ada.caller.patient_id;
    assert_eq!(actions, [("device.register".to_owned(), patient), ("device.remove".to_owned(), patient)]);
}

fn seeded(who: &Staged) -> seed::Person {
    let caller = who.caller;
    seed::Person { clinic_id: caller.clinic_id, patient_id: caller.patient_id.unwrap(), user_id: caller.user_id }
}

#[tokio::test]
async fn a_test_push_reaches_the_device_it_is_for_and_no_other() {
    let (app, ada) = patient().await;
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    app.put(&path(first), &ada.token, berlin("phone-1")).await.expect(201);
    app.put(&path(second), &ada.token, berlin("phone-2")).await.expect(201);
    let test = format!("{}/test", path(second));
    let body = app.post(&test, &ada.token, json!({})).await.expect(202);
    app.drain_worker().await;
    let sent = app.fcm.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].target.device_id, second);
    assert_eq!(sent[0].target.address.expose(), "phone-2");
    assert_eq!(sent[0].message.payload.alert_id.to_string(), body["alert_id"].as_str().unwrap());
    app.post(&test, &ada.token, json!({})).await.expect(202);
    app.drain_worker().await;
    assert_eq!(app.fcm.sent().len(), 2, "asked for twice, sent twice");
}

#[tokio::test]
async fn staff_may_test_their_phones_too() {
    let (app, ada) = patient().await;
    let grace = app.stage(ada.caller.clinic_id, Role::Clinician).await;
    let id = Uuid::new_v4();
    app.put(&path(id), &grace.token, berlin("phone")).await.expect(201);
    app.post(&format!("{}/test", path(id)), &grace.token, json!({})).await.expect(202);
    app.drain_worker().await;
    assert_eq!(app.fcm.sent()[0].target.device_id, id);
}

#[tokio::test]
async fn a_device_that_nothing_is_sent_to_is_not_tested() {
    let (app, ada) = patient().await;
    let grace = app.stage(ada.caller.clinic_id, Role::Patient).await;
    let id = Uuid::new_v4();
    let mut silent = berlin("phone");
    silent["permission"] = json!("denied");
    app.put(&path(id), &ada.token, silent).await.expect(201);
    let test = format!("{}/test", path(id));
    assert_eq!(app.post(&test, &ada.token, json!({})).await.problem(409), "conflict");
    assert_eq!(app.post(&test, &grace.token, json!({})).await.problem(404), "not_found");
    assert!(seed::alerts(&app).await.is_empty());
}

#[tokio::test]
async fn what_found_no_phone_goes_to_the_one_registered_in_time() {
    let (app, ada) = patient().await;
    seed::due_now(&app, seeded(&ada), "m:a").await;
    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "no_device");
    let mut silent = berlin("phone");
    silent["permission"] = json!("denied");
    let id = Uuid::new_v4();
    app.put(&path(id), &ada.token, silent).await.expect(201);
    assert_eq!(seed::state(&app, "m:a").await, "no_device", "a silent phone is none");
    app.put(&path(id), &ada.token, berlin("phone")).await.expect(200);
    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "sent");
}

#[tokio::test]
async fn a_phone_that_travels_moves_what_is_still_ahead_at_a_local_time() {
    let (app, ada) = patient().await;
    let clinician = app.stage(ada.caller.clinic_id, Role::Clinician).await;
    let body = json!({"patient_id": ada.caller.patient_id, "performed_at": app.care.now()});
    app.post("/v1/treatments", &clinician.token, body).await.expect(201);
    let before = scheduled(&app).await;
    assert!(!before.is_empty());
    app.care.advance(TimeDelta::minutes(5));
    app.put(&path(Uuid::new_v4()), &ada.token, fcm("phone", "Asia/Tokyo")).await.expect(201);
    let after = scheduled(&app).await;
    let moved = after.iter().filter(|(key, due)| before.get(*key).is_some_and(|was| was != *due)).count();
    assert!(moved > 0, "nothing moved");
    for (key, due) in after.iter().filter(|(key, _)| key.starts_with("m:")) {
        let local = due.with_timezone(&chrono_tz::Asia::Tokyo).time();
        assert!(("08:00".."21:00").contains(&local.to_string().as_str()), "{key} at {local}");
    }
}

async fn scheduled(app: &TestApp) -> std::collections::BTreeMap<String, chrono::DateTime<Utc>> {
    let rows = seed::alerts(app).await;
    rows.into_iter().filter(|row| row.state == "scheduled").map(|row| (row.dedupe_key, row.due_at)).collect()
}

#[tokio::test]
async fn a_phone_is_not_registered_to_a_session_that_ends_meanwhile() {
    let (app, ada) = patient().await;
    let mut ending = connect(&app).await;
    ending.batch_execute("BEGIN").await.unwrap();
    let end = format!(
        "UPDATE sessions SET revoked_at = now(), revoked_because = 'logout' WHERE id = '{}'",
        ada.caller.session_id
    );
    ending.batch_execute(&end).await.unwrap();
    let commit = async {
        app.database.someone_waits_for_a_lock().await;
        ending.batch_execute("COMMIT").await.unwrap();
    };
    let path = path(Uuid::new_v4());
    let (answer, ()) = tokio::join!(app.put(&path, &ada.token, berlin("token-1")), commit);
    assert_eq!(answer.problem(401), "unauthenticated");
    assert!(device_ids(&app, &ada).await.is_empty());
}

#[tokio::test]
async fn a_subscription_keeps_the_key_it_was_made_with_and_the_push_is_signed_with_it() {
    let service = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(201)).mount(&service).await;
    let pems: String = (0..2).map(|_| VapidKey::generate_pem().unwrap()).collect();
    let keys = VapidKeys::from_pem(&pems).unwrap();
    let ids: Vec<&str> = keys.iter().map(VapidKey::id).collect();
    let host = service.address().to_string();
    let app = TestApp::start_with(&[("MENDLINE_VAPID_KEY", &pems), ("MENDLINE_PUSH_ALLOWED_HOSTS", &host)]).await;
    let clinic = app.stage_clinic().await;
    let ada = app.stage(clinic, Role::Patient).await;
    let shown = app.get("/v1/config", "").await.expect(200);
    assert_eq!(
        (&shown["vapid_key_id"], &shown["vapid_public_key"]),
        (&json!(ids[0]), &json!(keys.current().public_key()))
    );

    let browser = Receiver::generate().unwrap();
    let body = |path: &str, key: Option<&str>| {
        let mut body = json!({
            "provider": "web_push", "address": format!("{}/{path}", service.uri()), "keys": browser.keys(),
            "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted",
        });
        if let Some(key) = key {
            body["vapid_key_id"] = json!(key);
        }
        body
    };
    let (new, old) = (Uuid::new_v4(), Uuid::new_v4());
    let registered = app.put(&path(new), &ada.token, body("new", None)).await.expect(201);
    assert_eq!(registered["vapid_key_id"], ids[0], "an app that does not say subscribed with the current one");
    app.put(&path(old), &ada.token, body("old", Some(ids[1]))).await.expect(201);
    let again = app.put(&path(old), &ada.token, body("old", None)).await.expect(200);
    assert_eq!(again["vapid_key_id"], ids[1], "a subscription that is known was not made anew");
    let anew = app.put(&path(new), &ada.token, body("newer", Some(ids[1]))).await.expect(200);
    assert_eq!(anew["vapid_key_id"], ids[1], "what the app says counts");

    let mut elsewhere = berlin("token-1");
    elsewhere["vapid_key_id"] = json!(ids[0]);
    for body in [body("x", Some("gone")), elsewhere] {
        let refused = app.put(&path(Uuid::new_v4()), &ada.token, body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/vapid_key_id", "{refused}");
    }

    app.post(&format!("{}/test", path(old)), &ada.token, json!({})).await.expect(202);
    Worker::new(app.wire_parts()).drain().await.unwrap();
    let sent = service.received_requests().await.unwrap();
    assert_eq!(sent.iter().map(|request| request.url.path()).collect::<Vec<_>>(), ["/old"]);
    let authorization = sent[0].headers["authorization"].to_str().unwrap();
    assert!(authorization.ends_with(&format!(", k={}", keys.find(ids[1]).unwrap().public_key())));
}
