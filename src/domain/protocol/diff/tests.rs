//! Tests of the comparison: what it says of known changes, and what must hold for any two versions.

use super::*;
use crate::domain::protocol::item::{Actor, Recurrence, Soft, Window};
use crate::domain::protocol::rule::Level;
use crate::domain::protocol::version::PhaseStart;
use crate::domain::protocol::{Item, builtin, sample};
use proptest::prelude::*;

type Edit = fn(&mut ProtocolVersion);

fn item<'a>(version: &'a mut ProtocolVersion, key: &str) -> &'a mut Item {
    version.structure.items.iter_mut().find(|item| item.key == key).unwrap()
}

fn texts(version: &mut ProtocolVersion) -> &mut Texts {
    version.texts.get_mut("en").unwrap()
}

fn until(hours: i64) -> Option<Window> {
    Some(Window::Elapsed { from: IsoDuration::ZERO, to: Some(IsoDuration::hours(hours)) })
}

/// Edits of which no two undo each other, each of something that a patient or the clinic would notice.
const EDITS: &[Edit] = &[
    |version| item(version, "make_up").window = until(48),
    |version| item(version, "make_up").soft = Some(Soft::Fixed { to: IsoDuration::days(7) }),
    |version| item(version, "first_wash").soft = None,
    |version| item(version, "retinoids").reminders.clear(),
    |version| item(version, "retinoids").evidence.push("R01".to_owned()),
    |version| item(version, "cleanse").reminders[0].offset = IsoDuration::hours(2),
    |version| item(version, "cleanse").recurrence = Some(Recurrence::AsNeeded),
    |version| item(version, "kept_it").weight = 3,
    |version| item(version, "serum").actor = Actor::Patient,
    |version| item(version, "tone").hold_on_flag = false,
    |version| item(version, "compress").kind = Kind::ProductAdvice,
    |version| version.structure.items.retain(|item| item.key != "review"),
    |version| {
        let added = Item { key: "second_review".to_owned(), ..version.item("next_session").unwrap().clone() };
        version.structure.items.push(added);
    },
    |version| version.structure.triage.retain(|rule| rule.key != "hot_first_day"),
    |version| version.structure.triage[1].level = Level::Emergency,
    |version| version.structure.triage[2].after = Some(IsoDuration::hours(48)),
    |version| version.structure.phases[1].from = PhaseStart::Day { from_day: 2 },
    |version| version.structure.conditions[0].counts_from = IsoDuration::days(5),
    |version| version.structure.alerts_a_day = 3,
    |version| version.structure.check_in_fields.truncate(8),
    |version| version.structure.not_carried[0].reason.push_str(", or should"),
    |version| version.structure.series = None,
    |version| texts(version).items.get_mut("make_up").unwrap().why = Some("Skin is open.".to_owned()),
    |version| texts(version).advice.get_mut("call_now").unwrap().title = "Call at once".to_owned(),
    |version| texts(version).check_in.get_mut("pus").unwrap().anchors[1] = "watery".to_owned(),
    |version| texts(version).name = "Another".to_owned(),
];

/// The sample with every edit whose bit is set.
fn edited(bits: u32) -> ProtocolVersion {
    let mut version = sample::version();
    let chosen = EDITS.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
    chosen.for_each(|(_, edit)| edit(&mut version));
    version
}

fn side(version: &ProtocolVersion) -> Side<'_> {
    Side { version, texts: version.base_texts() }
}

fn between(from: &ProtocolVersion, to: &ProtocolVersion) -> Diff {
    diff(side(from), side(to))
}

fn text(from: &ProtocolVersion, to: &ProtocolVersion) -> String {
    diff_text(&between(from, to), side(from), side(to))
}

fn reversed(changes: &[Change]) -> Vec<Change> {
    let swap =
        |change: &Change| Change { before: change.after.clone(), after: change.before.clone(), ..change.clone() };
    changes.iter().map(swap).collect()
}

/// An entry's key, fate and changes.
type Bare = (String, Fate, Vec<Change>);

/// Every section with its entries by key, free of what is shown of one side only.
fn bare(diff: &Diff, turned: bool) -> (Vec<Change>, Vec<Vec<Bare>>) {
    let turn = |changes: &[Change]| if turned { reversed(changes) } else { changes.to_vec() };
    let entry = |entry: &Entry| {
        let fate = match entry.fate {
            Fate::Added if turned => Fate::Removed,
            Fate::Removed if turned => Fate::Added,
            fate => fate,
        };
        (entry.key.clone(), fate, turn(&entry.changes))
    };
    let section = |entries: &[Entry]| {
        let mut entries: Vec<_> = entries.iter().map(entry).collect();
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        entries
    };
    (turn(&diff.plan), diff.sections().map(|(_, entries)| section(entries)).into())
}

#[test]
fn a_change_is_told_in_days_and_hours() {
    let (from, to) = (sample::version(), edited(u32::MAX >> (32 - EDITS.len())));
    let told = text(&from, &to);
    for line in [
        "sample 1 -> sample 1",
        "  alerts a day: 4 -> 3",
        "  name: Sample -> Another",
        "  interval min: 4 weeks -> nothing",
        "      until: 72 h -> 48 h (24 h earlier)",
        "      with care until: nothing -> 7 days",
        "      with care until at the latest: 10 days -> nothing",
        "      with care until: 48 h -> nothing",
        "      told: close -> nothing",
        "      told: open +1 h, from day 3, to day 6, task 0 of the day -> open +2 h, from day 3, to day 6, task 0 of the day",
        "      evidence: R09 -> R09, R01",
        "      weight: 2 -> 3",
        "      why: Pores are open. -> Skin is open.",
        "- follow_up         Review: days 10 to 14, told  [our decision]",
        "+ session           second_review: days 28 to 41, told  [R01]",
        "      from: day 1 -> day 2 (24 h later)",
        "      counts from: 4 days -> 5 days (24 h later)",
        "      from: 24 h -> 48 h (24 h later)",
        "      level: urgent -> emergency",
        "- soon       redness 3+ and warmth 2+ before 24 h: Look again  [R01]",
        "  restriction       Make-up (make_up)",
        "  Call at once (call_now)",
        "- breathing_trouble",
    ] {
        let wide = line.chars().count() > 100;
        let found = told.lines().any(|shown| shown == line);
        // What is too long for one line stands on two.
        assert!(found || wide && told.contains("  - open +1 h, from day 3"), "{line:?} is missing from\n{told}");
    }
}

#[test]
fn what_moves_says_by_how_much_and_in_which_direction() {
    let diff = between(&edited(0b1), &sample::version());
    let [entry] = diff.items.as_slice() else { panic!("{diff:?}") };
    assert_eq!((entry.key.as_str(), entry.fate, entry.kind), ("make_up", Fate::Changed, Some(Kind::Restriction)));
    let [change] = entry.changes.as_slice() else { panic!("{entry:?}") };
    assert_eq!((change.aspect, change.by()), (Aspect::Closes, Some(IsoDuration::hours(24))));
    let notation = |value: &Option<Value>| value.as_ref().map(Value::notation);
    assert_eq!((notation(&change.before), notation(&change.after)), (Some("PT48H".into()), Some("PT72H".into())));
}

#[test]
fn days_and_elapsed_time_are_not_counted_against_each_other() {
    let mut to = sample::version();
    let day = Window::LocalDay { from_day: 0, to_day: Some(2), from_time: DayTime::START, to_time: DayTime::END };
    item(&mut to, "make_up").window = Some(day);
    let told = text(&sample::version(), &to);
    assert!(told.contains("      basis: elapsed -> local_day\n"), "{told}");
    assert!(told.contains("      until: 72 h -> the end of day 2\n"), "{told}");
}

#[test]
fn each_edit_is_seen_by_itself() {
    for n in 0..EDITS.len() {
        assert!(!between(&sample::version(), &edited(1 << n)).is_empty(), "edit {n}");
    }
}

#[test]
fn a_built_in_protocol_does_not_differ_from_itself_whatever_its_number() {
    for built_in in builtin().unwrap() {
        let mut next = ProtocolVersion::clone(&built_in.version);
        next.structure.version += 1;
        next.structure.items.reverse();
        assert!(between(&built_in.version, &next).is_empty(), "{}", next.key());
        assert!(text(&built_in.version, &next).ends_with("Nothing changes for a patient.\n"));
    }
}

proptest! {
    #[test]
    fn nothing_differs_exactly_where_the_versions_are_the_same(one in 0u32..1 << 26, other in 0u32..1 << 26) {
        let (from, to) = (edited(one), edited(other));
        prop_assert_eq!(between(&from, &to).is_empty(), from == to);
        prop_assert!(between(&from, &from).is_empty());
    }

    #[test]
    fn the_way_back_is_the_way_there_turned_round(one in 0u32..1 << 26, other in 0u32..1 << 26) {
        let (from, to) = (edited(one), edited(other));
        let (there, back) = (between(&from, &to), between(&to, &from));
        prop_assert_eq!(bare(&there, true), bare(&back, false));
        let moves = |diff: &Diff| -> Vec<Option<IsoDuration>> {
            bare(diff, false).1.concat().iter().flat_map(|(_, _, changes)| changes).map(Change::by).collect()
        };
        let turned: Vec<_> = moves(&back).into_iter().map(|by| by.map(|by| -by)).collect();
        prop_assert_eq!(moves(&there), turned);
    }

    #[test]
    fn whatever_differs_is_told(one in 0u32..1 << 26, other in 0u32..1 << 26) {
        let (from, to) = (edited(one), edited(other));
        let (found, told) = (between(&from, &to), text(&from, &to));
        let entries = found.sections().map(|(_, entries)| entries.len()).iter().sum::<usize>();
        prop_assert!(told.lines().count() > entries);
        prop_assert_eq!(told.contains("Nothing changes"), found.is_empty());
    }
}
