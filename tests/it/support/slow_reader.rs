//! A client that asks and then takes nothing of the answer, and an answer that is too long for it to be sent all the same.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use uuid::Uuid;

use super::TestApp;

/// Bytes: more than the operating system keeps of what is on its way.
const LENGTH: usize = 8 * 1024 * 1024;

/// Hangs up when it is dropped.
pub struct SlowReader(TcpStream);

impl SlowReader {
    /// Asks, and returns once the answer has begun.
    pub async fn ask(app: &TestApp, method: &str, path: &str, token: &str, body: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(app.api).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            app.api,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut begins = [0; 12];
        stream.read_exact(&mut begins).await.unwrap();
        assert_eq!(begins, *b"HTTP/1.1 200");
        Self(stream)
    }

    /// Takes all of it after all.
    pub async fn take(mut self) {
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).await.unwrap();
        assert!(answer.len() > LENGTH, "{} bytes", answer.len());
    }
}

impl TestApp {
    /// Makes the trail of this patient too long to be sent to somebody who takes nothing.
    pub async fn stage_long_trail(&self, clinic: Uuid, patient: Uuid) {
        let at = self.care.now().to_rfc3339();
        self.sql(&format!(
            "INSERT INTO audit (at, id, clinic_id, actor_role, action, subject_kind, subject_id, patient_id)
             VALUES ('{at}', '{}', '{clinic}', 'operator', repeat('x', {LENGTH}), 'patient', '{patient}', '{patient}')",
            Uuid::new_v4()
        ))
        .await;
    }
}
