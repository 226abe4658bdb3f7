//! Where a Web Push endpoint cannot lead us, tried through the sender itself.

use mendline::domain::alert::PushOutcome;
use mendline::push::PushProvider as _;
use mendline::push::http::HttpSettings;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{message, quick, subscription, web_push};

async fn listener() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(201)).mount(&server).await;
    server
}

#[tokio::test]
async fn no_spelling_of_this_machine_or_its_network_is_reached() {
    let server = listener().await;
    let port = server.address().port();
    let sender = web_push("", quick());
    for endpoint in [
        format!("https://127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://0x7f.1:{port}/"),
        format!("https://127.0.0.1.:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://push.example.org@127.0.0.1:{port}/"),
        "https://10.0.0.1/x.google.com/".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://[fd00:ec2::254]/".to_owned(),
        "http://push.example.org/".to_owned(),
    ] {
        let outcome = sender.send(&subscription(&endpoint).0, &message()).await;
        assert_eq!(outcome, PushOutcome::Rejected { reason: "endpoint_not_allowed".into() }, "{endpoint}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_listed_host_is_reached_over_plain_http_and_its_neighbour_is_not() {
    let (listed, neighbour) = (listener().await, listener().await);
    let sender = web_push(&listed.address().to_string(), HttpSettings::default());
    let reached = sender.send(&subscription(&listed.uri()).0, &message()).await;
    assert_eq!(reached, PushOutcome::Accepted { provider_id: None });
    let refused = sender.send(&subscription(&neighbour.uri()).0, &message()).await;
    assert_eq!(refused, PushOutcome::Rejected { reason: "endpoint_not_allowed".into() });
    assert!(neighbour.received_requests().await.unwrap().is_empty());
}
