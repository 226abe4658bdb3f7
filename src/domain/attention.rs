//! Why a clinician should look at a patient, the most pressing reason first.

use super::words::word_enum;

word_enum! {
    /// A reason to look, in order of urgency.
    pub enum Attention {
        /// An urgent flag is not resolved.
        UrgentFlag = "urgent_flag",
        /// Another flag is not resolved.
        OpenFlag = "open_flag",
        /// Tasks have closed and nothing was ever heard.
        NoReports = "no_reports",
        /// Staff were told that little is done, and nobody has seen it.
        Nudged = "nudged",
        /// Less is done than the clinic asks for.
        LowCompliance = "low_compliance",
        /// The invitation was not accepted.
        NotRegistered = "not_registered",
        /// No phone can be reached.
        PushOff = "push_off",
    }
}

/// What is known of a patient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// A flag of level urgent or above is not resolved.
    pub urgent_flag: bool,
    /// Any flag is not resolved.
    pub open_flag: bool,
    /// Staff were told that little is done, and nobody has seen it.
    pub nudged: bool,
    /// The invitation was accepted.
    pub registered: bool,
    /// A phone can be reached.
    pub reachable: bool,
    /// There is a treatment under way.
    pub running: bool,
    /// Anything was ever heard about the treatment.
    pub reported: bool,
    /// Weight of what has closed of it.
    pub closed_w: i64,
    /// Share done at all.
    pub completion_bp: Option<i64>,
    /// The share below which the clinic worries.
    pub low_bp: i64,
}

impl Signs {
    /// The reasons to look, the most pressing first.
    pub fn reasons(&self) -> Vec<Attention> {
        let low = self.completion_bp.is_some_and(|share| share < self.low_bp);
        let silent = self.registered && !self.reported && self.closed_w > 0;
        [
            (Attention::UrgentFlag, self.urgent_flag),
            (Attention::OpenFlag, self.open_flag && !self.urgent_flag),
            (Attention::NoReports, self.running && silent),
            (Attention::Nudged, self.nudged),
            (Attention::LowCompliance, self.running && self.reported && low),
            (Attention::NotRegistered, !self.registered),
            (Attention::PushOff, self.registered && !self.reachable),
        ]
        .into_iter()
        .filter_map(|(reason, holds)| holds.then_some(reason))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_low_compliance_and_a_stranger_is_not_silent() {
        let well = Signs {
            registered: true,
            reachable: true,
            running: true,
            reported: true,
            low_bp: 7000,
            ..Signs::default()
        };
        assert_eq!(well.reasons(), []);
        let silent = Signs { reported: false, closed_w: 9, ..well };
        assert_eq!(silent.reasons(), [Attention::NoReports]);
        assert_eq!(Signs { closed_w: 0, ..silent }.reasons(), []);
        assert_eq!(Signs { completion_bp: Some(6999), ..well }.reasons(), [Attention::LowCompliance]);
        assert_eq!(Signs { completion_bp: Some(7000), ..well }.reasons(), []);
        let stranger = Signs { registered: false, reachable: false, ..silent };
        assert_eq!(stranger.reasons(), [Attention::NotRegistered]);
        let urgent = Signs { urgent_flag: true, open_flag: true, reachable: false, ..well };
        assert_eq!(urgent.reasons(), [Attention::UrgentFlag, Attention::PushOff]);
    }
}
