//! A mail server on loopback: it speaks enough SMTP to be handed a letter, and keeps what it was handed.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// How a server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Without TLS, and without asking who it is.
    Plain,
    /// TLS after STARTTLS, then a password.
    StartTls,
    /// TLS from the first byte, then a password.
    Tls,
    /// As the last, but no password is right.
    Refusing,
    /// It takes connections and says nothing.
    Silent,
}

/// A letter as it was handed in.
#[derive(Debug)]
pub struct Handed {
    /// User and password, where they were asked for.
    pub login: Option<String>,
    /// `MAIL FROM` and `RCPT TO`.
    pub envelope: [String; 2],
    /// Headers and text.
    pub data: String,
}

pub struct MailServer {
    pub port: u16,
    /// PEM of the root that signed the certificate, which is for `localhost`.
    pub root: String,
    manner: Manner,
    handed: tokio::sync::Mutex<mpsc::UnboundedReceiver<Handed>>,
}

impl MailServer {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (root, tls) = certificate();
        let (sender, handed) = mpsc::unbounded_channel();
        #[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                if manner == Manner::Silent {
                    held.push(socket);
                    continue;
                }
                let (tls, sender) = (tls.clone(), sender.clone());
                tokio::spawn(async move { serve(socket, manner, &tls, &sender).await });
            }
        });
        Self { port, root, manner, handed: tokio::sync::Mutex::new(handed) }
    }

    /// The setting that leads here.
    pub fn url(&self) -> String {
        let port = self.port;
        match self.manner {
            Manner::Plain | Manner::Silent => format!("smtp://localhost:{port}?tls=none"),
            Manner::StartTls => format!("smtp://post:s3cr3t@localhost:{port}"),
            Manner::Tls | Manner::Refusing => format!("smtps://post:s3cr3t@localhost:{port}"),
        }
    }

    /// The next letter.
    pub async fn next(&self) -> Handed {
        let mut handed = self.handed.lock().await;
        tokio::time::timeout(Duration::from_secs(30), handed.recv()).await.expect("a letter").expect("a server")
    }

    /// Whether there is none yet.
    pub async fn is_empty(&self) -> bool {
        self.handed.lock().await.is_empty()
    }
}

async fn serve(socket: TcpStream, manner: Manner, tls: &TlsAcceptor, sender: &mpsc::UnboundedSender<Handed>) {
    let done = match manner {
        Manner::Tls | Manner::Refusing => {
            let Ok(stream) = tls.accept(socket).await else { return };
            talk(BufStream::new(stream), manner, true, sender).await.map(|_| ())
        }
        _ => match talk(BufStream::new(socket), manner, false, sender).await {
            Ok(Some(socket)) => {
                let Ok(stream) = tls.accept(socket.into_inner()).await else { return };
                talk(BufStream::new(stream), manner, true, sender).await.map(|_| ())
            }
            other => other.map(|_| ()),
        },
    };
    drop(done);
}

/// One conversation; the stream where TLS is to begin.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufStream<S>,
    manner: Manner,
    secure: bool,
    sender: &mpsc::UnboundedSender<Handed>,
) -> std::io::Result<Option<BufStream<S>>> {
    // After STARTTLS the client speaks first.
    if !(secure && manner == Manner::StartTls) {
        say(&mut stream, "220 localhost ready").await?;
    }
    let (mut login, mut envelope) = (None, [String::new(), String::new()]);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let command = line.trim_end().to_owned();
        let answer = match command.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" if manner == Manner::Plain => "250 localhost",
            "EHLO" if !secure => "250-localhost\r\n250 STARTTLS",
            "EHLO" => "250-localhost\r\n250 AUTH PLAIN",
            "STARTTLS" => {
                say(&mut stream, "220 go ahead").await?;
                return Ok(Some(stream));
            }
            "AUTH" if manner == Manner::Refusing => "535 5.7.8 post: authentication failed",
            "AUTH" => {
                let word = STANDARD.decode(command.rsplit(' ').next().unwrap()).unwrap();
                login = Some(String::from_utf8(word).unwrap().replace('\0', "/"));
                "235 welcome"
            }
            "MAIL" => {
                envelope[0] = command;
                "250 fine"
            }
            "RCPT" => {
                envelope[1] = command;
                "250 fine"
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                let mut data = String::new();
                while !data.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut data).await? == 0 {
                        return Ok(None);
                    }
                }
                sender.send(Handed { login: login.clone(), envelope: envelope.clone(), data }).ok();
                "250 taken"
            }
            "NOOP" => "250 fine",
            "QUIT" => {
                say(&mut stream, "221 bye").await?;
                return Ok(None);
            }
            _ => "500 what?",
        };
        say(&mut stream, answer).await?;
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// A root, and what accepts TLS with a certificate under it.
fn certificate() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (root.pem(), TlsAcceptor::from(Arc::new(config)))
}
