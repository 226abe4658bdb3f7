//! Entries as bytes: one way to write each, and no two that are written alike. What is sealed is this.

use aws_lc_rs::digest::{Context, SHA256};

use super::store::trail::Line;

/// First byte of everything that is sealed: says how it was written, so that the way may change.
pub const VERSION: u8 = 1;

/// A day's entries in the making, in order.
pub struct Day {
    context: Context,
    entries: i64,
}

impl Default for Day {
    fn default() -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[VERSION]);
        Self { context, entries: 0 }
    }
}

impl Day {
    /// The next entry.
    pub fn push(&mut self, line: &Line) {
        self.context.update(&bytes(line));
        self.entries += 1;
    }

    /// How many there were, and SHA-256 over them.
    pub fn end(self) -> (i64, Vec<u8>) {
        (self.entries, self.context.finish().as_ref().to_vec())
    }
}

/// Every column in the table's order: absent ones as one zero byte, others as a one, their length and what they hold.
fn bytes(line: &Line) -> Vec<u8> {
    // A column that is added later must be sealed too: this does not compile without it.
    let Line {
        at,
        id,
        clinic_id,
        actor_id,
        actor_role,
        action,
        subject_kind,
        subject_id,
        patient_id,
        request_id,
        address,
    } = line;
    let mut bytes = Vec::with_capacity(224);
    let mut put = |column: Option<&[u8]>| match column {
        None => bytes.push(0),
        Some(column) => {
            bytes.push(1);
            bytes.extend_from_slice(&u64::try_from(column.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(column);
        }
    };
    put(Some(&at.timestamp_micros().to_be_bytes()));
    put(Some(id.as_bytes()));
    put(Some(clinic_id.as_bytes()));
    put(actor_id.as_ref().map(|id| id.as_bytes().as_slice()));
    put(Some(actor_role.as_bytes()));
    put(Some(action.as_bytes()));
    put(Some(subject_kind.as_bytes()));
    put(Some(subject_id.as_bytes()));
    put(patient_id.as_ref().map(|id| id.as_bytes().as_slice()));
    put(request_id.as_ref().map(|id| id.as_bytes().as_slice()));
    put(address.as_ref().map(String::as_bytes));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::option;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn ids() -> impl Strategy<Value = Uuid> {
        // Few, so that entries that nearly agree come often.
        (0..3u128).prop_map(Uuid::from_u128)
    }

    fn lines() -> impl Strategy<Value = Line> {
        let texts = || "[a.]{0,2}";
        let times = (0..3i64).prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap());
        let ends = (option::of(ids()), option::of(ids()), option::of(texts()));
        (times, ids(), ids(), option::of(ids()), texts(), texts(), texts(), ids(), ends).prop_map(
            |(at, id, clinic_id, actor_id, actor_role, action, subject_kind, subject_id, ends)| Line {
                at,
                id,
                clinic_id,
                actor_id,
                actor_role,
                action,
                subject_kind,
                subject_id,
                patient_id: ends.0,
                request_id: ends.1,
                address: ends.2,
            },
        )
    }

    fn sealed(lines: &[Line]) -> (i64, Vec<u8>) {
        let mut day = Day::default();
        lines.iter().for_each(|line| day.push(line));
        day.end()
    }

    proptest! {
        #[test]
        fn two_days_are_written_alike_only_if_they_are_alike(
            one in prop::collection::vec(lines(), 0..3),
            other in prop::collection::vec(lines(), 0..3),
        ) {
            let written = |lines: &[Line]| lines.iter().flat_map(bytes).collect::<Vec<u8>>();
            prop_assert_eq!(written(&one) == written(&other), one == other);
            prop_assert_eq!(sealed(&one) == sealed(&other), one == other);
        }

        #[test]
        fn what_stands_in_one_column_is_not_taken_for_another(line in lines()) {
            let moved = Line { action: format!("{}{}", line.actor_role, line.action), actor_role: String::new(), ..line.clone() };
            prop_assert_eq!(bytes(&moved) == bytes(&line), moved == line);
        }
    }
}
