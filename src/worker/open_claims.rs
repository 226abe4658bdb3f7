//! Claims of which results are still to come: who settles the last one forgets the claim.

use std::collections::HashMap;

use uuid::Uuid;

/// How many results are to come, by claim.
#[derive(Debug, Default)]
pub(super) struct OpenClaims(HashMap<Uuid, usize>);

impl OpenClaims {
    /// `alerts` results will come of this claim.
    pub(super) fn begin(&mut self, claim: Uuid, alerts: usize) {
        self.0.insert(claim, alerts);
    }

    /// Results of these claims have come, one each; returns the claims that nothing more will come of.
    pub(super) fn end(&mut self, claims: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
        let mut over = Vec::new();
        for claim in claims {
            if let Some(left) = self.0.get_mut(&claim) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.0.remove(&claim);
                    over.push(claim);
                }
            }
        }
        over
    }

    /// Results of these claims are lost: somebody else will look for what they left, so nobody forgets them.
    pub(super) fn abandon(&mut self, claims: &[Uuid]) {
        for claim in claims {
            self.0.remove(claim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_over_with_its_last_result_and_once() {
        let (one, other, unknown) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let mut open = OpenClaims::default();
        open.begin(one, 2);
        open.begin(other, 1);
        assert!(open.end([one, unknown].into_iter()).is_empty());
        assert_eq!(open.end([other, one].into_iter()), [other, one]);
        assert!(open.end([one, other].into_iter()).is_empty());
    }

    #[test]
    fn a_claim_that_lost_a_result_is_never_over() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut open = OpenClaims::default();
        open.begin(one, 2);
        open.begin(other, 1);
        assert!(open.end([one].into_iter()).is_empty());
        open.abandon(&[one]);
        assert_eq!(open.end([one, other].into_iter()), [other]);
    }
}
