//! All that guidance says of a laid-out treatment at any moment, each with when it says so: for whoever cannot ask. What is
//! shown at a moment is what holds then, in the order that it stands in here.

use chrono::{DateTime, Utc};

use super::{NotYet, Notice, OpenAgain, PhaseNow, Sources, is_advice};
use crate::domain::protocol::Kind;
use crate::domain::timeline::{LaidOut, LaidOutPhase};

/// Something, and when it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<T> {
    /// From here on.
    pub from: DateTime<Utc>,
    /// Until here; none: from then on for good.
    pub until: Option<DateTime<Utc>>,
    /// What is said.
    pub entry: T,
}

impl<T> Shown<T> {
    /// Whether it is said at a moment.
    pub fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }

    fn is_ever(&self) -> bool {
        self.until.is_none_or(|until| self.from < until)
    }
}

/// The answers for all moments. Tasks are not among them: they are their dates'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead<'a> {
    /// At most one at a time.
    pub phases: Vec<Shown<PhaseNow<'a>>>,
    /// What some people notice.
    pub expect: Vec<Shown<Notice<'a>>>,
    /// What should wait, the soonest first.
    pub not_yet: Vec<Shown<NotYet<'a>>>,
    /// What has opened again, the latest first.
    pub open_again: Vec<Shown<OpenAgain<'a>>>,
    /// Care as needed and advice on products.
    pub advice: Vec<Shown<Notice<'a>>>,
}

/// Guidance for every moment: what [`guidance`](super::guidance) says at one is what [`Shown::holds`] then.
pub fn ahead<'a>(from: &Sources<'a>) -> Ahead<'a> {
    let items = &from.timeline.items;
    let is_ever = |laid: &LaidOut<'a>| !laid.skipped && laid.close_at.is_none_or(|close| laid.open_at < close);
    let current = || items.iter().filter(move |laid| is_ever(laid));
    let of_kind = |kind: Kind| current().filter(move |laid| laid.item.kind == kind);
    let while_current = |laid: &LaidOut<'a>| (laid.open_at, laid.close_at);
    let notice = |laid: &LaidOut<'a>| shown(while_current(laid), from.notice(laid));
    let mut not_yet: Vec<_> =
        of_kind(Kind::Restriction).map(|laid| shown(while_current(laid), from.not_yet(laid))).collect();
    not_yet.sort_by_key(|shown| (shown.entry.until.is_none(), shown.entry.until));
    let restrictions = items.iter().filter(|laid| laid.item.kind == Kind::Restriction);
    let mut open_again: Vec<_> = restrictions.flat_map(|laid| from.opened(laid)).collect();
    open_again.sort_by_key(|shown| std::cmp::Reverse(shown.entry.since));
    Ahead {
        phases: from.phases(),
        expect: of_kind(Kind::Milestone).map(notice).collect(),
        not_yet,
        open_again,
        advice: current().filter(|laid| is_advice(laid.item)).map(notice).collect(),
    }
}

fn shown<T>((from, until): (DateTime<Utc>, Option<DateTime<Utc>>), entry: T) -> Shown<T> {
    Shown { from, until, entry }
}

impl<'a> Sources<'a> {
    /// One phase gives way to the next that starts.
    fn phases(&self) -> Vec<Shown<PhaseNow<'a>>> {
        let phases = &self.timeline.phases;
        let of = |(index, laid): (usize, &LaidOutPhase<'a>)| {
            let until = phases[index + 1..].iter().map(|later| later.open_at).min();
            Some(shown((laid.open_at, until), self.phase_words(laid.phase)?))
        };
        phases.iter().enumerate().filter_map(of).filter(Shown::is_ever).collect()
    }

    /// Twice, where some care stays advisable for a while: with it, and without.
    fn opened(&self, laid: &LaidOut<'a>) -> Vec<Shown<OpenAgain<'a>>> {
        let Some(since) = laid.close_at else { return Vec::new() };
        let caution_ends = laid.soft_close_at.filter(|soft| *soft > since);
        let spans = [Some((since, caution_ends)), caution_ends.map(|soft| (soft, None))];
        let entry = |span: (DateTime<Utc>, _)| Some(shown(span, self.open_again(laid, span.0)?));
        spans.into_iter().flatten().filter_map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::compliance::Said;
    use crate::domain::guidance::guidance;
    use crate::domain::local_time::ZoneHistory;
    use crate::domain::protocol::builtin;
    use crate::domain::timeline::{Conditions, Hold, Overrides, Plan, timeline};
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn at<T: Clone>(all: &[Shown<T>], at: DateTime<Utc>) -> Vec<T> {
        all.iter().filter(|shown| shown.holds(at)).map(|shown| shown.entry.clone()).collect()
    }

    proptest! {
        #[test]
        fn what_holds_at_a_moment_is_what_guidance_says_then(
            which in 0..builtin().unwrap().len(), minutes in -2000..120_000i64, flag in proptest::option::of(0..40_000i64),
            resolved in proptest::option::of(1..20_000i64), boundary in any::<proptest::sample::Index>(),
        ) {
            let version = &builtin().unwrap()[which].version;
            let performed_at: DateTime<Utc> = "2026-03-02T10:30:00Z".parse().unwrap();
            let zones = ZoneHistory::fixed(chrono_tz::Europe::Berlin);
            let opened = flag.map(|minutes| performed_at + TimeDelta::minutes(minutes));
            let hold = opened.map(|from| Hold { from, to: resolved.map(|minutes| from + TimeDelta::minutes(minutes)) });
            let conditions = Conditions { holds: hold.into_iter().collect(), ..Conditions::default() };
            let overrides = Overrides::default();
            let plan = Plan {
                treatment: Uuid::nil(), version, performed_at, anchor_on: performed_at.date_naive(), zones: &zones,
                overrides: &overrides, conditions: &conditions,
            };
            let laid = timeline(&plan);
            let said = Said::default();
            let sources = Sources {
                version, texts: version.base_texts(), timeline: &laid, zones: &zones, said: &said, starts_at: performed_at,
                ended_at: None,
            };
            let all = ahead(&sources);
            let turns: Vec<_> =
                laid.items.iter().flat_map(|laid| [Some(laid.open_at), laid.close_at, laid.soft_close_at]).flatten().collect();
            for moment in [performed_at + TimeDelta::minutes(minutes), *boundary.get(&turns)] {
                let now = guidance(&sources, moment);
                prop_assert_eq!(at(&all.phases, moment), Vec::from_iter(now.phase));
                prop_assert_eq!(at(&all.expect, moment), now.expect);
                prop_assert_eq!(at(&all.not_yet, moment), now.not_yet);
                prop_assert_eq!(at(&all.open_again, moment), now.open_again);
                prop_assert_eq!(at(&all.advice, moment), now.advice);
            }
        }
    }
}
