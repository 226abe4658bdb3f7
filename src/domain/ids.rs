//! Names that are computed, not drawn: the same inputs always give the same id.
//! Ids that must be fresh come from `clock.rs`, which alone may ask for the time.

use uuid::Uuid;

/// Namespace of every name-based id of this product.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d65_6e64_6c69_4e65_8000_0000_0000_0001);

/// The id of one occurrence of a routine. It holds no instant, zone or protocol version, so that a replan keeps it
/// and a tick-off made offline still finds its task.
pub fn task_id(treatment: Uuid, item_key: &str, day_index: i32, seq: i32) -> Uuid {
    Uuid::new_v5(&treatment, format!("{item_key}\u{1f}{day_index}\u{1f}{seq}").as_bytes())
}

/// The id under which one alert is handed to one device, however often it is tried.
pub fn delivery_id(alert: Uuid, device: Uuid) -> Uuid {
    Uuid::new_v5(&alert, device.as_bytes())
}

/// The id of a treatment's entry in a calendar: it stays where the entry moves, and does not say what it is about.
pub fn calendar_entry_id(treatment: Uuid, name: &str) -> Uuid {
    Uuid::new_v5(&treatment, format!("calendar\u{1f}{name}").as_bytes())
}

/// The id of a built-in protocol version: the same on every installation.
pub fn builtin_version_id(key: &str, version: i32) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("protocol\u{1f}{key}\u{1f}{version}").as_bytes())
}

/// The id of the alert owed to `recipient` under `dedupe_key`: planning twice names it once.
pub fn alert_id(clinic: Uuid, recipient: Uuid, dedupe_key: &str) -> Uuid {
    let scope = Uuid::new_v5(&clinic, recipient.as_bytes());
    Uuid::new_v5(&scope, dedupe_key.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_task_id_cannot_run_into_each_other() {
        let treatment = Uuid::from_u128(7);
        assert_ne!(task_id(treatment, "wash", 1, 12), task_id(treatment, "wash1", 1, 2));
        assert_ne!(task_id(treatment, "wash", 1, 12), task_id(treatment, "wash", 11, 2));
        assert_eq!(task_id(treatment, "wash", 1, 12), task_id(treatment, "wash", 1, 12));
    }
}
