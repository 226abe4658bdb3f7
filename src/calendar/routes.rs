//! Calendar feeds over HTTP: patients make and revoke them; whoever holds an address reads what it leads to.

use actix_web::HttpResponse;
use actix_web::http::header::{self, ETag};
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::feed::{self, FeedError, MOST_FEEDS};
use super::store::{self, CalendarFeed};
use super::words::Words;
use super::{document, token};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{ClientAddress, PatientCaller};
use crate::body::{Faults, OptionalBody};
use crate::db::{Lock, Scope, enter};
use crate::error::{ApiError, Conflict};
use crate::paging::List;
use crate::preconditions::{IfNoneMatch, computed_tag};

/// Calendars need not be newer than this; programs share nothing of it with anybody.
const CACHING: &str = "private, max-age=900";

impl From<FeedError> for ApiError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::TooMany => Self::conflict(
                Conflict::State,
                format!("There are {MOST_FEEDS} feeds already: revoke one that no calendar reads any more."),
            ),
            FeedError::Random => Self::Internal(error.into()),
            FeedError::Query(error) => error.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct FeedView {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    created_at: DateTime<Utc>,
}

impl FeedView {
    fn new(feed: CalendarFeed, url: Option<String>) -> Self {
        Self { id: feed.id, label: feed.label, url, created_at: feed.created_at }
    }
}

/// The body of [`create_calendar_feed`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateCalendarFeed {
    label: Option<String>,
}

/// `POST /v1/me/calendar-feeds`
pub async fn create_calendar_feed(
    state: Data<State>,
    PatientCaller(caller): PatientCaller,
    body: OptionalBody<CreateCalendarFeed>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let label = faults.optional_text("/label", body.0.label.as_deref(), 1..=60);
    faults.finish()?;
    let patient = caller.patient_id.ok_or(ApiError::NotFound)?;
    let create = async |conn: &mut AsyncPgConnection| {
        Ok::<_, ApiError>(feed::create(conn, &state.clocks, &caller, patient, label.clone()).await?)
    };
    let lock = Lock::Patient(caller.clinic_id, patient);
    let (feed, token) = state.db.scoped_under(Scope::Clinic(caller.clinic_id), lock, create).await?;
    let url = format!("{}/v1/calendar/{token}.ics", state.public_url.trim_end_matches('/'));
    let mut response = HttpResponse::Created();
    Ok(response.insert_header((header::CACHE_CONTROL, "no-store")).json(FeedView::new(feed, Some(url))))
}

/// `GET /v1/me/calendar-feeds`
pub async fn list_calendar_feeds(
    state: Data<State>,
    PatientCaller(caller): PatientCaller,
) -> Result<HttpResponse, ApiError> {
    let patient = caller.patient_id.ok_or(ApiError::NotFound)?;
    let list = async |conn: &mut AsyncPgConnection| {
        Ok::<_, ApiError>(store::list_feeds(conn, caller.clinic_id, patient).await?)
    };
    let feeds = state.db.scoped(Scope::Clinic(caller.clinic_id), list).await?;
    let list = List::whole(feeds.into_iter().map(|feed| FeedView::new(feed, None)).collect());
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

/// `DELETE /v1/me/calendar-feeds/{id}`
pub async fn delete_calendar_feed(
    state: Data<State>,
    PatientCaller(caller): PatientCaller,
    path: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let patient = caller.patient_id.ok_or(ApiError::NotFound)?;
    let revoke = async |conn: &mut AsyncPgConnection| {
        Ok::<_, ApiError>(feed::revoke(conn, &state.clocks, &caller, patient, *path).await?)
    };
    state.db.scoped(Scope::Clinic(caller.clinic_id), revoke).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}

/// `GET /v1/calendar/{token}.ics`. A wrong address costs the asker, a right one only itself, so that a service that reads
/// many people's calendars from one place is served, and one that reads one of them without end is not.
pub async fn read_calendar(
    state: Data<State>,
    path: Path<String>,
    ClientAddress(address): ClientAddress,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let hash = token::parse(&path).ok_or(ApiError::NotFound)?;
    let (throttle, wall) = (&state.auth.throttle, state.clocks.wall.now());
    let account = format!("calendar:{}", Uuid::new_v5(&Uuid::nil(), &hash));
    throttle.pay(&account, address, wall).map_err(|retry_after| ApiError::TooMany { retry_after })?;
    let find = async |conn: &mut AsyncPgConnection| {
        let clinic = store::find_clinic_of_feed(conn, &hash).await?.ok_or(ApiError::NotFound)?;
        enter(conn, Scope::Clinic(clinic)).await?;
        store::find_reader(conn, &hash).await?.ok_or(ApiError::NotFound)
    };
    let reader = state.db.scoped(Scope::Identity, find).await?;
    throttle.refund_address(address);
    // Whoever it is, they hold the address. The entry does not.
    let looked = Entry {
        clinic_id: reader.clinic_id,
        actor_id: None,
        actor_role: "calendar",
        action: "calendar.read",
        subject_kind: "calendar_feed",
        subject_id: reader.feed_id,
        patient_id: Some(reader.patient_id),
    };
    state.reads.note(looked).await?;
    let read = async |conn: &mut AsyncPgConnection| {
        Ok::<_, ApiError>(feed::events(conn, &state.protocols, &reader, state.clocks.care.now()).await?)
    };
    let events = state.db.scoped(Scope::Clinic(reader.clinic_id), read).await?;
    let name = Words::of(&reader.locale).reminder;
    // The stamp is left out of the tag: it is when the file was made, not what it says.
    let render = |stamp| document::render(name, &events, stamp).map_err(ApiError::Internal);
    let tag = computed_tag(&[&render(DateTime::UNIX_EPOCH)?]);
    let file = render(wall)?;
    let mut response = known.not_modified(&tag).unwrap_or_else(|| {
        HttpResponse::Ok()
            .content_type("text/calendar; charset=utf-8")
            .insert_header(ETag(tag))
            .insert_header((header::CONTENT_DISPOSITION, "inline; filename=\"calendar.ics\""))
            .body(file)
    });
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static(CACHING));
    Ok(response)
}
