//! The built-in protocols held against each other: the day-by-day and the hour-by-hour plan follow one voice each, so the
//! figures in which they leave the careful plan are listed here one by one, and where they wait less their words must say
//! so. Pure: no database, no HTTP.
#![expect(clippy::panic, reason = "helpers of a test fail it, like the test itself")]

use std::collections::{BTreeMap, BTreeSet};

use mendline::domain::protocol::{Actor, Item, ItemText, Kind, ProtocolVersion, Texts};

use crate::protocol_facts::{all, bounds, conservative, course, item, listed, of_kind};

/// The plans beside the default.
fn others() -> impl Iterator<Item = &'static ProtocolVersion> {
    all().filter(|version| version.key() != "conservative")
}

fn plan(key: &str) -> &'static ProtocolVersion {
    all().find(|version| version.key() == key).unwrap_or_else(|| panic!("{key} is not built in"))
}

fn keys(version: &ProtocolVersion) -> BTreeSet<&str> {
    version.structure.items.iter().map(|item| item.key.as_str()).collect()
}

// -------------------------------------------------------------------------------------------- figures

/// Where a plan's bounds are not the careful plan's: plan, item, hard, soft, cap.
const DIFFERENT: [(&str, &str, &str, &str, &str); 14] = [
    ("day-by-day", "first_wash", "PT24H", "PT48H", ""),
    ("day-by-day", "hot_water", "PT48H", "PT72H", ""),
    ("day-by-day", "make_up", "PT48H", "P5D", ""),
    ("day-by-day", "make_up_heavy", "P5D", "P7D", ""),
    ("day-by-day", "acids", "P7D, flaking", "", "P14D"),
    ("day-by-day", "toners_and_strips", "P5D", "P7D", ""),
    ("day-by-day", "direct_sun", "PT48H", "PT72H", ""),
    ("day-by-day", "exercise", "PT48H", "PT72H", ""),
    ("day-by-day", "sauna", "PT48H", "PT72H", ""),
    ("day-by-day", "alcohol", "PT48H", "P5D", ""),
    ("day-by-day", "smoking", "PT72H", "P5D", ""),
    ("hour-by-hour", "first_wash", "PT4H", "", ""),
    ("hour-by-hour", "direct_sun", "PT24H", "PT48H", ""),
    ("hour-by-hour", "exercise", "PT24H", "PT48H", ""),
];

#[test]
fn every_restriction_has_its_plans_own_bounds_or_the_careful_ones() {
    let of_plan = |version: &ProtocolVersion| -> BTreeSet<String> {
        of_kind(version, Kind::Restriction).map(|item| item.key.clone()).collect()
    };
    let mut different = 0;
    for version in others() {
        assert_eq!(of_plan(version), of_plan(conservative()), "{}", version.key());
        for own in of_kind(version, Kind::Restriction) {
            let careful = item(conservative(), &own.key);
            let listed = DIFFERENT.iter().find(|(plan, key, ..)| (*plan, *key) == (version.key(), own.key.as_str()));
            different += usize::from(listed.is_some());
            let expected = listed
                .map_or_else(|| bounds(careful), |(_, _, hard, soft, cap)| [*hard, *soft, *cap].map(str::to_owned));
            assert_eq!(bounds(own), expected, "{} {}", version.key(), own.key);
            assert_eq!(own.product_decision, careful.product_decision, "{} {}", version.key(), own.key);
        }
    }
    assert_eq!(different, DIFFERENT.len(), "a difference that no plan has");
}

/// Everything a restriction says, on one line.
fn said(texts: &Texts, key: &str) -> String {
    let text = &texts.items[key];
    let parts = [&text.body, &text.why, &text.instead, &text.soft];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn who_waits_less_than_the_careful_plan_is_told_that_other_guides_wait_longer() {
    let mut shorter = 0;
    for version in others() {
        for own in of_kind(version, Kind::Restriction) {
            let careful = item(conservative(), &own.key);
            if own.hard() >= careful.hard() && own.latest_soft() >= careful.latest_soft() {
                continue;
            }
            shorter += 1;
            for (locale, word) in [("en", "guide"), ("es", "guía")] {
                let words = said(&version.texts[locale], &own.key);
                assert!(words.contains(word), "{} {locale} {}: {words}", version.key(), own.key);
            }
        }
    }
    assert_eq!(shorter, 13, "bounds that are shorter than the careful plan's");
}

#[test]
fn a_soft_bound_has_its_words_and_no_bound_has_none() {
    for version in all() {
        for item in of_kind(version, Kind::Restriction) {
            for texts in version.texts.values() {
                let words = texts.items[&item.key].soft.is_some();
                assert_eq!(words, item.soft.is_some(), "{} {} {}", version.key(), texts.locale, item.key);
            }
        }
    }
}

#[test]
fn each_plan_tells_the_rows_of_its_own_table() {
    // plan, key, window, the day index on which it is told
    const ROWS: [(&str, &str, &str, Option<i32>); 19] = [
        ("day-by-day", "first_evening", "PT1H-PT24H", Some(0)),
        ("day-by-day", "day_after", "day 1-2", Some(1)),
        ("day-by-day", "flaking_may_start", "day 1-2", Some(2)),
        ("day-by-day", "flaking_peaks", "day 3-4", Some(3)),
        ("day-by-day", "calmer", "day 5-6", Some(5)),
        ("day-by-day", "week_one", "day 7-9", Some(7)),
        ("day-by-day", "week_two", "day 7-13", Some(9)),
        ("day-by-day", "months_ahead", "day 28-182", Some(29)),
        ("hour-by-hour", "first_hour", "PT0S-PT1H", None),
        ("hour-by-hour", "first_evening", "PT1H-PT24H", Some(0)),
        ("hour-by-hour", "day_after", "PT24H-PT48H", Some(1)),
        ("hour-by-hour", "flaking_may_start", "PT48H-PT72H", Some(2)),
        ("hour-by-hour", "flaking_peaks", "day 2-4", None),
        ("hour-by-hour", "calmer", "PT72H-P4D", Some(3)),
        ("hour-by-hour", "dry_skin_may_show", "P4D-P5D", Some(4)),
        ("hour-by-hour", "week_one", "day 5-7", Some(7)),
        ("hour-by-hour", "week_two", "day 7-13", Some(9)),
        ("hour-by-hour", "week_three", "day 21-27", Some(21)),
        ("hour-by-hour", "weeks_four_to_six", "day 28-42", Some(29)),
    ];
    let rows: Vec<_> = others()
        .flat_map(|version| of_kind(version, Kind::Milestone).map(move |item| (version.key(), item)))
        .map(|(plan, item)| (plan, item.key.as_str(), course(item)))
        .collect();
    let decided: Vec<_> =
        ROWS.iter().map(|(plan, key, window, told)| (*plan, *key, ((*window).to_owned(), *told))).collect();
    assert_eq!(rows, decided);
}

// ------------------------------------------------------------------------------------ what they share

#[test]
fn what_bears_the_same_key_means_the_same_thing() {
    let mut meant: BTreeMap<&str, (&Item, &str)> = BTreeMap::new();
    for version in all() {
        for item in &version.structure.items {
            let (first, plan) = *meant.entry(&item.key).or_insert((item, version.key()));
            let same = (first.kind, &first.group, first.actor) == (item.kind, &item.group, item.actor);
            assert!(same, "{} is one thing in {plan}, another in {}", item.key, version.key());
        }
    }
    let own = |version| keys(version).difference(&keys(conservative())).copied().collect::<Vec<_>>();
    assert_eq!(own(plan("day-by-day")), ["months_ahead"]);
    let clinics = ["calming_serums", "clinic_loose_skin", "dry_skin_may_show", "first_hour", "loose_skin_visit"];
    assert_eq!(own(plan("hour-by-hour")), clinics);
    assert_eq!(keys(conservative()).difference(&keys(plan("hour-by-hour"))).count(), 0);
}

#[test]
fn warnings_do_not_depend_on_the_plan() {
    let careful = conservative();
    for version in others() {
        assert_eq!(version.structure.triage, careful.structure.triage, "{}", version.key());
        assert_eq!(version.structure.check_in_fields, careful.structure.check_in_fields, "{}", version.key());
        for (locale, texts) in &version.texts {
            let ours = &careful.texts[locale];
            assert_eq!((&texts.advice, &texts.check_in), (&ours.advice, &ours.check_in), "{} {locale}", version.key());
            for flag in of_kind(version, Kind::RedFlag) {
                assert_eq!(flag, item(careful, &flag.key), "{}", version.key());
                assert_eq!(texts.items[&flag.key], ours.items[&flag.key], "{} {locale}", version.key());
            }
        }
    }
}

#[test]
fn loose_skin_is_taken_off_by_the_clinic_of_one_plan_alone_and_never_while_a_flag_is_open() {
    for version in all() {
        let offered: Vec<_> =
            version.structure.items.iter().filter(|item| item.evidence.contains(&"T21".to_owned())).collect();
        if version.key() != "hour-by-hour" {
            assert!(offered.is_empty() && listed(version).contains("T21"), "{}", version.key());
            continue;
        }
        let [visit, prepared] = offered.as_slice() else { panic!("{offered:?}") };
        assert_eq!((visit.kind, visit.hold_on_flag, visit.product_decision), (Kind::FollowUp, true, true));
        assert_eq!((prepared.kind, prepared.actor), (Kind::ClinicPrevention, Actor::Clinic));
        for contradiction in ["C06", "C08"] {
            assert!(visit.evidence.contains(&contradiction.to_owned()), "{contradiction}");
        }
    }
}

#[test]
fn the_clinic_goes_through_the_same_list_before_every_session() {
    for version in all() {
        let list: Vec<&Item> = of_kind(version, Kind::ClinicPrevention).collect();
        assert_eq!(list.len(), if version.key() == "hour-by-hour" { 16 } else { 15 });
        for item in list {
            assert_eq!((item.group.as_deref(), item.actor), (Some("before_session"), Actor::Clinic), "{}", item.key);
        }
    }
}

#[test]
fn a_translation_says_everything_and_is_marked_as_unreviewed() {
    for version in all() {
        let locales: Vec<&String> = version.texts.keys().collect();
        assert_eq!(locales, ["en", "es"], "{}", version.key());
        let (base, other) = (version.base_texts(), &version.texts["es"]);
        assert!(!other.reviewed, "{}", version.key());
        assert_ne!(other.name, base.name);
        assert!(base.phases.keys().eq(other.phases.keys()) && base.advice.keys().eq(other.advice.keys()));
        assert!(base.check_in.keys().eq(other.check_in.keys()) && base.items.keys().eq(other.items.keys()));
        for (key, ours) in &base.items {
            let theirs = &other.items[key];
            let parts = |text: &ItemText| {
                [
                    text.body.is_some(),
                    text.why.is_some(),
                    text.instead.is_some(),
                    text.soft.is_some(),
                    text.alert.is_some(),
                ]
            };
            assert_eq!(parts(theirs), parts(ours), "{} {key}", version.key());
        }
    }
}
