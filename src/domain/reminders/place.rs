//! When a draft is due and what becomes of it: the past, quiet hours and the spread decide.

use chrono::{DateTime, TimeDelta, Utc};

use super::planner::{Candidate, Contender, Draft, Planner};
use super::story::{LeftOut, MovedBy, Witness};
use super::told::PROLONGED;
use super::{Category, Fate, Owed, Unsaid};
use crate::domain::alert::is_expired;

/// So long after it was told a wait has to end for that to be told again: a journey or another hour of the session is less.
const LONGER: TimeDelta = TimeDelta::hours(24);

impl<W: Witness> Planner<'_, '_, W> {
    /// Why a draft whose moment is known comes too late.
    fn too_late(&self, draft: &Draft<'_>) -> Option<LeftOut> {
        if draft.nominal < self.treatment.registered_at {
            Some(LeftOut::BeforeRegistration)
        } else if is_expired(self.now, draft.expires_at) {
            Some(LeftOut::Expired)
        } else {
            None
        }
    }

    /// Quiet hours, expiry and the past decide what becomes of a draft.
    pub fn place(&mut self, draft: &Draft<'_>) {
        let left_out = draft.left_out.or_else(|| self.too_late(draft));
        if left_out.is_some() && !W::CURIOUS {
            return;
        }
        let waking = self.waking(draft);
        let (due_at, fate) = self.not_at_night(waking, draft.expires_at);
        let plan = &self.treatment.plan;
        let date = self.zones().date(due_at);
        let milestone = (draft.category == Category::Milestone)
            .then(|| Contender { date, rank: (fate == Fate::Due, draft.item.priority, plan.performed_at) });
        let dedupe_key = match draft.category {
            Category::Milestone => format!("m:{date}"),
            _ => format!("t:{}:{}:{}:{}", plan.treatment, draft.item.key, draft.day_index, draft.seq),
        };
        let dedupe_key = match draft.category {
            Category::Restriction => self.lifted_key(dedupe_key, draft.nominal),
            _ => dedupe_key,
        };
        let left_out = left_out.or_else(|| self.told_before(draft, &dedupe_key));
        if left_out.is_some() && !W::CURIOUS {
            return;
        }
        let owed = Owed {
            dedupe_key,
            treatment_id: plan.treatment,
            item_key: draft.item.key.clone(),
            day_index: draft.day_index,
            seq: draft.seq,
            category: draft.category,
            due_at,
            expires_at: draft.expires_at,
            slot_ends_at: draft.expires_at,
            asked_for: draft.item.is_asked_for(),
            fate,
        };
        self.witness.placed(&owed, left_out);
        if left_out.is_none() {
            self.candidates.push(Candidate { owed, priority: draft.item.priority, milestone });
        }
    }

    /// The name under which the end of a wait is owed: that under which it was told, unless the wait was made longer since.
    /// Then it is over once more, and told so under a name of its own.
    fn lifted_key(&self, key: String, nominal: DateTime<Utc>) -> String {
        let is_this = |told: &&super::Told| {
            told.dedupe_key.strip_prefix(&key).is_some_and(|rest| rest.is_empty() || rest.starts_with(PROLONGED))
        };
        let at = |told: &super::Told| told.at.unwrap_or(self.now);
        match self.history.told.iter().filter(is_this).max_by_key(|told| at(told)) {
            Some(last) if nominal - at(last) >= LONGER => {
                format!("{key}{PROLONGED}{}", self.zones().date(nominal))
            }
            Some(last) => last.dedupe_key.clone(),
            None => key,
        }
    }

    /// A milestone is told once for each treatment, however often that is moved, and one a day.
    fn told_before(&self, draft: &Draft<'_>, dedupe_key: &str) -> Option<LeftOut> {
        if draft.category != Category::Milestone {
            return None;
        }
        let treatment = self.treatment.plan.treatment;
        let is_this = |told: &&super::Told| told.is_of(treatment, &draft.item.key);
        let told = &self.history.told;
        if let Some(before) = told.iter().filter(|told| told.dedupe_key.starts_with("m:")).find(is_this) {
            return (before.dedupe_key != dedupe_key).then_some(LeftOut::Told);
        }
        told.iter().any(|told| told.dedupe_key == dedupe_key).then_some(LeftOut::DayTaken)
    }

    /// When a draft is due, spread and with quiet hours kept.
    fn waking(&mut self, draft: &Draft<'_>) -> (DateTime<Utc>, Fate) {
        let at = draft.nominal;
        let spread = if draft.local { self.spread } else { TimeDelta::zero() };
        let usable = |at: DateTime<Utc>| !self.quiet_at(at) && !is_expired(at, draft.expires_at);
        // Spreading must not push anything into the night or past its end.
        let spread_from = |at: DateTime<Utc>| [at + spread, at].into_iter().find(|at| usable(*at));
        if let Some(due) = spread_from(at) {
            self.witness.moved(MovedBy::Spread, at, due);
            return (due, Fate::Due);
        }
        let woken = self.end_of_quiet(at);
        match spread_from(woken) {
            Some(due) => {
                self.witness.moved(MovedBy::QuietHours, at, woken);
                self.witness.moved(MovedBy::Spread, woken, due);
                (due, Fate::Due)
            }
            None => (at, Fate::Suppressed(Unsaid::QuietHours)),
        }
    }

    /// What was due before now goes out at once: at night, that is in the morning (after an outage, or when somebody lifts
    /// a pause late in the evening).
    fn not_at_night(
        &mut self,
        (due_at, fate): (DateTime<Utc>, Fate),
        expires_at: DateTime<Utc>,
    ) -> (DateTime<Utc>, Fate) {
        if fate != Fate::Due || due_at > self.now || !self.quiet_at(self.now) {
            return (due_at, fate);
        }
        let woken = self.end_of_quiet(self.now);
        if is_expired(woken, expires_at) {
            return (due_at, Fate::Suppressed(Unsaid::QuietHours));
        }
        self.witness.moved(MovedBy::PlannedAtNight, due_at, woken);
        (woken, Fate::Due)
    }

    fn quiet_at(&self, at: DateTime<Utc>) -> bool {
        self.preferences.quiet.is_some_and(|quiet| quiet.hold(self.zones(), at))
    }

    fn end_of_quiet(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.preferences.quiet.map_or(at, |quiet| quiet.next_end(self.zones(), at))
    }
}
