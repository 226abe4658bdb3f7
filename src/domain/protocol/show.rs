//! A protocol version as a person would read it: phases in order, items where they begin, rules at the end.
//! Rendering to text only; who prints it is the command line's affair.

use super::item::{Actor, Item, Kind, Recurrence, Slot, Soft, Window};
use super::rule::{Rule, Test, When};
use super::texts::Texts;
use super::units::{DayTime, IsoDuration};
use super::version::{Phase, PhaseStart, ProtocolVersion};

/// The version as plain text, in the words of `texts`.
pub fn show(version: &ProtocolVersion, texts: &Texts) -> String {
    let structure = &version.structure;
    let mut lines = vec![
        format!("{} {}: {} ({})", structure.key, structure.version, texts.name, texts.locale),
        format!("for {}; {}", structure.applies_to.areas.join(", "), structure.applies_to.modalities.join(", ")),
    ];
    if let Some(series) = &structure.series {
        lines.push(format!(
            "a course of {} treatments (at most {}), {} to {} apart",
            series.sessions,
            series.most,
            series.interval_min.spoken(),
            series.interval_max.spoken()
        ));
    }
    let mut placed: Vec<(usize, i64, &Item)> = structure
        .items
        .iter()
        .filter_map(|item| {
            let start = start(item)?;
            Some((phase_of(&structure.phases, start), start, item))
        })
        .collect();
    placed.sort_by_key(|(phase, start, item)| (*phase, *start, item.kind));
    for (index, phase) in structure.phases.iter().enumerate() {
        let title = texts.phases.get(&phase.key).map_or(phase.key.as_str(), |text| &text.title);
        lines.push(format!("\n{title} ({})", phase_start(phase)));
        let here = placed.iter().filter(|(of, ..)| *of == index);
        lines.extend(here.map(|(_, _, item)| item_line(version, texts, item)));
    }
    let always: Vec<&Item> = structure.items.iter().filter(|item| item.window.is_none()).collect();
    if !always.is_empty() {
        lines.push("\nAt any time".to_owned());
        lines.extend(always.into_iter().map(|item| item_line(version, texts, item)));
    }
    if !structure.triage.is_empty() {
        lines.push("\nWhen a check-in says".to_owned());
        lines.extend(structure.triage.iter().map(|rule| rule_line(texts, rule)));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Seconds after T0 at which an item begins, days counted as whole ones: good enough to put it in order.
fn start(item: &Item) -> Option<i64> {
    Some(match item.window.as_ref()? {
        Window::Elapsed { from, .. } | Window::Condition { from, .. } => from.seconds(),
        Window::LocalDay { from_day, from_time, .. } => day_seconds(*from_day) + i64::from(from_time.minutes()) * 60,
    })
}

fn day_seconds(day: i32) -> i64 {
    IsoDuration::days(i64::from(day)).seconds()
}

fn phase_of(phases: &[Phase], start: i64) -> usize {
    let begun = |phase: &Phase| match phase.from {
        PhaseStart::Elapsed { from } => from.seconds() <= start,
        PhaseStart::Day { from_day } => day_seconds(from_day) <= start,
    };
    phases.iter().rposition(begun).unwrap_or(0)
}

fn phase_start(phase: &Phase) -> String {
    match phase.from {
        PhaseStart::Elapsed { from: IsoDuration::ZERO } => "from the treatment on".to_owned(),
        PhaseStart::Elapsed { from } => format!("from {} on", from.spoken()),
        PhaseStart::Day { from_day } => format!("from day {from_day} on, day 0 being that of the treatment"),
    }
}

pub(super) fn item_line(version: &ProtocolVersion, texts: &Texts, item: &Item) -> String {
    let title = version.item_text(texts, &item.key).map_or(item.key.as_str(), |text| &text.title);
    let mut line = format!("  {:<17} {title}", item.kind.as_str());
    if item.kind == Kind::Restriction {
        line.push_str(": not ");
        line.push_str(&restricted(item));
    } else if let Some(window) = &item.window {
        line.push_str(": ");
        line.push_str(&spoken_window(window, item.recurrence.is_some()));
    }
    if let Some(recurrence) = &item.recurrence {
        line.push_str(&spoken_recurrence(recurrence));
    }
    if item.actor == Actor::Clinic {
        line.push_str(", by the clinic");
    }
    if item.counts {
        line.push_str(&format!(", counts {}", item.weight));
    }
    if !item.reminders.is_empty() {
        line.push_str(", told");
    }
    line.push_str(&grounds(&item.evidence, item.product_decision));
    line
}

fn grounds(evidence: &[String], product_decision: bool) -> String {
    let own = if product_decision { ["our decision".to_owned()].to_vec() } else { Vec::new() };
    let all: Vec<String> = evidence.iter().cloned().chain(own).collect();
    if all.is_empty() { String::new() } else { format!("  [{}]", all.join(" ")) }
}

fn restricted(item: &Item) -> String {
    let hard = match &item.window {
        Some(Window::Condition { minimum, until, cap, .. }) => {
            format!("before {}, then until {}, at most {}", minimum.spoken(), until.replace('_', " "), cap.spoken())
        }
        Some(Window::Elapsed { to: Some(to), .. }) => format!("before {}", to.spoken()),
        Some(window) => spoken_window(window, false),
        None => "yet".to_owned(),
    };
    match &item.soft {
        Some(Soft::Fixed { to }) => format!("{hard}, with care until {}", to.spoken()),
        Some(Soft::Condition { until, cap }) => {
            format!("{hard}, with care until {}, at most {}", until.replace('_', " "), cap.spoken())
        }
        None => hard,
    }
}

fn spoken_window(window: &Window, recurs: bool) -> String {
    match window {
        Window::Elapsed { from, to: Some(to) } => format!("{} to {}", from.spoken(), to.spoken()),
        Window::Elapsed { from: IsoDuration::ZERO, to: None } => "always".to_owned(),
        Window::Elapsed { from, to: None } => format!("from {} on", from.spoken()),
        Window::LocalDay { from_day, to_day, from_time, to_time } => {
            let days = match to_day {
                None => format!("from day {from_day} on"),
                Some(to_day) if to_day == from_day => format!("day {from_day}"),
                Some(to_day) => format!("days {from_day} to {to_day}"),
            };
            let whole = (*from_time, *to_time) == (DayTime::START, DayTime::END);
            if whole || !recurs && to_day != &Some(*from_day) { days } else { format!("{days}, {from_time}-{to_time}") }
        }
        Window::Condition { minimum, until, cap, .. } => {
            format!("until {} ({} to {})", until.replace('_', " "), minimum.spoken(), cap.spoken())
        }
    }
}

pub(super) fn spoken_recurrence(recurrence: &Recurrence) -> String {
    let slot = |slot: &Slot| format!("{}-{}", slot.from, slot.to);
    match recurrence {
        Recurrence::Once { .. } => ", once".to_owned(),
        Recurrence::Daily => ", every day".to_owned(),
        Recurrence::AsNeeded => ", as needed".to_owned(),
        Recurrence::Every { hours, from, to, mode } => format!(", every {hours} h from {from} to {to} while {mode}"),
        Recurrence::Times { times, days } => {
            let times: Vec<String> = times.iter().map(slot).collect();
            let days: Vec<String> = days.iter().map(i32::to_string).collect();
            let on = if days.is_empty() { String::new() } else { format!(" on days {}", days.join(", ")) };
            format!(", {} a day ({}){on}", times.len(), times.join(", "))
        }
    }
}

pub(super) fn rule_line(texts: &Texts, rule: &Rule) -> String {
    let mut time = String::new();
    if let Some(after) = rule.after {
        time.push_str(&format!(" from {} on", after.spoken()));
    }
    if let Some(before) = rule.before {
        time.push_str(&format!(" before {}", before.spoken()));
    }
    let advice = texts.advice.get(&rule.advice).map_or(rule.advice.as_str(), |text| &text.title);
    let grounds = grounds(&rule.evidence, rule.product_decision);
    format!("  {:<10} {}{time}: {advice}{grounds}", rule.level.as_str(), spoken_when(&rule.when, false))
}

pub(super) fn spoken_when(when: &When, nested: bool) -> String {
    let joined = |parts: &[When], word: &str| {
        let parts: Vec<String> = parts.iter().map(|part| spoken_when(part, true)).collect();
        let text = parts.join(word);
        if nested && parts.len() > 1 { format!("({text})") } else { text }
    };
    match when {
        When::All { all } => joined(all, " and "),
        When::Any { any } => joined(any, " or "),
        When::Test(test) => spoken_test(test),
    }
}

fn spoken_test(test: &Test) -> String {
    let name = test.field().as_str().replace('_', " ");
    match test {
        Test::AtLeast { at_least, .. } => format!("{name} {at_least}+"),
        Test::Warm { at_least, .. } => format!("{name} {}.{:02}+ C", at_least / 100, at_least % 100),
        Test::Is { is: true, .. } => name,
        Test::Is { is: false, .. } => format!("no {name}"),
        Test::Word { is, .. } => format!("{name} {is}"),
        Test::Rising { rising: 1, .. } => format!("{name} rising"),
        Test::Rising { rising, .. } => format!("{name} up by {rising}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::protocol::{builtin, sample};

    #[test]
    fn a_protocol_reads_like_a_plan() {
        let version = sample::version();
        let text = show(&version, version.base_texts());
        for line in [
            "sample 1: Sample (en)",
            "a course of 3 treatments (at most 12), 4 weeks to 6 weeks apart",
            "The first day (from the treatment on)",
            "  restriction       Washing: not before 4 h, with care until 48 h, told  [R01]",
            "  restriction       Retinoids: not before 7 days, then until flaking ended, at most 14 days, told  [R09]",
            "  routine           Cleanse: days 3 to 13, 2 a day (07:00-11:00, 19:00-23:00), counts 1, told  [T07]",
            "  session           Next: days 28 to 41, told  [R01]",
            "  routine           Serum: 0 h to 1 h, once, by the clinic  [T07]",
            "  faq               May I wash?  [R01]",
            "  urgent     temperature 38.00+ C or feels feverish: Call today  [our decision]",
            "  urgent     (redness rising or warmth rising) and (pain 2+ or swelling 2+ or pus coloured) from 24 h on: \
             Call today  [R01]",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} is missing from\n{text}");
        }
    }

    #[test]
    fn every_item_and_rule_of_a_built_in_protocol_has_its_line() {
        for built_in in builtin().unwrap() {
            let version = &built_in.version;
            let text = show(version, version.base_texts());
            for item in &version.structure.items {
                let title = &version.base_texts().items[&item.key].title;
                assert!(text.contains(&format!("{:<17} {title}", item.kind.as_str())), "{}", item.key);
            }
            let rules =
                text.lines().rev().skip_while(|line| !line.starts_with("  ")).take_while(|l| l.starts_with("  "));
            assert_eq!(rules.count(), version.structure.triage.len());
        }
    }
}
