//! How alerting went: figures of a stretch of days, for administrators.

use actix_web::HttpResponse;
use actix_web::web::Data;
use anyhow::Context;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::alerts::statistics::read;
use crate::alerts::store::{AlertLine, AttemptLine, Figures, Window};
use crate::answer::private;
use crate::app::State;
use crate::auth::extract::Administrator;
use crate::body::Faults;
use crate::domain::local_time::{ZoneHistory, day};
use crate::domain::protocol::DayTime;
use crate::error::ApiError;
use crate::query::Query;

/// Days of somebody who does not say which.
const DAYS: i32 = 7;
/// The most days of one answer.
const MOST_DAYS: i64 = 31;
/// How far back attempts are kept, and so the figures of providers are whole.
const KEPT_DAYS: i64 = 90;

/// Query of [`find_alert_statistics`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsQuery {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

impl StatisticsQuery {
    fn read(&self, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), ApiError> {
        let to = self.to.unwrap_or(today).min(today);
        let from = self.from.unwrap_or_else(|| day(to, 1 - DAYS));
        let mut faults = Faults::default();
        if from > to {
            faults.push("from", "must not lie after to, or in the future");
        } else if (to - from).num_days() >= MOST_DAYS {
            faults.push("from", format!("must be one of the {MOST_DAYS} days up to to"));
        }
        if (today - from).num_days() > KEPT_DAYS {
            faults.push("from", format!("must not lie more than {KEPT_DAYS} days back: attempts are kept no longer"));
        }
        faults.finish()?;
        Ok((from, to))
    }
}

#[derive(Debug, Serialize)]
struct Percentiles {
    p50: i64,
    p95: i64,
}

#[derive(Debug, Serialize)]
struct FiguresView {
    owed: i64,
    sent: i64,
    opened: i64,
    failed: i64,
    expired: i64,
    no_device: i64,
    waiting: i64,
    suppressed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness_ms: Option<Percentiles>,
}

impl From<Figures> for FiguresView {
    fn from(figures: Figures) -> Self {
        Self {
            owed: figures.owed,
            sent: figures.sent,
            opened: figures.opened,
            failed: figures.failed,
            expired: figures.expired,
            no_device: figures.no_device,
            waiting: figures.waiting,
            suppressed: figures.suppressed,
            lateness_ms: figures.late_p50_ms.zip(figures.late_p95_ms).map(|(p50, p95)| Percentiles { p50, p95 }),
        }
    }
}

#[derive(Debug, Serialize)]
struct CategoryView {
    category: String,
    figures: FiguresView,
}

#[derive(Debug, Serialize)]
struct HourView {
    starts_at: DateTime<Utc>,
    figures: FiguresView,
}

#[derive(Debug, Serialize)]
struct UnsentView {
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    alerts: i64,
}

#[derive(Debug, Serialize)]
struct OutcomeView {
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    attempts: i64,
}

#[derive(Debug, Serialize)]
struct ProviderView {
    provider: String,
    attempts: i64,
    accepted: i64,
    duration_ms: Percentiles,
    outcomes: Vec<OutcomeView>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct StatisticsView {
    from: NaiveDate,
    to: NaiveDate,
    time_zone: String,
    total: FiguresView,
    categories: Vec<CategoryView>,
    hours: Vec<HourView>,
    unsent: Vec<UnsentView>,
    providers: Vec<ProviderView>,
}

/// `GET /v1/alerts/statistics`
pub async fn find_alert_statistics(
    state: Data<State>,
    Administrator(caller): Administrator,
    query: Query<StatisticsQuery>,
) -> Result<HttpResponse, ApiError> {
    let now = state.clocks.care.now();
    let mut days = None;
    let choose = |zone: &str| {
        let zone: Tz = zone.parse().context("the clinic's time zone is unknown")?;
        let zones = ZoneHistory::fixed(zone);
        let (from, to) = query.read(zones.date(now))?;
        days = Some((from, to));
        Ok::<_, ApiError>(Window {
            clinic_id: caller.clinic_id,
            time_zone: zone.name().to_owned(),
            from: zones.instant_on(from, DayTime::START),
            // What is due later today is not owed yet.
            to: zones.instant_on(to, DayTime::END).min(now + TimeDelta::microseconds(1)),
        })
    };
    let (window, alerts, attempts) = read(&state.db, caller.clinic_id, choose).await?;
    let (from, to) = days.unwrap_or_default();
    Ok(private(HttpResponse::Ok(), &view((from, to), window.time_zone, alerts, attempts)))
}

fn view(
    (from, to): (NaiveDate, NaiveDate),
    time_zone: String,
    alerts: Vec<AlertLine>,
    attempts: Vec<AttemptLine>,
) -> StatisticsView {
    let (mut total, mut categories, mut hours, mut unsent) = (None, Vec::new(), Vec::new(), Vec::new());
    for line in alerts {
        let count = line.figures.failed + line.figures.expired + line.figures.no_device;
        let figures = FiguresView::from(line.figures);
        match (line.grouping, line.category, line.hour, line.state) {
            (0b1111, ..) => total = Some(figures),
            (0b0111, Some(category), ..) => categories.push(CategoryView { category, figures }),
            (0b1011, _, Some(starts_at), _) => hours.push(HourView { starts_at, figures }),
            (0b1100, _, _, Some(state)) if count > 0 => {
                unsent.push(UnsentView { state, reason: line.reason, alerts: count });
            }
            _ => {}
        }
    }
    let mut providers: Vec<ProviderView> = Vec::new();
    for line in attempts {
        let AttemptLine { provider, outcome, reason, attempts, accepted, p50_ms, p95_ms } = line;
        match (outcome, providers.last_mut()) {
            (Some(outcome), Some(last)) if last.provider == provider => {
                last.outcomes.push(OutcomeView { outcome, reason, attempts });
            }
            _ => {
                let duration_ms = Percentiles { p50: p50_ms.into(), p95: p95_ms.into() };
                providers.push(ProviderView { provider, attempts, accepted, duration_ms, outcomes: Vec::new() });
            }
        }
    }
    let total = total.unwrap_or_else(|| Figures::default().into());
    StatisticsView { from, to, time_zone, total, categories, hours, unsent, providers }
}
