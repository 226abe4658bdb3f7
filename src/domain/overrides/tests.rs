//! What is accepted, what is refused, and that whatever is accepted is a sound plan.

use std::sync::Arc;

use chrono_tz::Europe;
use proptest::prelude::*;

use super::*;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::builtin;
use crate::domain::timeline::{Conditions, Overrides, Plan, timeline};

fn versions() -> Vec<Arc<ProtocolVersion>> {
    builtin().unwrap().iter().map(|built_in| Arc::clone(&built_in.version)).collect()
}

fn careful() -> Arc<ProtocolVersion> {
    Arc::clone(&versions()[0])
}

fn window(bounds: Bounds) -> ItemChange {
    ItemChange { off: false, window: Some(bounds), acknowledge_shorter: false }
}

fn acknowledged(change: ItemChange) -> ItemChange {
    ItemChange { acknowledge_shorter: true, ..change }
}

const OFF: ItemChange = ItemChange { off: true, window: None, acknowledge_shorter: false };

fn until(hours: i64) -> ItemChange {
    window(Bounds { to: Some(IsoDuration::hours(hours)), ..Bounds::default() })
}

fn with(key: &str, change: ItemChange) -> ItemChanges {
    ItemChanges::from([(key.to_owned(), change)])
}

fn refused(key: &str, change: &ItemChange) -> Vec<String> {
    let found = check(&careful(), &ItemChanges::new(), key, change).err().unwrap_or_default();
    found.into_iter().map(|unfit| format!("{}: {}", unfit.pointer, unfit.reason)).collect()
}

#[test]
fn a_longer_wait_needs_no_more_than_to_be_said() {
    let version = careful();
    assert_eq!(refused("make_up", &until(96)), [""; 0]);
    let own = apply(&version, &with("make_up", until(96)));
    assert_eq!(own.item("make_up").unwrap().hard(), Some(IsoDuration::hours(96)));
    let others = |version: &ProtocolVersion| -> Vec<Item> {
        version.structure.items.iter().filter(|item| item.key != "make_up").cloned().collect()
    };
    assert_eq!(others(&own), others(&version));
}

#[test]
fn a_shorter_wait_has_to_be_acknowledged() {
    for change in [until(24), OFF] {
        let found = refused("make_up", &change);
        assert!(matches!(found.as_slice(), [one] if one.starts_with("/acknowledge_shorter")), "{found:?}");
        assert_eq!(refused("make_up", &acknowledged(change)), [""; 0]);
    }
    let shorter = window(Bounds { minimum: Some(IsoDuration::days(2)), ..Bounds::default() });
    assert!(
        refused("retinoids", &shorter)[0].starts_with("/acknowledge_shorter"),
        "{:?}",
        refused("retinoids", &shorter)
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_every_reason() {
    let both = ItemChange { off: true, ..until(96) };
    let neither = ItemChange { off: false, ..OFF };
    let negative = window(Bounds {
        to: Some(-IsoDuration::hours(1)),
        from_day: Some(4),
        minimum: Some(IsoDuration::days(1)),
        ..Bounds::default()
    });
    let nothing = window(Bounds::default());
    let backwards = acknowledged(window(Bounds {
        from: Some(IsoDuration::hours(80)),
        to: Some(IsoDuration::hours(70)),
        ..Bounds::default()
    }));
    for (key, change, expected) in [
        ("no_such_item", &OFF, [": the plan has no item"].as_slice()),
        ("make_up", &both, &["/window: send either"]),
        ("make_up", &neither, &["/window: send either"]),
        ("make_up", &nothing, &["/window: names no bound"]),
        (
            "make_up",
            &backwards,
            &[
                "/window: item `make_up`: `to` is before `from`",
                "/window: item `make_up`: a restriction begins with the treatment",
            ],
        ),
        (
            "make_up",
            &negative,
            &["/window/minimum: is no bound", "/window/from_day: is no bound", "/window/to: lies before the treatment"],
        ),
    ] {
        let found = refused(key, change);
        assert_eq!(found.len(), expected.len(), "{key}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{key}: {found}");
        }
    }
    let warnings = careful().structure.items.iter().filter(|item| !may_change(item.kind)).count();
    assert!(warnings > 0);
    for item in careful().structure.items.iter().filter(|item| !may_change(item.kind)) {
        assert_eq!(refused(&item.key, &OFF).len(), 1, "{}", item.key);
        assert_eq!(apply(&careful(), &with(&item.key, OFF)), *careful(), "{}", item.key);
    }
}

#[test]
fn another_plan_keeps_what_fits_it_and_names_the_rest() {
    let other = &versions()[1];
    let all = [("make_up", until(480)), ("week_three", OFF), ("swimming_pool", OFF), ("retinoids", until(480))];
    let standing: ItemChanges = all.into_iter().map(|(key, change)| (key.to_owned(), change)).collect();
    let (kept, left) = carried(other, &standing);
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["make_up"]);
    assert_eq!(left.keys().collect::<Vec<_>>(), ["retinoids", "swimming_pool", "week_three"]);
    assert!(left["week_three"].contains("no item"), "{left:?}");
}

/// A task may count only once nothing of its group has to wait: a longer wait fits beside a later task and not without it.
#[test]
fn changes_that_fit_only_beside_each_other_are_kept_together() {
    let version = careful();
    let washing = version.item("first_wash").unwrap();
    assert_eq!((washing.kind, washing.group.as_deref()), (Kind::Restriction, Some("washing")));
    let wash = window(Bounds { to: Some(IsoDuration::days(6)), ..Bounds::default() });
    let cleanse = window(Bounds { from_day: Some(8), ..Bounds::default() });
    let alone = check(&version, &ItemChanges::new(), "first_wash", &wash).unwrap_err();
    assert!(alone[0].reason.contains("must not score"), "{alone:?}");
    let beside = with("cleanse_and_moisturise", cleanse.clone());
    assert_eq!(check(&version, &beside, "first_wash", &wash), Ok(()));
    let both = ItemChanges::from([("first_wash".to_owned(), wash), ("cleanse_and_moisturise".to_owned(), cleanse)]);
    assert_eq!(carried(&version, &both), (both.clone(), BTreeMap::new()));
}

fn a_bound() -> impl Strategy<Value = Bounds> {
    let hours = || proptest::option::of((-2i64..600).prop_map(IsoDuration::hours));
    let day = || proptest::option::of(-1i32..40);
    let time = || proptest::option::of((0u16..=1440).prop_map(|minutes| DayTime::from_minutes(minutes).unwrap()));
    (hours(), hours(), hours(), hours(), hours(), day(), day(), time(), time()).prop_map(
        |(from, to, minimum, cap, soft_to, from_day, to_day, from_time, to_time)| Bounds {
            from,
            to,
            minimum,
            cap,
            soft_to,
            from_day,
            to_day,
            from_time,
            to_time,
        },
    )
}

/// A bound of those that an item has, so that most are about something.
fn one_bound_of(item: &Item, bounds: Bounds) -> Bounds {
    let own = Bounds::of(item);
    Bounds {
        from: bounds.from.filter(|_| own.from.is_some()),
        to: bounds.to.filter(|_| own.to.is_some()),
        minimum: bounds.minimum.filter(|_| own.minimum.is_some()),
        cap: bounds.cap.filter(|_| own.cap.is_some()),
        soft_to: bounds.soft_to.filter(|_| own.soft_to.is_some()),
        from_day: bounds.from_day.filter(|_| own.from_day.is_some()),
        to_day: bounds.to_day.filter(|_| own.to_day.is_some()),
        from_time: bounds.from_time.filter(|_| own.from_time.is_some()),
        to_time: bounds.to_time.filter(|_| own.to_time.is_some()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn whatever_is_accepted_takes_effect_and_is_a_sound_plan(
        plan in 0usize..3, index in any::<prop::sample::Index>(), off in any::<bool>(), bounds in a_bound(),
        start in 1_600_000_000i64..1_800_000_000,
    ) {
        let version = Arc::clone(&versions()[plan]);
        let item = index.get(&version.structure.items);
        let change = acknowledged(if off { OFF } else { window(one_bound_of(item, bounds)) });
        let fits = check(&version, &ItemChanges::new(), &item.key, &change);
        let own = apply(&version, &with(&item.key, change.clone()));
        if fits.is_err() {
            return Ok(());
        }
        match own.item(&item.key) {
            None => prop_assert!(off),
            Some(changed) => {
                let asked = change.window.unwrap();
                let now = Bounds::of(changed);
                for (asked, now) in [(asked.from, now.from), (asked.to, now.to), (asked.minimum, now.minimum),
                    (asked.cap, now.cap), (asked.soft_to, now.soft_to)] {
                    prop_assert!(asked.is_none() || asked == now, "{:?} became {:?}", asked, now);
                }
                prop_assert!(asked.from_day.is_none() || asked.from_day == now.from_day);
                prop_assert!(asked.to_day.is_none() || asked.to_day == now.to_day);
            }
        }
        // Laid out, nothing ends before it begins, and no other item has moved.
        let performed_at = DateTime::from_timestamp(start, 0).unwrap();
        let zones = ZoneHistory::fixed(Europe::Berlin);
        let (overrides, conditions) = (Overrides::default(), Conditions::default());
        let plan_of = |version| Plan {
            treatment: Uuid::from_u128(7), version, performed_at, anchor_on: zones.date(performed_at), zones: &zones,
            overrides: &overrides, conditions: &conditions,
        };
        let (before, after) = (plan_of(&*version), plan_of(&own));
        let (before, after) = (timeline(&before), timeline(&after));
        for laid in &after.items {
            prop_assert!(laid.close_at.is_none_or(|close| close >= laid.open_at), "{}", laid.item.key);
            if laid.item.key != item.key {
                prop_assert_eq!(Some(laid), before.item(&laid.item.key));
            }
        }
        let others = |laid: &crate::domain::timeline::Timeline<'_>| -> Vec<(Uuid, DateTime<Utc>)> {
            laid.tasks.iter().filter(|task| task.item.key != item.key).map(|task| (task.id, task.close_at)).collect()
        };
        prop_assert_eq!(others(&before), others(&after));
    }

    #[test]
    fn no_change_is_the_same_plan(plan in 0usize..3) {
        let version = &versions()[plan];
        prop_assert_eq!(&apply(version, &ItemChanges::new()), &**version);
        // Naming the bounds that an item has changes nothing either, and is no shorter wait.
        for item in version.structure.items.iter().filter(|item| item.window.is_some() && may_change(item.kind)) {
            let same = window(Bounds::of(item));
            prop_assert_eq!(check(version, &ItemChanges::new(), &item.key, &same), Ok(()));
            prop_assert_eq!(&apply(version, &with(&item.key, same)), &**version);
        }
    }

    #[test]
    fn a_wait_that_was_not_acknowledged_is_never_shorter(index in any::<prop::sample::Index>(), bounds in a_bound()) {
        let version = careful();
        let waits: Vec<&Item> = version.structure.items.iter().filter(|item| item.kind == Kind::Restriction).collect();
        let item = *index.get(&waits);
        let change = window(one_bound_of(item, bounds));
        if check(&version, &ItemChanges::new(), &item.key, &change).is_ok() {
            let own = apply(&version, &with(&item.key, change));
            let after = own.item(&item.key).unwrap();
            prop_assert!(after.hard() >= item.hard());
            prop_assert!(after.latest_soft().max(after.hard()) >= item.latest_soft().max(item.hard()));
        }
    }

    #[test]
    fn a_change_is_read_as_it_was_written(bounds in a_bound(), off in any::<bool>(), acknowledge_shorter in any::<bool>()) {
        let change = ItemChange { off, window: (!off).then_some(bounds), acknowledge_shorter };
        let text = serde_json::to_string(&change).unwrap();
        prop_assert_eq!(serde_json::from_str::<ItemChange>(&text).unwrap(), change);
    }
}
