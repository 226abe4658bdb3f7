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

/// The id of the alert owed to `recipient` under `dedupe_key`: planning twice names it once. Its first half is the recipient's,
/// so that one person's alerts are neighbours in every index that has them by id, however many people there are; the
/// second half is its own.
pub fn alert_id(clinic: Uuid, recipient: Uuid, dedupe_key: &str) -> Uuid {
    let whose = Uuid::new_v5(&clinic, recipient.as_bytes());
    let own = Uuid::new_v5(&whose, dedupe_key.as_bytes());
    Uuid::new_v8(((whose.as_u128() >> 64 << 64) | (own.as_u128() << 64 >> 64)).to_be_bytes())
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

    #[test]
    fn a_persons_alerts_are_neighbours_and_nobody_elses_are_among_them() {
        let (clinic, person) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let ids = |clinic, person| ["a", "b", "c"].map(|key| alert_id(clinic, person, key));
        let mine = ids(clinic, person);
        assert_eq!(mine, ids(clinic, person));
        assert!(mine.iter().all(|id| id.get_version_num() == 8 && id.as_u128() >> 64 == mine[0].as_u128() >> 64));
        let others = [ids(clinic, Uuid::from_u128(3)), ids(Uuid::from_u128(3), person)].concat();
        for (n, id) in mine.iter().enumerate() {
            assert!(!mine[..n].contains(id) && !others.contains(id));
            assert!(others.iter().all(|other| other.as_u128() >> 64 != id.as_u128() >> 64));
            assert!(others.iter().all(|other| other.as_u128() << 64 != id.as_u128() << 64));
        }
    }
}
