//! Servers that misbehave below HTTP's level: silence, closed connections, floods, refused streams.
//! They are spoken to through Web Push; the client is the same for every provider.

use std::sync::Arc;
use std::time::Duration;

use mendline::domain::alert::PushOutcome;
use mendline::push::PushProvider as _;
use mendline::push::http::HttpSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{message, quick, subscription, web_push};

/// Sends one message to a server that treats each connection as told, and stays there until the answer is in.
async fn against(scheme: &str, http: HttpSettings, treat: impl AsyncFn(&mut TcpStream)) -> PushOutcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sender = web_push(&address.to_string(), http);
    let (target, _) = subscription(&format!("{scheme}://{address}/wpush/abc"));
    let serve = async {
        let mut open = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            treat(&mut socket).await;
            open.push(socket);
        }
    };
    tokio::select! {
        outcome = async { sender.send(&target, &message()).await } => outcome,
        () = serve => unreachable!("the server never ends"),
    }
}

/// Reads a whole HTTP/1.1 request.
pub(super) async fn read_request(socket: &mut TcpStream) {
    let mut seen = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = socket.read(&mut part).await.unwrap();
        assert_ne!(read, 0, "the client left");
        seen.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&seen).to_lowercase();
        let Some(head) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
        if seen.len() >= head + 4 + length.parse::<usize>().unwrap() {
            return;
        }
    }
}

pub(super) async fn answer_and_hang_up(socket: &mut TcpStream, answer: &[u8]) {
    read_request(socket).await;
    socket.write_all(answer).await.unwrap();
    socket.shutdown().await.unwrap();
}

fn unavailable(reason: &'static str) -> PushOutcome {
    PushOutcome::Unavailable { retry_after: None, reason: reason.into() }
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up_and_may_have_delivered() {
    let outcome = against("http", quick(), async |socket| read_request(socket).await).await;
    assert_eq!(outcome, unavailable("timeout"));
}

#[tokio::test]
async fn a_connection_closed_before_or_within_the_head_of_an_answer_may_have_delivered() {
    for answer in ["", "HTTP/1.1 20"] {
        let outcome =
            against("http", quick(), async |socket| answer_and_hang_up(socket, answer.as_bytes()).await).await;
        assert_eq!(outcome, unavailable("connection_closed"), "{answer}");
    }
}

#[tokio::test]
async fn a_status_counts_although_the_body_after_it_breaks_off() {
    let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\nhalf";
    let outcome = against("http", quick(), async |socket| answer_and_hang_up(socket, answer).await).await;
    assert_eq!(outcome, PushOutcome::Accepted { provider_id: None });
    let gone = b"HTTP/1.1 410 Gone\r\ncontent-length: 100\r\n\r\nhalf";
    let outcome = against("http", quick(), async |socket| answer_and_hang_up(socket, gone).await).await;
    assert_eq!(outcome, PushOutcome::Unregistered { since: None });
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_a_limit_and_left() {
    let outcome = against("http", quick(), async |socket| {
        read_request(socket).await;
        socket.write_all(b"HTTP/1.1 503 Busy\r\n\r\n").await.unwrap();
        // Ends when the client has had enough and closes the connection.
        while socket.write_all(&[b'<'; 65_536]).await.is_ok() {}
    })
    .await;
    assert_eq!(outcome, unavailable("http_503"));
}

#[tokio::test]
async fn a_body_that_trickles_for_ever_ends_with_the_total_timeout() {
    let outcome = against("http", quick(), async |socket| {
        read_request(socket).await;
        socket.write_all(b"HTTP/1.1 500 Oops\r\ncontent-length: 10\r\n\r\nh").await.unwrap();
    })
    .await;
    assert_eq!(outcome, unavailable("http_500"));
}

#[tokio::test]
async fn what_is_not_http_is_a_service_that_is_down() {
    let outcome = against("http", quick(), async |socket| answer_and_hang_up(socket, b"220 smtp ready\r\n").await);
    assert_eq!(outcome.await, unavailable("connection_closed"));
}

#[tokio::test]
async fn a_service_that_does_not_speak_tls_is_down() {
    let outcome = against("https", quick(), async |socket| {
        // The client says hello first; whatever it is, this is no answer to it.
        let _ = socket.read(&mut [0; 4096]).await;
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    assert_eq!(outcome, unavailable("tls"));
}

/// A certificate for this machine, signed by nobody but itself; and its PEM.
fn certificate() -> (tokio_rustls::TlsAcceptor, String) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), cert.pem())
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_until_the_operator_does() {
    let (acceptor, pem) = certificate();
    let treat = async |socket: &mut TcpStream| {
        let Ok(mut tls) = acceptor.accept(socket).await else { return };
        assert_ne!(tls.read(&mut [0; 4096]).await.unwrap(), 0);
        tls.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    };
    assert_eq!(against("https", quick(), treat).await, unavailable("tls"));
    let trusting = HttpSettings { extra_ca: Some(pem), ..quick() };
    assert_eq!(against("https", trusting, treat).await, PushOutcome::Accepted { provider_id: None });
}

#[tokio::test]
async fn a_closed_port_is_a_service_that_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sender = web_push(&address.to_string(), quick());
    let outcome = sender.send(&subscription(&format!("http://{address}/x")).0, &message()).await;
    assert_eq!(outcome, unavailable("connect"));
}

fn http2() -> HttpSettings {
    HttpSettings { http2_prior_knowledge: true, total_timeout: Duration::from_secs(5), ..HttpSettings::default() }
}

/// One HTTP/2 frame.
fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, 0], &stream.to_be_bytes(), payload].concat()
}

const SETTINGS: u8 = 4;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Reads frames until a request's head (stream 1) has arrived.
async fn read_http2_request(socket: &mut TcpStream) {
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).await.unwrap();
    socket.write_all(&frame(SETTINGS, 0, &[])).await.unwrap();
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        socket.read_exact(&mut vec![0; length as usize]).await.unwrap();
        const HEADERS: u8 = 1;
        if head[3] == HEADERS {
            return;
        }
    }
}

fn goaway(code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, &[0_u32.to_be_bytes(), code.to_be_bytes()].concat())
}

#[tokio::test]
async fn a_server_that_goes_away_gracefully_has_not_got_the_message() {
    let outcome = against("http", http2(), async |socket| {
        read_http2_request(socket).await;
        socket.write_all(&goaway(0)).await.unwrap();
    })
    .await;
    assert_eq!(outcome, PushOutcome::NotSent { reason: "goaway".into() });
}

#[tokio::test]
async fn a_refused_stream_is_a_message_that_was_not_looked_at() {
    let outcome = against("http", http2(), async |socket| {
        // Every repetition comes on the same connection: refuse them as they come.
        read_http2_request(socket).await;
        for stream in [1, 3, 5] {
            let refusal = frame(RST_STREAM, stream, &REFUSED_STREAM.to_be_bytes());
            socket.write_all(&refusal).await.unwrap();
            if stream < 5 {
                read_head(socket).await;
            }
        }
    })
    .await;
    assert_eq!(outcome, PushOutcome::NotSent { reason: "refused_stream".into() });
}

/// Reads frames up to the next request's head on a connection that is already set up.
async fn read_head(socket: &mut TcpStream) {
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        socket.read_exact(&mut vec![0; length as usize]).await.unwrap();
        if head[3] == 1 {
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_throws_us_out_may_have_got_the_message() {
    let outcome = against("http", http2(), async |socket| {
        read_http2_request(socket).await;
        socket.write_all(&goaway(ENHANCE_YOUR_CALM)).await.unwrap();
        socket.shutdown().await.unwrap();
    })
    .await;
    assert_eq!(outcome, unavailable("connection_closed"));
}
