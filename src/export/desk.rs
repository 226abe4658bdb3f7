//! Who is being served: one archive at a time for each, and a few on each node. An archive takes memory and many statements.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// So many at once on one node.
const MOST: usize = 2;

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
    /// An archive is being made for the same person.
    Oneself,
    /// As many as can be are being made for others.
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
    fn each_has_one_turn_at_a_time_and_there_are_two() {
        let desk = Desk::default();
        let [ada, bob, eve] = [1, 2, 3].map(Uuid::from_u128);
        let first = desk.take(ada).unwrap();
        assert_eq!(desk.take(ada).unwrap_err(), Busy::Oneself);
        let second = desk.clone().take(bob).unwrap();
        assert_eq!(desk.take(eve).unwrap_err(), Busy::Others);
        drop(first);
        let third = desk.take(eve).unwrap();
        assert_eq!(desk.take(ada).unwrap_err(), Busy::Others);
        drop((second, third));
        desk.take(ada).unwrap();
    }
}
