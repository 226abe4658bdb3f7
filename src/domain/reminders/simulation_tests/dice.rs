//! Chance with a seed (splitmix64), so that a run can be repeated.

pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to less than `bound`.
    pub(super) fn below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.next() % bound.max(1)).unwrap()
    }

    /// A minute of so many days.
    pub(super) fn minutes(&mut self, days: i64) -> i64 {
        self.below(u64::try_from(days).unwrap() * 24 * 60)
    }

    /// True in `percent` of all cases.
    pub(super) fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < i64::try_from(percent).unwrap()
    }

    pub(super) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.below(u64::try_from(choices.len()).unwrap())).unwrap()]
    }
}
