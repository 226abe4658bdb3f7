//! Tables of a patient's record at a clinic.

use super::{OTHERS, OWN, Table, WORKING};

const OF_PATIENT: &str = "t.clinic_id = '$clinic' AND t.patient_id = '$patient'";
const OF_TREATMENT: &str = "t.clinic_id = '$clinic' AND EXISTS (SELECT FROM treatments AS o
    WHERE o.clinic_id = t.clinic_id AND o.id = t.treatment_id AND o.patient_id = '$patient')";
const OF_FLAG: &str = "t.clinic_id = '$clinic' AND EXISTS (SELECT FROM flags AS f
    WHERE f.clinic_id = t.clinic_id AND f.id = t.flag_id AND f.patient_id = '$patient')";

pub(super) const TABLES: &[Table] = &[
    Table::of_record("patients", "t.clinic_id = '$clinic' AND t.id = '$patient'")
        .cleared(&["user_id", "linked_at"])
        .shown(&[
            "id",
            "display_name",
            "time_zone",
            "locale",
            "reference",
            "phone",
            "linked_at",
            "created_at",
            "detached_at",
            "purge_at",
            "unlinked_at",
        ])
        .withheld(&[
            (OWN, &["clinic_id", "user_id"]),
            (OTHERS, &["created_by"]),
            (WORKING, &["plan_revision", "version"]),
        ]),
    Table::of_record("patient_zones", OF_PATIENT)
        .shown(&["valid_from", "zone"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"])]),
    Table::of_record("courses", OF_PATIENT)
        .shown(&[
            "id",
            "status",
            "area",
            "protocol_key",
            "planned_sessions",
            "earlier_sessions",
            "interval_min_days",
            "interval_max_days",
            "created_at",
            "ended_at",
        ])
        .noted(&["notes", "created_by"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"]), (WORKING, &["version"])]),
    Table::of_record("treatments", OF_PATIENT)
        .shown(&[
            "id",
            "status",
            "performed_at",
            "anchor_on",
            "counts_from",
            "moved_at",
            "protocol_version_id",
            "area",
            "modality",
            "device",
            "needle_depth_um",
            "products",
            "session_number",
            "course_id",
            "created_at",
            "confirmed_at",
            "ended_at",
        ])
        .noted(&["notes", "protocol_reason", "clinician_id", "created_by"])
        .withheld(&[
            (OWN, &["clinic_id", "patient_id"]),
            (
                WORKING,
                &["version", "plan_revision", "activity", "done_w", "on_time_w", "early_until", "early_w", "changes"],
            ),
        ]),
    Table::of_record("treatment_changes", OF_TREATMENT)
        .shown(&[
            "id",
            "treatment_id",
            "from_version_id",
            "to_version_id",
            "changed_at",
            "item_key",
            "change",
            "reason",
        ])
        .noted(&["changed_by"])
        .withheld(&[(OWN, &["clinic_id"]), (WORKING, &["kept"])]),
    Table::of_record("condition_decisions", OF_TREATMENT)
        .shown(&["id", "treatment_id", "condition_key", "ended", "decided_at"])
        .noted(&["reason", "decided_by"])
        .withheld(&[(OWN, &["clinic_id"])]),
    Table::of_record("excuses", OF_TREATMENT)
        .shown(&["id", "treatment_id", "item_key", "seq", "from_on", "to_on", "excused_at"])
        .noted(&["reason", "excused_by"])
        .withheld(&[(OWN, &["clinic_id"])]),
    Table::of_record("outcomes", OF_TREATMENT)
        .shown(&[
            "id",
            "treatment_id",
            "task_id",
            "item_key",
            "day_index",
            "seq",
            "kind",
            "reason",
            "recorded_at",
            "received_at",
            "open_at",
            "close_at",
        ])
        .noted(&["entered_by"])
        .withheld(&[(OWN, &["clinic_id"])]),
    Table::of_record("check_ins", OF_PATIENT)
        .shown(&["id", "treatment_id", "recorded_at", "received_at", "symptoms", "note", "level", "advice"])
        .noted(&["entered_by"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"])]),
    Table::of_record("flags", OF_PATIENT)
        .shown(&[
            "id",
            "treatment_id",
            "check_in_id",
            "rule",
            "level",
            "status",
            "opened_at",
            "last_reported_at",
            "acknowledged_at",
            "contacted_at",
            "resolved_at",
        ])
        .noted(&["outcome", "episode", "opening"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"]), (WORKING, &["version"])]),
    Table::of_record("flag_events", OF_FLAG)
        .noted(&["id", "flag_id", "kind", "check_in_id", "actor_id", "note", "at", "step"])
        .withheld(&[(OWN, &["clinic_id"])]),
    Table::of_record("escalations", OF_FLAG)
        .noted(&["flag_id", "opened_at", "step", "told_at", "unreached_at"])
        .withheld(&[(OWN, &["clinic_id"]), (WORKING, &["wake_at"])]),
    Table::of_record("nudges", OF_PATIENT)
        .noted(&[
            "id",
            "treatment_id",
            "raised_at",
            "completion_bp",
            "below_bp",
            "days",
            "closed_tasks",
            "ended_at",
            "ended_as",
            "ended_by",
        ])
        .withheld(&[(OWN, &["clinic_id", "patient_id"])]),
    Table::of_record("appointments", OF_PATIENT)
        .shown(&[
            "id",
            "course_id",
            "kind",
            "status",
            "starts_at",
            "minutes",
            "time_zone",
            "note",
            "announced_at",
            "created_at",
        ])
        .noted(&["created_by"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"]), (WORKING, &["announced_no", "version"])]),
    Table::of_record("alerts", "t.clinic_id = '$clinic' AND t.recipient_id = '$patient'")
        .shown(&[
            "id",
            "category",
            "urgent",
            "treatment_id",
            "flag_id",
            "item_key",
            "day_index",
            "due_at",
            "expires_at",
            "state",
            "reason",
            "sent_at",
            "opened_at",
        ])
        .withheld(&[
            (OWN, &["clinic_id", "recipient_kind", "recipient_id"]),
            (
                WORKING,
                &[
                    "dedupe_key",
                    "device_id",
                    "protocol_version_id",
                    "seq",
                    "next_attempt_at",
                    "plan_revision",
                    "superseded",
                    "claim_no",
                    "tries",
                    "claimed_by",
                    "finalized_at",
                    "unsent",
                    "slot_ends_at",
                    "merged_into",
                ],
            ),
        ]),
    Table::of_record(
        "attempts",
        "t.clinic_id = '$clinic' AND EXISTS (SELECT FROM alerts AS a
            WHERE a.clinic_id = t.clinic_id AND a.id = t.alert_id AND a.recipient_id = '$patient')",
    )
    .shown(&["alert_id", "device_id", "at", "provider", "outcome", "reason"])
    .withheld(&[(OWN, &["clinic_id"]), (WORKING, &["claim_no", "provider_message_id", "duration_ms"])]),
    Table::of_record("snoozes", OF_PATIENT)
        .shown(&["times", "until_at"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"]), (WORKING, &["dedupe_key"])]),
    Table::of_record("mode_spans", OF_PATIENT)
        .shown(&["mode", "from_at", "to_at"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"])]),
];
