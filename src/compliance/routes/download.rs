//! The same reports as tables, for spreadsheets.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use uuid::Uuid;

use super::{of_clinic, of_course, of_patient, of_treatment, with_course, with_report};
use crate::answer::private_table;
use crate::app::State;
use crate::auth::extract::{Caller, Staff};
use crate::compliance::table::{Part, Table};
use crate::compliance::view::ReportView;
use crate::error::ApiError;

/// What taking figures away is recorded as.
const DOWNLOAD: &str = "compliance.download";

/// `GET /v1/treatments/{id}/compliance.csv`
pub async fn download_treatment_compliance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    let ground = of_treatment(&state, &caller, *path, now, DOWNLOAD).await?;
    answer(with_report(&ground, now, |report| report.table()))
}

/// `GET /v1/patients/{id}/compliance.csv`
pub async fn download_patient_compliance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    answer(match of_patient(&state, &caller, *path, now, DOWNLOAD).await? {
        Ok(ground) => with_report(&ground, now, |report| report.table()),
        Err(since) => ReportView::nothing(since).table(),
    })
}

/// `GET /v1/courses/{id}/compliance.csv`
pub async fn download_course_compliance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    let course = of_course(&state, &caller, *path, now, DOWNLOAD).await?;
    answer(with_course(&course, now, |report| report.table()))
}

/// `GET /v1/clinic/compliance.csv`: the clinic, its items and every running treatment.
pub async fn download_clinic_compliance(state: Data<State>, Staff(caller): Staff) -> Result<HttpResponse, ApiError> {
    let clinic = of_clinic(&state, &caller, DOWNLOAD).await?;
    let fill = || {
        let mut table = Table::begin()?;
        table.line(Part::of("total"), &clinic.to_date)?;
        table.line(Part::of("last_7_days"), &clinic.last_7_days)?;
        table.line(Part::of("previous_7_days"), &clinic.previous_7_days)?;
        for item in &clinic.by_item {
            let part = Part { key: &item.item_key, label: item.version.key(), ..Part::of("item") };
            table.line(part, &item.compliance)?;
        }
        for treatment in &clinic.treatments {
            let (id, from) = (treatment.id.to_string(), Some(treatment.performed_at.to_rfc3339()));
            let part = Part { key: &id, label: &treatment.patient, from, ..Part::of("treatment") };
            table.line(part, &treatment.compliance)?;
        }
        table.end()
    };
    answer(fill())
}

fn answer(table: anyhow::Result<Vec<u8>>) -> Result<HttpResponse, ApiError> {
    Ok(private_table(table.map_err(ApiError::Internal)?, "compliance"))
}
