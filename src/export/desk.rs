//! Who is being served, from the first question to the last piece that is sent: one archive at a time for each, and a few on
//! each node. An archive takes many statements, and lies in memory until it is taken.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// So many at once on one node: slow readers hold no more than so many archives in memory.
const MOST: usize = 4;

/// Keeps the turns. Cheap to clone; all clones share them.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<Mutex<HashSet<Uuid>>>);

/// Somebody's turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    desk: Desk,
    whose: Uuid,
}

/// Why somebody has to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// An archive is being made for, or sent to, the same person.
    Oneself,
    /// As many as can be are others'.
    Others,
}

impl Desk {
    /// Takes a turn for a login.
    pub fn take(&self, whose: Uuid) -> Result<Turn, Busy> {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if served.contains(&whose) {
            return Err(Busy::Oneself);
        }
        if served.len() >= MOST {
            return Err(Busy::Others);
        }
        served.insert(whose);
        Ok(Turn { desk: self.clone(), whose })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.desk.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.whose);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_turn_at_a_time_and_there_are_a_few() {
        let desk = Desk::default();
        let [ada, eve] = [1000, 1001].map(Uuid::from_u128);
        let first = desk.take(ada).unwrap();
        assert_eq!(desk.take(ada).unwrap_err(), Busy::Oneself);
        let others: Vec<Turn> = (1..MOST).map(|n| desk.clone().take(Uuid::from_u128(n as u128)).unwrap()).collect();
        assert_eq!(desk.take(eve).unwrap_err(), Busy::Others);
        drop(first);
        let last = desk.take(eve).unwrap();
        assert_eq!(desk.take(ada).unwrap_err(), Busy::Others);
        drop((others, last));
        desk.take(ada).unwrap();
    }
}
