//! A throw-away Postgres that speaks TLS over TCP, with a certificate made for it: the suite's own server has but a Unix
//! socket, where there is none.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mendline::embedded::{DATABASE, Durability, Embedded, join};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use secrecy::SecretString;

use super::binary::Reachable;
use super::cluster::server_programs;

/// The only name that the server's certificate holds.
pub const NAME: &str = "db.example";

pub struct TlsServer {
    /// PEM of the root that signed the server's certificate.
    pub root: String,
    postgres: Child,
    port: u16,
    _dir: Reachable,
}

impl TlsServer {
    /// A server, where the machine has the programs for one.
    pub async fn start(name: &str) -> Option<Self> {
        let bin_dir = server_programs()?;
        let dir = Reachable::new(name);
        Embedded::start(&dir.0, Some(&bin_dir), Durability::None)
            .expect("a cluster")
            .stop()
            .expect("a cluster at rest");

        let cluster = dir.0.join("postgres");
        let owner = std::fs::metadata(&cluster).unwrap();
        let (root, certificate, key) = certificates();
        for (file, pem) in [("server.crt", certificate), ("server.key", key)] {
            let path = cluster.join(file);
            std::fs::write(&path, pem).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }

        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(bin_dir.join("postgres"));
        command.arg("-D").arg(&cluster).arg("-k").arg(dir.0.join("socket"));
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "ssl=on", "-c", "fsync=off"]);
        command.current_dir(&cluster).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if nix::unistd::geteuid().is_root() {
            command.gid(owner.gid()).uid(owner.uid());
        }
        let server = Self { root, postgres: command.spawn().unwrap(), port, _dir: dir };
        let ready = async {
            while join(&server._dir.0).is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ready).await.expect("a server that speaks TLS");
        Some(server)
    }

    /// The server under a name, with parameters.
    pub fn url(&self, name: &str, parameters: &str) -> SecretString {
        let port = self.port;
        SecretString::from(format!("postgres://app@{name}:{port}/{DATABASE}?hostaddr=127.0.0.1{parameters}"))
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        // An immediate shutdown: whatever it holds goes with the directory.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.postgres.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT).ok();
        self.postgres.wait().ok();
    }
}

/// A root, and a certificate and a key under it.
fn certificates() -> (String, String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    (root.pem(), certificate.pem(), key.serialize_pem())
}
