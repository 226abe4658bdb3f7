//! What is said to patients beside a protocol's advice: plain, kind, never a diagnosis, never a promise that somebody
//! watches.

use crate::domain::protocol::PlainText;

/// Key of the advice that is given where the clinic has switched triage off.
pub(super) const TRIAGE_OFF: &str = "triage_off";

/// The advice where nothing is judged.
pub(super) fn triage_off() -> PlainText {
    PlainText {
        title: "Saved for your clinic".to_owned(),
        body: Some(
            "Your clinic reads check-ins itself; this app has not judged yours, and nobody watches it around the clock. \
             If you are worried, call your clinic. Trouble breathing, or lips or eyes swelling: call emergency services now."
                .to_owned(),
        ),
    }
}
