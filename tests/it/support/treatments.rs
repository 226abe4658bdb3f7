//! Treatments and what people do with their tasks, over HTTP.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, TestApp, send};

impl TestApp {
    /// The id of a treatment that ended at `performed_at`, registered by staff for a patient.
    pub async fn treat(&self, staff: &str, patient: Uuid, performed_at: DateTime<Utc>) -> String {
        let body = json!({ "patient_id": patient, "performed_at": performed_at });
        let made = self.post("/v1/treatments", staff, body).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// A read with a header.
    pub async fn get_with(&self, path: &str, token: &str, name: &str, value: &str) -> Answer {
        send(self.request(Method::GET, path, token).header(name, value)).await
    }

    /// The tasks of a treatment between two local dates.
    pub async fn tasks(&self, treatment: &str, token: &str, from: &str, to: &str) -> Vec<Value> {
        let path = format!("/v1/treatments/{treatment}/tasks?from={from}&to={to}");
        self.get(&path, token).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// Sends entries about tasks; returns their results.
    pub async fn report(&self, treatment: &str, token: &str, outcomes: Value) -> Vec<Value> {
        let path = format!("/v1/treatments/{treatment}/outcomes");
        let answer = self.post(&path, token, json!({ "outcomes": outcomes })).await.expect(200);
        answer["results"].as_array().unwrap().clone()
    }
}

/// An entry about a task at a moment.
pub fn entry(task: &Value, kind: &str, recorded_at: DateTime<Utc>) -> Value {
    json!({ "id": Uuid::new_v4(), "task_id": task["id"], "kind": kind, "recorded_at": recorded_at })
}

/// An instant of a text.
pub fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
