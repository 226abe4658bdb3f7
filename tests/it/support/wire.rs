//! Between the app and Postgres: a proxy on a Unix socket that counts what the app asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Counts round trips (simple queries and syncs) and statements that were parsed.
#[derive(Debug, Default)]
pub struct Counts {
    pub round_trips: AtomicUsize,
    pub parses: AtomicUsize,
}

impl Counts {
    pub fn reset(&self) {
        self.round_trips.store(0, Ordering::SeqCst);
        self.parses.store(0, Ordering::SeqCst);
    }

    pub fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::SeqCst)
    }

    pub fn parses(&self) -> usize {
        self.parses.load(Ordering::SeqCst)
    }
}

/// What `auth/revocation.rs` asks twice a second.
const FEEDS_HEARTBEAT: &[u8] = b"SELECT 1\0";

/// A proxy in front of the test server.
pub struct CountingProxy {
    pub url: SecretString,
    pub counts: Arc<Counts>,
    _dir: tempfile::TempDir,
}

impl CountingProxy {
    /// Stands in for the server of `url`, which must be reached through a Unix socket.
    pub fn before(url: &SecretString) -> Self {
        let text = url.expose_secret();
        let (start, rest) = text.split_once('@').expect("a URL with a host");
        let (host, database) = rest.split_once('/').expect("a URL with a database");
        let real = PathBuf::from(host.replace("%2F", "/")).join(".s.PGSQL.5432");
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join(".s.PGSQL.5432")).unwrap();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        #[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, real.clone(), Arc::clone(&shared)));
            }
        });
        let host = dir.path().display().to_string().replace('/', "%2F");
        Self { url: SecretString::from(format!("{start}@{host}/{database}")), counts, _dir: dir }
    }
}

async fn relay(client: UnixStream, real: PathBuf, counts: Arc<Counts>) {
    let real: &Path = &real;
    let Ok(server) = UnixStream::connect(real).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = count(&mut from_client, &mut to_server, &counts);
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        _ = up => {}
        _ = down => {}
    }
}

/// Frontend messages: the first has a length and no type, all others a type and a length.
async fn count(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    counts: &Counts,
) -> std::io::Result<()> {
    let mut first = true;
    loop {
        let kind = if first { None } else { Some(from.read_u8().await?) };
        let length = from.read_u32().await?;
        let mut body = vec![0; usize::try_from(length).unwrap_or(4) - 4];
        from.read_exact(&mut body).await?;
        match kind {
            // The token feed proves that it is alive, on its own connection and whatever is asked meanwhile.
            Some(b'Q') if body == FEEDS_HEARTBEAT => {}
            Some(b'Q' | b'S') => drop(counts.round_trips.fetch_add(1, Ordering::SeqCst)),
            Some(b'P') => drop(counts.parses.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        let mut message = Vec::with_capacity(body.len() + 5);
        message.extend(kind);
        message.extend(length.to_be_bytes());
        message.extend(body);
        to.write_all(&message).await?;
        first = false;
    }
}
