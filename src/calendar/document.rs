//! The feed as a calendar's file (RFC 5545). Folding, quoting and what may stand in a line are the crate's; which lines there
//! are is decided here.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use ical_vcard::{Contentline, InvalidContentline, Writer};

/// Clients need not ask more often.
const REFRESH: &str = "PT1H";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEvent {
    /// The same for as long as it is about the same thing, whatever becomes of it.
    pub uid: String,
    /// Grows with every change.
    pub sequence: u32,
    /// What it is called.
    pub title: String,
    /// What there is to say, if anything may be said.
    pub text: Option<String>,
    /// When it is.
    pub span: Span,
    /// It was called off.
    pub cancelled: bool,
}

/// When an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// All day.
    Day(NaiveDate),
    /// At a moment, without length.
    Moment(DateTime<Utc>),
    /// For so many minutes, in which the person is busy.
    Busy(DateTime<Utc>, i32),
}

/// The file, as made at `stamp`.
pub fn render(name: &str, locale: &str, events: &[CalendarEvent], stamp: DateTime<Utc>) -> anyhow::Result<String> {
    let mut lines = vec![
        line("BEGIN", "VCALENDAR")?,
        line("VERSION", "2.0")?,
        line("PRODID", "-//mendline//calendar feed//EN")?,
        line("CALSCALE", "GREGORIAN")?,
        // With a method the stamp is when the file was made, not when the event last changed.
        line("METHOD", "PUBLISH")?,
        line("NAME", &text(name))?,
        line("X-WR-CALNAME", &text(name))?,
        line("REFRESH-INTERVAL", REFRESH)?.try_add_param("VALUE", ["DURATION"])?,
        line("X-PUBLISHED-TTL", REFRESH)?,
    ];
    for event in events {
        lines.extend(component(event, locale, stamp)?);
    }
    lines.push(line("END", "VCALENDAR")?);
    let mut file = Writer::new(Vec::new());
    file.write_all(lines)?;
    Ok(String::from_utf8(file.into_inner())?)
}

fn component(
    event: &CalendarEvent,
    locale: &str,
    stamp: DateTime<Utc>,
) -> Result<Vec<Contentline>, InvalidContentline> {
    let mut lines = vec![
        line("BEGIN", "VEVENT")?,
        line("UID", &event.uid)?,
        line("DTSTAMP", &instant(stamp))?,
        line("SEQUENCE", &event.sequence.to_string())?,
        line("CLASS", "PRIVATE")?,
        line("STATUS", if event.cancelled { "CANCELLED" } else { "CONFIRMED" })?,
        line("SUMMARY", &text(&event.title))?.try_add_param("LANGUAGE", [locale])?,
    ];
    if let Some(said) = &event.text {
        lines.push(line("DESCRIPTION", &text(said))?.try_add_param("LANGUAGE", [locale])?);
    }
    match event.span {
        Span::Day(date) => {
            let date = date.format("%Y%m%d").to_string();
            lines.push(line("DTSTART", &date)?.try_add_param("VALUE", ["DATE"])?);
        }
        Span::Moment(at) => lines.push(line("DTSTART", &instant(at))?),
        Span::Busy(at, minutes) => {
            let end = at + TimeDelta::minutes(i64::from(minutes));
            lines.extend([line("DTSTART", &instant(at))?, line("DTEND", &instant(end))?]);
        }
    }
    if !matches!(event.span, Span::Busy(..)) {
        lines.push(line("TRANSP", "TRANSPARENT")?);
    }
    lines.push(line("END", "VEVENT")?);
    Ok(lines)
}

fn line(name: &str, value: &str) -> Result<Contentline, InvalidContentline> {
    Contentline::try_new(name, value)
}

fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// A text as a value (RFC 5545, 3.3.11): what separates values is escaped, as are line breaks; no other control character may
/// stand in one, and no white space at its beginning, where it would pass for a folded line.
fn text(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for character in text.trim().chars() {
        match character {
            '\\' | ';' | ',' => value.extend(['\\', character]),
            '\n' => value.push_str("\\n"),
            '\t' => value.push(character),
            other if other.is_control() => {}
            other => value.push(other),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use icalendar::{Calendar, Component, DatePerhapsTime};
    use proptest::prelude::*;

    fn stamp() -> DateTime<Utc> {
        "2026-02-02T12:00:00Z".parse().unwrap()
    }

    fn any_event() -> impl Strategy<Value = CalendarEvent> {
        let span = (0i64..2_000_000_000, 5i32..480, 0u8..3).prop_map(|(seconds, minutes, kind)| {
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            match kind {
                0 => Span::Day(at.date_naive()),
                1 => Span::Moment(at),
                _ => Span::Busy(at, minutes),
            }
        });
        // Titles come from protocols' files and notes from staff: anything that can be printed, and line breaks.
        let text = "[\\PC\n]{1,200}".prop_filter("says something", |text| !text.trim().is_empty());
        (0u32..99, text.clone(), proptest::option::of(text), span, any::<bool>()).prop_map(
            |(sequence, title, text, span, cancelled)| CalendarEvent {
                uid: format!("{sequence}@mendline"),
                sequence,
                title,
                text,
                span,
                cancelled,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// Whatever it says, a parser of somebody else's reads what was meant.
        #[test]
        fn another_parser_reads_every_event_as_it_was_meant(events in proptest::collection::vec(any_event(), 0..6)) {
            let text = render("Reminder", "en", &events, stamp()).unwrap();
            prop_assert!(text.split_terminator("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])));
            let read: Calendar = text.parse().unwrap();
            prop_assert_eq!(read.components.len(), events.len());
            for (event, found) in events.iter().zip(&read.components) {
                let found = found.as_event().expect("an event");
                prop_assert_eq!(found.get_uid(), Some(event.uid.as_str()));
                prop_assert_eq!(found.get_sequence(), Some(event.sequence));
                prop_assert_eq!(found.get_summary(), Some(event.title.trim()));
                prop_assert_eq!(found.get_description(), event.text.as_deref().map(str::trim));
                prop_assert_eq!(found.get_timestamp(), Some(stamp()));
                let (start, end) = match event.span {
                    Span::Day(date) => (DatePerhapsTime::from(date), None),
                    Span::Moment(at) => (at.into(), None),
                    Span::Busy(at, minutes) => (at.into(), Some((at + TimeDelta::minutes(i64::from(minutes))).into())),
                };
                prop_assert_eq!((found.get_start(), found.get_end()), (Some(start), end));
            }
        }
    }
}
