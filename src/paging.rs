//! Lists in pages: `?limit=`, an opaque `?cursor=`, and the envelope `{"items", "next_cursor"}`.
//! A cursor holds the position of the last item of a page, as its list sorts; it grants nothing, because every list
//! asks for rows within the caller's own scope whatever the cursor says. That is why it is encoded and not sealed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{ApiError, FieldError};
use crate::query::unreadable;

/// Items of a page where the client does not say.
const DEFAULT_LIMIT: u32 = 50;
/// The most items of a page.
const MAX_LIMIT: u32 = 100;

/// The query of a plain list. One with filters has these two among its own fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many items at most.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which page is asked for. `P` is the position of an item: the values by which the list sorts, the last one unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<P> {
    /// How many items at most.
    pub limit: usize,
    /// The position after which the page begins; absent for the first.
    pub after: Option<P>,
}

/// An instant in a cursor, as microseconds of Unix time: none that the database could not hold is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct At(pub DateTime<Utc>);

impl TryFrom<i64> for At {
    type Error = &'static str;

    fn try_from(micros: i64) -> Result<Self, Self::Error> {
        let last = 253_402_300_799_999_999; // 9999-12-31
        let at = DateTime::from_timestamp_micros(micros).filter(|_| (0..=last).contains(&micros));
        at.map(Self).ok_or("is no instant of a list")
    }
}

impl From<At> for i64 {
    fn from(at: At) -> Self {
        at.0.timestamp_micros()
    }
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<P: Serialize + DeserializeOwned> Page<P> {
    /// Reads limit and cursor; both faults at once.
    pub fn read(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, ApiError> {
        let mut errors = Vec::new();
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            errors.push(FieldError { pointer: "limit".to_owned(), detail: format!("must be 1 to {MAX_LIMIT}") });
        }
        let after = cursor.map(decode);
        if matches!(after, Some(None)) {
            let detail = "is not a cursor of this list; begin again without one".to_owned();
            errors.push(FieldError { pointer: "cursor".to_owned(), detail });
        }
        if errors.is_empty() {
            Ok(Self { limit: limit as usize, after: after.flatten() })
        } else {
            Err(unreadable(errors))
        }
    }

    /// How many rows to ask the database for: one more than the page holds tells whether another follows.
    pub fn fetch(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Cuts what was fetched down to the page.
    pub fn cut<R>(&self, mut rows: Vec<R>, position: impl FnOnce(&R) -> P) -> List<R> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = if more { rows.last().map(|last| encode(&position(last))) } else { None };
        List { items: rows, next_cursor }
    }
}

/// A page of a list that goes on for ever: whoever has read all of it comes back later.
#[derive(Debug, Serialize)]
pub struct Feed<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where to go on, now or later.
    pub next_cursor: String,
    /// Whether there is more already.
    pub more: bool,
}

impl<T> Feed<T> {
    /// A page that ends at a position.
    pub fn up_to<P: Serialize>(position: &P, items: Vec<T>, more: bool) -> Self {
        Self { items, next_cursor: encode(position), more }
    }
}

/// The place of an item in a list that goes by time.
pub type InTime = (At, uuid::Uuid);

impl Page<InTime> {
    /// The position, as lists that go by time are asked for.
    pub fn after_time(&self) -> Option<(DateTime<Utc>, uuid::Uuid)> {
        self.after.map(|(at, id)| (at.0, id))
    }
}

impl<T> List<T> {
    /// A list that always fits one page.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// The same page with every item turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> List<U> {
        List { items: self.items.into_iter().map(turn).collect(), next_cursor: self.next_cursor }
    }
}

fn encode<P: Serialize>(position: &P) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

fn decode<P: DeserializeOwned>(cursor: &str) -> Option<P> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limit_and_cursor_are_refused_together() {
        for (limit, cursor, faults) in
            [(Some(0), None, 1), (Some(101), Some("%%%"), 2), (None, Some("e30"), 1), (Some(100), None, 0)]
        {
            match Page::<(i64, String)>::read(limit, cursor) {
                Ok(page) => assert_eq!((faults, page.limit), (0, 100)),
                Err(ApiError::Malformed { errors, detail }) => {
                    assert_eq!(errors.len(), faults);
                    assert!(errors.iter().all(|error| detail.contains(&error.pointer)), "{detail}");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    proptest! {
        #[test]
        fn walking_the_pages_meets_every_item_once(count in 0..230i64, limit in 1..=100u32) {
            let (mut met, mut cursor) = (Vec::new(), None::<String>);
            loop {
                let page = Page::<i64>::read(Some(limit), cursor.as_deref()).unwrap();
                let rows: Vec<_> = (0..count)
                    .filter(|item| page.after.is_none_or(|after| *item > after))
                    .take(page.fetch() as usize)
                    .collect();
                let list = page.cut(rows, |item| *item);
                prop_assert!(list.items.len() <= limit as usize);
                met.extend(list.items);
                cursor = list.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            prop_assert_eq!(met, (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn no_cursor_makes_the_reading_fall_over(cursor in "\\PC{0,60}") {
            let _ = Page::<(i64, String)>::read(None, Some(&cursor));
        }
    }
}
