//! Protocols that clinics write: drafts and what is published of them, over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, TestApp, send};

impl TestApp {
    /// A draft of the clinic: the careful protocol under a name of its own.
    pub async fn draft(&self, staff: &str, key: &str) -> Value {
        let body = json!({ "from": "conservative@2", "key": key });
        self.post("/v1/protocol-drafts", staff, body).await.expect(201)
    }

    /// Sends a request on the version that was seen.
    pub async fn on_seen(&self, method: Method, path: &str, token: &str, version: &Value, body: Value) -> Answer {
        send(self.request(method, path, token).header("if-match", format!("\"{version}\"")).json(&body)).await
    }

    /// Puts a changed structure into a draft; the draft as it is then.
    pub async fn edit_draft(&self, staff: &str, draft: &Value, structure: &str) -> Value {
        let path = format!("/v1/protocol-drafts/{}", draft["id"].as_str().unwrap());
        let body = json!({ "structure": structure, "texts": draft["texts"] });
        self.on_seen(Method::PUT, &path, staff, &draft["version"], body).await.expect(200)
    }

    /// Asks for a draft to be published.
    pub async fn publish(&self, token: &str, draft: &Value) -> Answer {
        let path = format!("/v1/protocol-drafts/{}/publish", draft["id"].as_str().unwrap());
        self.on_seen(Method::POST, &path, token, &draft["version"], json!({})).await
    }

    /// The next version of a clinic's own protocol, with a part of the careful one's structure replaced.
    pub async fn published(&self, admin: &str, key: &str, find: &str, replace: &str) -> Value {
        let draft = self.draft(admin, key).await;
        let structure = draft["structure"].as_str().unwrap();
        assert!(structure.contains(find), "the protocol does not contain {find:?}");
        let draft = self.edit_draft(admin, &draft, &structure.replacen(find, replace, 1)).await;
        assert_eq!(draft["faults"], json!([]));
        self.publish(admin, &draft).await.expect(201)
    }

    /// How many alerts are in a state.
    pub async fn count_alerts(&self, state: &str) -> i64 {
        use diesel::prelude::*;
        use diesel_async::RunQueryDsl;
        use mendline::schema::alerts;
        let mut conn = mendline::db::Connector::new(&self.database.url, None).unwrap().open().await.unwrap();
        alerts::table.filter(alerts::state.eq(state)).count().get_result(&mut conn).await.unwrap()
    }
}
