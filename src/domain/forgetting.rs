//! Room in a bounded memory of who has spent what. Whoever makes up addresses or accounts fills it; that must not make anybody's
//! own debts forgotten, the inventor's least of all.

use std::collections::HashMap;

/// Makes room by a quarter: those go who have all of theirs again soonest, since somebody unknown has as much. Who has spent most
/// is remembered longest.
pub fn forget_a_quarter<K, V, S, T: Ord + Copy>(accounts: &mut HashMap<K, V, S>, until_full: impl Fn(&V) -> T) {
    let mut all: Vec<T> = accounts.values().map(&until_full).collect();
    let quarter = all.len() / 4;
    if quarter < all.len() {
        let last = *all.select_nth_unstable(quarter).1;
        accounts.retain(|_, account| until_full(account) > last);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quarter_goes_and_nobody_who_has_spent_more_than_one_who_stays(
            spent in proptest::collection::vec(0u8..50, 0..200),
        ) {
            let mut accounts: HashMap<usize, u8> = spent.iter().copied().enumerate().collect();
            forget_a_quarter(&mut accounts, |spent| *spent);
            let gone: Vec<u8> = (0..spent.len()).filter(|who| !accounts.contains_key(who)).map(|who| spent[who]).collect();
            prop_assert!(gone.len() * 4 >= spent.len());
            if let (Some(most), Some(least)) = (gone.iter().max(), accounts.values().min()) {
                prop_assert!(most < least);
            }
        }
    }
}
