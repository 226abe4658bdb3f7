//! A clinic's own figures over HTTP, for its administrators.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::consequences;
use super::store::{self, Clinic};
use crate::app::State;
use crate::audit::{self, Entry};
use crate::auth::extract::Administrator;
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::domain::preferences::{day_time, stored_time};
use crate::domain::protocol::DayTime;
use crate::error::ApiError;
use crate::preconditions::{IfMatch, version_header};
use crate::protocols::{self, Published};

/// No step of an escalation comes later than this, in minutes: a day.
const LONGEST_ESCALATION: i32 = 1440;

/// A clinic, as sent.
#[derive(Debug, Serialize)]
struct ClinicView {
    id: Uuid,
    name: String,
    time_zone: String,
    locale: String,
    default_protocol: String,
    quiet_from: DayTime,
    quiet_to: DayTime,
    low_compliance_bp: i32,
    triage_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency_line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_hours_text: Option<String>,
    escalate_clinicians_minutes: i32,
    escalate_administrators_minutes: i32,
    nudge_enabled: bool,
    nudge_below_bp: i32,
    nudge_days: i32,
    nudge_min_tasks: i32,
    require_second_factor: bool,
    retention_years: i32,
    version: i32,
}

impl From<Clinic> for ClinicView {
    fn from(clinic: Clinic) -> Self {
        Self {
            id: clinic.id,
            name: clinic.name,
            time_zone: clinic.time_zone,
            locale: clinic.locale,
            default_protocol: clinic.default_protocol,
            quiet_from: day_time(clinic.quiet_from),
            quiet_to: day_time(clinic.quiet_to),
            low_compliance_bp: clinic.low_compliance_bp,
            triage_enabled: clinic.triage_enabled,
            emergency_line: clinic.emergency_line,
            contact_line: clinic.contact_line,
            out_of_hours_text: clinic.out_of_hours_text,
            escalate_clinicians_minutes: clinic.escalate_clinicians_minutes,
            escalate_administrators_minutes: clinic.escalate_administrators_minutes,
            nudge_enabled: clinic.nudge_enabled,
            nudge_below_bp: clinic.nudge_below_bp,
            nudge_days: clinic.nudge_days,
            nudge_min_tasks: clinic.nudge_min_tasks,
            require_second_factor: clinic.require_second_factor,
            retention_years: clinic.retention_years,
            version: clinic.version,
        }
    }
}

/// The caller's clinic.
pub async fn find_clinic(
    state: web::Data<State>,
    Administrator(caller): Administrator,
) -> Result<HttpResponse, ApiError> {
    let find = async |conn: &mut diesel_async::AsyncPgConnection| {
        Ok::<_, ApiError>(store::find_clinic(conn, caller.clinic_id).await?)
    };
    Ok(answer(state.db.scoped(Scope::Clinic(caller.clinic_id), find).await?))
}

/// What an administrator may change. Absent: as it was; an empty line: no longer there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClinicBody {
    name: Option<String>,
    time_zone: Option<String>,
    locale: Option<String>,
    default_protocol: Option<String>,
    quiet_from: Option<String>,
    quiet_to: Option<String>,
    low_compliance_bp: Option<i32>,
    triage_enabled: Option<bool>,
    emergency_line: Option<String>,
    contact_line: Option<String>,
    out_of_hours_text: Option<String>,
    escalate_clinicians_minutes: Option<i32>,
    escalate_administrators_minutes: Option<i32>,
    nudge_enabled: Option<bool>,
    nudge_below_bp: Option<i32>,
    nudge_days: Option<i32>,
    nudge_min_tasks: Option<i32>,
    require_second_factor: Option<bool>,
    retention_years: Option<i32>,
}

impl ClinicBody {
    /// The clinic as it will be; what is wrong goes to `faults`. `chosen` is what the wanted default protocol stands for.
    fn apply(self, before: Clinic, chosen: Option<&Published>, faults: &mut Faults) -> Clinic {
        let mut after = before;
        if let Some(name) = self.name {
            after.name = faults.text("/name", &name, 1..=200);
        }
        if let Some(zone) = self.time_zone {
            after.time_zone = faults.time_zone("/time_zone", &zone).name().to_owned();
        }
        if let Some(locale) = self.locale {
            after.locale = faults.locale("/locale", &locale);
        }
        if let Some(key) = self.default_protocol {
            if chosen.is_none() {
                faults.push("/default_protocol", "is not the key of a published protocol");
            }
            after.default_protocol = key;
        }
        for (pointer, text, time) in
            [("/quiet_from", self.quiet_from, &mut after.quiet_from), ("/quiet_to", self.quiet_to, &mut after.quiet_to)]
        {
            let parsed = text.and_then(|text| faults.parsed(pointer, text.parse::<DayTime>()));
            match parsed.map(stored_time) {
                None => {}
                Some(Some(parsed)) => *time = parsed,
                Some(None) => faults.push(pointer, "must be between 00:00 and 23:59"),
            }
        }
        if let Some(share) = self.low_compliance_bp {
            if !(0..=10_000).contains(&share) {
                faults.push("/low_compliance_bp", "must be between 0 and 10000 basis points");
            }
            after.low_compliance_bp = share;
        }
        after.triage_enabled = self.triage_enabled.unwrap_or(after.triage_enabled);
        for (pointer, text, most, line) in [
            ("/emergency_line", self.emergency_line, 200, &mut after.emergency_line),
            ("/contact_line", self.contact_line, 200, &mut after.contact_line),
            ("/out_of_hours_text", self.out_of_hours_text, 1000, &mut after.out_of_hours_text),
        ] {
            if let Some(text) = text {
                *line = faults.optional_text(pointer, Some(&text), 1..=most);
            }
        }
        after.require_second_factor = self.require_second_factor.unwrap_or(after.require_second_factor);
        after.nudge_enabled = self.nudge_enabled.unwrap_or(after.nudge_enabled);
        for (pointer, number, range, figure) in [
            ("/nudge_below_bp", self.nudge_below_bp, 1..=10_000, &mut after.nudge_below_bp),
            ("/nudge_days", self.nudge_days, 2..=28, &mut after.nudge_days),
            ("/nudge_min_tasks", self.nudge_min_tasks, 1..=500, &mut after.nudge_min_tasks),
            ("/retention_years", self.retention_years, 1..=30, &mut after.retention_years),
        ] {
            let Some(number) = number else { continue };
            if !range.contains(&number) {
                faults.push(pointer, format!("must be between {} and {}", range.start(), range.end()));
            }
            *figure = number;
        }
        let (clinicians, administrators) = (self.escalate_clinicians_minutes, self.escalate_administrators_minutes);
        escalation(clinicians, administrators, &mut after, faults);
        after
    }
}

/// How long an urgent flag waits for each group. Administrators are not told before clinicians.
fn escalation(clinicians: Option<i32>, administrators: Option<i32>, after: &mut Clinic, faults: &mut Faults) {
    for (pointer, minutes, figure) in [
        ("/escalate_clinicians_minutes", clinicians, &mut after.escalate_clinicians_minutes),
        ("/escalate_administrators_minutes", administrators, &mut after.escalate_administrators_minutes),
    ] {
        let Some(minutes) = minutes else { continue };
        if !(0..=LONGEST_ESCALATION).contains(&minutes) {
            faults.push(pointer, format!("must be between 0 and {LONGEST_ESCALATION} minutes"));
        }
        *figure = minutes;
    }
    if after.escalate_administrators_minutes < after.escalate_clinicians_minutes {
        faults.push("/escalate_administrators_minutes", "must not be less than escalate_clinicians_minutes");
    }
}

/// Edits the clinic. Naming the version that was read is optional.
pub async fn update_clinic(
    state: web::Data<State>,
    Administrator(caller): Administrator,
    if_match: IfMatch,
    body: Body<ClinicBody>,
) -> Result<HttpResponse, ApiError> {
    let body = body.value;
    let clinic_id = caller.clinic_id;
    let (clinic, called_back) = state
        .db
        .scoped(Scope::Clinic(clinic_id), async |conn| {
            let before = store::lock_clinic(conn, clinic_id).await?;
            if_match.check(before.version)?;
            let mut faults = Faults::default();
            let choice = protocols::store::find_choice(conn, clinic_id, body.default_protocol.as_deref()).await?;
            let chosen = state.protocols.chosen(conn, &choice).await?;
            let mut after = body.apply(before.clone(), chosen.as_ref(), &mut faults);
            faults.finish()?;
            if after == before {
                return Ok::<_, ApiError>((before, None));
            }
            after.version += 1;
            store::update_clinic(conn, clinic_id, &after).await?;
            let called_back = consequences::draw(conn, &before, &after, &state.clocks).await?;
            audit::record(conn, &state.clocks, Entry::by(&caller, "clinic.update", "clinic", clinic_id)).await?;
            Ok((after, called_back))
        })
        .await?;
    if let Some((logins, at)) = called_back {
        logins.into_iter().for_each(|login| state.auth.revocations.note(login, at));
    }
    Ok(answer(clinic))
}

fn answer(clinic: Clinic) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(version_header(clinic.version))
        .json(ClinicView::from(clinic))
}
