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
            ResponseTemplate::new(200).set_body_json(json!({"data": [{"status": "ok", "id": "ticket"}]}))
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

    /// The last JSON that arrived there.
    async fn last(&self, path: &str) -> Value {
        let json: Value = serde_json::from_slice(self.arrived(path).await.last().expect(path)).unwrap();
        json.as_array().map_or(json.clone(), |batch| batch[0].clone())
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

    let (fcm, apns, expo) = (scene.last(google::SEND).await, scene.last(APNS).await, scene.last(EXPO).await);
    let neutral = json!({"title": "A reminder for you."});
    // On Android the app shows it itself; on Apple's phones the extension replaces what the others show.
    assert_is("FcmRequest", &fcm);
    assert_eq!((fcm["message"].get("notification"), fcm["message"]["android"].get("notification")), (None, None));
    assert_eq!(fcm["message"]["android"]["priority"], "high");
    assert_eq!(fcm["message"]["apns"]["payload"]["aps"]["alert"], neutral);
    assert_eq!(fcm["message"]["apns"]["payload"]["aps"]["mutable-content"], 1);
    assert_eq!((&apns["aps"]["alert"], &apns["aps"]["mutable-content"]), (&neutral, &json!(1)));
    assert_is("ExpoMessage", &expo);
    assert_eq!((&expo["title"], &expo["mutableContent"]), (&json!("A reminder for you."), &json!(true)));
    for body in [scene.arrived(google::SEND).await, scene.arrived(APNS).await, scene.arrived(EXPO).await].concat() {
        assert!(body.len() < 4096, "{} bytes", body.len());
    }

    let open = |phone: &Phone, sealed: &Value| phone.open(sealed.as_str().expect("something sealed"));
    let web_push = serde_json::from_slice(&phones[3].decrypt(scene.arrived("/wpush").await.last().unwrap())).unwrap();
    let opened = [
        open(&phones[0], &fcm["message"]["data"]["sealed"]),
        open(&phones[1], &apns["sealed"]),
        open(&phones[2], &expo["data"]["sealed"]),
        web_push,
    ];
    for plain in &opened {
        assert_is("WebPushMessage", plain);
        assert_eq!((&plain["title"], plain.get("body")), (&json!("A reminder for you."), None), "for the lock screen");
        assert_eq!(plain["details"]["title"], "First gentle rinse");
        assert!(plain["details"]["body"].as_str().unwrap().starts_with("The usual four hours"));
        let alert = format!("/v1/alerts/{}", plain["alert_id"].as_str().unwrap());
        let fetched = scene.app.get(&alert, &scene.patient.token).await.expect(200);
        assert_eq!((&fetched["category"], &plain["category"]), (&json!("routine"), &json!("reminder")));
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
    let plain = phone.open(scene.last(APNS).await["sealed"].as_str().unwrap());
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
    let fcm = scene.last(google::SEND).await;
    assert_eq!(fcm["message"]["notification"]["title"], "A reminder for you.");
    assert_eq!(fcm["message"]["data"].get("sealed"), None);
    assert_eq!(scene.last(APNS).await.get("sealed"), None);
    assert_eq!(scene.last(EXPO).await["data"].get("sealed"), None);
}

#[tokio::test]
async fn staff_are_told_nothing_about_others_even_in_private_and_a_test_says_that_it_works() {
    let scene = Scene::new().await;
    let clinician = scene.app.stage(scene.clinic, Role::Clinician).await;
    let phone = Phone::new();
    let device = scene.register(&clinician, "fcm", Some(phone.keys())).await;
    scene.app.post(&format!("/v1/me/devices/{device}/test"), &clinician.token, json!({})).await.expect(202);
    scene.worker.drain().await.unwrap();
    let plain = phone.open(scene.last(google::SEND).await["message"]["data"]["sealed"].as_str().unwrap());
    assert_eq!(plain["details"], json!({"title": "It works", "body": "Messages reach this device."}));

    let body = json!({"patient_id": scene.patient.caller.patient_id, "performed_at": scene.app.care.now()});
    let treatment = scene.app.post("/v1/treatments", &scene.patient.token, body).await.expect(201);
    let report = json!({"recorded_at": scene.app.care.now(), "symptoms": {"pus": "coloured"}});
    let path = format!("/v1/treatments/{}/check-ins", treatment["id"].as_str().unwrap());
    scene.app.post(&path, &scene.patient.token, report).await.expect(201);
    scene.worker.drain().await.unwrap();
    let message = scene.last(google::SEND).await["message"].clone();
    assert_eq!((&message["data"]["category"], message["data"].get("sealed")), (&json!("review"), None));
    assert_eq!(message["notification"]["title"], "Someone needs your review.");
}
