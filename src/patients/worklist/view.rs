//! One line of the worklist, as sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::attention::Attention;
use crate::domain::compliance::Compliance;
use crate::domain::protocol::{ProtocolVersion, Texts};
use crate::patients::store::Patient;
use crate::patients::view::PatientView;
use crate::recovery::Recovery;
use crate::recovery::compliance_view::ComplianceView;

/// A patient with what a clinician looks for.
#[derive(Debug, Serialize)]
pub struct LineView {
    patient: PatientView,
    #[serde(skip_serializing_if = "Option::is_none")]
    treatment: Option<TreatmentView>,
    compliance: ComplianceView,
    attention: Vec<Attention>,
    open_flags: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<PhaseView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_milestone: Option<MilestoneView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_check_in_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nudge_id: Option<Uuid>,
    push: PushView,
}

#[derive(Debug, Serialize)]
struct TreatmentView {
    id: Uuid,
    status: String,
    performed_at: DateTime<Utc>,
    protocol: ProtocolView,
}

#[derive(Debug, Serialize)]
struct ProtocolView {
    key: String,
    version: i32,
}

#[derive(Debug, Serialize)]
struct PhaseView {
    key: String,
    title: String,
}

#[derive(Debug, Serialize)]
struct MilestoneView {
    key: String,
    title: String,
    open_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct PushView {
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What is known of a line beside its treatment.
#[derive(Debug)]
pub struct Line {
    /// The record.
    pub patient: Patient,
    /// The last check-in.
    pub last_check_in_at: Option<DateTime<Utc>>,
    /// What staff were told of the patient, if nobody has seen it.
    pub nudge_id: Option<Uuid>,
    /// Why to look.
    pub attention: Vec<Attention>,
    /// Flags that are not resolved.
    pub open_flags: i64,
    /// Why no phone can be reached, if so.
    pub unreachable: Option<String>,
}

impl LineView {
    /// The line of somebody who was never treated.
    pub fn untreated(line: Line) -> Self {
        let since = line.patient.linked_at.unwrap_or(line.patient.created_at);
        Self::new(line, ComplianceView::new(false, Compliance::default(), since))
    }

    /// The line of somebody who recovers from a treatment, in these words, at a moment.
    pub fn treated(
        line: Line,
        recovery: &Recovery,
        version: &ProtocolVersion,
        texts: &Texts,
        at: DateTime<Utc>,
    ) -> Self {
        let laid = recovery.timeline(version);
        let report = recovery.report(&laid.tasks, at);
        let phase = laid.phase(at).map(|phase| {
            let text = texts.phases.get(&phase.key).or_else(|| version.base_texts().phases.get(&phase.key));
            PhaseView { key: phase.key.clone(), title: text.map_or_else(String::new, |text| text.title.clone()) }
        });
        let next_milestone = laid.next_milestone(at).map(|laid| {
            let text = version.item_text(texts, &laid.item.key);
            let title = text.map_or_else(String::new, |text| text.title.clone());
            MilestoneView { key: laid.item.key.clone(), title, open_at: laid.open_at }
        });
        let row = &recovery.row;
        let treatment = TreatmentView {
            id: row.id,
            status: row.status.clone(),
            performed_at: row.performed_at,
            protocol: ProtocolView { key: version.key().to_owned(), version: version.number() },
        };
        let compliance = ComplianceView::new(recovery.reported(), report.to_date, report.since);
        Self { treatment: Some(treatment), phase, next_milestone, ..Self::new(line, compliance) }
    }

    fn new(line: Line, compliance: ComplianceView) -> Self {
        Self {
            patient: line.patient.into(),
            treatment: None,
            compliance,
            attention: line.attention,
            open_flags: line.open_flags,
            phase: None,
            next_milestone: None,
            last_check_in_at: line.last_check_in_at,
            nudge_id: line.nudge_id,
            push: PushView { reachable: line.unreachable.is_none(), reason: line.unreachable },
        }
    }
}
