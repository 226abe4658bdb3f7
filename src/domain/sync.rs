//! Whether what an app has kept can be brought up to date by what has changed since. What changed is the database's affair.

use super::words::word_enum;

word_enum! {
    /// What a patient's app keeps.
    pub enum SyncKind {
        /// A treatment.
        Treatment = "treatment",
        /// An entry about a task.
        Outcome = "outcome",
        /// A check-in, with how far the clinic is with it.
        CheckIn = "check_in",
        /// What the clinic excused.
        Excuse = "excuse",
        /// An appointment.
        Appointment = "appointment",
        /// A course.
        Course = "course",
        /// What the person wants to be told.
        NotificationPreferences = "notification_preferences",
    }
}

/// How far a patient's changes have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The number of the latest.
    pub commits: i64,
    /// What went with this number or an earlier one may be forgotten.
    pub forgotten_to: i64,
}

/// How far somebody has read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// All that has a smaller number was read.
    pub commit_no: i64,
    /// How much was forgotten by then.
    pub forgotten_to: i64,
}

impl Log {
    /// Whether somebody who has read so far can go on. Not if something may have gone meanwhile that nobody knows of any
    /// more, and not if it was read in a time that this log has not seen.
    pub const fn goes_on_from(&self, read: &Read) -> bool {
        let nothing_forgotten = read.forgotten_to == self.forgotten_to || read.commit_no > self.forgotten_to;
        read.commit_no <= self.commits + 1 && read.forgotten_to <= self.forgotten_to && nothing_forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_has_missed_what_is_forgotten_must_begin_anew() {
        let log = Log { commits: 10, forgotten_to: 4 };
        for (commit_no, forgotten_to, goes_on) in [
            (11, 0, true),
            (5, 0, true),
            (4, 0, false),
            (0, 0, false),
            // Began after it was forgotten, and has not come far yet.
            (0, 4, true),
            (4, 4, true),
            // A log that went on from here was lost.
            (12, 4, false),
            (10, 5, false),
        ] {
            assert_eq!(log.goes_on_from(&Read { commit_no, forgotten_to }), goes_on, "{commit_no} {forgotten_to}");
        }
    }

    proptest! {
        /// Whoever goes on has read of everything that went, or began after it was forgotten.
        #[test]
        fn nothing_goes_unnoticed(
            began in 0..20i64, steps in 0..20i64, went in 1..40i64, more in 0..20i64, forget in any::<bool>(),
        ) {
            let read = Read { commit_no: began + steps, forgotten_to: 0 };
            let commits = read.commit_no.max(went) + more;
            let log = Log { commits, forgotten_to: if forget { went } else { 0 } };
            let seen = went < read.commit_no;
            prop_assert!(!log.goes_on_from(&read) || seen || !forget);
        }
    }
}
