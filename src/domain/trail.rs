//! What an entry of the audit trail means to the person whose record it is about: whether somebody looked or changed
//! something, and at which part of the record. Entries say what was done as `<resource>.<verb>`.

use super::words::word_enum;

/// Verbs of entries that tell of a look; all others tell of a change.
pub const LOOKS: [&str; 3] = ["read", "download", "explain"];

word_enum! {
    /// What somebody did.
    pub enum Deed {
        /// Nothing is different for it.
        Looked = "looked",
        /// Something is.
        Changed = "changed",
    }
}

word_enum! {
    /// Which part of a record.
    pub enum Area {
        /// Name, file number, contact, invitation, whose patient somebody is.
        Record = "record",
        /// What was done when, and the sequence it belongs to.
        Treatments = "treatments",
        /// What follows from it: timeline, advice, what waits for what, what is excused.
        Plan = "plan",
        /// What the patient reported.
        CheckIns = "check_ins",
        /// What the clinic is to look at because of it.
        FollowUp = "follow_up",
        /// What was asked and done, and how much of it.
        Tasks = "tasks",
        /// Dates at the clinic.
        Appointments = "appointments",
        /// What the patient was and will be told, and on which devices.
        Messages = "messages",
        /// Who did what: the trail itself.
        Trail = "trail",
    }
}

/// What an action means; `None` for one that nobody here has heard of.
pub fn meaning(action: &str) -> Option<(Deed, Area)> {
    let (resource, verb) = action.split_once('.')?;
    let deed = if LOOKS.contains(&verb) { Deed::Looked } else { Deed::Changed };
    let area = match resource {
        "patient" | "invitation" | "member" | "password" | "second_factor" => Area::Record,
        "treatment" | "course" | "sync" => Area::Treatments,
        "timeline" | "guidance" | "bundle" | "condition" | "excuse" | "calendar" => Area::Plan,
        "check_in" => Area::CheckIns,
        "flag" | "nudge" => Area::FollowUp,
        "task" | "outcome" | "compliance" => Area::Tasks,
        "appointment" => Area::Appointments,
        "alert" | "device" | "calendar_feed" | "lock_screen_details" => Area::Messages,
        "audit" | "access_log" => Area::Trail,
        _ => return None,
    };
    Some((deed, area))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_is_told_from_changing() {
        assert_eq!(meaning("timeline.read"), Some((Deed::Looked, Area::Plan)));
        assert_eq!(meaning("compliance.download"), Some((Deed::Looked, Area::Tasks)));
        assert_eq!(meaning("treatment.create"), Some((Deed::Changed, Area::Treatments)));
        assert_eq!((meaning("weather.read"), meaning("treatment")), (None, None));
    }
}
