//! Apple on loopback: a real HTTP/2 server that remembers every request and on which connection it came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which connection, from 1.
    pub connection: usize,
    /// Whether something had been answered on that connection before.
    pub is_after_an_answer: bool,
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// What the server does with it.
#[derive(Debug, Clone)]
pub enum Reaction {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// After so many milliseconds.
    Slowly(u64, Box<Reaction>),
    /// The status and a first byte, and no more.
    Trickle(u16),
    Silence,
    /// The connection ends without a word.
    HangUp,
    /// The answer, and with it the news that the connection takes no further requests: those that come are refused.
    LastAnswer(Box<Reaction>),
}

impl Reaction {
    pub fn accept() -> Self {
        Self::status(200)
    }

    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn reason(status: u16, reason: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: format!(r#"{{"reason":"{reason}"}}"#).into_bytes() }
    }

    pub fn with_body(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    pub fn and(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name, value.to_owned()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

type React = dyn Fn(&Seen) -> Reaction + Send + Sync;

/// The server. It ends with the test's runtime.
pub struct Apple {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

enum End {
    Graceful,
    Abrupt,
}

#[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
impl Apple {
    /// Over plain TCP, HTTP/2 from the first byte.
    pub async fn start(react: impl Fn(&Seen) -> Reaction + Send + Sync + 'static) -> Self {
        Self::start_behind(None, react).await
    }

    /// Over TLS with a certificate of its own, and that certificate's PEM.
    pub async fn start_with_tls(react: impl Fn(&Seen) -> Reaction + Send + Sync + 'static) -> (Self, String) {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut tls = tls.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        (Self::start_behind(Some(TlsAcceptor::from(Arc::new(tls))), react).await, cert.pem())
    }

    async fn start_behind(tls: Option<TlsAcceptor>, react: impl Fn(&Seen) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, react): (Arc<Mutex<Vec<Seen>>>, Arc<React>) = (Arc::default(), Arc::new(react));
        let remembered = Arc::clone(&seen);
        tokio::spawn(async move {
            for connection in 1.. {
                let (socket, _) = listener.accept().await.unwrap();
                let (seen, react, tls) = (Arc::clone(&remembered), Arc::clone(&react), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => Self::serve(socket, connection, seen, react).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                Self::serve(socket, connection, seen, react).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        socket: S,
        connection: usize,
        seen: Arc<Mutex<Vec<Seen>>>,
        react: Arc<React>,
    ) {
        let Ok(mut http) = h2::server::handshake(socket).await else { return };
        let (ends, mut end) = unbounded_channel();
        let answered = Arc::new(Mutex::new(false));
        let mut is_closing = false;
        loop {
            let (request, mut respond) = tokio::select! {
                // A goodbye that was said counts before whatever arrives after it.
                biased;
                Some(end) = end.recv() => match end {
                    End::Graceful => {
                        is_closing = true;
                        http.graceful_shutdown();
                        continue;
                    }
                    End::Abrupt => return,
                },
                accepted = http.accept() => match accepted {
                    Some(Ok(accepted)) => accepted,
                    _ => return,
                },
            };
            if is_closing {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
                continue;
            }
            let (seen, react, ends, answered) =
                (Arc::clone(&seen), Arc::clone(&react), ends.clone(), Arc::clone(&answered));
            // Read here, before anybody else's answer can be given.
            let is_after_an_answer = *answered.lock().unwrap();
            tokio::spawn(async move {
                let (head, mut incoming) = request.into_parts();
                let mut body = Vec::new();
                while let Some(Ok(part)) = incoming.data().await {
                    incoming.flow_control().release_capacity(part.len()).unwrap();
                    body.extend_from_slice(&part);
                }
                let request = Seen {
                    connection,
                    is_after_an_answer,
                    method: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                    headers: head.headers,
                    body,
                };
                seen.lock().unwrap().push(request.clone());
                Self::act(react(&request), respond, &ends, &answered).await;
            });
        }
    }

    async fn act(
        reaction: Reaction,
        mut respond: SendResponse<Bytes>,
        ends: &UnboundedSender<End>,
        answered: &Mutex<bool>,
    ) {
        match reaction {
            Reaction::Answer { status, headers, body } => {
                *answered.lock().unwrap() = true;
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                let response = response.body(()).unwrap();
                let Ok(mut stream) = respond.send_response(response, body.is_empty()) else { return };
                if !body.is_empty() {
                    let _ = stream.send_data(Bytes::from(body), true);
                }
            }
            Reaction::Slowly(milliseconds, reaction) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                Box::pin(Self::act(*reaction, respond, ends, answered)).await;
            }
            Reaction::Trickle(status) => {
                let response = Response::builder().status(status).body(()).unwrap();
                let mut stream = respond.send_response(response, false).unwrap();
                let _ = stream.send_data(Bytes::from_static(b"{"), false);
                std::future::pending().await
            }
            Reaction::Silence => {
                let _respond = respond;
                std::future::pending().await
            }
            Reaction::HangUp => drop(ends.send(End::Abrupt)),
            Reaction::LastAnswer(reaction) => {
                let _ = ends.send(End::Graceful);
                Box::pin(Self::act(*reaction, respond, ends, answered)).await;
            }
        }
    }
}
