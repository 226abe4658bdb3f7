//! What may not happen, whatever was struck: asked of the sink's log and the database's journal when all is over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mendline::domain::backoff::MAX_TRIES;
use uuid::Uuid;

use crate::journal::{Ended, Journal, Move};
use crate::micros_now;
use crate::run::{Run, Skew, Struck, TODAY};
use crate::sink::{Answer, Push, Sink};

/// What is called too late when it has less left than this: `MIN_TIME_LEFT`.
const MARGIN: i64 = 5_000_000;
/// How far back a process may have read its clock before its message arrived, on a busy machine.
const READ_BEFORE: i64 = 3_000_000;
/// As long as a phone is waited for after a failed try, at most: the fourth wait and a fifth of it.
const LONGEST_WAIT: i64 = 720_000_000;

#[derive(Default)]
pub struct Verdict {
    pub violations: Vec<String>,
    pub struck: Vec<Struck>,
    pub states: BTreeMap<String, usize>,
    pub pushes: usize,
    pub alerts: usize,
    /// Messages to a phone that had accepted the alert before: each of them justified, or a violation.
    pub again: usize,
    /// Tries after a try that nobody accepted.
    pub retries: usize,
    pub rescued: usize,
    pub healed: Duration,
}

struct Case<'a> {
    run: &'a Run<'a>,
    journal: Journal,
    clocks: HashMap<&'a str, Vec<&'a Skew>>,
    pushes: Vec<Push>,
    tomorrow: i64,
}

pub async fn judge(
    run: &Run<'_>,
    sink: &Sink,
    start: DateTime<Utc>,
    healed: Result<Duration, String>,
) -> anyhow::Result<Verdict> {
    let journal = Journal::read(&run.sql).await?;
    let mut verdict = Verdict { struck: run.struck.clone(), ..Verdict::default() };
    match healed {
        Ok(took) => verdict.healed = took,
        Err(why) => verdict.violations.push(why),
    }
    let tomorrow = (start + TODAY).timestamp_micros();
    let case = Case { run, journal, clocks: run.clocks(), pushes: sink.pushes(), tomorrow };
    verdict.pushes = case.pushes.len();
    verdict.alerts = case.journal.ended.len();
    for ended in case.journal.ended.values() {
        *verdict.states.entry(ended.state.clone()).or_default() += 1;
    }
    verdict.rescued = case.journal.moves.values().map(|moves| rescues(moves)).sum();
    for (alert, ended) in &case.journal.ended {
        let found = case.end(*alert, ended).err().into_iter().chain(case.story(*alert).err());
        verdict.violations.extend(found.map(|why| format!("{} of {}: {why}", ended.key, ended.patient)));
    }
    for alert in run.wishes.0.iter().filter(|(_, wishes)| !wishes.contains(&None)).map(|(alert, _)| alert) {
        if !case.journal.ended.contains_key(alert) {
            verdict.violations.push(format!("{alert}: lost without a trace"));
        }
    }
    case.sends(&mut verdict);
    Ok(verdict)
}

/// Claims that somebody else than their holder put back.
fn rescues(moves: &[Move]) -> usize {
    moves
        .windows(2)
        .filter(|pair| pair[0].state == "sending" && pair[1].state != "sending" && pair[0].who != pair[1].who)
        .count()
}

fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

impl Case<'_> {
    fn of(&self, alert: Uuid) -> impl Iterator<Item = &Push> {
        self.pushes.iter().filter(move |push| push.alert == alert)
    }

    /// The state in which an alert ended is one that its story justifies.
    fn end(&self, alert: Uuid, ended: &Ended) -> Result<(), String> {
        let wishes = self.run.wishes.0.get(&alert).map(Vec::as_slice).unwrap_or_default();
        let wanted = wishes.iter().flatten().any(|wish| *wish == (ended.due_at, ended.expires_at));
        let unwanted = wishes.contains(&None);
        let accepted = self.of(alert).any(|push| matches!(push.answer, Answer::Accepted | Answer::TooLate));
        let claims = self.journal.moves.get(&alert).into_iter().flatten().filter(|step| step.is_claim()).count();
        let badly = self.of(alert).any(|push| push.answer != Answer::Accepted);
        let patient = self.run.schedule.people.patients.iter().find(|patient| patient.id == ended.patient);
        let faithful = patient.filter(|patient| !patient.touched).map(|patient| patient.phones.as_slice());
        let killed =
            |phone: Uuid| self.pushes.iter().any(|push| push.device == phone && push.answer == Answer::Unregistered);
        let mut faithful = faithful.unwrap_or_default().iter().filter(|phone| !phone.touched && !killed(phone.id));
        let finalized = ended.finalized_at.unwrap_or_default();
        check(ended.state == "sent" || wanted || unwanted, || {
            format!("owed at another time than anybody wanted: {wishes:?}")
        })?;
        match ended.state.as_str() {
            "sent" => {
                check(accepted, || "called sent, but no provider took it".into())?;
                let in_time = ended.expires_at - finalized > LONGEST_WAIT && ended.tries <= 4;
                let forgotten = faithful.find(|phone| {
                    let took = |push: &Push| push.device == phone.id && push.answer != Answer::Refused;
                    in_time && !self.of(alert).any(took)
                });
                check(forgotten.is_none(), || format!("called sent, but a phone was forgotten: {forgotten:?}"))
            }
            "scheduled" => check(wanted && ended.due_at >= self.tomorrow, || "due and not sent".into()),
            "cancelled" => check(unwanted, || format!("cancelled, but owed: {wishes:?}")),
            // A retry that would come too late ends an alert before its time is over.
            "expired" => {
                let margin = if badly || claims > 0 { LONGEST_WAIT.max(MARGIN) } else { MARGIN };
                check(finalized + margin >= ended.expires_at, || format!("called expired at {finalized}: {ended:?}"))
            }
            "failed" => {
                check(claims >= usize::try_from(MAX_TRIES).unwrap_or(8), || format!("given up after {claims} claims"))
            }
            "no_device" => check(faithful.next().is_none(), || "no device, they say, but there is one".into()),
            state => Err(format!("left {state}")),
        }
    }

    /// An alert went from state to state as the rules say.
    fn story(&self, alert: Uuid) -> Result<(), String> {
        let moves = self.journal.moves.get(&alert).map(Vec::as_slice).unwrap_or_default();
        let mut holder = "";
        for pair in moves.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            if before.is_claim() {
                holder = &before.who;
            }
            let settled =
                before.state == "sending" && ["sent", "failed", "expired", "no_device"].contains(&after.state.as_str());
            check(!settled || after.who == holder, || {
                format!("settled by {}, claimed by {holder}: {after:?}", after.who)
            })?;
            let planned = after.who == "planner" || after.who.starts_with("api");
            check(after.was.as_ref() == Some(&before.state), || format!("a move is missing: {before:?} {after:?}"))?;
            check(!after.is_claim() || before.state == "scheduled", || {
                format!("claimed while {}: {after:?}", before.state)
            })?;
            check(after.claim_no == before.claim_no + i32::from(after.claim_no != before.claim_no), || {
                format!("claims were skipped: {before:?} {after:?}")
            })?;
            let revived = before.state == "cancelled" || before.state == "sent" || before.superseded;
            check(!(revived && after.state == "scheduled") || planned, || format!("owed again by nobody: {after:?}"))?;
            check(before.state != "sent" || after.state == "sent", || format!("sent is final: {after:?}"))?;
        }
        Ok(())
    }

    /// How far ahead a process's clock may have been when it sent something that arrived at this moment.
    fn skews(&self, who: &str, at: i64) -> Vec<i64> {
        let skews = self.clocks.get(who).map(Vec::as_slice).unwrap_or_default();
        let mut possible = Vec::new();
        for (index, skew) in skews.iter().enumerate() {
            let until = skews.get(index + 1).map_or(i64::MAX, |next| next.at + READ_BEFORE);
            if skew.at <= at && at <= until {
                possible.push(skew.ahead_ms * 1000);
            }
        }
        possible
    }

    /// Every message was claimed, in time, and not for a phone that was known to have it.
    fn sends(&self, verdict: &mut Verdict) {
        let mut tags: HashMap<Uuid, &str> = HashMap::new();
        let mut owners: HashMap<&str, Uuid> = HashMap::new();
        let mut used: HashSet<(Uuid, Uuid, i32)> = HashSet::new();
        let mut under: HashMap<usize, i32> = HashMap::new();
        for (index, push) in self.pushes.iter().enumerate() {
            let Push { who, alert, device, .. } = push;
            let mut complain = |why: &str| verdict.violations.push(format!("{why}: {push:?}"));
            if *tags.entry(*alert).or_insert(&push.tag) != push.tag
                || *owners.entry(&push.tag).or_insert(*alert) != *alert
            {
                complain("another name for the same alert");
            }
            let moves = self.journal.moves.get(alert).map(Vec::as_slice).unwrap_or_default();
            let claims: Vec<&Move> =
                moves.iter().filter(|step| step.is_claim() && step.who == *who && step.at <= push.at).collect();
            let free: Vec<&&Move> =
                claims.iter().filter(|claim| !used.contains(&(*alert, *device, claim.claim_no))).collect();
            let Some(claim) =
                free.iter().rev().find(|claim| !self.journal.known.contains(&(*alert, claim.claim_no, *device)))
            else {
                complain(match free.is_empty() {
                    true => "sent without a claim, or twice under one",
                    false => "sent to a phone that had accepted it and was settled",
                });
                continue;
            };
            used.insert((*alert, *device, claim.claim_no));
            under.insert(index, claim.claim_no);
            let skews = self.skews(who, push.at);
            if !skews.iter().any(|skew| push.at + skew <= claim.expires_at) || push.ttl < MARGIN / 1_000_000 {
                complain("sent after it had expired");
            }
            if !skews.iter().any(|skew| push.at + skew >= claim.due_at) {
                complain("sent before it was due");
            }
        }
        self.repeats(verdict, &under);
    }

    /// Whoever is told twice was told by a process that was struck: it could not write down what it had sent, or what it
    /// sent under an older claim was on its way when another took over.
    fn repeats(&self, verdict: &mut Verdict, under: &HashMap<usize, i32>) {
        let mut first: HashMap<(Uuid, Uuid), usize> = HashMap::new();
        for (index, push) in self.pushes.iter().enumerate() {
            let Some(earlier) = first.insert((push.alert, push.device), index) else { continue };
            let before = &self.pushes[earlier];
            if !matches!(before.answer, Answer::Accepted) {
                verdict.retries += 1;
                continue;
            }
            verdict.again += 1;
            let slow = before.answered_at - before.at > 1_500_000;
            let older = if under.get(&index) < under.get(&earlier) { push } else { before };
            let hit = |struck: &Struck| struck.at <= push.at && struck.who.as_ref().is_none_or(|who| *who == older.who);
            if !slow && !self.run.struck.iter().any(hit) {
                verdict.violations.push(format!("told twice for no reason: {before:?} {push:?} at {}", micros_now()));
            }
        }
    }
}
