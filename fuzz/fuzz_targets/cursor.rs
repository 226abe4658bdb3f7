//! Cursors of lists, for every kind of position that a list goes by: what is read can be written, and is read again.
#![no_main]

use chrono::Datelike;
use libfuzzer_sys::fuzz_target;
use mendline::paging::{At, InTime, Page};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

fuzz_target!(|text: &str| {
    if let Some(place) = place::<InTime>(text) {
        assert!((1970..=9999).contains(&place.0.0.year()), "no database holds {}", place.0.0);
    }
    place::<Uuid>(text);
    place::<(i32, At, Uuid)>(text);
    place::<(i64, String)>(text);
});

fn place<P: Serialize + DeserializeOwned + PartialEq + Clone>(text: &str) -> Option<P> {
    let place = Page::<P>::read(Some(1), Some(text)).ok()?.after?;
    let page = Page::<P> { limit: 1, after: None };
    let written = page.cut(vec![(), ()], |()| place.clone()).next_cursor?;
    let again = Page::<P>::read(None, Some(&written)).ok().and_then(|page| page.after);
    assert!(again.as_ref() == Some(&place), "written otherwise than read");
    Some(place)
}
