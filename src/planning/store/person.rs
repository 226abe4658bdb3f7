//! The person whose plan it is, in one row: who they are, where, what they wish, what they were told.

mod parts;

use diesel::Queryable;
use diesel::sql_types::Uuid as SqlUuid;
use uuid::Uuid;

use crate::db::hot::hot_query;

use parts::{
    AppointmentColumns, AppointmentSql, ModeColumns, ModeSql, PatientRow, PatientSql, SnoozeColumns, SnoozeSql,
    ToldColumns, ToldSql, WishRow, WishSql, ZoneColumns, ZoneSql,
};

/// The person, as stored.
#[derive(Debug, Clone, Queryable)]
pub(in crate::planning) struct PersonRow {
    pub(in crate::planning) patient: PatientRow,
    pub(in crate::planning) zones: ZoneColumns,
    pub(in crate::planning) wishes: WishRow,
    pub(in crate::planning) told: ToldColumns,
    pub(in crate::planning) snoozed: SnoozeColumns,
    pub(in crate::planning) modes: ModeColumns,
    pub(in crate::planning) appointments: AppointmentColumns,
}

/// The same as the database has it, part by part.
type PersonSql = (PatientSql, ZoneSql, WishSql, ToldSql, SnoozeSql, ModeSql, AppointmentSql);

/// From the patient that a condition picks to a whole row; the plan about to be made is counted.
macro_rules! person_sql {
    ($patient:literal) => {
        person_sql!(
            from concat!(
                "UPDATE patients SET plan_revision = plan_revision + 1 WHERE clinic_id = $1 AND id = ",
                $patient,
                " RETURNING *"
            )
        )
    };
    (from $patients:expr) => {
        concat!(
            ", locked AS (",
            $patients,
            ")
            SELECT p.id, p.user_id, p.linked_at, p.plan_revision, p.detached_at IS NOT NULL,
                   EXISTS (SELECT FROM login_deletions AS l WHERE l.user_id = p.user_id) OR c.closed_at IS NOT NULL,
                   c.default_protocol,
                   ARRAY(SELECT s.area FROM courses AS s
                          WHERE s.clinic_id = p.clinic_id AND s.patient_id = p.id AND s.ended_at IS NULL),
                   ARRAY(SELECT w.version_id FROM protocol_withdrawals AS w WHERE w.clinic_id = p.clinic_id),
                   (SELECT coalesce(array_agg(z.zone ORDER BY z.valid_from), ARRAY[p.time_zone])
                      FROM patient_zones AS z WHERE z.clinic_id = p.clinic_id AND z.patient_id = p.id),
                   (SELECT coalesce(array_agg(z.valid_from ORDER BY z.valid_from), ARRAY[p.created_at])
                      FROM patient_zones AS z WHERE z.clinic_id = p.clinic_id AND z.patient_id = p.id),
                   coalesce(n.quiet_from, c.quiet_from), coalesce(n.quiet_to, c.quiet_to), n.preferred_time,
                   coalesce(n.categories_off, '{}'), coalesce(n.paused, false), coalesce(n.daily_cap, 4),
                   coalesce(n.minimum_gap_minutes, 30),
                   coalesce(told.keys, '{}'), coalesce(told.treatments, '{}'), coalesce(told.items, '{}'),
                   coalesce(told.at, '{}'), coalesce(told.by, '{}'),
                   coalesce(s.keys, '{}'), coalesce(s.times, '{}'), coalesce(s.until, '{}'),
                   coalesce(m.modes, '{}'), coalesce(m.from_at, '{}'), coalesce(m.to_at, '{}'),
                   coalesce(a.ids, '{}'), coalesce(a.kinds, '{}'), coalesce(a.courses, '{}'), coalesce(a.at, '{}'),
                   coalesce(a.set, '{}'), coalesce(a.announced_no, '{}'), coalesce(a.announced_at, '{}')
              FROM locked AS p
              JOIN clinics AS c ON c.id = p.clinic_id
              LEFT JOIN notification_preferences AS n ON n.user_id = p.user_id
              LEFT JOIN LATERAL (
                  SELECT array_agg(a.dedupe_key ORDER BY a.id) AS keys, array_agg(a.treatment_id ORDER BY a.id) AS treatments,
                         array_agg(a.item_key ORDER BY a.id) AS items,
                         array_agg(CASE WHEN coalesce(l.state, a.state) <> 'sending'
                             THEN coalesce(l.sent_at, a.sent_at, a.due_at) END ORDER BY a.id) AS at,
                         array_agg(l.dedupe_key ORDER BY a.id) AS by
                    FROM alerts AS a
                    JOIN treatments AS t ON t.clinic_id = a.clinic_id AND t.id = a.treatment_id
                    LEFT JOIN alerts AS l ON l.clinic_id = a.clinic_id AND l.id = a.merged_into AND l.state IN ('sent', 'sending')
                   WHERE a.clinic_id = p.clinic_id AND a.recipient_id = p.id AND a.dedupe_key ~ '^[tmds]:'
                     AND (a.state IN ('sent', 'sending') OR a.state = 'merged' AND l.id IS NOT NULL
                          OR a.state = 'scheduled' AND a.tries > 0 AND EXISTS (
                             SELECT 1 FROM attempts AS r
                              WHERE r.clinic_id = a.clinic_id AND r.alert_id = a.id AND r.outcome = 'accepted'))
                     AND (t.ended_at IS NULL OR a.due_at > t.ended_at - interval '3 days')
              ) AS told ON true
              LEFT JOIN LATERAL (
                  SELECT array_agg(s.dedupe_key ORDER BY s.dedupe_key) AS keys, array_agg(s.times ORDER BY s.dedupe_key) AS times,
                         array_agg(s.until_at ORDER BY s.dedupe_key) AS until
                    FROM snoozes AS s WHERE s.clinic_id = p.clinic_id AND s.patient_id = p.id
              ) AS s ON true
              LEFT JOIN LATERAL (
                  SELECT array_agg(m.mode ORDER BY m.from_at) AS modes, array_agg(m.from_at ORDER BY m.from_at) AS from_at,
                         array_agg(m.to_at ORDER BY m.from_at) AS to_at
                    FROM mode_spans AS m WHERE m.clinic_id = p.clinic_id AND m.patient_id = p.id
              ) AS m ON true
              LEFT JOIN LATERAL (
                  SELECT array_agg(a.id ORDER BY a.id) AS ids, array_agg(a.kind ORDER BY a.id) AS kinds,
                         array_agg(a.course_id ORDER BY a.id) AS courses, array_agg(a.starts_at ORDER BY a.id) AS at,
                         array_agg(a.status = 'set' ORDER BY a.id) AS set,
                         array_agg(a.announced_no ORDER BY a.id) AS announced_no,
                         array_agg(a.announced_at ORDER BY a.id) AS announced_at
                    FROM appointments AS a WHERE a.clinic_id = p.clinic_id AND a.patient_id = p.id
              ) AS a ON true"
        )
    };
}

hot_query! {
    pub(super) struct LockPerson {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
    }
    returns PersonSql;
    person_sql!("$2")
}

hot_query! {
    pub(super) struct LockTreated {
        clinic: Uuid as SqlUuid,
        treatment: Uuid as SqlUuid,
    }
    returns PersonSql;
    person_sql!("(SELECT t.patient_id FROM treatments AS t WHERE t.clinic_id = $1 AND t.id = $2)")
}

hot_query! {
    pub(super) struct LookAtPerson {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
    }
    returns PersonSql;
    person_sql!(from "SELECT * FROM patients WHERE clinic_id = $1 AND id = $2")
}
