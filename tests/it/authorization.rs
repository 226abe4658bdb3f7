//! Every route against everybody who may not use it: nobody, an expired token, the wrong role, another clinic, another
//! patient. A route without a row fails the test, so whoever adds a route says here whom it is for.

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use mendline::app::ROUTES;
use mendline::auth::token::LIFETIME;
use mendline::db::Connector;
use mendline::domain::role::Role;
use mendline::domain::trail::{LOOKS, meaning};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::people::{Clinic, Person};
use crate::support::{Answer, TestApp, send};

/// Whom a route is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Anybody,
    /// Whoever is logged in; what the path names is the patient's own.
    Users,
    /// Patients, about themselves.
    Patients,
    Staff,
    Administrators,
    /// Staff, and patients as far as it is about themselves.
    StaffAndOneself,
}
use For::{Administrators, Anybody, Patients, Staff, StaffAndOneself, Users};

/// What the table is tried on: a clinic with one of each, and a second one with one of each.
struct World {
    clinic: Clinic,
    clinician: Person,
    patient: Person,
    neighbour: Person,
    rival: Clinic,
    rival_clinician: Person,
    rival_patient: Person,
    invitation: Uuid,
    /// Another session of the patient's.
    session: Uuid,
    /// The patient's phone.
    device: Uuid,
    /// The patient's treatment.
    treatment: Uuid,
    /// What a check-in on it raised.
    flag: Uuid,
    /// Something that the patient was told.
    alert: Uuid,
    /// Something that the patient will be told.
    planned: Uuid,
    /// The patient's course.
    course: Uuid,
    /// The patient's appointment.
    appointment: Uuid,
    /// The patient's calendar feed.
    feed: Uuid,
    /// What the clinic excused of the treatment.
    excuse: Uuid,
    /// What staff were told of the patient.
    nudge: Uuid,
    /// A protocol that the clinic is writing.
    draft: Uuid,
}

type Ids = fn(&World) -> Vec<Uuid>;
type Sent = fn(&World) -> Value;
type Named = fn(&World) -> Option<Uuid>;

/// One route.
#[derive(Clone, Copy)]
struct Row {
    method: &'static str,
    path: &'static str,
    whom: For,
    /// What the placeholders of the path name, in order: things of the first clinic and its patient.
    ids: Option<Ids>,
    /// What the placeholders name where it is nobody's in particular.
    names: &'static [&'static str],
    /// How those are told who it is no business of: there is no such thing, unless the row says otherwise.
    foreign: u16,
    /// A body that would do.
    body: Option<Sent>,
    /// A query without which nothing is looked for.
    query: Option<(&'static str, Named)>,
}

const fn row(method: &'static str, path: &'static str, whom: For) -> Row {
    Row { method, path, whom, ids: None, names: &[], foreign: 404, body: None, query: None }
}

impl Row {
    const fn on(self, ids: Ids) -> Self {
        Self { ids: Some(ids), ..self }
    }

    const fn named(self, names: &'static [&'static str]) -> Self {
        Self { names, ..self }
    }

    const fn foreign(self, status: u16) -> Self {
        Self { foreign: status, ..self }
    }

    const fn asking(self, name: &'static str, value: Named) -> Self {
        Self { query: Some((name, value)), ..self }
    }

    const fn sending(self, body: Sent) -> Self {
        Self { body: Some(body), ..self }
    }
}

const MEMBER: Ids = |world| vec![world.clinician.membership_id];
const DEVICE: Ids = |world| vec![world.device];
const FLAG: Ids = |world| vec![world.flag];
const ALERT: Ids = |world| vec![world.alert];
const PLANNED: Ids = |world| vec![world.planned];
const TREATMENT: Ids = |world| vec![world.treatment];
const COURSE: Ids = |world| vec![world.course];
const APPOINTMENT: Ids = |world| vec![world.appointment];
const DRAFT: Ids = |world| vec![world.draft];
const PATIENT: Ids = |world| vec![world.patient.patient()];

const TABLE: &[Row] = &[
    row("GET", "/healthz", Anybody),
    row("GET", "/readyz", Anybody),
    row("GET", "/openapi.yaml", Anybody),
    row("GET", "/docs", Anybody),
    row("GET", "/account/deletion", Anybody),
    row("POST", "/account/deletion", Anybody),
    row("GET", "/.well-known/jwks.json", Anybody),
    row("GET", "/v1/config", Anybody),
    row("POST", "/v1/auth/register", Anybody),
    row("POST", "/v1/auth/login", Anybody),
    row("POST", "/v1/auth/cancel-deletion", Anybody),
    row("POST", "/v1/auth/refresh", Anybody),
    row("POST", "/v1/auth/reset", Anybody),
    row("POST", "/v1/password-resets", Anybody),
    row("POST", "/v1/auth/logout", Users),
    row("POST", "/v1/auth/switch", Users).sending(|world| json!({ "clinic_id": world.rival.id })),
    row("POST", "/v1/invitations/accept", Users).sending(|_| json!({ "invitation_code": "x" })),
    row("GET", "/v1/me", Users),
    row("PATCH", "/v1/me", Users),
    row("GET", "/v1/me/sessions", Users),
    row("DELETE", "/v1/me/sessions/{id}", Users).on(|world| vec![world.session]),
    row("DELETE", "/v1/me/sessions", Users),
    row("POST", "/v1/me/password", Users).sending(|_| proof(json!({ "password": "another four plain words" }))),
    row("GET", "/v1/me/consents", Users),
    row("PUT", "/v1/me/consents", Users),
    row("GET", "/v1/me/deletion", Users),
    row("POST", "/v1/me/deletion", Users).sending(|_| proof(json!({}))),
    row("POST", "/v1/me/export", Users).sending(|_| proof(json!({}))),
    row("GET", "/v1/me/second-factor", Users),
    row("POST", "/v1/me/second-factor", Users).sending(|_| proof(json!({}))),
    row("POST", "/v1/me/second-factor/confirm", Users).sending(|_| json!({ "code": "123456" })),
    row("POST", "/v1/me/second-factor/recovery-codes", Users).sending(|_| proof(json!({}))),
    row("POST", "/v1/me/second-factor/disable", Users).sending(|_| proof(json!({}))),
    row("GET", "/v1/me/reminders", Users),
    row("GET", "/v1/me/devices", Users),
    row("PUT", "/v1/me/devices/{device_id}", Users).on(DEVICE).foreign(409).sending(|_| device("another-phone")),
    row("POST", "/v1/me/devices/{device_id}/test", Users).on(DEVICE),
    row("PUT", "/v1/me/devices/{device_id}/local-reminders", Patients)
        .on(DEVICE)
        .sending(|_| json!({ "reminders": [], "until": "2026-02-03T10:00:00Z" })),
    row("POST", "/v1/me/devices/{device_id}/local-reminders/shown", Patients)
        .on(DEVICE)
        .sending(|world| json!({ "alert_ids": [world.alert] })),
    row("DELETE", "/v1/me/devices/{device_id}", Users).on(DEVICE),
    row("GET", "/v1/me/outdoors", Patients),
    row("PUT", "/v1/me/outdoors", Patients),
    row("DELETE", "/v1/me/outdoors", Patients),
    row("GET", "/v1/me/access-log", Patients),
    row("GET", "/v1/me/notification-preferences", Users),
    row("PUT", "/v1/me/notification-preferences", Users),
    row("GET", "/v1/clinic", Administrators),
    row("PATCH", "/v1/clinic", Administrators),
    row("GET", "/v1/members", Administrators),
    row("GET", "/v1/members/{id}", Administrators).on(MEMBER),
    row("PATCH", "/v1/members/{id}", Administrators).on(MEMBER).sending(|_| json!({ "role": "administrator" })),
    row("DELETE", "/v1/members/{id}", Administrators).on(MEMBER),
    row("POST", "/v1/members/{id}/reset-code", Administrators).on(MEMBER).sending(|_| proof(json!({}))),
    row("POST", "/v1/members/{id}/second-factor/reset", Administrators).on(MEMBER).sending(|_| proof(json!({}))),
    row("POST", "/v1/clinic/sign-out", Administrators).sending(|_| proof(json!({ "whom": "everybody" }))),
    row("GET", "/v1/audit", Administrators),
    row("GET", "/v1/audit.csv", Administrators).asking("from=2026-02-01T00:00:00Z&to=2026-02-02T00:00:00Z", |_| None),
    row("GET", "/v1/invitations", Staff),
    row("POST", "/v1/invitations", Staff).sending(|_| json!({ "role": "clinician" })),
    row("DELETE", "/v1/invitations/{id}", Staff).on(|world| vec![world.invitation]),
    row("GET", "/v1/patients", Staff),
    row("POST", "/v1/patients", Staff).sending(|_| json!({ "display_name": "Ada" })),
    row("GET", "/v1/patients/{id}", StaffAndOneself).on(PATIENT),
    row("PATCH", "/v1/patients/{id}", Staff).on(PATIENT).sending(|_| json!({ "display_name": "Ada" })),
    row("POST", "/v1/patients/{id}/export", Staff).on(PATIENT).sending(|_| proof(json!({}))),
    row("GET", "/v1/treatments", Users),
    row("POST", "/v1/treatments", Users).sending(|world| treatment(world.patient.patient())),
    row("GET", "/v1/treatments/{id}", StaffAndOneself).on(TREATMENT),
    row("PATCH", "/v1/treatments/{id}", StaffAndOneself).on(TREATMENT).sending(|_| json!({ "area": "face" })),
    row("DELETE", "/v1/treatments/{id}", StaffAndOneself).on(TREATMENT),
    row("GET", "/v1/treatments/{id}/check-ins", StaffAndOneself).on(TREATMENT),
    row("GET", "/v1/treatments/{id}/check-ins/windows", StaffAndOneself).on(TREATMENT),
    row("POST", "/v1/treatments/{id}/check-ins", StaffAndOneself).on(TREATMENT).sending(|_| check_in()),
    row("GET", "/v1/flags", Staff),
    row("GET", "/v1/flags/{id}", Staff).on(FLAG),
    row("POST", "/v1/flags/{id}/acknowledge", Staff).on(FLAG),
    row("POST", "/v1/flags/{id}/contacted", Staff).on(FLAG),
    row("POST", "/v1/flags/{id}/resolve", Staff).on(FLAG),
    row("POST", "/v1/flags/{id}/reopen", Staff).on(FLAG),
    row("GET", "/v1/nudges", Staff),
    row("POST", "/v1/nudges/{id}/acknowledge", Staff).on(|world| vec![world.nudge]),
    row("GET", "/v1/alerts", Users),
    row("GET", "/v1/alerts/{id}", Users).on(ALERT),
    row("POST", "/v1/alerts/{id}/opened", Users).on(ALERT),
    row("POST", "/v1/alerts/{id}/snooze", Patients).on(PLANNED).sending(|_| json!({ "minutes": 5 })),
    row("GET", "/v1/push/providers", Administrators),
    row("GET", "/v1/alerts/statistics", Administrators),
    row("GET", "/v1/alerts/failed", Administrators),
    row("POST", "/v1/alerts/failed/replay", Administrators),
    row("GET", "/v1/alerts/{id}/attempts", Administrators).on(ALERT),
    row("POST", "/v1/alerts/{id}/replay", Administrators).on(ALERT),
    row("POST", "/v1/treatments/{id}/complete", Staff).on(TREATMENT),
    row("POST", "/v1/treatments/{id}/confirm", Staff).on(TREATMENT),
    row("GET", "/v1/treatments/{id}/timeline", StaffAndOneself).on(TREATMENT),
    row("GET", "/v1/treatments/{id}/guidance", StaffAndOneself).on(TREATMENT),
    row("GET", "/v1/protocols", Staff),
    row("GET", "/v1/protocols/{key}/versions/{number}", Staff).named(&["conservative", "2"]),
    row("GET", "/v1/protocols/{key}/versions/{number}/disagreements", Staff).named(&["conservative", "2"]),
    row("GET", "/v1/protocols/{key}/versions/{number}/diff", Staff)
        .named(&["conservative", "2"])
        .asking("with=day-by-day@1", |_| None),
    row("GET", "/v1/treatments/{id}/overrides", Staff).on(TREATMENT),
    row("PUT", "/v1/treatments/{id}/overrides/{item_key}", Staff)
        .on(TREATMENT)
        .named(&["make_up"])
        .sending(|_| json!({ "window": { "to": "PT96H" }, "reason": "so" })),
    row("DELETE", "/v1/treatments/{id}/overrides/{item_key}", Staff).on(TREATMENT).named(&["make_up"]),
    row("GET", "/v1/treatments/{id}/transfers", Staff).on(TREATMENT),
    row("GET", "/v1/treatments/{id}/transfers/preview", Staff).on(TREATMENT).asking("to=day-by-day@1", |_| None),
    row("POST", "/v1/treatments/{id}/transfers", Staff)
        .on(TREATMENT)
        .sending(|_| json!({ "to": "day-by-day@1", "reason": "so" })),
    row("POST", "/v1/protocols/{key}/versions/{number}/retire", Administrators)
        .named(&["hour-by-hour", "1"])
        .sending(|_| json!({ "reason": "so" })),
    row("POST", "/v1/protocols/{key}/versions/{number}/recall", Administrators)
        .named(&["hour-by-hour", "1"])
        .sending(|_| json!({ "reason": "so" })),
    row("GET", "/v1/protocols/{key}/versions/{number}/treatments", Staff).named(&["hour-by-hour", "1"]),
    row("POST", "/v1/protocols/{key}/versions/{number}/transfers", Administrators)
        .named(&["hour-by-hour", "1"])
        .sending(|_| json!({ "to": "day-by-day@1", "reason": "so" })),
    row("GET", "/v1/protocols/{key}/versions/{number}/locales", Staff).named(&["conservative", "2"]),
    row("GET", "/v1/protocols/{key}/versions/{number}/locales/{locale}", Staff).named(&["conservative", "2", "es"]),
    row("PUT", "/v1/protocols/{key}/versions/{number}/locales/{locale}/acceptance", Administrators)
        .named(&["conservative", "2", "es"])
        .sending(|_| json!({ "content_hash": "00" })),
    row("DELETE", "/v1/protocols/{key}/versions/{number}/locales/{locale}/acceptance", Administrators).named(&[
        "conservative",
        "2",
        "es",
    ]),
    row("GET", "/v1/protocol-drafts", Staff),
    row("POST", "/v1/protocol-drafts", Staff).sending(|_| json!({ "from": "conservative@2", "key": "own-plan" })),
    row("GET", "/v1/protocol-drafts/{id}", Staff).on(DRAFT),
    row("PUT", "/v1/protocol-drafts/{id}", Staff).on(DRAFT).sending(|_| json!({ "structure": "", "texts": [] })),
    row("GET", "/v1/protocol-drafts/{id}/preview", Staff)
        .on(DRAFT)
        .asking("treatment_id=", |world| Some(world.treatment)),
    row("POST", "/v1/protocol-drafts/{id}/publish", Administrators).on(DRAFT),
    row("DELETE", "/v1/protocol-drafts/{id}", Staff).on(DRAFT),
    row("GET", "/v1/faqs", Users),
    row("GET", "/v1/treatments/{id}/tasks", StaffAndOneself).on(TREATMENT),
    row("GET", "/v1/treatments/{id}/bundle", StaffAndOneself).on(TREATMENT),
    row("GET", "/v1/sync", Patients),
    row("POST", "/v1/treatments/{id}/outcomes", StaffAndOneself).on(TREATMENT).sending(|_| json!({ "outcomes": [] })),
    row("GET", "/v1/treatments/{id}/compliance", StaffAndOneself).on(TREATMENT),
    row("GET", "/v1/patients/{id}/compliance", StaffAndOneself).on(PATIENT),
    row("GET", "/v1/courses/{id}/compliance", StaffAndOneself).on(COURSE),
    row("GET", "/v1/clinic/compliance", Staff),
    row("GET", "/v1/treatments/{id}/compliance.csv", StaffAndOneself).on(TREATMENT),
    row("GET", "/v1/patients/{id}/compliance.csv", StaffAndOneself).on(PATIENT),
    row("GET", "/v1/courses/{id}/compliance.csv", StaffAndOneself).on(COURSE),
    row("GET", "/v1/clinic/compliance.csv", Staff),
    row("GET", "/v1/treatments/{id}/conditions", StaffAndOneself).on(TREATMENT),
    row("POST", "/v1/treatments/{id}/conditions/{key}", Staff)
        .on(TREATMENT)
        .named(&["flaking_ended"])
        .sending(|_| json!({ "ended": true, "reason": "Seen." })),
    row("GET", "/v1/treatments/{id}/excuses", Staff).on(TREATMENT),
    row("POST", "/v1/treatments/{id}/excuses", Staff)
        .on(TREATMENT)
        .sending(|_| json!({ "from": "2026-02-04", "reason": "Travelling." })),
    row("DELETE", "/v1/treatments/{id}/excuses/{excuse_id}", Staff).on(|world| vec![world.treatment, world.excuse]),
    row("GET", "/v1/courses", Users),
    row("POST", "/v1/courses", Staff).sending(|world| json!({ "patient_id": world.patient.patient() })),
    row("GET", "/v1/courses/{id}", StaffAndOneself).on(COURSE),
    row("PATCH", "/v1/courses/{id}", Staff).on(COURSE).sending(|_| json!({ "planned_sessions": 5 })),
    row("POST", "/v1/courses/{id}/complete", Staff).on(COURSE),
    row("DELETE", "/v1/courses/{id}", Staff).on(COURSE),
    row("GET", "/v1/appointments", Users),
    row("POST", "/v1/appointments", Staff).sending(|world| appointment(world.patient.patient())),
    row("GET", "/v1/appointments/{id}", StaffAndOneself).on(APPOINTMENT),
    row("PATCH", "/v1/appointments/{id}", Staff).on(APPOINTMENT).sending(|_| json!({ "minutes": 45 })),
    row("DELETE", "/v1/appointments/{id}", Staff).on(APPOINTMENT),
    row("GET", "/v1/me/calendar-feeds", Patients),
    row("POST", "/v1/me/calendar-feeds", Patients),
    row("DELETE", "/v1/me/calendar-feeds/{id}", Patients).on(|world| vec![world.feed]),
    // Nobody is asked who they are; no feed has this address.
    row("GET", "/v1/calendar/{token}.ics", Anybody).named(&["no-such-token"]),
    row("POST", "/v1/dev/clock", Users),
];

/// What a member of the staff may do before the second factor is set up that the clinic wants: look after their own login, and
/// go elsewhere.
const WITHOUT_SECOND_FACTOR: &[(&str, &str)] = &[
    ("POST", "/v1/auth/logout"),
    ("POST", "/v1/auth/switch"),
    ("POST", "/v1/invitations/accept"),
    ("GET", "/v1/me"),
    ("PATCH", "/v1/me"),
    ("GET", "/v1/me/sessions"),
    ("DELETE", "/v1/me/sessions/{id}"),
    ("DELETE", "/v1/me/sessions"),
    ("POST", "/v1/me/password"),
    ("GET", "/v1/me/consents"),
    ("PUT", "/v1/me/consents"),
    ("GET", "/v1/me/deletion"),
    ("POST", "/v1/me/deletion"),
    ("POST", "/v1/me/export"),
    ("GET", "/v1/me/second-factor"),
    ("POST", "/v1/me/second-factor"),
    ("POST", "/v1/me/second-factor/confirm"),
    ("POST", "/v1/me/second-factor/recovery-codes"),
    ("POST", "/v1/me/second-factor/disable"),
];

/// What is read without an entry in the audit trail, with the reason: it holds nothing of a patient's record, or nothing that
/// anybody but its owner could read.
const UNRECORDED: &[(&str, &str)] = &[
    ("/healthz", "says nothing of anybody"),
    ("/readyz", "says nothing of anybody"),
    ("/openapi.yaml", "says nothing of anybody"),
    ("/docs", "says nothing of anybody"),
    ("/.well-known/jwks.json", "says nothing of anybody"),
    ("/v1/config", "says nothing of anybody"),
    ("/v1/me", "the caller's own login"),
    ("/v1/me/sessions", "the caller's own login"),
    ("/v1/me/consents", "the caller's own login"),
    ("/v1/me/deletion", "the caller's own login"),
    ("/v1/me/second-factor", "the caller's own login"),
    ("/v1/me/devices", "the caller's own phones"),
    ("/v1/me/outdoors", "the caller's own switch"),
    ("/v1/me/notification-preferences", "the caller's own wishes"),
    ("/v1/me/calendar-feeds", "the caller's own addresses; reading at one is recorded"),
    ("/v1/clinic", "the clinic's settings"),
    ("/v1/push/providers", "how services are doing"),
    ("/v1/alerts/statistics", "sums over a clinic"),
    ("/v1/protocols", "a plan, and nobody's"),
    ("/v1/protocols/{key}/versions/{number}", "a plan, and nobody's"),
    ("/v1/protocols/{key}/versions/{number}/disagreements", "a plan, and nobody's"),
    ("/v1/protocols/{key}/versions/{number}/diff", "a plan, and nobody's"),
    ("/v1/protocols/{key}/versions/{number}/locales", "a plan, and nobody's"),
    ("/v1/protocols/{key}/versions/{number}/locales/{locale}", "a plan, and nobody's"),
    ("/v1/protocol-drafts", "a plan, and nobody's"),
    ("/v1/protocol-drafts/{id}", "a plan, and nobody's"),
    ("/v1/faqs", "a plan, and nobody's"),
    (
        "/v1/calendar/{token}.ics",
        "nothing is behind this row's address; tests/it/audit.rs reads at one that leads somewhere",
    ),
];

/// An entry in the trail, as far as a look tells it.
#[derive(Debug, QueryableByName)]
struct Looked {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    actor_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Text)]
    subject_kind: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    patient_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    address: Option<String>,
}

/// Who may read what a row names, and should be in the trail for it.
fn readers<'w>(row: &Row, world: &'w World) -> Vec<&'w Person> {
    let (staff, patient) = (&world.clinic.admin, &world.patient);
    match row.whom {
        Anybody => Vec::new(),
        Users if row.ids.is_some() => vec![patient],
        Users | StaffAndOneself => vec![staff, patient],
        Patients => vec![patient],
        Staff | Administrators => vec![staff],
    }
}

#[tokio::test]
async fn whoever_looks_at_a_patients_record_is_in_the_trail() {
    let app = TestApp::start().await;
    let world = world(&app).await;
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let mut wrong = Vec::new();
    for row in TABLE.iter().filter(|row| row.method == "GET") {
        let recorded = UNRECORDED.iter().all(|(path, _)| *path != row.path);
        for reader in readers(row, &world) {
            let id = Uuid::new_v4();
            let path = row.path(&world);
            let answer = app.get_with(&path, &reader.token, "x-request-id", &id.to_string()).await;
            if answer.status != 200 {
                wrong.push(format!("{path} for a {}: {}", reader.role, answer.text));
            }
            app.state.reads.flush().await.unwrap();
            let looked = "SELECT actor_id, action, subject_kind, patient_id, address FROM audit WHERE request_id = $1";
            let looked: Vec<Looked> = diesel::sql_query(looked).bind::<SqlUuid, _>(id).load(&mut conn).await.unwrap();
            let as_it_should = match looked.as_slice() {
                [] => !recorded,
                [entry] => {
                    // Lists of many are one entry about none of them; memberships, and attempts at a test push as here, are
                    // about no record.
                    let of_nobody = ["clinic", "member"].contains(&entry.subject_kind.as_str())
                        || row.path == "/v1/alerts/{id}/attempts";
                    let whose = entry.patient_id == Some(world.patient.patient())
                        || (of_nobody && entry.patient_id.is_none() && reader.role.is_staff());
                    let (verb, known) = (entry.action.rsplit('.').next().unwrap(), meaning(&entry.action).is_some());
                    recorded
                        && whose
                        && known
                        && LOOKS.contains(&verb)
                        && entry.actor_id == Some(reader.user_id)
                        && entry.address.as_deref() == Some("127.0.0.1")
                }
                [_, _, ..] => false,
            };
            if !as_it_should {
                wrong.push(format!("{path} for a {}: {looked:?}", reader.role));
            }
        }
    }
    let stray = UNRECORDED.iter().filter(|(path, _)| !TABLE.iter().any(|row| row.path == *path && row.method == "GET"));
    wrong.extend(stray.map(|(path, _)| format!("{path}: no such route is read")));
    assert!(wrong.is_empty(), "record the look (`state.reads.note`), or say why not:\n{}", wrong.join("\n"));
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let routes: Vec<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    let rows: Vec<_> = TABLE.iter().map(|row| (row.method, row.path)).collect();
    let bare: Vec<_> = routes.iter().filter(|route| !rows.contains(route)).collect();
    let stray: Vec<_> = rows.iter().filter(|row| !routes.contains(row)).collect();
    assert!(bare.is_empty(), "say in TABLE whom these routes are for: {bare:?}");
    assert!(stray.is_empty(), "these rows have no route: {stray:?}");
    for row in TABLE {
        let named = row.ids.is_some() || !row.names.is_empty();
        assert_eq!(row.path.contains('{'), named, "{} {}: what does the path name?", row.method, row.path);
    }
}

fn device(address: &str) -> Value {
    json!({ "provider": "fcm", "address": address, "locale": "de", "time_zone": "Europe/Berlin", "permission": "granted" })
}

/// A body with a password that is not the caller's: what it leads to is tried by tests of its own.
fn proof(mut body: Value) -> Value {
    body["current_password"] = json!("not the one that it is");
    body
}

fn treatment(patient: Uuid) -> Value {
    json!({ "patient_id": patient, "performed_at": "2026-02-02T10:00:00Z" })
}

fn appointment(patient: Uuid) -> Value {
    json!({ "patient_id": patient, "kind": "follow_up", "date": "2026-03-02", "time": "10:30" })
}

fn check_in() -> Value {
    json!({ "recorded_at": "2026-02-02T11:00:00Z", "symptoms": { "spreading": true } })
}

async fn world(app: &TestApp) -> World {
    let (clinic, rival) = (app.clinic().await, app.clinic().await);
    let invited = app.post("/v1/invitations", &clinic.admin.token, json!({ "role": "clinician" })).await.expect(201);
    let (patient, phone) = (app.patient_of(&clinic).await, Uuid::new_v4());
    app.put(&format!("/v1/me/devices/{phone}"), &patient.token, device("a-phone")).await.expect(201);
    let elsewhere = app.log_in(&patient).await.token;
    let session = app.state.auth.tokens.verify(&elsewhere, app.state.clocks.wall.now()).unwrap().caller.session_id;
    let recorded = app.post("/v1/treatments", &clinic.admin.token, treatment(patient.patient())).await.expect(201);
    let id = |value: &Value| -> Uuid { value.as_str().unwrap().parse().unwrap() };
    let path = format!("/v1/treatments/{}/check-ins", id(&recorded["id"]));
    let reported = app.post(&path, &patient.token, check_in()).await.expect(201);
    let planned = app.get("/v1/me/reminders", &patient.token).await.expect(200);
    let course = json!({ "patient_id": patient.patient(), "area": "neck" });
    let course = app.post("/v1/courses", &clinic.admin.token, course).await.expect(201);
    let set = app.post("/v1/appointments", &clinic.admin.token, appointment(patient.patient())).await.expect(201);
    let feed = app.post("/v1/me/calendar-feeds", &patient.token, json!({})).await.expect(201);
    let nudge = Uuid::new_v4();
    app.sql(&format!(
        "INSERT INTO nudges (clinic_id, id, patient_id, treatment_id, raised_at, completion_bp, below_bp, days, closed_tasks)
         VALUES ('{}', '{nudge}', '{}', '{}', now(), 1000, 5000, 7, 20)",
        clinic.id,
        patient.patient(),
        id(&recorded["id"]),
    ))
    .await;
    let excused = json!({ "from": "2026-02-05", "reason": "Travelling." });
    let path = format!("/v1/treatments/{}/excuses", id(&recorded["id"]));
    let excused = app.post(&path, &clinic.admin.token, excused).await.expect(201);
    let tested = app.post(&format!("/v1/me/devices/{phone}/test"), &patient.token, json!({})).await.expect(202);
    let copy = json!({ "from": "conservative@2", "key": "own-plan" });
    let draft = app.post("/v1/protocol-drafts", &clinic.admin.token, copy).await.expect(201);
    World {
        clinician: app.clinician_of(&clinic).await,
        neighbour: app.patient_of(&clinic).await,
        rival_clinician: app.clinician_of(&rival).await,
        rival_patient: app.patient_of(&rival).await,
        invitation: invited["id"].as_str().unwrap().parse().unwrap(),
        session,
        device: phone,
        treatment: id(&recorded["id"]),
        flag: id(&reported["triage"]["flags"][0]["id"]),
        alert: id(&tested["alert_id"]),
        planned: id(&planned["items"][0]["id"]),
        course: id(&course["id"]),
        appointment: id(&set["id"]),
        feed: id(&feed["id"]),
        excuse: id(&excused["id"]),
        nudge,
        draft: id(&draft["id"]),
        patient,
        clinic,
        rival,
    }
}

impl Row {
    fn path(&self, world: &World) -> String {
        let mut path = self.path.to_owned();
        let ids = self.ids.map(|ids| ids(world)).unwrap_or_default();
        for name in ids.iter().map(Uuid::to_string).chain(self.names.iter().map(|name| (*name).to_owned())) {
            let (open, close) = (path.find('{').expect("a placeholder"), path.find('}').expect("its end"));
            path.replace_range(open..=close, &name);
        }
        assert!(!path.contains('{'), "{path}: what does it name?");
        if let Some((name, value)) = self.query {
            path += &format!("?{name}{}", value(world).map(|id| id.to_string()).unwrap_or_default());
        }
        path
    }

    /// The status that somebody gets.
    async fn status(&self, app: &TestApp, world: &World, token: &str) -> u16 {
        self.answer(app, world, token).await.status.as_u16()
    }

    /// What somebody gets.
    async fn answer(&self, app: &TestApp, world: &World, token: &str) -> Answer {
        let request = app.request(self.method.parse::<Method>().unwrap(), &self.path(world), token);
        let request = request.header("if-match", "*");
        let body = self.body.map_or_else(|| json!({}), |body| body(world));
        let request = if matches!(self.method, "GET" | "DELETE") { request } else { request.json(&body) };
        send(request).await
    }
}

/// Who is refused, and how: the wrong role is told so, what is somebody else's does not exist.
fn refusals(row: &Row, world: &World) -> Vec<(&'static str, String, u16)> {
    let token = |person: &Person| person.token.clone();
    let (clinician, patient) = (&world.clinician, &world.patient);
    let mut refused = Vec::new();
    match row.whom {
        Anybody | Users | StaffAndOneself => {}
        Patients => refused.push(("a clinician", token(clinician), 403)),
        Staff => refused.push(("a patient", token(patient), 403)),
        Administrators => {
            refused.push(("a clinician", token(clinician), 403));
            refused.push(("a patient", token(patient), 403));
        }
    }
    if row.ids.is_some() {
        let staff = vec![("another clinic's administrator", &world.rival.admin)];
        let mut others = if row.whom == Patients { Vec::new() } else { staff };
        if !matches!(row.whom, Administrators | Patients) {
            others.push(("another clinic's clinician", &world.rival_clinician));
        }
        if matches!(row.whom, Users | StaffAndOneself | Patients) {
            others.push(("another patient", &world.neighbour));
            others.push(("another clinic's patient", &world.rival_patient));
        }
        if row.whom == Users {
            others.push(("the patient's clinician", clinician));
        }
        refused.extend(others.into_iter().map(|(who, person)| (who, token(person), row.foreign)));
    }
    refused
}

#[tokio::test]
async fn nobody_gets_past_who_may_not() {
    let app = TestApp::start().await;
    let world = world(&app).await;
    let mut wrong = Vec::new();
    for row in TABLE {
        let caller =
            app.state.auth.tokens.verify(&world.clinic.admin.token, app.state.clocks.wall.now()).unwrap().caller;
        let long_ago = app.state.clocks.wall.now() - LIFETIME - TimeDelta::seconds(1);
        let expired = app.state.auth.tokens.issue(&caller, long_ago).unwrap();
        let mut tried = refusals(row, &world);
        if row.whom != Anybody {
            tried.push(("nobody", String::new(), 401));
            tried.push(("an expired token", expired, 401));
        }
        for (who, token, expected) in tried {
            let got = row.status(&app, &world, &token).await;
            if got != expected {
                wrong.push(format!("{} {} by {who}: {got}, not {expected}", row.method, row.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tokens that were good when they were issued, a moment before the person's place in the clinic changed.
#[tokio::test]
async fn whoever_was_removed_or_has_another_role_now_is_nobody_everywhere_with_the_token_from_before() {
    let app = TestApp::start().await;
    let world = world(&app).await;
    let (gone, promoted) = (app.clinician_of(&world.clinic).await, app.clinician_of(&world.clinic).await);
    let (leaver, demoted) =
        (app.patient_of(&world.clinic).await, app.member_of(&world.clinic, Role::Administrator).await);
    let administrator = &world.clinic.admin.token;
    for person in [&gone, &leaver] {
        app.delete(&format!("/v1/members/{}", person.membership_id), administrator).await.expect(204);
    }
    for (person, role) in [(&promoted, "administrator"), (&demoted, "clinician")] {
        let path = format!("/v1/members/{}", person.membership_id);
        app.patch(&path, administrator, json!({ "role": role })).await.expect(200);
    }
    let mut wrong = Vec::new();
    let before =
        [("removed staff", &gone), ("a removed patient", &leaver), ("new role", &promoted), ("old role", &demoted)];
    for row in TABLE.iter().filter(|row| row.whom != Anybody) {
        for (who, person) in before {
            let got = row.status(&app, &world, &person.token).await;
            if got != 401 {
                wrong.push(format!("{} {} by {who}: {got}, not 401", row.method, row.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn without_the_second_factor_that_the_clinic_wants_staff_look_after_their_login_and_do_nothing_else() {
    let app = TestApp::start().await;
    let world = world(&app).await;
    let limited = |person: &Person| {
        let now = app.state.clocks.wall.now();
        let caller = app.state.auth.tokens.verify(&person.token, now).unwrap().caller;
        app.state.auth.tokens.issue_limited(&caller, now).unwrap()
    };
    let mut wrong = Vec::new();
    for row in TABLE.iter().filter(|row| row.whom != Anybody) {
        let allowed = WITHOUT_SECOND_FACTOR.contains(&(row.method, row.path));
        // What is allowed may end the session.
        let staff = if allowed { app.clinician_of(&world.clinic).await } else { world.clinic.admin.clone() };
        let answer = row.answer(&app, &world, &limited(&staff)).await;
        let refused = answer.status == 403 && answer.body["type"] == "urn:problem:mendline:second_factor_missing";
        if refused == allowed || answer.status == 401 || answer.status.is_server_error() {
            wrong.push(format!("{} {}: {} {}", row.method, row.path, answer.status, answer.text));
        }
    }
    let stray = WITHOUT_SECOND_FACTOR.iter().filter(|route| !TABLE.iter().any(|row| (row.method, row.path) == **route));
    wrong.extend(stray.map(|(method, path)| format!("{method} {path}: no such route")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn whoever_may_gets_past() {
    let app = TestApp::start().await;
    let world = world(&app).await;
    let mut wrong = Vec::new();
    // What ends people and sessions would spoil the rest and is tried by tests of its own.
    let ends = |row: &&Row| row.path == "/v1/auth/logout" || (row.method, row.path) == ("DELETE", "/v1/members/{id}");
    for row in TABLE.iter().filter(|row| !ends(row)) {
        let token = match row.whom {
            Anybody => "",
            Users | Patients => &world.patient.token,
            Staff | Administrators | StaffAndOneself => &world.clinic.admin.token,
        };
        let got = row.status(&app, &world, token).await;
        let refused = matches!(got, 401 | 403) && row.whom != Anybody;
        // No row but these names something that must not be there.
        let missing = got == 404 && !["/v1/auth/switch", "/v1/calendar/{token}.ics"].contains(&row.path);
        if refused || missing || matches!(got, 405 | 500..) {
            wrong.push(format!("{} {}: {got}", row.method, row.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
