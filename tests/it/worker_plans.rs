//! Whatever the order of reschedules and sends, a plan ends as planning once would have ended, less what was sent.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use mendline::alerts::queue::{self, Batch, Settlement};
use mendline::domain::alert::Decision;
use mendline::domain::ids;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{TestApp, seed};

/// What may happen to a plan, in any order.
#[derive(Debug, Clone)]
enum Step {
    /// These keys are owed, so many minutes from the start; all others are not.
    Replan(BTreeMap<u8, i64>),
    /// Time passes and everything due is claimed by a worker, which may be slow.
    Claim,
    /// The slow worker settles what it holds, in whatever way it ended.
    Settle(Ending),
    /// The slow worker dies and its claims are rescued.
    Rescue,
    /// Minutes pass.
    Wait(i64),
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Sent,
    Retry,
    Failed,
    Expired,
    NoDevice,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::btree_map(0u8..6, 0i64..240, 0..6).prop_map(Step::Replan),
        2 => Just(Step::Claim),
        3 => prop_oneof![
            3 => Just(Ending::Sent),
            1 => Just(Ending::Retry),
            1 => Just(Ending::Failed),
            1 => Just(Ending::Expired),
            1 => Just(Ending::NoDevice),
        ].prop_map(Step::Settle),
        1 => Just(Step::Rescue),
        2 => (1i64..60).prop_map(Step::Wait),
    ]
}

/// A worker number that no living worker has, so that its claims can be rescued.
const SLOW: i32 = 11;

struct Run<'a> {
    app: &'a TestApp,
    person: seed::Person,
    start: DateTime<Utc>,
    plan: BTreeMap<u8, i64>,
    held: Vec<queue::Claim>,
    sent: BTreeSet<String>,
    /// Ended without being sent, and not owed anew since.
    ended: BTreeMap<u8, &'static str>,
}

fn key(n: u8) -> String {
    format!("t:{n}")
}

fn number(key: &str) -> u8 {
    key.trim_start_matches("t:").parse().unwrap()
}

impl Run<'_> {
    async fn take(&mut self, step: Step) {
        let now = self.app.care.now();
        match step {
            Step::Replan(plan) => {
                let owed: Vec<_> = plan.iter().map(|(n, minute)| self.owed(*n, *minute)).collect();
                seed::plan(self.app, self.person, &owed).await;
                // Whatever is in the plan is owed anew; what left it and could have been revived is called off.
                self.ended.retain(|n, state| !plan.contains_key(n) && *state != "no_device");
                self.plan = plan;
            }
            Step::Claim => {
                let claimed =
                    seed::run(self.app, async |conn| queue::claim_due(conn, now, 100, SLOW, 3600).await).await;
                self.held.extend(claimed.claims);
            }
            Step::Settle(ending) => self.settle(ending).await,
            Step::Rescue => {
                seed::run(self.app, async |conn| queue::rescue(conn, now).await).await;
                self.held.clear();
            }
            Step::Wait(minutes) => self.app.care.advance(TimeDelta::minutes(minutes)),
        }
    }

    fn owed(&self, n: u8, minute: i64) -> queue::Owed {
        let due_at = self.start + TimeDelta::minutes(minute);
        let mut owed = seed::owed(self.app, &key(n), TimeDelta::zero(), TimeDelta::zero());
        owed.due_at = due_at;
        owed.expires_at = due_at + TimeDelta::days(30);
        owed
    }

    async fn settle(&mut self, ending: Ending) {
        let now = self.app.care.now();
        let (decision, state) = match ending {
            Ending::Sent => (Decision::Sent, None),
            Ending::Retry => (Decision::RetryAt { at: now, refund: true }, None),
            Ending::Failed => (Decision::Failed, Some("failed")),
            Ending::Expired => (Decision::Expired, Some("expired")),
            Ending::NoDevice => (Decision::NoDevice, Some("no_device")),
        };
        // Claims are everybody's: those of earlier cases are settled along.
        for claim in self.held.iter().filter(|claim| claim.recipient_id == self.person.patient_id) {
            let id = |n: &u8| ids::alert_id(claim.clinic_id, claim.recipient_id, &key(*n));
            let n = (0..6).find(|n| id(n) == claim.id).unwrap();
            // What was moved to a later moment while it was sent is owed then, whatever became of this try.
            let owed_now = self.plan.get(&n).is_some_and(|minute| self.start + TimeDelta::minutes(*minute) <= now);
            if let Some(state) = state.filter(|_| owed_now) {
                self.ended.insert(n, state);
            }
        }
        let settlements: Vec<Settlement> =
            self.held.drain(..).map(|claim| claim.settled(decision, now, None)).collect();
        seed::run(self.app, async |conn| queue::settle(conn, &Batch { settlements, ..Batch::default() }).await).await;
        let rows = self.rows().await;
        self.sent = rows.iter().filter(|row| row.state == "sent").map(|row| row.dedupe_key.clone()).collect();
    }

    async fn rows(&self) -> Vec<seed::AlertRow> {
        seed::alerts_of(self.app, self.person).await
    }
}

#[tokio::test]
async fn any_sequence_of_reschedules_ends_as_planning_once_would_less_what_was_sent() {
    let app = TestApp::start().await;
    let mut runner = TestRunner::deterministic();
    for case in 0..120 {
        let steps = proptest::collection::vec(step(), 1..14).new_tree(&mut runner).unwrap().current();
        let person = seed::person(&app).await;
        let mut run = Run {
            app: &app,
            person,
            start: app.care.now(),
            plan: BTreeMap::new(),
            held: Vec::new(),
            sent: BTreeSet::new(),
            ended: BTreeMap::new(),
        };
        for step in steps.clone() {
            run.take(step).await;
            let sent_now: BTreeSet<_> =
                run.rows().await.into_iter().filter(|row| row.state == "sent").map(|row| row.dedupe_key).collect();
            assert!(run.sent.is_subset(&sent_now), "case {case}: what was sent stays sent: {steps:?}");
        }
        // The slow worker dies at last, so that nothing is in flight.
        run.take(Step::Rescue).await;
        for row in run.rows().await {
            let n = number(&row.dedupe_key);
            let expected = match (run.sent.contains(&row.dedupe_key), run.ended.get(&n), run.plan.get(&n)) {
                (true, ..) => "sent",
                (false, Some(state), _) => state,
                (false, None, Some(_)) => "scheduled",
                (false, None, None) => "cancelled",
            };
            assert_eq!(row.state, expected, "case {case}, {}: {steps:?}", row.dedupe_key);
            if let ("scheduled", Some(minute)) = (expected, run.plan.get(&n)) {
                assert_eq!(row.due_at, run.start + TimeDelta::minutes(*minute), "case {case}: {steps:?}");
                assert!(row.next_attempt_at >= row.due_at);
            }
        }
        let owed: BTreeSet<String> = run.plan.keys().map(|n| key(*n)).collect();
        let there: BTreeSet<String> = run.rows().await.into_iter().map(|row| row.dedupe_key).collect();
        assert!(owed.is_subset(&there), "case {case}: nothing owed is lost: {steps:?}");
    }
}
