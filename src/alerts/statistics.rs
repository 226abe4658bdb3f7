//! Figures of a clinic's alerts, in one transaction: the clinic's zone says where its days begin.

use uuid::Uuid;

use super::store::{self, AlertLine, AttemptLine, Window};
use crate::clinics;
use crate::db::{Db, Scope};
use crate::error::ApiError;

/// Reads the figures of the window that `choose` makes of the clinic's time zone.
pub async fn read(
    db: &Db,
    clinic_id: Uuid,
    choose: impl FnOnce(&str) -> Result<Window, ApiError>,
) -> Result<(Window, Vec<AlertLine>, Vec<AttemptLine>), ApiError> {
    db.scoped(Scope::Clinic(clinic_id), async |conn| {
        let clinic = clinics::store::find_clinic(conn, clinic_id).await?;
        let window = choose(&clinic.time_zone)?;
        let alerts = store::count_alerts(conn, &window).await?;
        let attempts = store::count_attempts(conn, &window).await?;
        Ok((window, alerts, attempts))
    })
    .await
}
