//! Tests of who is told when: a table of clinics, and what holds for all of them.

use super::*;
use proptest::prelude::*;

const FIGURES: Figures = Figures { clinicians: TimeDelta::minutes(15), administrators: TimeDelta::minutes(60) };

fn t0() -> DateTime<Utc> {
    "2026-06-01T10:00:00Z".parse().unwrap()
}

fn at(minutes: i64) -> DateTime<Utc> {
    t0() + TimeDelta::minutes(minutes)
}

/// `t` treats, `c` is a clinician, `a` an administrator; an upper-case one has a phone.
fn staff(letters: &str) -> Vec<Colleague> {
    (1..)
        .zip(letters.chars())
        .map(|(number, letter)| Colleague {
            membership_id: Uuid::from_u128(number),
            role: if letter.eq_ignore_ascii_case(&'a') { Role::Administrator } else { Role::Clinician },
            treating: letter.eq_ignore_ascii_case(&'t'),
            reachable: letter.is_uppercase(),
        })
        .collect()
}

/// What happened: minutes after the flag was opened, and who of `letters` was told, `!` for the patient.
type Told = Vec<(i64, String)>;

/// Goes from one moment to the next until nothing is left to be done. A push service accepts what is sent to a phone that
/// `works`, within a second.
fn story(letters: &str, figures: Figures, works: bool) -> Told {
    let staff = staff(letters);
    let letter = |id: Uuid| letters.chars().nth(usize::try_from(id.as_u128()).unwrap() - 1).unwrap();
    let has_phone = |id: &Uuid| staff.iter().any(|colleague| colleague.membership_id == *id && colleague.reachable);
    let (mut told, mut reached, mut now) = (Told::new(), false, t0());
    let mut next = begin(&staff, figures, now);
    loop {
        let mut who: String = next.tell.iter().map(|(_, id)| letter(*id)).collect();
        reached |= works && next.tell.iter().any(|(_, id)| has_phone(id));
        who.extend(next.unreached.then_some('!'));
        if !who.is_empty() {
            told.push(((now - t0()).num_minutes(), who));
        }
        let Some(wake_at) = next.wake_at else { return told };
        assert!(wake_at > now, "it does not spin");
        now = wake_at;
        let standing = Standing { opened_at: t0(), step: next.step, told_at: next.told_at, reached };
        next = proceed(standing, &staff, figures, now);
    }
}

/// What is special, who is there, the clinic's figures, whether phones work, who is told after how many minutes.
type Case = (&'static str, &'static str, Figures, bool, &'static [(i64, &'static str)]);

#[test]
fn who_is_told_when() {
    let zero = Figures { clinicians: TimeDelta::zero(), administrators: TimeDelta::zero() };
    let quick = Figures { clinicians: TimeDelta::minutes(2), administrators: TimeDelta::minutes(3) };
    let table: &[Case] = &[
        ("as the clinic wishes", "TCCA", FIGURES, true, &[(0, "T"), (15, "TCC"), (60, "A")]),
        ("everybody at once", "TCA", zero, true, &[(0, "TCA")]),
        ("sooner than anybody knows", "TCA", quick, true, &[(0, "T"), (2, "TC"), (3, "A")]),
        ("the treating one has no phone", "tCCA", FIGURES, true, &[(0, "tCC"), (60, "A")]),
        ("no clinician has one", "tccA", FIGURES, true, &[(0, "tccA")]),
        ("nobody has one", "tca", FIGURES, true, &[(0, "tca!")]),
        ("an administrator has none", "TCa", FIGURES, true, &[(0, "T"), (15, "TC"), (60, "a")]),
        ("nobody treats", "CCA", FIGURES, true, &[(0, "CC"), (15, "CC"), (60, "A")]),
        ("no clinician is left", "A", FIGURES, true, &[(0, "A"), (15, "A")]),
        ("nobody is left", "", FIGURES, true, &[(0, "!")]),
        ("one may still be reached", "Ta", quick, false, &[(0, "T"), (2, "T"), (3, "a"), (8, "!")]),
        ("no phone answers", "TCA", FIGURES, false, &[(0, "T"), (5, "TC"), (10, "A"), (15, "!")]),
        ("no phone answers, in a hurry", "TCA", zero, false, &[(0, "TCA"), (5, "!")]),
    ];
    for (name, letters, figures, works, expected) in table {
        let expected: Told = expected.iter().map(|(minute, who)| (*minute, (*who).to_owned())).collect();
        assert_eq!(story(letters, *figures, *works), expected, "{name}");
    }
}

#[test]
fn a_worker_that_comes_late_takes_at_once_what_was_due_meanwhile() {
    let standing = Standing { opened_at: t0(), step: Step::Treating, told_at: t0(), reached: true };
    let next = proceed(standing, &staff("TCA"), FIGURES, at(180));
    assert_eq!(next.tell.iter().map(|(step, _)| *step).collect::<Vec<_>>().len(), 3);
    assert_eq!((next.step, next.wake_at, next.unreached), (Step::Administrators, None, false));
}

#[test]
fn before_its_moment_nothing_moves() {
    let standing = Standing { opened_at: t0(), step: Step::Treating, told_at: t0(), reached: true };
    for (minute, reached, wakes) in [(4, false, 5), (4, true, 15), (14, true, 15)] {
        let next = proceed(Standing { reached, ..standing }, &staff("TCA"), FIGURES, at(minute));
        assert_eq!((next.tell.len(), next.wake_at), (0, Some(at(wakes))), "{minute}");
    }
}

#[test]
fn whoever_left_is_not_told_and_whoever_came_is() {
    let standing = Standing { opened_at: t0(), step: Step::Treating, told_at: t0(), reached: true };
    let mut later = staff("CCA");
    later.remove(0);
    let next = proceed(standing, &later, FIGURES, at(15));
    assert_eq!(next.tell, [(Step::Clinicians, Uuid::from_u128(2))]);
}

proptest! {
    #[test]
    fn it_always_ends_and_the_patient_is_told_exactly_where_nobody_was_reached(
        letters in "[tTcCaA]{0,6}",
        (first, more) in (0i64..120, 0i64..120),
        works in any::<bool>(),
    ) {
        let minutes = TimeDelta::minutes;
        let figures = Figures { clinicians: minutes(first), administrators: minutes(first + more) };
        let told = story(&letters, figures, works);
        let patient = told.iter().filter(|(_, who)| who.contains('!')).count();
        let answers = works && letters.chars().any(char::is_uppercase);
        prop_assert_eq!(patient, usize::from(!answers), "{:?}", told);
        let everybody: BTreeSet<char> = told.iter().flat_map(|(_, who)| who.chars()).filter(|who| *who != '!').collect();
        prop_assert_eq!(everybody, letters.chars().collect::<BTreeSet<char>>(), "somebody was left out");
    }
}
