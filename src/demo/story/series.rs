//! More than one session: a course, the appointment for its second session, and that session.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Story;
use crate::demo::api::{Api, text};
use crate::demo::cast::ZONE;
use crate::demo::plot::SECOND_SESSION_DAY;

/// Plans three sessions for the patient.
pub(super) async fn plan(clinician: &Api, patient_id: &str) -> anyhow::Result<String> {
    let body = json!({ "patient_id": patient_id, "area": "face", "planned_sessions": 3 });
    text(&clinician.post("/v1/courses", &body).await?, "/id")
}

impl Story<'_> {
    /// The clinic sets a date for the second session.
    pub(super) async fn arrange(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let day = self.began_at.with_timezone(&ZONE).date_naive() + TimeDelta::days(SECOND_SESSION_DAY);
        let body = json!({
            "patient_id": self.cast.patient_id, "course_id": self.course_id, "kind": "session", "date": day,
            "time": "10:30", "minutes": 60, "note": "No make-up, please.",
        });
        self.cast.clinician.api.post("/v1/appointments", &body).await?;
        let on = day.format("%a %d %b");
        self.screen
            .deed(now, &format!("Clara sets Pia's second session for {on}, so she is not asked to make one"))
            .await;
        Ok(())
    }

    /// The second session has just ended; the first one's recovery is closed.
    pub(super) async fn treat_again(&mut self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let clinician = &self.cast.clinician.api;
        clinician.post(&format!("/v1/treatments/{}/complete", self.treatment_id), &json!({})).await?;
        let body = json!({ "patient_id": self.cast.patient_id, "performed_at": now });
        let treatment = clinician.post("/v1/treatments", &body).await?;
        self.treatment_id = text(&treatment, "/id")?;
        self.began_at = now;
        let sessions = self.sessions().await?;
        anyhow::ensure!(sessions.len() == 2, "the second session joined no course");
        self.screen.deed(now, "Clara records the second session: everything begins anew, for her plan alone").await;
        Ok(())
    }

    /// The course's sessions, as the clinic sees them.
    pub(super) async fn sessions(&self) -> anyhow::Result<Vec<Value>> {
        let course = self.cast.clinician.api.get(&format!("/v1/courses/{}", self.course_id)).await?;
        course.pointer("/sessions").and_then(Value::as_array).cloned().context("a course's sessions")
    }
}
