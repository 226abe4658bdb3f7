//! How it ended: whether all that was sent arrived, and what the clinic sees.

use anyhow::Context;
use serde_json::Value;
use uuid::Uuid;

use super::{Story, Told};
use crate::db::{Db, DbError, Scope};
use crate::demo::cast::Cast;

impl Story<'_> {
    /// Checks that what was sent arrived, and reads the clinic's view.
    pub async fn end(&mut self) -> anyhow::Result<Told> {
        self.look().await?;
        let counts = states(&self.state.worker_db, self.cast.clinic_id).await?;
        let count = |state: &str| counts.iter().filter(|(found, _)| found == state).count();
        anyhow::ensure!(count("failed") == 0, "{} alerts failed", count("failed"));
        anyhow::ensure!(
            count("sent") == self.received,
            "{} alerts were sent, {} arrived",
            count("sent"),
            self.received
        );
        let opened = counts.iter().filter(|(_, opened)| *opened).count();
        anyhow::ensure!(opened == self.opened, "{} alerts were opened, {opened} are recorded", self.opened);
        let Cast { administrator, clinician, patient, patient_id, .. } = &self.cast;
        let compliance = clinician.api.get(&format!("/v1/patients/{patient_id}/compliance")).await?;
        let on_time = compliance.pointer("/on_time_bp").and_then(Value::as_i64);
        Ok(Told {
            sent: i64::try_from(count("sent"))?,
            opened: i64::try_from(opened)?,
            expired: i64::try_from(count("expired"))?,
            on_time_bp: on_time.context("no compliance after six weeks")?,
            logins: vec![administrator.clone(), clinician.login(), patient.login()],
            token: clinician.api.token().to_owned(),
            treatment_id: self.treatment_id.clone(),
            worklist: clinician.api.get("/v1/patients").await?,
            sessions: self.sessions().await?,
        })
    }
}

/// State of every alert of the clinic, and whether it was opened.
async fn states(db: &Db, clinic_id: Uuid) -> Result<Vec<(String, bool)>, DbError> {
    use crate::schema::alerts::dsl;
    use diesel::{ExpressionMethods, QueryDsl};
    use diesel_async::RunQueryDsl;
    db.scoped(Scope::System, async |conn| {
        let alerts = dsl::alerts.filter(dsl::clinic_id.eq(clinic_id));
        Ok(alerts.select((dsl::state, dsl::opened_at.is_not_null())).load(conn).await?)
    })
    .await
}
