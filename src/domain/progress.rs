//! What a check-in reports, held against how long it usually shows: early, as expected, late, overdue. A comparison for
//! whoever reads the report, not a judgement: what is a warning is decided by `triage.rs` alone.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::protocol::Span;
use super::symptoms::{Field, Symptoms};
use super::words::word_enum;

word_enum! {
    /// How what is reported lies to the time in which it usually shows.
    pub enum Progress {
        /// Sooner than any source has it.
        Early = "early",
        /// When sources have it.
        AsExpected = "as_expected",
        /// Longer than most sources have it.
        Late = "late",
        /// Longer than any source has it.
        Overdue = "overdue",
    }
}

impl Span {
    /// Where something that shows so long after T0 lies: bounds belong to what follows them.
    pub fn progress(&self, elapsed: TimeDelta) -> Progress {
        if elapsed < self.from.delta() {
            Progress::Early
        } else if elapsed < self.to.delta() {
            Progress::AsExpected
        } else if self.overdue.is_none_or(|overdue| elapsed < overdue.delta()) {
            Progress::Late
        } else {
            Progress::Overdue
        }
    }
}

/// Everything that is reported as present and has a usual span, in the order of fields.
pub fn progress<'c>(
    spans: &'c BTreeMap<Field, Span>,
    symptoms: &Symptoms,
    elapsed: TimeDelta,
) -> Vec<(Field, Progress, &'c Span)> {
    let present = spans.iter().filter(|(field, _)| symptoms.present(**field) == Some(true));
    present.map(|(field, span)| (*field, span.progress(elapsed), span)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::protocol::{IsoDuration, builtin};
    use proptest::prelude::*;

    fn spans() -> &'static BTreeMap<Field, Span> {
        &builtin().unwrap()[0].version.facts.spans
    }

    fn after(text: &str) -> TimeDelta {
        text.parse::<IsoDuration>().unwrap().delta()
    }

    #[test]
    fn every_span_at_its_every_bound() {
        use Field::{Dryness, Flaking, Redness, Swelling, Tightness, Warmth};
        use Progress::{AsExpected, Early, Late, Overdue};
        let table = [
            (Flaking, vec![("PT0S", Early), ("PT23H59M59S", Early), ("P1D", AsExpected), ("PT167H59M59S", AsExpected)]),
            (Flaking, vec![("P7D", Late), ("PT239H59M59S", Late), ("P10D", Overdue), ("P42D", Overdue)]),
            (Dryness, vec![("PT23H59M59S", Early), ("P1D", AsExpected), ("P7D", Late), ("P10D", Overdue)]),
            (Redness, vec![("PT0S", AsExpected), ("PT71H59M59S", AsExpected), ("P3D", Late), ("P7D", Overdue)]),
            (Warmth, vec![("PT0S", AsExpected), ("P3D", Late), ("P42D", Late)]),
            (Swelling, vec![("PT0S", AsExpected), ("PT71H59M59S", AsExpected), ("P3D", Late), ("P42D", Late)]),
            (Tightness, vec![("PT0S", AsExpected), ("P3D", Late), ("P42D", Late)]),
        ];
        for (field, moments) in &table {
            for (at, expected) in moments {
                assert_eq!(spans()[field].progress(after(at)), *expected, "{field} at {at}");
            }
        }
        let mut tabled: Vec<Field> = table.iter().map(|(field, _)| *field).collect();
        tabled.dedup();
        tabled.sort_unstable();
        assert_eq!(tabled, spans().keys().copied().collect::<Vec<_>>(), "a span without a row");
    }

    #[test]
    fn what_is_not_there_or_was_not_asked_has_no_progress() {
        let report = Symptoms { flaking: Some(0), redness: Some(1), pain: Some(3), ..Symptoms::default() };
        let found: Vec<_> = progress(spans(), &report, after("P4D")).into_iter().map(|(f, p, _)| (f, p)).collect();
        assert_eq!(found, [(Field::Redness, Progress::Late)]);
    }

    proptest! {
        #[test]
        fn time_only_ever_makes_it_later(a in 0i64..60 * 24 * 60, b in 0i64..60 * 24 * 60) {
            for span in spans().values() {
                let (sooner, later) = (TimeDelta::minutes(a.min(b)), TimeDelta::minutes(a.max(b)));
                prop_assert!(span.progress(sooner) <= span.progress(later));
            }
        }
    }
}
