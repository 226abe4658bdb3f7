//! Erasing what is due: logins that can no longer be brought back, records that no clinic has to keep any more,
//! clinics that were closed.

use super::Parts;
use crate::clinics::removal;
use crate::erasure;

/// Erases and purges all that is due. What fails is told of and tried again the next time.
pub(super) async fn run(parts: &Parts) {
    for (what, done) in [
        ("logins", erasure::erase_due(&parts.db, &parts.clocks, &parts.journal).await),
        ("records", erasure::purge_due(&parts.db, &parts.clocks, &parts.journal).await),
    ] {
        match done {
            Ok(0) => {}
            Ok(erased) => tracing::info!(what, erased, "erased: their time was over"),
            Err(error) => tracing::warn!(%error, what, "what is due to be erased could not be read; again in an hour"),
        }
    }
    match removal::erase_due(&parts.db, &parts.clocks, &parts.journal).await {
        Ok(0) => {}
        Ok(erased) => tracing::info!(erased, "clinics erased: their time was over"),
        Err(error) => tracing::warn!(%error, "a clinic that is due could not be erased; again in an hour"),
    }
}
