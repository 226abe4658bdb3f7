//! The last answers about addresses: how many were good, how many bad.

/// The last 64 answers, newest in the lowest bit; a bad one is a one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Window {
    bits: u64,
    seen: u32,
}

impl Window {
    /// How many answers are remembered.
    pub(super) const SIZE: u32 = u64::BITS;

    /// So many messages were accepted.
    pub(super) fn good(&mut self, answers: u64) {
        let answers = u32::try_from(answers).unwrap_or(Self::SIZE).min(Self::SIZE);
        self.bits = self.bits.checked_shl(answers).unwrap_or(0);
        self.seen = (self.seen + answers).min(Self::SIZE);
    }

    /// An address was called wrong or dead.
    pub(super) fn bad(&mut self) {
        self.bits = self.bits << 1 | 1;
        self.seen = (self.seen + 1).min(Self::SIZE);
    }

    /// How many bad ones there are.
    pub(super) fn count_bad(self) -> u32 {
        self.bits.count_ones()
    }

    /// How many good ones there are.
    pub(super) fn count_good(self) -> u32 {
        self.seen - self.count_bad()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_sixty_four_answers_count() {
        let mut window = Window::default();
        for _ in 0..10 {
            window.bad();
        }
        window.good(54);
        assert_eq!((window.count_bad(), window.count_good()), (10, 54));
        window.good(9);
        assert_eq!((window.count_bad(), window.count_good()), (1, 63));
        window.good(1_000_000);
        assert_eq!((window.count_bad(), window.count_good()), (0, 64));
    }
}
