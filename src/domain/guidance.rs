//! "May I do this yet?": what to expect, what should still wait, what has opened again and what to do today, at any
//! moment of a laid-out treatment. Words come from the texts it is given; how it is sent is the routes' affair.

mod ahead;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

pub use ahead::{Ahead, Shown, ahead};

use super::compliance::{Said, Standing, standing};
use super::local_time::ZoneHistory;
use super::protocol::{Actor, Evidence, Item, Kind, Phase, ProtocolVersion, Recurrence, Texts};
use super::timeline::{ItemState, LaidOut, Range, Task, Timeline};

/// Where in the recovery somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseNow<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its title.
    pub title: &'a str,
    /// What it is like.
    pub body: Option<&'a str>,
}

/// Something worth knowing now: a milestone to expect, or advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its title.
    pub title: &'a str,
    /// What it says.
    pub body: Option<&'a str>,
    /// Since when.
    pub open_at: DateTime<Utc>,
    /// Until when.
    pub close_at: Option<DateTime<Utc>>,
    /// The facts behind it.
    pub evidence: Vec<Evidence>,
}

/// Something that should still wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotYet<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its title.
    pub title: &'a str,
    /// The hard bound: for conditions the latest, while nobody has reported its end. Absent while an open flag keeps it
    /// from ending.
    pub until: Option<DateTime<Utc>>,
    /// For conditions: it may end from here, if the condition has.
    pub earliest: Option<DateTime<Utc>>,
    /// Until when it stays advisable after that.
    pub soft_until: Option<DateTime<Utc>>,
    /// An open flag keeps it, or its soft bound, from ending.
    pub held: bool,
    /// Why it should wait.
    pub why: &'a str,
    /// What is fine meanwhile.
    pub instead: Option<&'a str>,
    /// Bounds as durations, with what the sources say.
    pub range: Option<Range>,
    /// The facts behind it.
    pub evidence: Vec<Evidence>,
    /// No source gives the figure: it is ours.
    pub product_decision: bool,
}

/// Something whose usual waiting time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAgain<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its title.
    pub title: &'a str,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when some care stays advisable, where that is still ahead.
    pub soft_until: Option<DateTime<Utc>>,
    /// Which care, until then.
    pub soft: Option<&'a str>,
    /// Why it waited, and some care is still advisable.
    pub why: &'a str,
    /// Bounds as durations, with what the sources say.
    pub range: Option<Range>,
    /// No source gives the figure: it is ours.
    pub product_decision: bool,
    /// The facts behind it.
    pub evidence: Vec<Evidence>,
}

/// One of today's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TodaysTask<'a> {
    /// The task.
    pub task: Task<'a>,
    /// Its title.
    pub title: &'a str,
    /// Where it stands.
    pub standing: Standing,
}

/// The answer for one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guidance<'a> {
    /// Where in the recovery; none before the treatment.
    pub phase: Option<PhaseNow<'a>>,
    /// What some people notice about now.
    pub expect: Vec<Notice<'a>>,
    /// What should still wait, the soonest first.
    pub not_yet: Vec<NotYet<'a>>,
    /// What has opened again, the latest first.
    pub open_again: Vec<OpenAgain<'a>>,
    /// Care as needed and advice on products that holds now.
    pub advice: Vec<Notice<'a>>,
    /// The tasks of the patient's date, in order of time.
    pub today: Vec<TodaysTask<'a>>,
}

/// What guidance is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The pinned version.
    pub version: &'a ProtocolVersion,
    /// The words to use.
    pub texts: &'a Texts,
    /// The treatment laid out.
    pub timeline: &'a Timeline<'a>,
    /// The patient's clock.
    pub zones: &'a ZoneHistory,
    /// What was said about tasks.
    pub said: &'a Said,
    /// When counting started.
    pub starts_at: DateTime<Utc>,
    /// When the treatment was ended, if it was: its tasks stay where they stood.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Guidance for the moment `at`.
pub fn guidance<'a>(from: &Sources<'a>, at: DateTime<Utc>) -> Guidance<'a> {
    let timeline = from.timeline;
    let now = |laid: &&LaidOut<'a>| !laid.skipped && laid.state(at) == ItemState::Now;
    let current: Vec<&'a LaidOut<'a>> = timeline.items.iter().filter(now).collect();
    let of_kind = |kind: Kind| current.iter().filter(move |laid| laid.item.kind == kind).copied();
    let advice = current.iter().filter(|laid| is_advice(laid.item)).copied();

    let mut not_yet: Vec<NotYet<'a>> = of_kind(Kind::Restriction).map(|laid| from.not_yet(laid)).collect();
    // What has no end in sight comes last.
    not_yet.sort_by_key(|entry| (entry.until.is_none(), entry.until));
    let over = |laid: &&LaidOut<'a>| laid.item.kind == Kind::Restriction && laid.state(at) == ItemState::Past;
    let mut open_again: Vec<OpenAgain<'a>> =
        timeline.items.iter().filter(over).filter_map(|laid| from.open_again(laid, at)).collect();
    open_again.sort_by_key(|entry| std::cmp::Reverse(entry.since));

    Guidance {
        phase: from.phase(at),
        expect: of_kind(Kind::Milestone).map(|laid| from.notice(laid)).collect(),
        not_yet,
        open_again,
        advice: advice.map(|laid| from.notice(laid)).collect(),
        today: from.today(at),
    }
}

/// What can be asked about: every restriction, by its own key or by that of the group it shares.
pub fn topics(version: &ProtocolVersion) -> BTreeSet<&str> {
    let restrictions = version.structure.items.iter().filter(|item| item.kind == Kind::Restriction);
    restrictions.flat_map(|item| std::iter::once(item.key.as_str()).chain(item.group.as_deref())).collect()
}

impl Guidance<'_> {
    /// Only what it says of one topic: the rest of it goes on as it was.
    pub fn retain(&mut self, topic: &str) {
        let is_of = |item: &Item| item.key == topic || item.group.as_deref() == Some(topic);
        self.not_yet.retain(|entry| is_of(entry.item));
        self.open_again.retain(|entry| is_of(entry.item));
    }
}

fn is_advice(item: &Item) -> bool {
    match item.kind {
        Kind::ProductAdvice => true,
        Kind::Routine => item.actor == Actor::Patient && item.recurrence == Some(Recurrence::AsNeeded),
        _ => false,
    }
}

impl<'a> Sources<'a> {
    fn title(&self, key: &str) -> &'a str {
        self.version.item_text(self.texts, key).map_or("", |text| text.title.as_str())
    }

    fn phase(&self, at: DateTime<Utc>) -> Option<PhaseNow<'a>> {
        self.phase_words(self.timeline.phase(at)?)
    }

    fn phase_words(&self, phase: &'a Phase) -> Option<PhaseNow<'a>> {
        let text = self.texts.phases.get(&phase.key).or_else(|| self.version.base_texts().phases.get(&phase.key))?;
        Some(PhaseNow { key: &phase.key, title: &text.title, body: text.body.as_deref() })
    }

    fn notice(&self, laid: &LaidOut<'a>) -> Notice<'a> {
        let text = self.version.item_text(self.texts, &laid.item.key);
        Notice {
            item: laid.item,
            title: self.title(&laid.item.key),
            body: text.and_then(|text| text.body.as_deref()),
            open_at: laid.open_at,
            close_at: laid.close_at,
            evidence: self.version.facts.resolve(&laid.item.evidence),
        }
    }

    fn not_yet(&self, laid: &LaidOut<'a>) -> NotYet<'a> {
        let text = self.version.item_text(self.texts, &laid.item.key);
        NotYet {
            item: laid.item,
            title: self.title(&laid.item.key),
            until: laid.close_at,
            earliest: laid.earliest_close_at,
            soft_until: laid.soft_close_at,
            held: laid.held,
            why: text.and_then(|text| text.why.as_deref()).unwrap_or_default(),
            instead: text.and_then(|text| text.instead.as_deref()),
            range: laid.range(),
            evidence: self.version.facts.resolve(&laid.item.evidence),
            product_decision: laid.item.product_decision,
        }
    }

    fn open_again(&self, laid: &LaidOut<'a>, at: DateTime<Utc>) -> Option<OpenAgain<'a>> {
        let text = self.version.item_text(self.texts, &laid.item.key);
        // While a flag holds the soft bound open there is no date for it, but the care still applies.
        let cautious = laid.soft_close_at.map_or(laid.held && laid.item.soft.is_some(), |soft| soft > at);
        Some(OpenAgain {
            item: laid.item,
            title: self.title(&laid.item.key),
            since: laid.close_at?,
            soft_until: laid.soft_close_at.filter(|_| cautious),
            soft: text.and_then(|text| text.soft.as_deref()).filter(|_| cautious),
            why: text.and_then(|text| text.why.as_deref()).unwrap_or_default(),
            range: laid.range(),
            product_decision: laid.item.product_decision,
            evidence: self.version.facts.resolve(&laid.item.evidence),
        })
    }

    fn today(&self, at: DateTime<Utc>) -> Vec<TodaysTask<'a>> {
        let date = self.zones.date(at);
        let judged_at = self.ended_at.map_or(at, |ended_at| ended_at.min(at));
        let mut today: Vec<TodaysTask<'a>> = self
            .timeline
            .tasks
            .iter()
            .filter(|task| task.local_date == date && self.version.item(&task.item.key).is_some())
            .map(|task| TodaysTask {
                title: self.title(&task.item.key),
                standing: standing(task, self.said, self.starts_at, judged_at),
                task: task.clone(),
            })
            .collect();
        today.sort_by_key(|today| (today.task.open_at, today.task.close_at));
        today
    }
}

#[cfg(test)]
mod tests;
