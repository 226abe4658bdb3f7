//! A check-in as it is shown: level, what to do, whom to call; never a diagnosis.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::read::{CheckIn, Flag, StandingWindow, Told, Voice};
use super::words::{self, TRIAGE_OFF};
use crate::domain::check_in_windows::{CheckInWindow, Timing, WindowState, answered};
use crate::domain::progress::{Progress, progress};
use crate::domain::protocol::{Level, PlainText, ProtocolVersion, Span, Texts};
use crate::domain::symptoms::{Field, Symptoms};

/// A check-in and what came of it.
#[derive(Debug, Serialize)]
pub struct CheckInView {
    id: Uuid,
    treatment_id: Uuid,
    recorded_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    symptoms: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    entered_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<ExpectedView>,
    triage: TriageView,
}

/// When the report was expected, and how it lies to that.
#[derive(Debug, Serialize)]
struct ExpectedView {
    local_date: NaiveDate,
    open_at: DateTime<Utc>,
    close_at: DateTime<Utc>,
    timing: Timing,
}

impl ExpectedView {
    fn new((window, timing): (&CheckInWindow, Timing)) -> Self {
        let CheckInWindow { local_date, open_at, close_at, .. } = *window;
        Self { local_date, open_at, close_at, timing }
    }
}

/// A window in which a check-in is expected.
#[derive(Debug, Serialize)]
pub struct WindowView {
    item_key: String,
    day_index: i32,
    local_date: NaiveDate,
    open_at: DateTime<Utc>,
    close_at: DateTime<Utc>,
    /// Reports from here,
    answered_from: DateTime<Utc>,
    /// and before this, answer it.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_until: Option<DateTime<Utc>>,
    state: WindowState,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_in_id: Option<Uuid>,
}

impl WindowView {
    /// The window as it stands.
    pub fn new((window, state, check_in_id): StandingWindow) -> Self {
        Self {
            item_key: window.item_key,
            day_index: window.day_index,
            local_date: window.local_date,
            open_at: window.open_at,
            close_at: window.close_at,
            answered_from: window.answered_from,
            answered_until: window.answered_until,
            state,
            check_in_id,
        }
    }
}

/// What was made of it.
#[derive(Debug, Serialize)]
struct TriageView {
    level: String,
    advice: Vec<AdviceView>,
    flags: Vec<FlagSeen>,
    compared: Vec<ComparedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_hours_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency_line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_again_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nobody_reached: Option<NoticeView>,
}

/// What to do.
#[derive(Debug, Serialize)]
pub struct AdviceView {
    key: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// How something that is reported lies to the time in which it usually shows.
#[derive(Debug, Serialize)]
struct ComparedView {
    field: Field,
    state: Progress,
    expected_from: DateTime<Utc>,
    expected_until: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overdue_from: Option<DateTime<Utc>>,
    evidence: Vec<String>,
}

impl ComparedView {
    fn all(voice: &Voice, check_in: &CheckIn) -> Vec<Self> {
        // Where triage was off nothing is compared with anything.
        if check_in.advice.iter().any(|key| key == TRIAGE_OFF) {
            return Vec::new();
        }
        let t0 = voice.performed_at;
        let symptoms: Symptoms = serde_json::from_value(check_in.symptoms.clone()).unwrap_or_default();
        let found = progress(&voice.version.facts.spans, &symptoms, (check_in.recorded_at - t0).max(TimeDelta::zero()));
        let view = |(field, state, span): (Field, Progress, &Span)| Self {
            field,
            state,
            expected_from: t0 + span.from.delta(),
            expected_until: t0 + span.to.delta(),
            overdue_from: span.overdue.map(|overdue| t0 + overdue.delta()),
            evidence: span.evidence.clone(),
        };
        found.into_iter().map(view).collect()
    }
}

/// Something the patient must know beside the advice.
#[derive(Debug, Serialize)]
struct NoticeView {
    title: String,
    body: String,
}

/// How far the clinic is with what was reported. Which rule it was is for staff.
#[derive(Debug, Serialize)]
struct FlagSeen {
    id: Uuid,
    level: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    opened_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacted_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<DateTime<Utc>>,
}

impl FlagSeen {
    fn new(flag: Flag, for_staff: bool) -> Self {
        Self {
            id: flag.id,
            level: flag.level,
            status: flag.status,
            rule: for_staff.then_some(flag.rule),
            opened_at: flag.opened_at,
            acknowledged_at: flag.acknowledged_at,
            contacted_at: flag.contacted_at,
            resolved_at: flag.resolved_at,
        }
    }
}

impl CheckInView {
    /// The check-in in these words.
    pub fn new(told: Told, voice: &Voice, texts: &Texts, for_staff: bool) -> Self {
        let Told { check_in, flags, by_patient, unreached } = told;
        let compared = ComparedView::all(voice, &check_in);
        let advice = check_in.advice.into_iter().map(|key| AdviceView::new(&voice.version, texts, key));
        let lines = voice.manner.lines();
        let nobody_reached = unreached.then(|| {
            let PlainText { title, body } = lines.nobody_reached();
            NoticeView { title, body: body.unwrap_or_default() }
        });
        let triage = TriageView {
            level: check_in.level,
            advice: advice.collect(),
            check_again_at: recheck(&voice.version, &flags).map(|wait| check_in.recorded_at + wait),
            flags: flags.into_iter().map(|flag| FlagSeen::new(flag, for_staff)).collect(),
            compared,
            contact_line: lines.contact,
            out_of_hours_text: lines.out_of_hours,
            emergency_line: lines.emergency,
            nobody_reached,
        };
        Self {
            id: check_in.id,
            treatment_id: check_in.treatment_id,
            recorded_at: check_in.recorded_at,
            received_at: check_in.received_at,
            symptoms: check_in.symptoms,
            note: check_in.note,
            entered_by: if by_patient { "patient" } else { "staff" },
            expected: answered(&voice.windows, check_in.recorded_at).map(ExpectedView::new),
            triage,
        }
    }
}

impl AdviceView {
    fn new(version: &ProtocolVersion, texts: &Texts, key: String) -> Self {
        let PlainText { title, body } = advice(version, texts, &key);
        Self { key, title, body }
    }
}

/// What a version says where the level is an emergency, each advice once: what an app shows before anything is judged.
pub fn emergencies(version: &ProtocolVersion, texts: &Texts) -> Vec<AdviceView> {
    let rules = version.structure.triage.iter().filter(|rule| rule.level == Level::Emergency);
    let keys: BTreeSet<&String> = rules.map(|rule| &rule.advice).collect();
    keys.into_iter().map(|key| AdviceView::new(version, texts, key.clone())).collect()
}

/// The words behind a key: of the protocol in this language or its own, or ours. A key always says something.
fn advice(version: &ProtocolVersion, texts: &Texts, key: &str) -> PlainText {
    if key == TRIAGE_OFF {
        return words::triage_off();
    }
    let found = texts.advice.get(key).or_else(|| version.base_texts().advice.get(key));
    found.cloned().unwrap_or_else(|| PlainText { title: key.to_owned(), body: None })
}

/// The shortest time after which one of the rules that fired wants another look.
fn recheck(version: &ProtocolVersion, flags: &[Flag]) -> Option<TimeDelta> {
    let fired = version.structure.triage.iter().filter(|rule| flags.iter().any(|flag| flag.rule == rule.key));
    fired.filter_map(|rule| rule.recheck).map(|recheck| recheck.delta()).min()
}
