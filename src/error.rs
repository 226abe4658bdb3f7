//! The one door through which an error reaches a client: RFC 9457 problems, and the only place that knows which HTTP
//! status an error has. Causes are logged here, once, and never sent.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::auth::keys::KeyError;
use crate::db::DbError;
use crate::planning::PlanningError;
use crate::protocols::CatalogueError;
use crate::telemetry;

/// Media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One thing that is wrong with a request, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer into the body, or the name of a parameter or header.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// A conflict with what is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The client chose an id that belongs to somebody else.
    IdTaken,
    /// A login with this e-mail exists.
    EmailTaken,
    /// The patient already has a treatment of this area within a day.
    DuplicateTreatment,
    /// The same request is being worked on.
    InFlight,
    /// The patient has left: the record is kept and read-only.
    Detached,
    /// The thing is in a state in which this cannot be done.
    State,
}

/// Everything a request can be refused for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request cannot be understood.
    #[error("malformed request: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
        /// Where, if that is known.
        errors: Vec<FieldError>,
    },
    /// Nobody in particular is asking.
    #[error("unauthenticated: {0}")]
    Unauthenticated(Cow<'static, str>),
    /// The password is right, and does not do alone.
    #[error("second factor required")]
    SecondFactorRequired,
    /// The login's deletion was asked for and can still be taken back.
    #[error("deletion pending")]
    DeletionPending {
        /// When it is final.
        erase_at: DateTime<Utc>,
    },
    /// The caller may not do this.
    #[error("forbidden: {0}")]
    Forbidden(Cow<'static, str>),
    /// The clinic wants a second factor of its staff that the caller has not set up.
    #[error("second factor missing")]
    SecondFactorMissing,
    /// There is no such thing, or it is somebody else's.
    #[error("not found")]
    NotFound,
    /// The resource exists but does not do that.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// What it does.
        allow: String,
    },
    /// What is there stands against it.
    #[error("conflict: {detail}")]
    Conflict {
        /// Which kind.
        kind: Conflict,
        /// What stands against it.
        detail: Cow<'static, str>,
    },
    /// The resource changed since the client read it.
    #[error("precondition failed")]
    PreconditionFailed,
    /// An edit needs `If-Match`.
    #[error("precondition required")]
    PreconditionRequired,
    /// What the client has kept cannot be brought up to date by what has changed since: it must be read anew.
    #[error("resync required")]
    ResyncRequired,
    /// The body is too large.
    #[error("payload too large")]
    PayloadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body did not arrive in time.
    #[error("request timeout")]
    RequestTimeout,
    /// The body is not of the media type that the operation takes, which this is.
    #[error("unsupported media type")]
    UnsupportedMediaType(&'static str),
    /// Values are wrong: all of them at once.
    #[error("{} invalid values", .0.len())]
    Invalid(Vec<FieldError>),
    /// The idempotency key was used for another request.
    #[error("idempotency key reused")]
    IdempotencyMismatch,
    /// Too many requests.
    #[error("too many requests")]
    TooMany {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// The server cannot answer just now.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Our fault.
    #[error("internal: {0:#}")]
    Internal(anyhow::Error),
}

/// The body of every error.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: Cow<'a, str>,
    instance: String,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    erase_at: Option<DateTime<Utc>>,
}

/// What is wrong with one entry of a batch whose other entries go through.
#[derive(Debug, Serialize)]
pub struct EntryProblem {
    r#type: String,
    title: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// Seconds after which a client may ask again when the server could not answer.
const RETRY_AFTER_SECONDS: u32 = 5;

impl ApiError {
    /// A value that is wrong, alone.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// A part of a body that does not have the shape it should have.
    pub fn misshapen(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Malformed {
            detail: "the body does not have the expected shape".to_owned(),
            errors: vec![FieldError { pointer: pointer.into(), detail: detail.into() }],
        }
    }

    /// A conflict of this kind.
    pub fn conflict(kind: Conflict, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict { kind, detail: detail.into() }
    }

    /// The record of a patient who has erased the login behind it.
    pub fn detached() -> Self {
        Self::conflict(
            Conflict::Detached,
            "The patient has left: the record is kept as it was, and nothing is added to it.",
        )
    }

    /// Slug and title: what the problem's `type` is made of. The slugs are listed in `openapi.yaml`.
    fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed { .. } => ("malformed", "The request cannot be understood"),
            Self::Unauthenticated(_) => ("unauthenticated", "Authentication is required"),
            Self::SecondFactorRequired => ("second_factor_required", "A code of the second factor is required"),
            Self::DeletionPending { .. } => ("deletion_pending", "The login is about to be deleted"),
            Self::Forbidden(_) => ("forbidden", "This is not permitted to you"),
            Self::SecondFactorMissing => ("second_factor_missing", "A second factor must be set up first"),
            Self::NotFound => ("not_found", "There is no such resource"),
            Self::MethodNotAllowed { .. } => ("method_not_allowed", "The resource does not support this method"),
            Self::Conflict { kind: Conflict::IdTaken, .. } => ("id_taken", "The id is in use"),
            Self::Conflict { kind: Conflict::EmailTaken, .. } => ("email_taken", "The e-mail address is in use"),
            Self::Conflict { kind: Conflict::DuplicateTreatment, .. } => {
                ("duplicate_treatment", "Such a treatment is already recorded")
            }
            Self::Conflict { kind: Conflict::InFlight, .. } => ("in_flight", "The same request is being worked on"),
            Self::Conflict { kind: Conflict::Detached, .. } => ("record_detached", "The record is read-only"),
            Self::Conflict { kind: Conflict::State, .. } => ("conflict", "The resource is not in a state for this"),
            Self::PreconditionFailed => ("precondition_failed", "The resource has changed"),
            Self::PreconditionRequired => ("precondition_required", "If-Match is required"),
            Self::ResyncRequired => ("resync_required", "What was kept must be read anew"),
            Self::PayloadTooLarge { .. } => ("payload_too_large", "The body is too large"),
            Self::RequestTimeout => ("request_timeout", "The body did not arrive in time"),
            Self::UnsupportedMediaType(_) => ("unsupported_media_type", "The body is of another media type"),
            Self::Invalid(_) => ("invalid", "Some values are not acceptable"),
            Self::IdempotencyMismatch => ("idempotency_mismatch", "The idempotency key was used for another request"),
            Self::TooMany { .. } => ("too_many_requests", "Too many requests"),
            Self::Unavailable(_) => ("unavailable", "The server cannot answer just now"),
            Self::Internal(_) => ("internal", "Something went wrong on our side"),
        }
    }

    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::Malformed { detail, .. } => Cow::Borrowed(detail),
            Self::Unauthenticated(detail) | Self::Forbidden(detail) => Cow::Borrowed(detail.as_ref()),
            Self::Conflict { detail, .. } => Cow::Borrowed(detail.as_ref()),
            Self::SecondFactorRequired => "Send the same request again, with code.".into(),
            Self::DeletionPending { erase_at } => {
                let erase_at = erase_at.to_rfc3339_opts(SecondsFormat::Secs, true);
                format!("Its deletion is final at {erase_at}; until then it can be taken back.").into()
            }
            Self::SecondFactorMissing => {
                "The clinic asks staff for a second factor: set one up, then refresh the token.".into()
            }
            Self::NotFound => "Nothing is there, or it is not yours.".into(),
            Self::MethodNotAllowed { allow } => format!("Use {allow}.").into(),
            Self::PreconditionFailed => "Read it again and repeat the edit on what is there now.".into(),
            Self::PreconditionRequired => "Send the ETag you read in If-Match.".into(),
            Self::ResyncRequired => {
                "Forget what was kept, keep what was not sent yet, and begin without a cursor.".into()
            }
            Self::PayloadTooLarge { limit } => format!("At most {limit} bytes.").into(),
            Self::RequestTimeout => "Send the request again.".into(),
            Self::UnsupportedMediaType(wanted) => format!("Send Content-Type: {wanted}.").into(),
            Self::Invalid(errors) => format!("{} to correct, see errors.", errors.len()).into(),
            Self::IdempotencyMismatch => "Use a fresh Idempotency-Key for a different request.".into(),
            Self::TooMany { retry_after } => format!("Try again in {retry_after} seconds.").into(),
            Self::Unavailable(_) => "Try again in a few seconds.".into(),
            Self::Internal(_) => "The failure was recorded under the id in instance.".into(),
        }
    }

    /// The same problem for one entry of a batch.
    pub fn of_entry(&self) -> EntryProblem {
        let (slug, title) = self.name();
        EntryProblem {
            r#type: format!("urn:problem:mendline:{slug}"),
            title,
            detail: self.detail().into_owned(),
            errors: self.errors().to_vec(),
        }
    }

    fn errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) | Self::Malformed { errors, .. } => errors,
            _ => &[],
        }
    }

    fn log(&self) {
        match self {
            Self::Internal(cause) => {
                tracing::error!(request.id = %telemetry::request_id(), error = ?cause, "request failed")
            }
            Self::Unavailable(cause) => {
                tracing::warn!(request.id = %telemetry::request_id(), error = %cause, "request could not be answered");
            }
            _ => {}
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Malformed { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) | Self::SecondFactorRequired => StatusCode::UNAUTHORIZED,
            Self::DeletionPending { .. } | Self::Forbidden(_) | Self::SecondFactorMissing => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::ResyncRequired => StatusCode::GONE,
            Self::PayloadTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) | Self::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let (slug, title) = self.name();
        let problem = Problem {
            r#type: format!("urn:problem:mendline:{slug}"),
            title,
            status: self.status_code().as_u16(),
            detail: self.detail(),
            instance: format!("urn:uuid:{}", telemetry::request_id()),
            errors: self.errors(),
            erase_at: if let Self::DeletionPending { erase_at } = self { Some(*erase_at) } else { None },
        };
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON)).insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            Self::Unauthenticated(_) | Self::SecondFactorRequired => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            Self::MethodNotAllowed { allow } => {
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    response.insert_header((header::ALLOW, allow));
                }
            }
            Self::TooMany { retry_after } => {
                response.insert_header((header::RETRY_AFTER, retry_after.to_string()));
            }
            Self::Unavailable(_) => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string()));
            }
            _ => {}
        }
        response.body(serde_json::to_vec(&problem).unwrap_or_default())
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(cause) => Self::Unavailable(cause),
            DbError::Query(error) => error.into(),
        }
    }
}

/// A missing row is a missing resource; a lost connection, a timeout or a deadlock asks to come again; a unique key that
/// nobody translated, and everything else, is our fault.
impl From<diesel::result::Error> for ApiError {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error};
        match error {
            Error::NotFound => Self::NotFound,
            Error::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure,
                info,
            ) => Self::Unavailable(info.message().to_owned()),
            Error::BrokenTransactionManager => Self::Unavailable("connection lost".to_owned()),
            Error::DatabaseError(_, ref info) if is_passing(info.message()) => {
                Self::Unavailable(info.message().to_owned())
            }
            other => Self::Internal(other.into()),
        }
    }
}

/// What Postgres says when it is being restarted or has cancelled a statement; diesel has no kind for these.
fn is_passing(message: &str) -> bool {
    [
        "terminating connection",
        "the database system is",
        "deadlock detected",
        "canceling statement",
        "connection closed",
    ]
    .iter()
    .any(|passing| message.contains(passing))
}

/// A plan is of somebody: without the person there is nothing to plan.
impl From<PlanningError> for ApiError {
    fn from(error: PlanningError) -> Self {
        match error {
            PlanningError::NotFound => Self::NotFound,
            PlanningError::Detached => Self::detached(),
            PlanningError::Db(error) | PlanningError::Protocol(CatalogueError::Db(error)) => error.into(),
            PlanningError::Protocol(error) => Self::Internal(error.into()),
            PlanningError::Record(error) => Self::Internal(error),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}
