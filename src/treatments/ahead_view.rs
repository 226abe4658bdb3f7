//! Guidance for every moment, as sent: what an app needs to answer by itself.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::guidance_view::{Mark, NotYetView, NoticeView, OpenAgainView, PhaseView};
use crate::domain::guidance::{Ahead, Shown};
use crate::recovery::Recovery;

/// All that guidance says, each with when it says so.
#[derive(Debug, Serialize)]
pub struct AheadView<'a> {
    phases: Vec<ShownView<PhaseView<'a>>>,
    expect: Vec<ShownView<NoticeView<'a>>>,
    not_yet: Vec<ShownView<NotYetView<'a>>>,
    open_again: Vec<ShownView<OpenAgainView<'a>>>,
    advice: Vec<ShownView<NoticeView<'a>>>,
}

#[derive(Debug, Serialize)]
struct ShownView<T> {
    from: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
    entry: T,
}

impl<T> ShownView<T> {
    fn all<E>(shown: Vec<Shown<E>>, view: impl Fn(E) -> T) -> Vec<Self> {
        let one = |Shown { from, until, entry }: Shown<E>| Self { from, until, entry: view(entry) };
        shown.into_iter().map(one).collect()
    }
}

impl<'a> AheadView<'a> {
    /// All of it, with what was changed for the treatment.
    pub fn new(ahead: Ahead<'a>, recovery: &'a Recovery) -> Self {
        fn marked<'a, T: Mark<'a>>(mut view: T, recovery: &'a Recovery) -> T {
            view.mark(recovery);
            view
        }
        let notice = |entry| marked(NoticeView::from(entry), recovery);
        Self {
            phases: ShownView::all(ahead.phases, PhaseView::from),
            expect: ShownView::all(ahead.expect, notice),
            not_yet: ShownView::all(ahead.not_yet, |entry| marked(NotYetView::new(entry, None), recovery)),
            open_again: ShownView::all(ahead.open_again, |entry| marked(OpenAgainView::new(entry, None), recovery)),
            advice: ShownView::all(ahead.advice, notice),
        }
    }
}
