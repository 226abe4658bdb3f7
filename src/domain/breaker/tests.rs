//! The states a push service goes through, by example and by property.

use super::*;
use proptest::prelude::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn breaker() -> Breaker {
    Breaker::new(Ramp::to(10_240.0), TimeDelta::seconds(60))
}

fn go(breaker: &mut Breaker, now: DateTime<Utc>) -> Ticket {
    match breaker.admit(now) {
        Admission::Go(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn tell(breaker: &mut Breaker, answer: Answer, ticket: Ticket, now: DateTime<Utc>) -> Learned {
    breaker.learn(answer, &"x".into(), Uuid::new_v4(), ticket, now)
}

/// Sends one message that is answered so.
fn send(breaker: &mut Breaker, answer: Answer, now: DateTime<Utc>) -> Learned {
    let ticket = go(breaker, now);
    tell(breaker, answer, ticket, now)
}

fn wait(breaker: &mut Breaker, now: DateTime<Utc>) -> i64 {
    match breaker.admit(now) {
        Admission::Wait(put_off) => put_off.wait.num_seconds(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn refused_credentials_pause_at_once_and_longer_each_time_a_probe_is_refused() {
    let mut breaker = breaker();
    let late = go(&mut breaker, at(0));
    send(&mut breaker, Answer::Refused, at(0));
    tell(&mut breaker, Answer::Refused, late, at(1));
    assert_eq!(breaker.pause().unwrap().until, at(60), "an answer to what was on its way is no news");
    let mut now = 0;
    for expected in [60, 120, 240, 480, 600, 600] {
        assert_eq!(breaker.pause().unwrap().until, at(now + expected));
        assert_eq!(wait(&mut breaker, at(now + expected - 1)), 1);
        now += expected;
        send(&mut breaker, Answer::Refused, at(now));
    }
    assert_eq!(breaker.pause().unwrap().since, at(0));
}

#[test]
fn one_probe_goes_and_who_comes_meanwhile_holds() {
    let mut breaker = breaker();
    send(&mut breaker, Answer::Throttled(Some(TimeDelta::seconds(7))), at(0));
    let probe = go(&mut breaker, at(7));
    assert!(probe.is_probe());
    assert_eq!(breaker.admit(at(8)), Admission::Hold);
    breaker.abandon(probe, at(8));
    let probe = go(&mut breaker, at(8));
    assert!(probe.is_probe(), "one that was not sent makes room for another");
    let another = go(&mut breaker, at(8 + 60));
    tell(&mut breaker, Answer::Accepted, probe, at(69));
    assert_eq!(breaker.state(), ServiceState::Probing, "the first one was given up");
    tell(&mut breaker, Answer::Accepted, another, at(70));
    assert_eq!(breaker.state(), ServiceState::Ramping);
}

#[test]
fn after_the_probe_a_few_go_at_once_and_then_more_and_more_for_a_minute() {
    let mut breaker = breaker();
    send(&mut breaker, Answer::Refused, at(0));
    send(&mut breaker, Answer::Accepted, at(60));
    let mut per_second = Vec::new();
    for second in 60..120 {
        let admitted = (0..100_000).take_while(|_| matches!(breaker.admit(at(second)), Admission::Go(_))).count();
        per_second.push(admitted);
    }
    assert_eq!(per_second[..3], [10, 10, 12]);
    assert!(per_second[1..].is_sorted() && per_second[59] > 8000, "{per_second:?}");
    assert_eq!(breaker.state(), ServiceState::Ramping);
    breaker.tick(at(120));
    assert_eq!(breaker.state(), ServiceState::Healthy);
}

#[test]
fn those_who_wait_come_back_one_after_the_other_as_fast_as_the_ramp_will_be() {
    let mut breaker = breaker();
    send(&mut breaker, Answer::Refused, at(0));
    let waits: Vec<i64> = (0..20_000).map(|_| wait(&mut breaker, at(0))).collect();
    assert_eq!(waits[0], 60, "the first is the probe");
    assert!(waits.is_sorted());
    assert!((100..=125).contains(waits.last().unwrap()), "{:?}", waits.last());
}

#[test]
fn an_outage_is_twenty_failures_in_a_row_and_a_few_when_the_service_has_just_come_back() {
    let mut breaker = breaker();
    for _ in 1..OUTAGE {
        assert!(send(&mut breaker, Answer::Down, at(0)).believed);
    }
    breaker.accepted(1);
    for _ in 1..OUTAGE {
        assert!(send(&mut breaker, Answer::Down, at(0)).believed);
    }
    send(&mut breaker, Answer::Works, at(0));
    for _ in 1..OUTAGE {
        assert!(send(&mut breaker, Answer::Down, at(0)).believed);
    }
    assert!(!send(&mut breaker, Answer::Down, at(0)).believed, "the try is not the message's fault");
    assert_eq!(breaker.pause().unwrap().cause, Cause::Outage);
    send(&mut breaker, Answer::Works, at(30));
    for _ in 0..5 {
        assert_eq!(breaker.state(), ServiceState::Ramping);
        send(&mut breaker, Answer::Down, at(31));
    }
    assert_eq!(breaker.pause().unwrap().until, at(31 + 60), "a relapse waits longer");
}

#[test]
fn what_a_probe_proves_depends_on_the_trouble() {
    use ServiceState::{Paused, Ramping};
    for (cause, answer, state, cause_then) in [
        (Answer::Refused, Answer::Works, Ramping, Cause::Credentials),
        (Answer::Refused, Answer::BadAddress, Ramping, Cause::Credentials),
        (Answer::Refused, Answer::Down, Paused, Cause::Outage),
        (Answer::Throttled(None), Answer::BadAddress, Ramping, Cause::Quota),
        (Answer::Throttled(None), Answer::Refused, Paused, Cause::Credentials),
        (Answer::BadAddress, Answer::Works, Paused, Cause::Addresses),
        (Answer::BadAddress, Answer::Down, Paused, Cause::Addresses),
        (Answer::BadAddress, Answer::BadAddress, Paused, Cause::Addresses),
        (Answer::BadAddress, Answer::Accepted, Ramping, Cause::Addresses),
        (Answer::Down, Answer::BadAddress, Ramping, Cause::Outage),
        (Answer::Down, Answer::Throttled(None), Paused, Cause::Quota),
    ] {
        let mut breaker = breaker();
        while breaker.state() == ServiceState::Healthy {
            send(&mut breaker, cause, at(0));
        }
        let until = breaker.pause().unwrap().until;
        send(&mut breaker, answer, until);
        let known = (breaker.state(), breaker.pause().unwrap().cause);
        assert_eq!(known, (state, cause_then), "{cause:?}, then {answer:?}");
        // A probe that came to nothing is followed by the next one.
        let pause = breaker.pause().unwrap().clone();
        if state == Paused {
            send(&mut breaker, Answer::Nothing, pause.until);
            assert!(go(&mut breaker, pause.until).is_probe());
        }
    }
}

#[test]
fn a_wave_takes_back_what_was_believed_before_it_was_one() {
    let mut breaker = breaker();
    let mut believed = Vec::new();
    for _ in 1..WAVE {
        let device = Uuid::new_v4();
        let ticket = go(&mut breaker, at(0));
        assert!(breaker.learn(Answer::BadAddress, &"x".into(), device, ticket, at(0)).believed);
        believed.push(device);
    }
    let learned = send(&mut breaker, Answer::BadAddress, at(0));
    assert_eq!(learned, Learned { believed: false, take_back: believed });
}

#[test]
fn addresses_that_are_really_dead_do_not_keep_the_living_waiting_for_good() {
    // Nine in ten are dead; each pause is ended by a living one.
    let (mut breaker, mut now, mut pauses) = (breaker(), 0, 0);
    for round in 0..5000 {
        now += 1;
        if let Some(pause) = breaker.pause().filter(|_| breaker.state() == ServiceState::Paused) {
            now = (pause.until - at(0)).num_seconds();
            pauses += 1;
            send(&mut breaker, Answer::Accepted, at(now));
        }
        let answer = if round % 10 == 0 { Answer::Accepted } else { Answer::BadAddress };
        send(&mut breaker, answer, at(now));
    }
    assert!(pauses <= 3, "{pauses}");
}

#[test]
fn another_workers_pause_is_taken_over_unless_there_is_one_of_our_own() {
    let pause = |until| Pause { cause: Cause::Quota, reason: "q".into(), since: at(0), until: at(until), round: 2 };
    let mut breaker = breaker();
    breaker.adopt(pause(30));
    breaker.adopt(pause(300));
    assert_eq!(breaker.pause(), Some(&pause(30)));
    send(&mut breaker, Answer::Throttled(None), at(30));
    assert_eq!(breaker.pause().unwrap().until, at(30 + 8 * 60), "it goes on where the other one stood");
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Pass(i64),
    Send,
    /// An answer to one of those on their way.
    Answer(usize, Answer),
    Abandon(usize),
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => Just(Answer::Accepted),
        3 => Just(Answer::BadAddress),
        1 => Just(Answer::Refused),
        1 => proptest::option::of((0i64..4000).prop_map(TimeDelta::seconds)).prop_map(Answer::Throttled),
        3 => Just(Answer::Down),
        1 => Just(Answer::Works),
        1 => Just(Answer::Nothing),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (0i64..90).prop_map(Event::Pass),
        4 => Just(Event::Send),
        4 => (0usize..8, any_answer()).prop_map(|(index, answer)| Event::Answer(index, answer)),
        1 => (0usize..8).prop_map(Event::Abandon),
    ]
}

/// Everything that happens to one breaker, and what the world sees of it.
struct World {
    breaker: Breaker,
    now: i64,
    under_way: Vec<(Ticket, i64)>,
}

impl World {
    fn new() -> Self {
        Self { breaker: breaker(), now: 0, under_way: Vec::new() }
    }

    fn step(&mut self, event: Event) -> Option<(Answer, Learned)> {
        match event {
            Event::Pass(seconds) => self.now += seconds,
            Event::Send => {
                if let Admission::Go(ticket) = self.breaker.admit(at(self.now)) {
                    self.under_way.push((ticket, self.now));
                }
            }
            Event::Answer(index, answer) if index < self.under_way.len() => {
                let (ticket, _) = self.under_way.swap_remove(index);
                return Some((answer, tell(&mut self.breaker, answer, ticket, at(self.now))));
            }
            Event::Abandon(index) if index < self.under_way.len() => {
                let (ticket, _) = self.under_way.swap_remove(index);
                self.breaker.abandon(ticket, at(self.now));
            }
            Event::Answer(..) | Event::Abandon(_) => {}
        }
        None
    }
}

proptest! {
    #[test]
    fn there_is_never_more_than_one_probe_at_a_time(events in proptest::collection::vec(any_event(), 1..300)) {
        let mut world = World::new();
        for event in events {
            world.step(event);
            let waited_for = |(ticket, since): &&(Ticket, i64)| ticket.is_probe() && world.now - since < 60;
            prop_assert!(world.under_way.iter().filter(waited_for).count() <= 1);
        }
    }

    #[test]
    fn every_pause_ends_once_the_service_is_well(events in proptest::collection::vec(any_event(), 1..300)) {
        let mut world = World::new();
        for event in events {
            world.step(event);
        }
        let mut answers = 0;
        while world.breaker.state() != ServiceState::Healthy {
            let until = world.breaker.pause().map_or(at(world.now), |pause| pause.until);
            world.now = world.now.max((until - at(0)).num_seconds()) + 60;
            if let Admission::Go(ticket) = world.breaker.admit(at(world.now)) {
                tell(&mut world.breaker, Answer::Accepted, ticket, at(world.now));
            }
            answers += 1;
            prop_assert!(answers <= 4);
        }
    }

    #[test]
    fn whoever_is_put_off_waits_a_while_and_not_for_ever(events in proptest::collection::vec(any_event(), 1..300)) {
        let mut world = World::new();
        for event in events {
            world.step(event);
            let state = world.breaker.state();
            let wait = world.breaker.put_off(at(world.now)).wait;
            prop_assert!(wait <= TimeDelta::minutes(75), "{state:?} {wait}");
            let is_over = world.breaker.pause().is_some_and(|pause| pause.until <= at(world.now));
            prop_assert!(wait > TimeDelta::zero() || state == ServiceState::Healthy || is_over);
        }
    }

    #[test]
    fn where_everything_is_called_wrong_nothing_is_lost(before in 0u64..1000, answers in 1usize..400) {
        // Whatever was believed before the wave, short of what good answers vouch for, is taken back.
        let mut world = World::new();
        let mut outstanding = std::collections::HashSet::new();
        world.breaker.accepted(before);
        for index in 0..answers {
            world.now += 7;
            let Admission::Go(ticket) = world.breaker.admit(at(world.now)) else { continue };
            let device = Uuid::from_u128(index as u128);
            let learned = world.breaker.learn(Answer::BadAddress, &"x".into(), device, ticket, at(world.now));
            if learned.believed {
                prop_assert_eq!(world.breaker.state(), ServiceState::Healthy);
                outstanding.insert(device);
            }
            for device in learned.take_back {
                outstanding.remove(&device);
            }
        }
        if world.breaker.state() != ServiceState::Healthy {
            prop_assert!(outstanding.is_empty());
        }
        let most = usize::try_from(before.min(64) * 7 / 8 + u64::from(WAVE)).unwrap();
        prop_assert!(outstanding.len() <= most.max(64), "{}", outstanding.len());
    }

    #[test]
    fn a_mixture_of_good_and_bad_never_pauses(
        chunks in proptest::collection::vec((1u64..5, 0usize..8), 1..200),
    ) {
        let mut world = World::new();
        for (good, bad) in chunks {
            world.breaker.accepted(good);
            for _ in 0..bad.min(usize::try_from(good * 4).unwrap()) {
                prop_assert!(send(&mut world.breaker, Answer::BadAddress, at(0)).believed);
            }
        }
        prop_assert_eq!(world.breaker.state(), ServiceState::Healthy);
    }
}
