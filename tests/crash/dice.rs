//! Chance that can be repeated: SplitMix64, as its author published it. The same seed throws the same, on every machine.

/// Throws, each depending on the one before.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        least + i64::try_from(self.throw() % u64::try_from(most - least + 1).unwrap()).unwrap()
    }

    /// True this often in a hundred times.
    pub fn percent(&mut self, chance: i64) -> bool {
        self.between(1, 100) <= chance
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.between(0, i64::try_from(length).unwrap() - 1)).unwrap()
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub fn uuid(&mut self) -> uuid::Uuid {
        let bits = (u128::from(self.throw()) << 64) | u128::from(self.throw());
        uuid::Builder::from_u128(bits).with_version(uuid::Version::Random).into_uuid()
    }
}
