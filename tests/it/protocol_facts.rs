//! The built-in aftercare data held against what was decided about it: every fact is carried or listed with a reason,
//! the figures stand, the words stay kind and short, and the alerts stay few. What holds for one built-in protocol holds
//! for all; in what they differ is `protocol_variants.rs`. Pure: no database, no HTTP.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of a test fail it, like the test itself")]

use std::collections::{BTreeMap, BTreeSet};

use mendline::domain::protocol::{
    Actor, Condition, FactWindow, Facts, File, Files, IsoDuration, Item, Kind, Level, ProtocolVersion, Recurrence,
    Relation, ReminderAt, Soft, Test, Texts, When, Window, builtin, builtin_files, load,
};

/// Every built-in protocol, the default first.
pub fn all() -> impl Iterator<Item = &'static ProtocolVersion> {
    let built_in = builtin().unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{} faults:\n{}", faults.len(), faults.join("\n"))
    });
    built_in.iter().map(|built_in| built_in.version.as_ref())
}

pub fn conservative() -> &'static ProtocolVersion {
    all().find(|version| version.key() == "conservative").expect("it is built in")
}

/// A protocol's items of one kind, in order.
pub fn of_kind(version: &ProtocolVersion, kind: Kind) -> impl Iterator<Item = &Item> {
    version.structure.items.iter().filter(move |item| item.kind == kind)
}

pub fn item<'a>(version: &'a ProtocolVersion, key: &str) -> &'a Item {
    version.item(key).unwrap_or_else(|| panic!("no item `{key}`"))
}

fn duration(text: &str) -> IsoDuration {
    text.parse().unwrap_or_else(|reason| panic!("{reason}"))
}

// ------------------------------------------------------------------------------------------- coverage

/// How many facts of each kind there are: the course of recovery, restrictions, care and warning signs come first.
const NUMBERED: [(char, usize); 11] = [
    ('M', 30),
    ('R', 40),
    ('T', 23),
    ('F', 12),
    ('N', 6),
    ('P', 10),
    ('X', 7),
    ('S', 7),
    ('Q', 16),
    ('B', 5),
    ('C', 28),
];

pub fn numbered() -> impl Iterator<Item = String> {
    NUMBERED.into_iter().flat_map(|(letter, last)| (1..=last).map(move |number| format!("{letter}{number:02}")))
}

fn carried(version: &ProtocolVersion) -> BTreeSet<&str> {
    version.structure.items.iter().flat_map(|item| &item.evidence).map(String::as_str).collect()
}

pub fn listed(version: &ProtocolVersion) -> BTreeSet<&str> {
    version.structure.not_carried.iter().flat_map(|entry| &entry.facts).map(String::as_str).collect()
}

/// Facts that no item carries and no reason excuses. A triage rule alone does not carry a fact: nobody can read it.
fn forgotten(version: &ProtocolVersion) -> Vec<String> {
    let (carried, listed) = (carried(version), listed(version));
    numbered().filter(|id| !carried.contains(id.as_str()) && !listed.contains(id.as_str())).collect()
}

#[test]
fn every_fact_is_recorded_and_none_that_nobody_numbered() {
    let version = conservative();
    let recorded: BTreeSet<String> = version.facts.facts.keys().cloned().collect();
    assert_eq!(recorded, numbered().collect::<BTreeSet<_>>());
}

#[test]
fn every_fact_is_carried_by_an_item_or_listed_with_a_reason() {
    for version in all() {
        let key = version.key();
        assert_eq!(forgotten(version), Vec::<String>::new(), "{key}");
        for entry in &version.structure.not_carried {
            assert!(
                entry.reason.split_whitespace().count() >= 5,
                "{key}: {:?} needs a reason, not a word",
                entry.facts
            );
        }
        for (letter, last) in NUMBERED {
            let of_kind = |ids: BTreeSet<&str>| ids.into_iter().filter(|id| id.starts_with(letter)).count();
            let (carried, listed) = (of_kind(carried(version)), of_kind(listed(version)));
            println!("{key} {letter}: {carried} carried, {listed} listed with a reason");
            assert_eq!(carried + listed, last, "{key} {letter}");
        }
    }
}

#[test]
fn a_fact_that_is_dropped_or_loses_its_reason_is_found() {
    for mut version in all().cloned() {
        for item in &mut version.structure.items {
            item.evidence.retain(|id| id != "R35");
        }
        version.structure.not_carried.retain(|entry| !entry.facts.contains(&"T20".to_owned()));
        assert_eq!(forgotten(&version), ["R35", "T20"], "{}", version.key());
    }
}

#[test]
fn warning_signs_and_what_must_wait_are_never_merely_listed() {
    // Background, hearsay, peeling at home; and outside the clinic's own plan its visit, the harm it fears and its actives.
    const EVERYWHERE: [&str; 5] = ["B01", "B03", "B04", "B05", "T20"];
    const CLINICS_OWN: [&str; 4] = ["P04", "S06", "T21", "X07"];
    for version in all() {
        let own: &[&str] = if version.key() == "hour-by-hour" { &[] } else { &CLINICS_OWN };
        let excused: BTreeSet<&str> = EVERYWHERE.iter().chain(own).copied().collect();
        assert_eq!(listed(version), excused, "{}", version.key());
    }
}

#[test]
fn every_warning_sign_is_read_by_a_triage_rule_and_told_to_the_patient() {
    for version in all() {
        let rules: BTreeSet<&String> = version.structure.triage.iter().flat_map(|rule| &rule.evidence).collect();
        let told: BTreeSet<&String> = of_kind(version, Kind::RedFlag).flat_map(|item| &item.evidence).collect();
        for id in numbered().filter(|id| id.starts_with('F')) {
            assert!(rules.contains(&id), "{}: no triage rule reads {id}", version.key());
            assert!(told.contains(&id), "{}: no red flag tells of {id}", version.key());
        }
    }
}

#[test]
fn every_disagreement_says_who_says_what_and_what_the_default_does() {
    let Facts { facts, .. } = &conservative().facts;
    for (id, fact) in facts {
        let disagreement = id.starts_with('C');
        assert_eq!(!fact.positions.is_empty(), disagreement, "{id}");
        assert_eq!(fact.decision.is_some(), disagreement, "{id}");
        let cited: BTreeSet<&String> = fact.cited.iter().map(|citation| &citation.source).collect();
        for source in fact.positions.keys() {
            assert!(cited.contains(source), "{id}: a position of {source} without a place");
        }
    }
}

#[test]
fn every_place_is_a_line_and_every_window_runs_forwards() {
    let Facts { facts, sources, spans: _ } = &conservative().facts;
    let line = |text: &str| text.strip_prefix('L').is_some_and(|digits| digits.parse::<u16>().is_ok());
    let place = |text: &str| text.split('-').all(line) && text.split('-').count() <= 2;
    let mut voices = BTreeSet::new();
    for (id, fact) in facts {
        for citation in &fact.cited {
            assert!(citation.at.split(", ").all(place), "{id}: {:?} is no place", citation.at);
            voices.insert(&citation.source);
        }
        let forwards = match fact.figures.window {
            None => true,
            Some(FactWindow::Elapsed { from, to }) => from < to,
            Some(FactWindow::Days { first_day, last_day }) => first_day <= last_day,
        };
        assert!(forwards, "{id}: its window runs backwards");
        assert!(fact.figures.wait.is_none_or(|wait| wait.min <= wait.max), "{id}: its wait runs backwards");
    }
    assert_eq!(voices.len(), sources.len(), "a source that nobody cites");
}

#[test]
fn what_a_source_hands_on_in_anothers_name_is_marked_unverified() {
    let Facts { facts, .. } = &conservative().facts;
    let marked: Vec<&str> =
        facts.iter().filter(|(_, fact)| fact.figures.attributed.is_some()).map(|(id, _)| id.as_str()).collect();
    assert_eq!(marked, ["B05", "N02", "P10", "R04", "R05", "R10"]);
    assert!(facts.values().filter_map(|fact| fact.figures.attributed.as_deref()).all(|mark| mark == "unverified"));
}

#[test]
fn milestones_of_the_sources_keep_what_they_mean() {
    let Facts { facts, .. } = &conservative().facts;
    let relation = |id: &str| facts.get(id).and_then(|fact| fact.figures.relation);
    assert_eq!(relation("M22"), Some(Relation::Lasts));
    for id in ["M06", "M20", "M23"] {
        assert_eq!(relation(id), Some(Relation::EndsBy), "{id}");
    }
    assert_eq!(relation("M11"), Some(Relation::StartsBy));
    let window = |id: &str| facts.get(id).and_then(|fact| fact.figures.window);
    let elapsed = |from, to| Some(FactWindow::Elapsed { from: duration(from), to: duration(to) });
    assert_eq!(window("M09"), elapsed("PT0S", "P4D"));
    assert_eq!(window("M12"), elapsed("PT0S", "PT72H"));
}

// -------------------------------------------------------------------------------------------- figures

/// The bounds of a restriction: hard, soft, cap; `flaking` where the bound is the end of flaking.
pub fn bounds(item: &Item) -> [String; 3] {
    let flaking = |until: &str| {
        assert_eq!(until, "flaking_ended", "{}", item.key);
        "flaking".to_owned()
    };
    let (hard, hard_cap) = match item.window.as_ref().expect("a restriction has a window") {
        Window::Elapsed { from, to } => {
            assert_eq!(*from, IsoDuration::ZERO, "{}", item.key);
            (to.expect("bounded").to_string(), None)
        }
        Window::Condition { from, minimum, until, cap } => {
            assert_eq!(*from, IsoDuration::ZERO, "{}", item.key);
            (format!("{minimum}, {}", flaking(until)), Some(cap.to_string()))
        }
        Window::LocalDay { from_day, to_day, .. } => (format!("day {from_day}-{}", to_day.expect("bounded")), None),
    };
    let (soft, soft_cap) = match &item.soft {
        None => (String::new(), None),
        Some(Soft::Fixed { to }) => (to.to_string(), None),
        Some(Soft::Condition { until, cap }) => (flaking(until), Some(cap.to_string())),
    };
    [hard, soft, hard_cap.or(soft_cap).unwrap_or_default()]
}

#[test]
fn every_restriction_has_the_bounds_that_were_decided() {
    // key, hard, soft, cap, whether the figure is ours
    const DECIDED: [(&str, &str, &str, &str, bool); 23] = [
        ("first_wash", "PT4H", "PT48H", "", false),
        ("make_up", "PT72H", "P7D", "", false),
        ("make_up_heavy", "P7D", "", "", false),
        ("vitamin_c", "P7D, flaking", "", "P14D", false),
        ("retinoids", "P7D, flaking", "", "P14D", false),
        ("acids", "P10D, flaking", "", "P14D", false),
        ("exfoliation", "P10D, flaking", "", "P14D", false),
        ("niacinamide", "P7D", "", "", true),
        ("toners_and_strips", "P7D", "", "", false),
        ("first_day_products", "day 0-0", "", "", true),
        ("direct_sun", "PT72H", "", "", false),
        ("exercise", "PT72H", "", "", false),
        ("sauna", "PT72H", "", "", false),
        ("hot_water", "PT72H", "flaking", "P10D", false),
        ("alcohol", "P5D", "", "", true),
        ("smoking", "P5D", "", "", true),
        ("picking", "P5D, flaking", "", "P14D", true),
        ("touching", "P5D, flaking", "", "P14D", true),
        ("shaving", "P5D, flaking", "", "P14D", true),
        ("fragrance", "P5D, flaking", "", "P14D", true),
        ("heavy_occlusives", "P5D, flaking", "", "P10D", true),
        ("hair_products", "P5D, flaking", "", "P10D", true),
        ("towel_rubbing", "P5D, flaking", "", "P10D", true),
    ];
    let version = conservative();
    for (key, hard, soft, cap, ours) in DECIDED {
        let item = item(version, key);
        assert_eq!(item.kind, Kind::Restriction, "{key}");
        assert_eq!(bounds(item), [hard, soft, cap], "{key}");
        assert_eq!(item.product_decision, ours, "{key}");
    }
    assert_eq!(of_kind(version, Kind::Restriction).count(), DECIDED.len(), "a restriction that nobody decided");
}

#[test]
fn flaking_counts_as_over_only_from_the_fifth_day() {
    for version in all() {
        let [Condition { key, field, counts_from }] = version.structure.conditions.as_slice() else {
            panic!("one condition")
        };
        assert_eq!((key.as_str(), field.as_str(), *counts_from), ("flaking_ended", "flaking", IsoDuration::days(5)));
    }
}

#[test]
fn a_range_is_the_spread_of_its_evidence_and_the_default_takes_the_longest_wait() {
    for version in all() {
        let mut ranged = 0;
        for item in of_kind(version, Kind::Restriction) {
            let waits = || {
                let facts = item.evidence.iter().filter_map(|id| version.facts.facts.get(id));
                facts.filter_map(|fact| fact.figures.wait)
            };
            let spread = waits().map(|wait| wait.min).min().zip(waits().map(|wait| wait.max).max());
            assert_eq!(item.range.map(|range| (range.min, range.max)), spread, "{} {}", version.key(), item.key);
            let Some((_, longest)) = spread else { continue };
            let taken = item.latest_soft().max(item.hard()).expect("an elapsed bound");
            let careful = version.key() == "conservative";
            assert!(taken >= longest || !careful, "{} waits {taken}, a source says {longest}", item.key);
            ranged += 1;
        }
        assert_eq!(ranged, 14, "{}: restrictions with figures in the sources", version.key());
    }
}

#[test]
fn every_routine_has_the_days_and_the_frequency_that_were_decided() {
    // key, days, tasks a day, counts, actor
    const DECIDED: [(&str, &str, &str, bool, Actor); 11] = [
        ("first_serum", "first hour", "once", false, Actor::Clinic),
        ("hydrating_serum", "1-13", "3", true, Actor::Patient),
        ("cleanse_and_moisturise", "3-13", "2", true, Actor::Patient),
        ("sunscreen", "1-13", "daily", true, Actor::Patient),
        ("sunscreen_outdoors", "1-13", "every 2 h outdoors", false, Actor::Patient),
        ("kept_it", "1-13", "daily", true, Actor::Patient),
        ("water", "0-13", "as needed", false, Actor::Patient),
        ("clean_hands", "0-13", "as needed", false, Actor::Patient),
        ("cool_compress", "0-13", "as needed", false, Actor::Patient),
        ("soothing_mask", "1-13", "as needed", false, Actor::Patient),
        ("petrolatum", "1-13", "as needed", false, Actor::Patient),
    ];
    for version in all() {
        for (key, days, frequency, counts, actor) in DECIDED {
            let item = item(version, key);
            let found = match item.window.as_ref().expect("a routine has a window") {
                Window::Elapsed { from: IsoDuration::ZERO, to: Some(to) } if *to == IsoDuration::hours(1) => {
                    "first hour".to_owned()
                }
                Window::LocalDay { from_day, to_day: Some(to_day), .. } => format!("{from_day}-{to_day}"),
                other => panic!("{key}: {other:?}"),
            };
            assert_eq!(found, days, "{key}");
            let found = match item.recurrence.as_ref().expect("a routine recurs") {
                Recurrence::Once { .. } => "once".to_owned(),
                Recurrence::Daily => "daily".to_owned(),
                Recurrence::Times { times, days } if days.is_empty() => times.len().to_string(),
                Recurrence::Every { hours, mode, .. } => format!("every {hours} h {mode}"),
                Recurrence::AsNeeded => "as needed".to_owned(),
                other @ Recurrence::Times { .. } => panic!("{key}: {other:?}"),
            };
            assert_eq!(found, frequency, "{key}");
            assert_eq!((item.counts, item.actor), (counts, actor), "{key}");
        }
        assert_eq!(of_kind(version, Kind::Routine).count(), DECIDED.len(), "a routine that nobody decided");
    }
}

#[test]
fn nothing_but_the_daily_confirmation_counts_restrictions_and_no_task_asks_to_peel() {
    let care: BTreeSet<String> = numbered().filter(|id| id.starts_with('R')).collect();
    for version in all() {
        for item in version.structure.items.iter().filter(|item| item.counts) {
            assert!(!item.evidence.iter().any(|id| care.contains(id)), "{} counts a restriction", item.key);
        }
        for item in of_kind(version, Kind::Routine) {
            for peel in ["T19", "T20", "T21", "R40"] {
                assert!(!item.evidence.contains(&peel.to_owned()), "{} rests on {peel}", item.key);
            }
        }
    }
}

/// A milestone's window, and the day index on which it is told, if it is.
pub fn course(item: &Item) -> (String, Option<i32>) {
    let (window, first) = match item.window.as_ref().expect("a milestone has a window") {
        Window::Elapsed { from, to } => {
            let day = from.seconds() / IsoDuration::days(1).seconds();
            (format!("{from}-{}", to.expect("bounded")), i32::try_from(day).expect("a few days"))
        }
        Window::LocalDay { from_day, to_day, .. } => {
            (format!("day {from_day}-{}", to_day.expect("bounded")), *from_day)
        }
        other @ Window::Condition { .. } => panic!("{}: {other:?}", item.key),
    };
    let told = match item.reminders.as_slice() {
        [] => None,
        [reminder] => Some(reminder.day.unwrap_or(first)),
        more => panic!("{} is told {} times", item.key, more.len()),
    };
    (window, told)
}

#[test]
fn the_patient_is_told_of_nine_milestones_on_the_decided_days() {
    // key, window, the day it is told, relation, held while a flag is open
    const DECIDED: [(&str, &str, i32, Relation, bool); 9] = [
        ("first_evening", "PT1H-PT24H", 0, Relation::In, false),
        ("day_after", "day 1-1", 1, Relation::In, false),
        ("flaking_may_start", "day 1-2", 2, Relation::StartsBy, false),
        ("flaking_peaks", "day 2-4", 3, Relation::Peaks, false),
        ("calmer", "day 5-6", 5, Relation::EndsBy, false),
        ("week_one", "day 7-7", 7, Relation::EndsBy, false),
        ("week_two", "day 7-13", 9, Relation::In, false),
        ("week_three", "day 21-27", 21, Relation::StartsBy, true),
        ("weeks_four_to_six", "day 28-42", 29, Relation::StartsBy, true),
    ];
    let version = conservative();
    for (key, window, told, relation, held) in DECIDED {
        let item = item(version, key);
        let (found, day) = course(item);
        assert_eq!((found.as_str(), day), (window, Some(told)), "{key}");
        assert_eq!((item.relation, item.hold_on_flag), (Some(relation), held), "{key}");
    }
    assert_eq!(of_kind(version, Kind::Milestone).count(), DECIDED.len(), "a milestone that nobody decided");
}

#[test]
fn after_a_late_session_the_morning_belongs_to_the_day_after() {
    // The first evening's milestone, held back by a quiet night, meets the next day's: the stale one must lose.
    for version in all() {
        assert!(item(version, "day_after").priority > item(version, "first_evening").priority, "{}", version.key());
    }
}

#[test]
fn sessions_are_three_of_up_to_twelve_four_to_six_weeks_apart() {
    for version in all() {
        let series = version.structure.series.as_ref().expect("a series");
        assert_eq!((series.sessions, series.most), (3, 12));
        assert_eq!((series.interval_min, series.interval_max), (duration("P4W"), duration("P6W")));
        for (key, day) in [("next_session", 28), ("session_overdue", 42)] {
            let item = item(version, key);
            assert!(item.hold_on_flag, "{key} is held while a flag is open");
            let Some(Window::LocalDay { from_day, .. }) = item.window else { panic!("{key} starts on a day") };
            assert_eq!(from_day, day, "{key}");
        }
    }
}

/// A rule's conditions on one line: `|` is any, `&` all, `+1` a rise of one step since the check-in before.
fn spelt(when: &When) -> String {
    let parts = |parts: &[When], by: &str| format!("({})", parts.iter().map(spelt).collect::<Vec<_>>().join(by));
    match when {
        When::All { all } => parts(all, " & "),
        When::Any { any } => parts(any, " | "),
        When::Test(Test::AtLeast { field, at_least }) => format!("{field} {at_least}"),
        When::Test(Test::Warm { field, at_least }) => format!("{field} {at_least}"),
        When::Test(Test::Is { field, is }) => format!("{}{field}", if *is { "" } else { "no " }),
        When::Test(Test::Word { field, is }) => format!("{field} {is}"),
        When::Test(Test::Rising { field, rising }) => format!("{field} +{rising}"),
    }
}

#[test]
fn every_triage_rule_has_the_level_the_time_and_the_signs_that_were_decided() {
    use Level::{Emergency, Routine, Soon, Urgent};
    // key, level, from, until, signs (0-3; temperature in hundredths of a degree Celsius)
    const DECIDED: [(&str, Level, &str, &str, &str); 30] = [
        ("breathing_or_face_swelling", Emergency, "", "", "(breathing_trouble | lip_or_eye_swelling)"),
        ("coloured_pus", Urgent, "", "", "pus coloured"),
        ("clear_fluid", Soon, "", "", "pus clear"),
        ("fever", Urgent, "", "", "(temperature 3800 | feels_feverish)"),
        ("swollen_glands", Urgent, "", "", "swollen_glands"),
        ("spreading", Urgent, "", "", "spreading"),
        ("severe_pain", Urgent, "", "", "(pain 3 | burning 3)"),
        ("severe_swelling", Urgent, "", "", "swelling 3"),
        ("product_reaction_strong", Urgent, "", "", "product_reaction 2"),
        ("product_reaction_mild", Soon, "", "", "product_reaction 1"),
        ("blisters", Soon, "", "", "blisters"),
        ("colour_change", Soon, "", "", "(colour_change darker | colour_change lighter)"),
        ("texture_change", Soon, "", "", "texture_change"),
        ("breakouts", Routine, "", "", "breakouts 3"),
        ("hot_redness_first_day", Soon, "", "PT24H", "(redness 3 | warmth 3)"),
        ("hot_redness_first_day_not_alone", Urgent, "", "PT24H", "((redness 3 | warmth 3) & (pain 2 | swelling 2))"),
        ("severe_redness", Urgent, "PT24H", "", "(redness 3 | warmth 3)"),
        ("redness_rising", Soon, "PT24H", "", "(redness +1 | warmth +1)"),
        (
            "redness_rising_not_alone",
            Urgent,
            "PT24H",
            "",
            "((redness +1 | warmth +1) & (pain 1 | swelling 2 | swelling +1 | pus clear | pus coloured))",
        ),
        ("lasting_pain", Soon, "PT24H", "", "(pain 2 | burning 2 | sensitivity 3)"),
        ("bleeding_or_bruising", Routine, "PT24H", "", "bleeding_or_bruising"),
        ("lasting_itching", Soon, "PT48H", "", "itching 3"),
        ("lasting_inflammation", Soon, "PT72H", "", "(redness 2 | warmth 2 | swelling 2)"),
        ("peeling_worse_after_its_peak", Soon, "P5D", "", "(flaking +1 | flaking 3)"),
        ("redness_after_a_week", Routine, "P7D", "", "(redness 1 | warmth 1 | swelling 1)"),
        ("peeling_after_a_week", Routine, "P7D", "", "flaking 1"),
        ("peeling_after_ten_days", Soon, "P10D", "", "flaking 1"),
        ("dryness_after_a_week", Routine, "P7D", "", "(dryness 2 | tightness 2)"),
        ("dryness_after_ten_days", Routine, "P10D", "", "(dryness 1 | tightness 1)"),
        ("breakouts_persist", Routine, "P10D", "", "breakouts 1"),
    ];
    let version = conservative();
    let said = |bound: Option<IsoDuration>| bound.map(|bound| bound.to_string()).unwrap_or_default();
    for (rule, (key, level, after, before, signs)) in version.structure.triage.iter().zip(DECIDED) {
        assert_eq!((rule.key.as_str(), rule.level), (key, level));
        assert_eq!((said(rule.after).as_str(), said(rule.before).as_str()), (after, before), "{key}");
        assert_eq!(spelt(&rule.when), signs, "{key}");
    }
    assert_eq!(version.structure.triage.len(), DECIDED.len(), "a rule that nobody decided");
    let recheck: Vec<_> = version.structure.triage.iter().filter_map(|rule| Some((&rule.key, rule.recheck?))).collect();
    assert_eq!(recheck, [(&"hot_redness_first_day".to_owned(), IsoDuration::hours(4))]);
}

// ---------------------------------------------------------------------------------------------- words

/// Every text a person may read in one language, with where it stands.
fn words(version: &ProtocolVersion, texts: &Texts) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut say = |place: String, text: &str| all.push((place, text.to_owned()));
    for (key, phase) in texts.phases.iter().chain(&texts.advice) {
        say(format!("{key}.title"), &phase.title);
        say(format!("{key}.body"), phase.body.as_deref().unwrap_or_default());
    }
    for (key, item) in &texts.items {
        say(format!("{key}.title"), &item.title);
        for text in [&item.body, &item.why, &item.instead, &item.soft].into_iter().flatten() {
            say(key.clone(), text);
        }
        for alert in item.alert.iter().chain(item.alerts.values()) {
            say(format!("{key}.alert"), &format!("{} {}", alert.title, alert.body));
        }
    }
    for (field, text) in &texts.check_in {
        say(field.clone(), &format!("{} {}", text.question, text.anchors.join(" ")));
    }
    for (id, fact) in &version.facts.facts {
        say(id.clone(), &fact.value);
        for text in fact.positions.values().chain(&fact.decision) {
            say(id.clone(), text);
        }
    }
    for entry in &version.structure.not_carried {
        say("not_carried".to_owned(), &entry.reason);
    }
    all
}

/// Words that promise, permit, diagnose or frighten, and one claim of a source that nobody should repeat; then the same
/// in Spanish.
const NEVER: [&str; 16] = [
    "allowed",
    "permitted",
    "healed",
    "cured",
    "restored",
    "infect",
    "diagnos",
    "guarantee",
    "toxin",
    "permitid",
    "curad",
    "sanad",
    "restaurad",
    "infec",
    "diagnós",
    "garanti",
];

fn unkind(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    NEVER.into_iter().find(|word| text.contains(word))
}

#[test]
fn no_text_promises_permits_or_diagnoses() {
    for (version, texts) in all().flat_map(|version| version.texts.values().map(move |texts| (version, texts))) {
        let all = words(version, texts);
        assert!(all.len() > 500, "only {} texts were looked at", all.len());
        for (place, text) in all {
            assert_eq!(unkind(&text), None, "{} {} {place}: {text}", version.key(), texts.locale);
        }
    }
    assert_eq!(unkind("Your skin has HEALED."), Some("healed"));
}

#[test]
fn alerts_are_short_and_a_lifted_wait_says_just_that() {
    const OVER: [(&str, [&str; 3]); 2] = [
        ("en", ["The usual waiting time", "The usual four hours", " over"]),
        ("es", ["La espera habitual", "Las cuatro horas habituales", " terminado"]),
    ];
    for (version, (locale, [time, hours, over])) in all().flat_map(|version| OVER.map(|said| (version, said))) {
        let mut alerts = 0;
        for (key, item) in &version.texts[locale].items {
            for alert in item.alert.iter().chain(item.alerts.values()) {
                alerts += 1;
                assert!(alert.title.chars().count() <= 50, "title of {key} is too long");
                assert!(alert.body.chars().count() <= 160, "alert of {key}: {} characters", alert.body.chars().count());
            }
            let restriction = version.item(key).is_some_and(|item| item.kind == Kind::Restriction);
            if let (true, Some(alert)) = (restriction, &item.alert) {
                let said = alert.body.contains(time) || alert.body.contains(hours);
                assert!(said && alert.body.contains(over), "{key}: {}", alert.body);
            }
        }
        let expected = match version.key() {
            "day-by-day" => 21,
            "hour-by-hour" => 23,
            _ => 22,
        };
        assert_eq!(alerts, expected, "items of {} with an alert", version.key());
    }
}

#[test]
fn expectations_are_phrased_as_what_some_people_notice() {
    const OPEN: [(&str, [&str; 4]); 2] = [
        ("en", ["some people", "many people", "most people", "often"]),
        ("es", ["algunas personas", "muchas personas", "mayoría de las personas", "a menudo"]),
    ];
    for (version, (locale, open)) in all().flat_map(|version| OPEN.map(|open| (version, open))) {
        for item in of_kind(version, Kind::Milestone) {
            let text = &version.texts[locale].items[&item.key];
            let body = text.body.as_deref().unwrap_or_default().to_lowercase();
            assert!(open.iter().any(|words| body.contains(words)), "{} states what will happen: {body}", item.key);
        }
    }
}

#[test]
fn the_sixteen_questions_have_answers() {
    for version in all() {
        let questions: Vec<&Item> = of_kind(version, Kind::Faq).collect();
        assert_eq!(questions.len(), 16);
        for item in questions {
            let text = &version.base_texts().items[&item.key];
            assert!(text.title.ends_with('?'), "{} is no question", item.key);
            assert!(item.evidence.iter().any(|id| id.starts_with('Q')), "{} was never asked", item.key);
        }
    }
}

// ------------------------------------------------------------------------------------------ how many

/// The alerts of somebody with default preferences whose session ended `at` minutes after local midnight, as
/// (day index, minute of the day), and who does nothing that would spare a reminder: every condition runs to its cap.
/// Quiet hours and daylight saving are left out: they move alerts, they add none.
fn default_alerts(version: &ProtocolVersion, at: i64) -> Vec<(String, i64, i64)> {
    const PREFERRED: i64 = 9 * 60;
    const DAY: i64 = 24 * 60;
    let mut due = Vec::new();
    for item in &version.structure.items {
        let mut owe = |minute: i64| due.push((item.key.clone(), minute.div_euclid(DAY), minute.rem_euclid(DAY)));
        let window = item.window.as_ref();
        for reminder in &item.reminders {
            let offset = reminder.offset.seconds() / 60;
            let elapsed = |bound: IsoDuration| at + bound.seconds() / 60 + offset;
            match (window.expect("a reminder needs a window"), &item.recurrence, reminder.at) {
                (Window::Elapsed { from, .. }, _, ReminderAt::Open) => owe(elapsed(*from)),
                (Window::Elapsed { to, .. }, _, ReminderAt::Close) => owe(elapsed(to.expect("bounded"))),
                (Window::Condition { cap, .. }, _, ReminderAt::Close) => owe(elapsed(*cap)),
                (Window::LocalDay { from_day, .. }, None, ReminderAt::Preferred) => {
                    owe(i64::from(reminder.day.unwrap_or(*from_day)) * DAY + PREFERRED);
                }
                (_, Some(Recurrence::Every { .. }), _) => {} // only while "outdoors" is on
                (Window::LocalDay { from_day, to_day, from_time, .. }, Some(recurrence), ReminderAt::Open) => {
                    for day in *from_day..=to_day.expect("bounded") {
                        let opens: Vec<i64> = match recurrence {
                            Recurrence::Daily => vec![i64::from(from_time.minutes())],
                            Recurrence::Times { times, days } if days.is_empty() || days.contains(&day) => {
                                times.iter().map(|slot| i64::from(slot.from.minutes())).collect()
                            }
                            _ => Vec::new(),
                        };
                        for (seq, open) in (0..).zip(opens) {
                            if reminder.applies(day, seq) {
                                owe(i64::from(day) * DAY + open + offset);
                            }
                        }
                    }
                }
                other => panic!("{}: a reminder this count does not know: {other:?}", item.key),
            }
        }
    }
    due.sort_by_key(|(_, day, minute)| (*day, *minute));
    due
}

/// What falls due within half an hour reaches the patient together and counts once.
fn together(due: &[(&str, i64)]) -> usize {
    let mut times = 0;
    let mut since = i64::MIN;
    for (_, minute) in due {
        if since == i64::MIN || minute - since > 30 {
            times += 1;
            since = *minute;
        }
    }
    times
}

#[test]
fn a_default_patient_hears_forty_to_sixty_times_in_six_weeks_and_four_times_a_day_at_most() {
    let ends = [(9, 0), (14, 30), (18, 15), (23, 59)];
    for (version, (hour, minute)) in all().flat_map(|version| ends.map(|end| (version, end))) {
        let alerts = default_alerts(version, hour * 60 + minute);
        assert!((40..=60).contains(&alerts.len()), "{}: {} alerts", version.key(), alerts.len());
        let mut days: BTreeMap<i64, Vec<(&str, i64)>> = BTreeMap::new();
        for (key, day, minute) in &alerts {
            days.entry(*day).or_default().push((key, *minute));
        }
        for (day, due) in &days {
            let plan = version.key();
            let milestone = |key: &str| Some(item(version, key)).filter(|item| item.kind == Kind::Milestone);
            let priorities: Vec<u8> = due.iter().filter_map(|(key, _)| Some(milestone(key)?.priority)).collect();
            let distinct: BTreeSet<u8> = priorities.iter().copied().collect();
            assert_eq!(distinct.len(), priorities.len(), "{plan}, day {day}: no telling which milestone wins");
            // Of two milestones that fall on one day the lesser is not told.
            let told = |key: &str| milestone(key).is_none_or(|item| distinct.last() == Some(&item.priority));
            let heard: Vec<(&str, i64)> = due.iter().copied().filter(|(key, _)| told(key)).collect();
            assert!(together(&heard) <= 4, "{plan}, session at {hour}:{minute:02}, day {day}: {heard:?}");
        }
        if (hour, minute) == (14, 30) {
            println!("{}: {} alerts for a session at 14:30:", version.key(), alerts.len());
            for (day, due) in &days {
                let due: Vec<String> =
                    due.iter().map(|(key, minute)| format!("{key} {:02}:{:02}", minute / 60, minute % 60)).collect();
                println!("  day {day:>2}: {}", due.join(", "));
            }
        }
    }
}

#[test]
fn the_protocol_is_sound_and_a_broken_one_is_not() {
    for version in all() {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for item in &version.structure.items {
            *kinds.entry(item.kind.as_str()).or_default() += 1;
        }
        let (items, rules) = (version.structure.items.len(), version.structure.triage.len());
        println!("{} {}: {items} items, {rules} triage rules: {kinds:?}", version.key(), version.number());
    }

    let sound = builtin_files().remove(0);
    let broken = sound.structure.text.replace("evidence = [\"R38\"]\nproduct_decision = true", "evidence = [\"R99\"]");
    assert_ne!(broken, sound.structure.text);
    let structure = File { text: &broken, ..sound.structure };
    let faults = load(&Files { structure, ..sound }).expect_err("R99 is no fact");
    assert!(faults.iter().any(|fault| fault.reason.contains("R99") && fault.line > 1), "{faults:?}");
}
