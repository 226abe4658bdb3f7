//! Tables that are nobody's in particular, and what they hold of somebody all the same: ids and moments.

use super::{Goes, OTHERS, OWN, SECRET, Table, Whose};

/// What a table may say without being about a patient: ids of whoever wrote.
const OF_CLINIC: &str = "the clinic's own, with the ids of who wrote it, which name nobody once their logins are gone";
const PLAIN: &str = "says nothing of a person";

pub(super) const TABLES: &[Table] = &[
    Table::stays("audit", "who did what to whose record and from which network address, by ids, for six years: what was done stays provable")
        .whose(Whose::Record("t.clinic_id = '$clinic' AND t.patient_id = '$patient'"))
        .shown(&["at", "actor_role", "action", "subject_kind", "subject_id"])
        .noted(&["actor_id", "request_id"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"]), (PLAIN, &["id"]), ("where somebody was who did it", &["address"])]),
    Table::stays("audit_seals", "what the trail held of each day: counts and digests")
        .withheld(&[(PLAIN, &["clinic_id", "day", "entries", "digest", "previous", "seal", "sealed_at"])]),
    Table::stays("invitations", "that somebody was invited, and when; those to a record go with it")
        .cleared(&["email"])
        .whose(Whose::Record("t.clinic_id = '$clinic' AND t.patient_id = '$patient'"))
        .shown(&["id", "role", "email", "created_at", "expires_at", "accepted_at", "revoked_at"])
        .noted(&["created_by", "accepted_by"])
        .withheld(&[(OWN, &["clinic_id", "patient_id"]), (SECRET, &["code_hash"])]),
    Table { goes: Goes::WithRecord, ..Table::stays("replans", "") }
        .withheld(&[("that a plan is about to be made", &["clinic_id", "patient_id", "times"])]),
    Table { goes: Goes::WithRecord, ..Table::stays("sync_logs", "") }
        .withheld(&[(PLAIN, &["clinic_id", "patient_id", "commits", "forgotten_to"])]),
    Table { goes: Goes::WithRecord, ..Table::stays("sync_entries", "") }.withheld(&[(
        "what an app is to ask for again, which is exported where it stands",
        &["clinic_id", "patient_id", "kind", "entity_id", "commit_no", "gone", "gone_at"],
    )]),
    Table { goes: Goes::WithRecord, ..Table::stays("receipts", "") }.withheld(&[(
        "what a push service is asked about a message for a day; the try is exported",
        &["clinic_id", "provider", "receipt_id", "alert_id", "device_id", "claim_no", "accepted_at", "ask_at"],
    )]),
    Table::stays("alert_queue", "moments and ids of alerts; entries without an alert are swept out within days")
        .withheld(&[(PLAIN, &["at", "id", "clinic_id", "alert_id"])]),
    Table::stays("claims", "ids of alerts that a worker is sending, for a minute")
        .withheld(&[(PLAIN, &["id", "worker", "lease_until", "clinic_ids", "alert_ids", "claim_nos"])]),
    Table::stays("push_health", "how push services fare").withheld(&[(
        PLAIN,
        &[
            "worker",
            "provider",
            "service",
            "configured",
            "state",
            "cause",
            "reason",
            "since",
            "until",
            "round",
            "waiting",
            "accepted",
            "failed",
            "seen_at",
        ],
    )]),
    Table::stays("restores", "when a backup was put back: nothing of anybody")
        .withheld(&[(PLAIN, &["id", "restored_to", "followed_up_at"])]),
    Table::stays("clinics", "a clinic's own figures").withheld(&[(
        PLAIN,
        &[
            "id",
            "name",
            "time_zone",
            "locale",
            "default_protocol",
            "quiet_from",
            "quiet_to",
            "low_compliance_bp",
            "triage_enabled",
            "emergency_line",
            "contact_line",
            "demo",
            "version",
            "created_at",
            "closed_at",
            "erase_at",
            "escalate_clinicians_minutes",
            "escalate_administrators_minutes",
            "out_of_hours_text",
            "nudge_enabled",
            "nudge_below_bp",
            "nudge_days",
            "nudge_min_tasks",
            "require_second_factor",
            "retention_years",
        ],
    )]),
    Table::stays(
        "nudge_rounds",
        "how far a clinic's round has come, with the id of the patient it stopped at for minutes",
    )
    .withheld(&[(PLAIN, &["clinic_id", "due_at", "after_patient"])]),
    Table::stays("protocol_versions", OF_CLINIC).withheld(&[
        (PLAIN, &["id", "key", "version", "content_hash", "structure", "base_locale", "registered_at", "clinic_id"]),
        (OTHERS, &["published_by"]),
    ]),
    Table::stays("protocol_texts", OF_CLINIC)
        .withheld(&[(PLAIN, &["version_id", "locale", "content_hash", "texts", "reviewed", "registered_at"])]),
    Table::stays("protocol_drafts", OF_CLINIC).withheld(&[
        (
            PLAIN,
            &[
                "clinic_id",
                "id",
                "key",
                "number",
                "structure",
                "locales",
                "texts",
                "version",
                "created_at",
                "updated_at",
            ],
        ),
        (OTHERS, &["created_by", "updated_by"]),
    ]),
    Table::stays("accepted_locales", OF_CLINIC).withheld(&[
        (PLAIN, &["clinic_id", "id", "version_id", "locale", "content_hash", "accepted_at", "withdrawn_at"]),
        (OTHERS, &["accepted_by", "withdrawn_by"]),
    ]),
    Table::stays("protocol_withdrawals", OF_CLINIC).withheld(&[
        (PLAIN, &["clinic_id", "version_id", "retired_at", "retired_because", "recalled_at", "recalled_because"]),
        (OTHERS, &["retired_by", "recalled_by"]),
    ]),
];
