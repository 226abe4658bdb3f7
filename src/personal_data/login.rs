//! Tables of a login.

use super::{OWN, SECRET, Table, WORKING, Whose};

const MINE: &str = "t.user_id = '$login'";

pub(super) const TABLES: &[Table] = &[
    Table::of_login("users", "t.id = '$login'")
        .shown(&["id", "email", "display_name", "time_zone", "locale", "created_at"])
        .withheld(&[(SECRET, &["password_hash"]), (WORKING, &["tokens_valid_after", "version"])]),
    Table::of_login("login_deletions", MINE).shown(&["requested_at", "erase_at"]).withheld(&[(OWN, &["user_id"])]),
    Table::of_login("consents", MINE)
        .shown(&["id", "kind", "version", "given_at", "withdrawn_at"])
        .withheld(&[(OWN, &["user_id"])]),
    Table::of_login("sessions", MINE)
        .shown(&[
            "id",
            "clinic_id",
            "device_name",
            "created_at",
            "last_used_at",
            "idle_expires_at",
            "expires_at",
            "revoked_at",
            "revoked_because",
        ])
        .withheld(&[(OWN, &["user_id"])]),
    Table::of_login(
        "refresh_tokens",
        "EXISTS (SELECT FROM sessions AS s WHERE s.id = t.session_id AND s.user_id = '$login')",
    )
    .shown(&["session_id", "issued_at", "rotated_at"])
    .withheld(&[(SECRET, &["token_hash", "parent_hash"])]),
    Table::of_login("second_factors", MINE).shown(&["created_at", "confirmed_at"]).withheld(&[
        (SECRET, &["secret_sealed"]),
        (OWN, &["user_id"]),
        (WORKING, &["last_step", "failures", "failed_at"]),
    ]),
    Table::of_login("recovery_codes", MINE)
        .shown(&["created_at"])
        .withheld(&[(SECRET, &["code_hash"]), (OWN, &["user_id"])]),
    Table::of_login("reset_codes", MINE)
        .shown(&["clinic_id", "issued_at", "expires_at", "used_at", "by_mail"])
        .withheld(&[(SECRET, &["code_hash"]), (OWN, &["user_id"]), (super::OTHERS, &["issued_by"])]),
    Table::of_login("devices", MINE)
        .shown(&[
            "id",
            "session_id",
            "provider",
            "app_id",
            "environment",
            "address_kind",
            "locale",
            "time_zone",
            "permission",
            "registered_at",
            "last_seen_at",
            "quarantined_at",
            "quarantine_reason",
        ])
        .withheld(&[
            (SECRET, &["address_hash", "address_sealed", "fetch_token_hash", "fetch_token_before"]),
            (OWN, &["user_id"]),
            (WORKING, &["vapid_key_id"]),
        ]),
    Table::of_login(
        "local_reminders",
        "EXISTS (SELECT FROM devices AS d WHERE d.id = t.device_id AND d.user_id = '$login')",
    )
    .shown(&["device_id", "alert_id", "due_at", "until_at", "shown_at"]),
    Table::of_login("notification_preferences", MINE)
        .shown(&[
            "quiet_from",
            "quiet_to",
            "preferred_time",
            "categories_off",
            "show_details",
            "daily_cap",
            "minimum_gap_minutes",
            "zone_mode",
            "paused",
            "updated_at",
        ])
        .withheld(&[(OWN, &["user_id"]), (WORKING, &["version"])]),
    Table::of_login("calendar_feeds", MINE)
        .shown(&["id", "clinic_id", "label", "created_at"])
        .withheld(&[(SECRET, &["token_hash"]), (OWN, &["user_id", "patient_id"])]),
    Table::of_login("idempotency_keys", MINE).whose(Whose::Nobodys).withheld(&[(
        "a request of the last day, kept to be recognised when it comes again",
        &["clinic_id", "user_id", "key", "operation", "fingerprint", "resource_id", "created_at"],
    )]),
    Table::stays("memberships", "says who treated whom by ids, which name nobody once the login is gone")
        .whose(Whose::Login(MINE))
        .shown(&["clinic_id", "id", "role", "created_at", "removed_at"])
        .withheld(&[(OWN, &["user_id"])]),
];
