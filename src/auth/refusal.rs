//! Why a login, registration or refresh did not happen, and what the client hears of it.

use chrono::{DateTime, Utc};

use super::password::{self, PasswordError};
use crate::db::DbError;
use crate::error::{ApiError, Conflict};
use crate::planning::PlanningError;

/// Everything that can stand between a person and a session.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Address or password is wrong; which one is not told.
    #[error("wrong credentials")]
    Credentials,
    /// The password is right; a code of the second factor has to come with it.
    #[error("second factor required")]
    SecondFactorRequired,
    /// Everything is right, and the login is about to be deleted: final at this moment.
    #[error("deletion pending")]
    DeletionPending(DateTime<Utc>),
    /// Nobody asked for the login to be deleted.
    #[error("no deletion is pending")]
    NothingToCancel,
    /// Too many wrong ones: so many seconds must pass before the next is looked at.
    #[error("too many tries")]
    Wait(u32),
    /// The new password is made of what others know of the person or the clinic.
    #[error("a password that would be guessed")]
    Guessable,
    /// What a caller sent to show that it is still the login's owner does not; the pointer says which field, and why.
    #[error("not proven")]
    NotProven(&'static str, &'static str),
    /// The login has a second factor already, or none.
    #[error("{0}")]
    SecondFactorState(&'static str),
    /// The refresh token is unknown, expired, ended, or was used by somebody else.
    #[error("the session has ended")]
    SessionEnded,
    /// The login belongs to no clinic any more.
    #[error("no membership")]
    NoClinic,
    /// The code is unknown, used, taken back or expired; the pointer says which field held it.
    #[error("useless code")]
    Code(&'static str),
    /// The invitation is for another address.
    #[error("another address was invited")]
    OtherAddress(&'static str),
    /// A login with this address exists.
    #[error("the address has a login")]
    EmailTaken,
    /// The login is a member of that clinic already.
    #[error("already a member")]
    AlreadyMember,
    /// The record was linked to another login meanwhile.
    #[error("the patient record has a login")]
    PatientLinked,
    /// No hash, no token.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// What the person is owed could not be planned.
    #[error(transparent)]
    Plan(#[from] PlanningError),
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for Refusal {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Credentials => {
                Self::Unauthenticated("The e-mail address, the password or the code is wrong.".into())
            }
            Refusal::SecondFactorRequired => Self::SecondFactorRequired,
            Refusal::DeletionPending(erase_at) => Self::DeletionPending { erase_at },
            Refusal::NothingToCancel => {
                Self::conflict(Conflict::State, "The login is not about to be deleted: log in.")
            }
            Refusal::Wait(retry_after) => Self::TooMany { retry_after },
            Refusal::Guessable => Self::invalid("/password", password::GUESSABLE),
            Refusal::NotProven(pointer, detail) => Self::invalid(pointer, detail),
            Refusal::SecondFactorState(detail) => Self::conflict(Conflict::State, detail),
            Refusal::SessionEnded => Self::Unauthenticated("The session has ended: log in again.".into()),
            Refusal::NoClinic => Self::Forbidden("This login belongs to no clinic: accept an invitation.".into()),
            Refusal::Code(pointer) => {
                Self::invalid(pointer, "is unknown, used or expired: ask the clinic for a new one")
            }
            Refusal::OtherAddress(pointer) => Self::invalid(pointer, "is not the address that was invited"),
            Refusal::EmailTaken => Self::conflict(Conflict::EmailTaken, "Log in and accept the invitation instead."),
            Refusal::AlreadyMember => Self::conflict(Conflict::State, "You are a member of this clinic already."),
            Refusal::PatientLinked => Self::conflict(Conflict::State, "This patient record has a login already."),
            Refusal::Password(error @ PasswordError::Busy) => Self::Unavailable(error.to_string()),
            Refusal::Password(error @ PasswordError::Broken(_)) => Self::Internal(error.into()),
            Refusal::Db(error) => error.into(),
            Refusal::Plan(PlanningError::Db(error)) => error.into(),
            Refusal::Plan(error) => Self::Internal(error.into()),
            Refusal::Internal(error) => Self::Internal(error),
        }
    }
}
