//! An item's bounds, some of them or all, and what becomes of an item that gets others.

use serde::{Deserialize, Serialize};

use super::{DayTime, IsoDuration, Item, Soft, Unfit, Window, fit, unfit};

/// The last day index that a bound may name: as far as durations reach.
const LAST_DAY: i32 = 731;

/// Bounds of an item in the units of its window. Which there are depends on its basis: `from` and `to` for elapsed time,
/// days and times for local days, `from`, `minimum` and `cap` for conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Start, counted from T0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<IsoDuration>,
    /// End, counted from T0: for restrictions the hard bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<IsoDuration>,
    /// It never ends before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<IsoDuration>,
    /// It ends here at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<IsoDuration>,
    /// Until when it stays advisable after the hard bound, at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_to: Option<IsoDuration>,
    /// First day index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_day: Option<i32>,
    /// Last day index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_day: Option<i32>,
    /// Time of day at which it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_time: Option<DayTime>,
    /// Time of day at which it closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_time: Option<DayTime>,
}

impl Bounds {
    /// All that an item has.
    pub fn of(item: &Item) -> Self {
        let soft_to = item.soft.as_ref().map(|soft| match soft {
            Soft::Fixed { to } => *to,
            Soft::Condition { cap, .. } => *cap,
        });
        let bounds = match item.window.clone() {
            None => Self::default(),
            Some(Window::Elapsed { from, to }) => Self { from: Some(from), to, ..Self::default() },
            Some(Window::Condition { from, minimum, cap, .. }) => {
                Self { from: Some(from), minimum: Some(minimum), cap: Some(cap), ..Self::default() }
            }
            Some(Window::LocalDay { from_day, to_day, from_time, to_time }) => Self {
                from_day: Some(from_day),
                to_day,
                from_time: Some(from_time),
                to_time: Some(to_time),
                ..Self::default()
            },
        };
        Self { soft_to, ..bounds }
    }

    fn named(&self) -> [(&'static str, bool); 9] {
        [
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("minimum", self.minimum.is_some()),
            ("cap", self.cap.is_some()),
            ("soft_to", self.soft_to.is_some()),
            ("from_day", self.from_day.is_some()),
            ("to_day", self.to_day.is_some()),
            ("from_time", self.from_time.is_some()),
            ("to_time", self.to_time.is_some()),
        ]
    }

    /// The item with these bounds in place of its own. Its reminders and days follow; a soft bound that the hard one has
    /// overtaken goes.
    ///
    /// # Errors
    /// Every bound that the item has not, or that no item may have. Whether the bounds agree is not asked here.
    pub(super) fn applied(&self, item: &Item) -> Result<Item, Vec<Unfit>> {
        let mut changed = item.clone();
        let own: &[&str] = match &mut changed.window {
            None => return Err(vec![unfit("/window", "the item has no bounds: it holds all the time")]),
            Some(Window::Elapsed { from, to }) => {
                *from = self.from.unwrap_or(*from);
                *to = self.to.or(*to);
                &["from", "to", "soft_to"]
            }
            Some(Window::Condition { from, minimum, cap, .. }) => {
                *from = self.from.unwrap_or(*from);
                *minimum = self.minimum.unwrap_or(*minimum);
                *cap = self.cap.unwrap_or(*cap);
                &["from", "minimum", "cap", "soft_to"]
            }
            Some(Window::LocalDay { from_day, to_day, from_time, to_time }) => {
                *from_day = self.from_day.unwrap_or(*from_day);
                *to_day = self.to_day.or(*to_day);
                *from_time = self.from_time.unwrap_or(*from_time);
                *to_time = self.to_time.unwrap_or(*to_time);
                &["from_day", "to_day", "from_time", "to_time"]
            }
        };
        let mut faults: Vec<Unfit> = Vec::new();
        if self.named().iter().all(|(_, named)| !named) {
            faults.push(unfit("/window", "names no bound"));
        }
        for (name, _) in self.named().iter().filter(|(name, named)| *named && !own.contains(name)) {
            let reason = format!("is no bound of this item, which has {}", own.join(", "));
            faults.push(unfit(&format!("/window/{name}"), reason));
        }
        match (&mut changed.soft, self.soft_to) {
            (_, None) => {}
            (None, Some(_)) => faults.push(unfit("/window/soft_to", "the item has no soft bound")),
            (Some(Soft::Fixed { to }), Some(soft)) => *to = soft,
            (Some(Soft::Condition { cap, .. }), Some(soft)) => *cap = soft,
        }
        for (name, before) in self.outside() {
            faults.push(unfit(&format!("/window/{name}"), before));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        fit::follow(item, &mut changed, self.soft_to.is_none());
        Ok(changed)
    }

    /// Bounds that nothing can have.
    fn outside(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let durations = [("from", self.from), ("to", self.to), ("minimum", self.minimum), ("cap", self.cap)];
        let early = durations.into_iter().chain([("soft_to", self.soft_to)]);
        let early = early.filter(|(_, bound)| bound.is_some_and(|bound| bound < IsoDuration::ZERO));
        let days = [("from_day", self.from_day), ("to_day", self.to_day)];
        let far = days.into_iter().filter(|(_, day)| day.is_some_and(|day| !(0..=LAST_DAY).contains(&day)));
        early
            .map(|(name, _)| (name, "lies before the treatment"))
            .chain(far.map(|(name, _)| (name, "must lie between day 0 and day 731")))
    }
}
