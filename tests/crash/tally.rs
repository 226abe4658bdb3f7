//! What all runs together came to, for people to read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::judge::Verdict;
use crate::schedule::{BLOWS, Blow};

#[derive(Default)]
pub struct Tally {
    runs: usize,
    struck: BTreeMap<(&'static str, Blow), (usize, usize)>,
    states: BTreeMap<String, usize>,
    alerts: usize,
    pushes: usize,
    again: usize,
    retries: usize,
    rescued: usize,
    slowest: Duration,
    slowest_seed: u64,
    pub failed: BTreeSet<u64>,
}

impl Tally {
    pub fn add(&mut self, seed: u64, verdict: &Verdict) {
        self.runs += 1;
        for struck in &verdict.struck {
            let (held, elsewhere) = self.struck.entry((struck.place, struck.blow)).or_default();
            *(if struck.held { held } else { elsewhere }) += 1;
        }
        for (state, alerts) in &verdict.states {
            *self.states.entry(state.clone()).or_default() += alerts;
        }
        self.alerts += verdict.alerts;
        self.pushes += verdict.pushes;
        self.again += verdict.again;
        self.retries += verdict.retries;
        self.rescued += verdict.rescued;
        if verdict.healed > self.slowest {
            (self.slowest, self.slowest_seed) = (verdict.healed, seed);
        }
        if !verdict.violations.is_empty() {
            self.failed.insert(seed);
        }
    }

    pub fn show(&self, took: Duration, disk: Option<usize>) {
        let places: BTreeSet<&str> = self.struck.keys().map(|(place, _)| *place).collect();
        println!("\nblows by place (held there; in brackets: not reached in time, struck wherever it was)\n");
        print!("{:<20}", "");
        BLOWS.iter().for_each(|blow| print!("{:>13}", format!("{blow:?}")));
        println!();
        for place in places {
            print!("{place:<20}");
            for blow in BLOWS {
                let cell = match self.struck.get(&(place, blow)) {
                    None => String::new(),
                    Some((held, 0)) => held.to_string(),
                    Some((held, elsewhere)) => format!("{held} ({elsewhere})"),
                };
                print!("{cell:>13}");
            }
            println!();
        }
        let sum = |blow: Blow| -> usize {
            self.struck.iter().filter(|((_, of), _)| *of == blow).map(|(_, (held, elsewhere))| held + elsewhere).sum()
        };
        println!(
            "\n{} runs in {:.1} s: {} alerts, {} messages",
            self.runs,
            took.as_secs_f64(),
            self.alerts,
            self.pushes
        );
        println!(
            "ended: {}",
            self.states.iter().map(|(state, n)| format!("{n} {state}")).collect::<Vec<_>>().join(", ")
        );
        println!(
            "{} kills, {} claims rescued, {} tries after a failed one, {} messages told again (all within what a blow justifies)",
            sum(Blow::Kill),
            self.rescued,
            self.retries,
            self.again
        );
        match disk {
            Some(0) => println!("full disk: NOT COVERED, no statement was refused for want of space"),
            Some(refused) => println!("full disk: the server complained {refused} times of no space (53100)"),
            None => println!("full disk: NOT COVERED, a small disk cannot be mounted here (that takes root on Linux)"),
        }
        println!(
            "slowest healing: {:.2} s (seed {}), from the last blow until nothing was due or in flight",
            self.slowest.as_secs_f64(),
            self.slowest_seed
        );
        match self.failed.is_empty() {
            true => println!(
                "0 lost, 0 after expiry, 0 early, 0 to a phone known to have it, 0 without a claim, 0 left sending"
            ),
            false => {
                println!("VIOLATIONS in {} runs: replay with --runs 1 --seed {:?}", self.failed.len(), self.failed)
            }
        }
    }
}
