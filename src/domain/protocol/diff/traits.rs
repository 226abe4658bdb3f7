//! A protocol version taken apart: every field of every entry as one trait. Fields are named one by one, so that whoever adds
//! one is asked here what it means for a patient.

use super::super::item::{Item, Recurrence, Reminder, Spread};
use super::super::rule::{Condition, Rule};
use super::super::show::{spoken_recurrence, spoken_when};
use super::super::texts::{FieldText, PlainText};
use super::super::units::{DayTime, IsoDuration};
use super::super::version::{AppliesTo, Phase, PhaseStart, ProtocolVersion, Series, Structure};
use super::gather::{Trait, Traits, Whole};
use super::{Aspect, Side, Value};

pub(super) fn plan(side: Side<'_>) -> Vec<Trait> {
    // Facts are everybody's: what an entry takes from them stands with the entry.
    let ProtocolVersion { structure, texts, facts: _ } = side.version;
    let Structure {
        key: _,
        version: _,
        base_locale,
        alerts_a_day,
        applies_to: AppliesTo { areas, modalities },
        series,
        not_carried,
        phases: _,
        conditions: _,
        check_in_fields,
        items: _,
        triage: _,
    } = structure;
    let mut all = Traits::default();
    all.text(Aspect::Name, &side.texts.name);
    all.list(Aspect::Areas, areas);
    all.list(Aspect::Modalities, modalities);
    if let Some(Series { sessions, most, interval_min, interval_max }) = series {
        all.text(Aspect::Sessions, sessions);
        all.text(Aspect::MostSessions, most);
        all.length(Aspect::IntervalMin, Some(*interval_min));
        all.length(Aspect::IntervalMax, Some(*interval_max));
    }
    all.text(Aspect::AlertsADay, alerts_a_day);
    let asked: Vec<String> = check_in_fields.iter().map(ToString::to_string).collect();
    all.list(Aspect::Asks, &asked);
    for entry in not_carried {
        all.named(Aspect::NotCarried, &entry.facts.join(", "), &entry.reason);
    }
    all.text(Aspect::BaseLocale, base_locale);
    let locales: Vec<String> = texts.keys().cloned().collect();
    all.list(Aspect::Locales, &locales);
    all.done()
}

pub(super) fn phases(side: Side<'_>) -> Vec<Whole> {
    let base = side.version.base_texts();
    let whole = |Phase { key, from }: &Phase| {
        let text = side.texts.phases.get(key).or_else(|| base.phases.get(key));
        let mut all = Traits::default();
        match from {
            PhaseStart::Elapsed { from } => all.after(Aspect::Opens, Some(*from)),
            PhaseStart::Day { from_day } => {
                all.add(Aspect::Opens, Value::OnDay { day: *from_day, time: DayTime::START });
            }
        }
        all.plain(text);
        Whole { key: key.clone(), kind: None, title: text.map(|text| text.title.clone()), traits: all.done() }
    };
    side.version.structure.phases.iter().map(whole).collect()
}

pub(super) fn items(side: Side<'_>) -> Vec<Whole> {
    side.version.structure.items.iter().map(|item| whole_item(side, item)).collect()
}

fn whole_item(side: Side<'_>, item: &Item) -> Whole {
    let Item {
        key,
        kind,
        group,
        relation,
        window,
        soft,
        range,
        recurrence,
        grace,
        actor,
        counts,
        weight,
        priority,
        hold_on_flag,
        reminders,
        links,
        evidence,
        product_decision,
    } = item;
    let text = side.version.item_text(side.texts, key);
    let mut all = Traits::default();
    all.text(Aspect::Kind, kind);
    all.some(Aspect::Group, group.as_ref());
    all.some(Aspect::Relation, *relation);
    window.iter().for_each(|window| all.window(window));
    soft.iter().for_each(|soft| all.soft(soft));
    if let Some(Spread { min, max }) = range {
        all.length(Aspect::SourcesShortest, Some(*min));
        all.length(Aspect::SourcesLongest, Some(*max));
    }
    all.some(Aspect::Recurrence, recurrence.as_ref().map(repeats));
    all.length(Aspect::Grace, Some(*grace));
    all.text(Aspect::Actor, actor);
    all.text(Aspect::Counts, counts);
    all.text(Aspect::Weight, weight);
    all.text(Aspect::Priority, priority);
    all.text(Aspect::HoldOnFlag, hold_on_flag);
    reminders.iter().for_each(|reminder| all.text(Aspect::Reminder, due(reminder)));
    all.list(Aspect::Links, links);
    all.list(Aspect::Evidence, evidence);
    all.text(Aspect::ProductDecision, product_decision);
    text.iter().for_each(|text| all.words(text));
    Whole { key: key.clone(), kind: Some(*kind), title: text.map(|text| text.title.clone()), traits: all.done() }
}

fn repeats(recurrence: &Recurrence) -> String {
    match recurrence {
        Recurrence::Once { offset } if *offset != IsoDuration::ZERO => format!("once, {} in", offset.spoken()),
        other => spoken_recurrence(other).trim_start_matches(", ").to_owned(),
    }
}

/// When a reminder is due, on one line.
fn due(reminder: &Reminder) -> String {
    let Reminder { at, offset, day, from_day, to_day, seq, text } = reminder;
    let mut line = at.to_string();
    if *offset != IsoDuration::ZERO {
        let sign = if *offset > IsoDuration::ZERO { "+" } else { "" };
        line.push_str(&format!(" {sign}{}", offset.spoken()));
    }
    line.extend(day.map(|day| format!(", day {day}")));
    line.extend(from_day.map(|day| format!(", from day {day}")));
    line.extend(to_day.map(|day| format!(", to day {day}")));
    if !seq.is_empty() {
        let seq: Vec<String> = seq.iter().map(ToString::to_string).collect();
        line.push_str(&format!(", task {} of the day", seq.join(" and ")));
    }
    line.extend(text.iter().map(|name| format!(", in the words of {name}")));
    line
}

pub(super) fn conditions(side: Side<'_>) -> Vec<Whole> {
    let whole = |Condition { key, field, counts_from }: &Condition| {
        let mut all = Traits::default();
        all.text(Aspect::Field, field);
        all.after(Aspect::CountsFrom, Some(*counts_from));
        Whole { key: key.clone(), kind: None, title: None, traits: all.done() }
    };
    side.version.structure.conditions.iter().map(whole).collect()
}

pub(super) fn triage(side: Side<'_>) -> Vec<Whole> {
    let whole = |rule: &Rule| {
        let Rule { key, level, advice, after, before, recheck, when, evidence, product_decision } = rule;
        let mut all = Traits::default();
        all.text(Aspect::Level, level);
        all.text(Aspect::Advice, advice);
        all.after(Aspect::Opens, *after);
        all.after(Aspect::Closes, *before);
        all.length(Aspect::Recheck, *recheck);
        all.text(Aspect::When, spoken_when(when, false));
        all.list(Aspect::Evidence, evidence);
        all.text(Aspect::ProductDecision, product_decision);
        Whole { key: key.clone(), kind: None, title: None, traits: all.done() }
    };
    side.version.structure.triage.iter().map(whole).collect()
}

pub(super) fn check_in(side: Side<'_>) -> Vec<Whole> {
    let base = side.version.base_texts();
    let whole = |field: &str| {
        let mut all = Traits::default();
        let text = side.texts.check_in.get(field).or_else(|| base.check_in.get(field));
        if let Some(FieldText { question, anchors }) = text {
            all.text(Aspect::Question, question);
            all.list(Aspect::Anchors, anchors);
        }
        Whole { key: field.to_owned(), kind: None, title: None, traits: all.done() }
    };
    side.version.structure.check_in_fields.iter().map(|field| whole(field.as_str())).collect()
}

pub(super) fn advice(side: Side<'_>) -> Vec<Whole> {
    let whole = |(key, text): (&String, &PlainText)| {
        let text = side.texts.advice.get(key).unwrap_or(text);
        let mut all = Traits::default();
        all.plain(Some(text));
        Whole { key: key.clone(), kind: None, title: Some(text.title.clone()), traits: all.done() }
    };
    side.version.base_texts().advice.iter().map(whole).collect()
}
