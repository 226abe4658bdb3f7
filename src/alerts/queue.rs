//! The only writer of alert states. Every statement that moves an alert stands in this module, one file per verb:
//! plan, claim, settle, rescue and so on. Time is a parameter; leases alone use the database's clock.
//!
//! ```text
//! scheduled -> sending -> sent | failed | expired | no_device | scheduled (retry)
//! scheduled -> cancelled | suppressed | merged | expired | failed | sent (found too old or tried too often by a claim)
//! ```

mod attempts;
mod call_off;
mod cancel;
mod claim;
mod entries;
mod forgo;
mod open;
mod owed;
mod plan;
mod recall;
mod replay;
mod rescue;
mod revive;
mod settle;
mod withdraw;

pub use attempts::AttemptRow;
pub use call_off::call_off;
pub use cancel::cancel_seen;
pub use claim::{Claim, Claimed, claim_due, in_flight, next_due, queue_depth};
pub use entries::{Swept, count_lost, restore_lost, sweep_page};
pub use forgo::forgo;
pub use open::mark_opened;
pub use owed::{Owed, PlannedState, Recipient, RecipientKind};
pub use plan::{enqueue, replace_plan};
pub use recall::recall;
pub use replay::{Replay, replay};
pub use rescue::{AHEAD, Look, look, register_worker, rescue};
pub use revive::revive_for_user;
pub use settle::{Batch, Settled, Settlement, release, settle};
pub use withdraw::withdraw;

/// Channel on which a worker hears of alerts due before it would look by itself.
pub const WAKE_CHANNEL: &str = "mendline_alerts";
