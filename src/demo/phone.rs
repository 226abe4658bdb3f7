//! Phones: a real Web Push service (RFC 8030) on loopback that takes encrypted messages, and receivers that decrypt them
//! as a browser or a UnifiedPush app would (RFC 8291).

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::push::web_push::Receiver;

/// What a phone was sent: the payload and the text for its lock screen, decrypted.
#[derive(Debug, Clone, Deserialize)]
pub struct Notification {
    /// Which alert to fetch.
    pub alert_id: Uuid,
    /// What the lock screen shows.
    pub title: String,
    /// A second line, if the person asked for details.
    pub body: Option<String>,
}

type Subscriptions = Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Vec<u8>>>>>;

/// The push service that all phones of the demo use.
pub struct Exchange {
    address: SocketAddr,
    subscriptions: Subscriptions,
    server: ServerHandle,
}

impl Exchange {
    /// Opens it on a free port of loopback.
    pub fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("binding")?;
        let address = listener.local_addr().context("reading the bound address")?;
        let subscriptions = Subscriptions::default();
        let shared = web::Data::new(Arc::clone(&subscriptions));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(4096))
                .route("/push/{subscription}", web::post().to(take))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .context("listening")?
        .run();
        let handle = server.handle();
        #[expect(clippy::disallowed_methods, reason = "it ends when the exchange is dropped")]
        tokio::spawn(server);
        Ok(Self { address, subscriptions, server: handle })
    }

    /// `host:port`, for the list of hosts that may be private.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A new phone with a subscription of its own.
    pub fn phone(&self) -> anyhow::Result<Phone> {
        let name = Uuid::new_v4().simple().to_string();
        let (sender, inbox) = mpsc::unbounded_channel();
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), sender);
        let endpoint = format!("http://{}/push/{name}", self.address);
        let receiver = Receiver::generate().context("making a phone's keys")?;
        Ok(Phone { device_id: Uuid::new_v4(), endpoint, receiver, inbox })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

/// Takes one message, as RFC 8030 has it: 201 and where it is, 404 for a subscription that is gone.
async fn take(
    request: HttpRequest,
    subscriptions: web::Data<Subscriptions>,
    path: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let name = path.into_inner();
    let required = ["ttl", "authorization", "content-encoding"];
    if required.iter().any(|header| !request.headers().contains_key(*header)) {
        return HttpResponse::BadRequest().finish();
    }
    let subscription = subscriptions.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    match subscription.map(|subscription| subscription.send(body.to_vec())) {
        Some(Ok(())) => HttpResponse::Created().insert_header(("location", format!("/m/{}", Uuid::new_v4()))).finish(),
        Some(Err(_)) | None => HttpResponse::NotFound().finish(),
    }
}

/// One phone.
pub struct Phone {
    device_id: Uuid,
    endpoint: String,
    receiver: Receiver,
    inbox: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Phone {
    /// What it registers under.
    pub fn device_id(&self) -> Uuid {
        self.device_id
    }

    /// The body of its registration.
    pub fn registration(&self, time_zone: &str) -> Value {
        json!({
            "provider": "web_push",
            "address": self.endpoint,
            "keys": self.receiver.keys(),
            "locale": "en",
            "time_zone": time_zone,
            "permission": "granted",
        })
    }

    /// Everything that came in since it was last looked at, decrypted.
    pub fn look(&mut self) -> anyhow::Result<Vec<Notification>> {
        let mut notifications = Vec::new();
        while let Ok(body) = self.inbox.try_recv() {
            let plain = self.receiver.decrypt(&body).context("decrypting a push")?;
            notifications.push(serde_json::from_slice(&plain).context("reading a push")?);
        }
        Ok(notifications)
    }
}
