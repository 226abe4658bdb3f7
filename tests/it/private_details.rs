//! What an alert says, on its way to a phone that has a key: readable there, and nowhere in between, whoever carries it.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use mendline::push::web_push::VapidKey;
use mendline::worker::Worker;
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::contract::assert_is;
use crate::support::rfc8291::Phone;
use crate::support::{Staged, TestApp, google};

/// FCM with its token server, APNs, Expo and a Web Push service in one, which take everything.
async fn carriers() -> MockServer {
    let server = MockServer::start().await;
    let take = |request: &Request| match request.url.path() {
        "/token" => ResponseTemplate::new(200).set_body_json(json!({"access_token": "t", "expires_in": 3600})),
        google::SEND => ResponseTemplate::new(200).set_body_json(json!({"name": "projects/recovery-1/messages/1"})),
        "/--/api/v2/push/send" => {
            let messages: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
            let tickets: Vec<Value> =
                (0..messages.len()).map(|n| json!({"status": "ok", "id": n.to_string()})).collect();
            ResponseTemplate::new(200).set_body_json(json!({ "data": tickets }))
        }
        path if path.starts_with("/3/device/") => ResponseTemplate::new(200),
        "/wpush" => ResponseTemplate::new(201),
        path => panic!("nobody lives at {path}"),
    };
    Mock::given(method("POST")).respond_with(take).mount(&server).await;
    server
}

/// A patient whose app talks to all of them.
struct Scene {
    carriers: MockServer,
    app: TestApp,
    worker: Worker,
    clinic: Uuid,
    patient: Staged,
}

impl Scene {
    async fn new() -> Self {
        let carriers = carriers().await;
        let (base, apns_key) = (carriers.uri(), VapidKey::generate_pem().unwrap());
        let credentials = google::credentials(&format!("{base}/token"));
        let app = TestApp::start_with(&[
            ("MENDLINE_FCM_CREDENTIALS", &credentials),
            ("MENDLINE_FCM_BASE_URL", &base),
            ("MENDLINE_APNS_KEY", &apns_key),
            ("MENDLINE_APNS_KEY_ID", "ABCDEFGHIJ"),
            ("MENDLINE_APNS_TEAM_ID", "0123456789"),
            ("MENDLINE_APNS_TOPIC", "org.example.mendline"),
            ("MENDLINE_APNS_BASE_URL", &base),
            ("MENDLINE_EXPO_BASE_URL", &base),
            ("MENDLINE_PUSH_ALLOWED_HOSTS", &carriers.address().to_string()),
        ])
        .await;
        let worker = Worker::new(app.wire_parts());
        let clinic = app.stage_clinic().await;
        let patient = app.stage(clinic, Role::Patient).await;
        Self { carriers, app, worker, clinic, patient }
    }

    /// Registers a device with these keys, if any.
    async fn register(&self, who: &Staged, provider: &str, keys: Option<Value>) -> Uuid {
        let (id, address) = (
            Uuid::new_v4(),
            match provider {
                "fcm" => "fcm-token".to_owned(),
                "apns" => "ab".repeat(32),
                "expo" => "ExponentPushToken[x]".to_owned(),
                _ => format!("{}/wpush", self.carriers.uri()),
            },
        );
        let mut body = json!({
            "provider": provider, "address": address, "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted",
        });
        if let Some(keys) = keys {
            body["keys"] = keys;
        }
        self.app.put(&format!("/v1/me/devices/{id}"), &who.token, body).await.expect(201);
        id
    }

    /// Records a treatment and lets four hours pass: then the first rinse is due.
    async fn rinse(&self) {
        let body = json!({"patient_id": self.patient.caller.patient_id, "performed_at": self.app.care.now()});
        self.app.post("/v1/treatments", &self.patient.token, body).await.expect(201);
        self.app.care.advance(TimeDelta::hours(4));
        self.worker.drain().await.unwrap();
    }

    /// Bodies that arrived where the path begins like this.
    async fn arrived(&self, path: &str) -> Vec<Vec<u8>> {
        let all = self.carriers.received_requests().await.unwrap();
        all.into_iter().filter(|request| request.url.path().starts_with(path)).map(|request| request.body).collect()
    }

    /// Every message that arrived there.
    async fn messages(&self, path: &str) -> Vec<Value> {
        let bodies = self.arrived(path).await;
        let json = bodies.iter().map(|body| serde_json::from_slice::<Value>(body).unwrap());
        json.flat_map(|json| json.as_array().cloned().unwrap_or_else(|| vec![json])).collect()
    }

    /// The message whose words are about the rinse, and those words: read by the phone.
    async fn rinse_at(&self, path: &str, sealed: &str, phone: &Phone) -> (Value, Value) {
        let mut opened = self.messages(path).await.into_iter().map(|message| {
            let plain = phone.open(message.pointer(sealed).expect("something sealed").as_str().unwrap());
            (message, plain)
        });
        opened.find(|(_, plain)| is_rinse(plain)).expect("a word about the rinse")
    }

    /// Nobody who only carried it saw a word of it.
    async fn assert_nobody_read(&self, words: &[&str]) {
        for request in self.carriers.received_requests().await.unwrap() {
            let seen = format!("{:?} {}", request.headers, String::from_utf8_lossy(&request.body)).to_lowercase();
            for word in words {
                assert!(!seen.contains(word), "{} saw {word}", request.url.path());
            }
        }
    }
}

fn is_rinse(plain: &Value) -> bool {
    [&plain["title"], &plain["details"]["title"]].contains(&&json!("First gentle rinse"))
}

const APNS: &str = "/3/device/";
const EXPO: &str = "/--/";

#[test]
fn the_other_end_reads_the_standards_own_example() {
    let phone = Phone::from_parts("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94", "BTBZMqHH6r4Tts7J_aSIgg");
    let body = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
    use base64::Engine as _;
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap();
    assert_eq!(phone.decrypt(&body), b"When I grow up, I want to be a watermelon");
}

#[tokio::test]
async fn whoever_carries_it_only_the_phone_reads_what_the_alert_says() {
    let scene = Scene::new().await;
    let phones: Vec<Phone> = (0..4).map(|_| Phone::new()).collect();
    for (provider, phone) in ["fcm", "apns", "expo", "web_push"].into_iter().zip(&phones) {
        scene.register(&scene.patient, provider, Some(phone.keys())).await;
    }
    scene.rinse().await;
    scene.assert_nobody_read(&["rinse", "water", "gentle"]).await;

    let (fcm, by_fcm) = scene.rinse_at(google::SEND, "/message/data/sealed", &phones[0]).await;
    let (apns, by_apns) = scene.rinse_at(APNS, "/sealed", &phones[1]).await;
    let (expo, by_expo) = scene.rinse_at(EXPO, "/data/sealed", &phones[2]).await;
    let neutral = json!({"title": "You have a new message."});
    // On Android the app shows it itself; on Apple's phones the extension replaces what the others show.
    assert_is("FcmRequest", &fcm);
    assert_eq!((fcm["message"].get("notification"), fcm["message"]["android"].get("notification")), (None, None));
    assert_eq!(fcm["message"]["android"]["priority"], "high");
    assert_eq!(fcm["message"]["apns"]["payload"]["aps"]["alert"], neutral);
    assert_eq!(fcm["message"]["apns"]["payload"]["aps"]["mutable-content"], 1);
    assert_eq!((&apns["aps"]["alert"], &apns["aps"]["mutable-content"]), (&neutral, &json!(1)));
    assert_is("ExpoMessage", &expo);
    assert_eq!((&expo["title"], &expo["mutableContent"]), (&json!("You have a new message."), &json!(true)));
    assert_is("ApnsMessage", &apns);
    for message in [&fcm, &apns, &expo] {
        assert!(message.to_string().len() < 4096, "{} bytes", message.to_string().len());
    }

    let web_push = scene.arrived("/wpush").await;
    let mut web_push = web_push.iter().map(|body| serde_json::from_slice::<Value>(&phones[3].decrypt(body)).unwrap());
    let opened = [by_fcm, by_apns, by_expo, web_push.find(is_rinse).expect("a word about the rinse")];
    for plain in &opened {
        assert_is("WebPushMessage", plain);
        assert_eq!(
            (&plain["title"], plain.get("body")),
            (&json!("You have a new message."), None),
            "for the lock screen"
        );
        assert_eq!(plain["details"]["title"], "First gentle rinse");
        assert!(plain["details"]["body"].as_str().unwrap().starts_with("The usual four hours"));
        let alert = format!("/v1/alerts/{}", plain["alert_id"].as_str().unwrap());
        let fetched = scene.app.get(&alert, &scene.patient.token).await.expect(200);
        assert_eq!((&fetched["title"], &plain["category"]), (&json!("First gentle rinse"), &json!("message")));
    }
    assert!(opened.iter().all(|plain| plain == &opened[0]), "the same, whoever carries it");
}

#[tokio::test]
async fn who_agreed_to_details_has_them_for_the_lock_screen_and_still_nobody_else_reads_them() {
    let scene = Scene::new().await;
    let phone = Phone::new();
    scene.register(&scene.patient, "apns", Some(phone.keys())).await;
    scene
        .app
        .put("/v1/me/notification-preferences", &scene.patient.token, json!({"show_details": true}))
        .await
        .expect(200);
    scene.rinse().await;
    scene.assert_nobody_read(&["rinse"]).await;
    let (outer, plain) = scene.rinse_at(APNS, "/sealed", &phone).await;
    assert_eq!(outer["aps"]["alert"]["title"], "You have a new message.");
    assert_eq!((&plain["title"], plain.get("details")), (&json!("First gentle rinse"), None));
    assert!(plain["body"].as_str().unwrap().starts_with("The usual four hours"));
}

#[tokio::test]
async fn without_a_usable_key_the_push_is_free_of_content() {
    let scene = Scene::new().await;
    // The form of a point, but none of the curve's.
    let off_curve = json!({"p256dh": format!("B{}", "A".repeat(86)), "auth": "A".repeat(22)});
    scene.register(&scene.patient, "fcm", Some(off_curve)).await;
    scene.register(&scene.patient, "apns", None).await;
    scene.register(&scene.patient, "expo", None).await;
    scene.rinse().await;
    scene.assert_nobody_read(&["rinse"]).await;
    for (path, title, sealed) in [
        (google::SEND, "/message/notification/title", "/message/data/sealed"),
        (APNS, "/aps/alert/title", "/sealed"),
        (EXPO, "/title", "/data/sealed"),
    ] {
        let messages = scene.messages(path).await;
        assert!(messages.iter().any(|it| it.pointer(title) == Some(&json!("You have a new message."))), "{messages:?}");
        assert!(messages.iter().all(|it| it.pointer(title).is_some() && it.pointer(sealed).is_none()), "{messages:?}");
    }
}

#[tokio::test]
async fn staff_are_told_nothing_about_others_even_in_private_and_a_test_says_that_it_works() {
    let scene = Scene::new().await;
    let clinician = scene.app.stage(scene.clinic, Role::Clinician).await;
    let phone = Phone::new();
    let device = scene.register(&clinician, "fcm", Some(phone.keys())).await;
    scene.app.post(&format!("/v1/me/devices/{device}/test"), &clinician.token, json!({})).await.expect(202);
    scene.worker.drain().await.unwrap();
    let tested = scene.messages(google::SEND).await.remove(0);
    let plain = phone.open(tested["message"]["data"]["sealed"].as_str().unwrap());
    assert_eq!(plain["details"], json!({"title": "It works", "body": "Messages reach this device."}));

    let body = json!({"patient_id": scene.patient.caller.patient_id, "performed_at": scene.app.care.now()});
    let treatment = scene.app.post("/v1/treatments", &scene.patient.token, body).await.expect(201);
    let report = json!({"recorded_at": scene.app.care.now(), "symptoms": {"pus": "coloured"}});
    let path = format!("/v1/treatments/{}/check-ins", treatment["id"].as_str().unwrap());
    scene.app.post(&path, &scene.patient.token, report).await.expect(201);
    scene.worker.drain().await.unwrap();
    let message = scene.messages(google::SEND).await.pop().unwrap()["message"].clone();
    assert_eq!((&message["data"]["category"], message["data"].get("sealed")), (&json!("review"), None));
    assert_eq!(message["notification"]["title"], "Someone needs your review.");
}
