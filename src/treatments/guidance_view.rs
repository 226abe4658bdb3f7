//! Guidance for a moment, as sent.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::guidance::{Guidance, NotYet, Notice, OpenAgain, PhaseNow};
use crate::domain::overrides::Overridden;
use crate::domain::protocol::{Evidence, IsoDuration, Kind};
use crate::domain::timeline::{Range, Task};
use crate::recovery::Recovery;
use crate::recovery::override_view::OverriddenView;
use crate::recovery::task_view::TaskView;

/// What to expect, what should wait, what to do.
#[derive(Debug, Serialize)]
pub struct GuidanceView<'a> {
    /// The moment, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<PhaseView<'a>>,
    expect: Vec<NoticeView<'a>>,
    not_yet: Vec<NotYetView<'a>>,
    open_again: Vec<OpenAgainView<'a>>,
    advice: Vec<NoticeView<'a>>,
    today: Vec<TaskView<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct PhaseView<'a> {
    key: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct NoticeView<'a> {
    key: &'a str,
    kind: Kind,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    open_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_at: Option<DateTime<Utc>>,
    evidence: Vec<Evidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overridden: Option<OverriddenView<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct NotYetView<'a> {
    key: &'a str,
    title: &'a str,
    /// The hard bound; absent while an open flag keeps it from ending.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
    /// It may end from here, if what it waits for has.
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_until: Option<DateTime<Utc>>,
    #[serde(flatten)]
    countdown: Countdown,
    held: bool,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<Range>,
    evidence: Vec<Evidence>,
    product_decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    overridden: Option<OverriddenView<'a>>,
}

/// How long the bounds are still away at the moment that the answer is for.
#[derive(Debug, Default, Serialize)]
struct Countdown {
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<IsoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_remaining: Option<IsoDuration>,
}

impl Countdown {
    fn new(at: Option<DateTime<Utc>>, hard: Option<DateTime<Utc>>, soft: Option<DateTime<Utc>>) -> Self {
        let to = |until: Option<DateTime<Utc>>| at.zip(until).map(|(at, until)| IsoDuration::between(at, until));
        Self { remaining: to(hard), soft_remaining: to(soft) }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct OpenAgainView<'a> {
    key: &'a str,
    title: &'a str,
    since: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_until: Option<DateTime<Utc>>,
    /// Which care, until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_advice: Option<&'a str>,
    #[serde(flatten)]
    countdown: Countdown,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<Range>,
    evidence: Vec<Evidence>,
    product_decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    overridden: Option<OverriddenView<'a>>,
}

impl<'a> GuidanceView<'a> {
    /// The guidance; `asked` is the moment the client named, `at` the one to count down from, if anything is to be counted.
    /// `overridden` says of a task what was changed of its item.
    pub fn new(
        guidance: Guidance<'a>,
        asked: Option<DateTime<Utc>>,
        at: Option<DateTime<Utc>>,
        overridden: impl Fn(&Task<'a>) -> Option<&'a Overridden>,
    ) -> Self {
        let today = guidance.today.iter().map(|today| {
            TaskView::new(&today.task, today.title, today.standing).with_override(overridden(&today.task))
        });
        Self {
            at: asked,
            phase: guidance.phase.map(PhaseView::from),
            today: today.collect(),
            expect: guidance.expect.into_iter().map(NoticeView::from).collect(),
            not_yet: guidance.not_yet.into_iter().map(|entry| NotYetView::new(entry, at)).collect(),
            open_again: guidance.open_again.into_iter().map(|entry| OpenAgainView::new(entry, at)).collect(),
            advice: guidance.advice.into_iter().map(NoticeView::from).collect(),
        }
    }
}

impl<'a> GuidanceView<'a> {
    /// The same with what was changed for the treatment.
    pub fn with_overrides(mut self, recovery: &'a Recovery) -> Self {
        self.expect.iter_mut().chain(&mut self.advice).for_each(|entry| entry.mark(recovery));
        self.not_yet.iter_mut().for_each(|entry| entry.mark(recovery));
        self.open_again.iter_mut().for_each(|entry| entry.mark(recovery));
        self
    }
}

/// What may have been changed for the treatment.
pub(super) trait Mark<'a> {
    /// Says so of it.
    fn mark(&mut self, recovery: &'a Recovery);
}

macro_rules! marked {
    ($($view:ident),+) => {
        $(impl<'a> Mark<'a> for $view<'a> {
            fn mark(&mut self, recovery: &'a Recovery) {
                self.overridden = recovery.overrides().of_item(self.key).map(OverriddenView::from);
            }
        })+
    };
}

marked!(NoticeView, NotYetView, OpenAgainView);

impl<'a> From<PhaseNow<'a>> for PhaseView<'a> {
    fn from(phase: PhaseNow<'a>) -> Self {
        Self { key: phase.key, title: phase.title, body: phase.body }
    }
}

impl<'a> From<Notice<'a>> for NoticeView<'a> {
    fn from(notice: Notice<'a>) -> Self {
        Self {
            key: &notice.item.key,
            kind: notice.item.kind,
            title: notice.title,
            body: notice.body,
            open_at: notice.open_at,
            close_at: notice.close_at,
            evidence: notice.evidence,
            overridden: None,
        }
    }
}

impl<'a> NotYetView<'a> {
    pub(super) fn new(entry: NotYet<'a>, at: Option<DateTime<Utc>>) -> Self {
        Self {
            key: &entry.item.key,
            title: entry.title,
            until: entry.until,
            earliest: entry.earliest,
            soft_until: entry.soft_until,
            countdown: Countdown::new(at, entry.until, entry.soft_until),
            held: entry.held,
            why: entry.why,
            instead: entry.instead,
            range: entry.range,
            evidence: entry.evidence,
            product_decision: entry.product_decision,
            overridden: None,
        }
    }
}

impl<'a> OpenAgainView<'a> {
    pub(super) fn new(entry: OpenAgain<'a>, at: Option<DateTime<Utc>>) -> Self {
        Self {
            key: &entry.item.key,
            title: entry.title,
            since: entry.since,
            soft_until: entry.soft_until,
            soft_advice: entry.soft,
            countdown: Countdown::new(at, None, entry.soft_until),
            why: entry.why,
            range: entry.range,
            evidence: entry.evidence,
            product_decision: entry.product_decision,
            overridden: None,
        }
    }
}
