//! Why a treatment is not registered or changed.

use crate::db::DbError;
use crate::domain::overrides::Unfit;
use crate::idempotency::IdempotencyError;
use crate::planning::{PlanningError, through_planning};
use crate::protocols::CatalogueError;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum TreatmentError {
    /// The id is another treatment's.
    #[error("the id is taken")]
    IdTaken,
    /// The patient already has one of this area within a day.
    #[error("duplicate")]
    Duplicate,
    /// The clinic has confirmed it, so the patient's app may not change it.
    #[error("confirmed by the clinic")]
    Confirmed,
    /// It was completed or cancelled.
    #[error("the treatment has ended")]
    Ended,
    /// The caller saw another version.
    #[error("the treatment has changed")]
    Changed,
    /// A value does not fit what is there.
    #[error("{pointer}: {detail}")]
    Invalid {
        /// JSON pointer.
        pointer: &'static str,
        /// What is wrong.
        detail: &'static str,
    },
    /// A change of an item does not fit the plan.
    #[error("the change does not fit the plan")]
    Unfit(Vec<Unfit>),
    /// The patient has as many as anybody may have.
    #[error("too many treatments")]
    TooMany,
    /// What it follows was changed as often as it may be.
    #[error("changed too often")]
    TooManyChanges,
    /// The idempotency key.
    #[error(transparent)]
    Key(#[from] IdempotencyError),
    /// There is no such treatment or patient, it is not the caller's, or it cannot be planned.
    #[error(transparent)]
    Planning(#[from] PlanningError),
}

through_planning!(TreatmentError: diesel::result::Error, DbError, CatalogueError);
