//! The audit trail: what an entry says, what happens when it cannot be written, and who reads it.

use std::net::IpAddr;
use std::process::Stdio;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use mendline::audit::store::trail::Line;
use mendline::audit::{Entry, Reads, Unwritten, on_behalf_of};
use mendline::db::{Connector, Db, Scope};
use mendline::domain::role::Role;
use mendline::schema::audit;
use nix::sys::signal::Signal;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use uuid::Uuid;

use crate::support::binary::{mendline, signal};
use crate::support::{Staged, TestApp, send};

/// A clinic with an administrator, a clinician, and a patient who was treated.
struct Scene {
    app: TestApp,
    clinic: Uuid,
    administrator: Staged,
    clinician: Staged,
    patient: Staged,
    treatment: String,
}

impl Scene {
    async fn on(app: TestApp) -> Self {
        let clinic = app.stage_clinic().await;
        let administrator = app.stage(clinic, Role::Administrator).await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), app.care.now()).await;
        Self { app, clinic, administrator, clinician, patient, treatment }
    }

    fn record(&self) -> Uuid {
        self.patient.caller.patient_id.unwrap()
    }

    fn timeline(&self) -> String {
        format!("/v1/treatments/{}/timeline", self.treatment)
    }

    /// Entries of one action, oldest first, with all that was noted by now.
    async fn entries(&self, action: &str) -> Vec<Line> {
        self.app.state.reads.flush().await.unwrap();
        let mut conn = Connector::new(&self.app.database.url, None).unwrap().open().await.unwrap();
        audit::table
            .filter(audit::action.eq(action.to_owned()))
            .order((audit::at, audit::id))
            .select(Line::as_select())
            .load(&mut conn)
            .await
            .unwrap()
    }

    /// The items of a list, read by somebody, with everything written that was noted before.
    async fn items(&self, path: &str, token: &str) -> Vec<Value> {
        self.app.state.reads.flush().await.unwrap();
        self.app.get(path, token).await.expect(200)["items"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn an_entry_says_who_what_whose_when_from_where_and_in_which_request() {
    let scene = Scene::on(TestApp::start_with(&[("MENDLINE_TRUSTED_PROXIES", "127.0.0.1")]).await).await;
    let (app, id, before) = (&scene.app, Uuid::new_v4(), scene.app.state.clocks.wall.now());
    let request = app.request(Method::GET, &scene.timeline(), &scene.clinician.token);
    let request = request.header("x-request-id", id.to_string()).header("x-forwarded-for", "::ffff:203.0.113.7");
    send(request).await.expect(200);
    let [look] = &scene.entries("timeline.read").await[..] else { panic!("one look, one entry") };
    assert!((before..=app.state.clocks.wall.now()).contains(&look.at));
    assert_eq!(
        (
            look.clinic_id,
            look.actor_id,
            look.actor_role.as_str(),
            look.subject_kind.as_str(),
            look.subject_id.to_string()
        ),
        (scene.clinic, Some(scene.clinician.caller.user_id), "clinician", "treatment", scene.treatment.clone())
    );
    assert_eq!(
        (look.patient_id, look.request_id, look.address.as_deref()),
        (Some(scene.record()), Some(id), Some("203.0.113.7"))
    );

    // What is changed is recorded as before, and now says from where.
    let path = format!("/v1/patients/{}", scene.record());
    let request = app.request(Method::PATCH, &path, &scene.clinician.token).header("if-match", "*");
    let request = request.header("x-forwarded-for", "2001:DB8::7").json(&json!({ "display_name": "Ada" }));
    send(request).await.expect(200);
    let [change] = &scene.entries("patient.update").await[..] else { panic!("one change, one entry") };
    assert_eq!(change.address.as_deref(), Some("2001:db8::7"));
}

#[tokio::test]
async fn a_page_that_has_not_changed_and_a_feed_at_its_address_are_looks_too_and_a_refusal_is_none() {
    let scene = Scene::on(TestApp::start().await).await;
    let (app, token) = (&scene.app, &scene.patient.token);
    let tag = app.get(&scene.timeline(), token).await.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(app.get_with(&scene.timeline(), token, "if-none-match", &tag).await.status, 304);
    assert_eq!(scene.entries("timeline.read").await.len(), 2);

    let neighbour = app.stage(scene.clinic, Role::Patient).await;
    assert_eq!(app.get(&scene.timeline(), &neighbour.token).await.status, 404);
    assert_eq!(scene.entries("timeline.read").await.len(), 2, "nothing was seen");

    let made = app.post("/v1/me/calendar-feeds", token, json!({})).await.expect(201);
    let path =
        made["url"].as_str().unwrap().strip_prefix(app.state.public_url.trim_end_matches('/')).unwrap().to_owned();
    assert_eq!(app.get(&path, "").await.status, 200);
    let [look] = &scene.entries("calendar.read").await[..] else { panic!("one look, one entry") };
    assert_eq!((look.actor_id, look.actor_role.as_str(), look.patient_id), (None, "calendar", Some(scene.record())));
    assert_eq!(json!(look.subject_id), made["id"], "the feed, not its address");
}

#[tokio::test]
async fn a_look_that_finds_no_room_waits_for_some_and_none_is_dropped() {
    let scene = Scene::on(TestApp::start().await).await;
    let state = &scene.app.state;
    let reads = Reads::with_room(state.db.clone(), state.clocks.clone(), 2);
    let entry = Entry::by(&scene.clinician.caller, "patient.read", "patient", scene.record());
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    for _ in 0..2 {
        on_behalf_of(address, reads.note(entry)).await.unwrap();
    }
    let mut third = std::pin::pin!(on_behalf_of(address, reads.note(entry)));
    assert!(third.as_mut().now_or_never().is_none(), "there is no room");
    reads.flush().await.unwrap();
    third.await.unwrap();
    assert_eq!(scene.entries("patient.read").await.len(), 2, "the third is not written yet");
    reads.close().await;
    let entries = scene.entries("patient.read").await;
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.address.as_deref() == Some("192.0.2.1")));
}

#[tokio::test]
async fn while_the_trail_cannot_be_written_records_are_not_shown_for_long_and_no_look_is_lost() {
    let scene = Scene::on(TestApp::start_stepped(&[]).await).await;
    let (app, reads) = (&scene.app, &scene.app.state.reads);
    let door = "FUNCTION append_reads";
    reads.flush().await.unwrap();
    app.sql(&format!("REVOKE EXECUTE ON {door} FROM mendline_api")).await;
    app.get(&scene.timeline(), &scene.clinician.token).await.expect(200);
    let looked_at = app.state.clocks.wall.now();
    reads.flush().await.unwrap_err();
    app.get(&scene.timeline(), &scene.clinician.token).await.expect(200);
    app.pass(TimeDelta::seconds(11));
    assert_eq!(app.get(&scene.timeline(), &scene.clinician.token).await.problem(503), "unavailable");
    let entry = Entry::by(&scene.clinician.caller, "patient.read", "patient", scene.record());
    assert_eq!(reads.note(entry).await, Err(Unwritten));

    app.sql(&format!("GRANT EXECUTE ON {door} TO mendline_api")).await;
    let entries = scene.entries("timeline.read").await;
    assert_eq!(
        entries.iter().map(|entry| entry.at).collect::<Vec<_>>(),
        [looked_at; 2],
        "when it happened, not when it was written"
    );

    // Its day may be sealed before it can be written: then it is written as of later.
    app.sql(&format!("REVOKE EXECUTE ON {door} FROM mendline_api")).await;
    app.get(&scene.timeline(), &scene.clinician.token).await.expect(200);
    reads.flush().await.unwrap_err();
    app.pass(TimeDelta::hours(2));
    app.sql(&format!("GRANT EXECUTE ON {door} TO mendline_api")).await;
    let late = scene.entries("timeline.read").await.pop().unwrap().at;
    assert_eq!(late, app.state.clocks.wall.now() - TimeDelta::minutes(30));
}

#[tokio::test]
async fn looks_are_written_while_requests_hold_every_connection() {
    let scene = Scene::on(TestApp::start().await).await;
    let db = Db::connect(&scene.app.database.url, 1, None).unwrap();
    let reads = Reads::new(db.clone(), scene.app.state.clocks.clone());
    let entry = Entry::by(&scene.clinician.caller, "patient.read", "patient", scene.record());
    reads.note(entry).await.unwrap();
    db.scoped(Scope::Identity, async |_| reads.flush().await).await.unwrap();
    assert_eq!(scene.entries("patient.read").await.len(), 1);
}

#[tokio::test]
async fn what_was_looked_at_last_is_written_before_a_server_ends() {
    let scene = Scene::on(TestApp::start().await).await;
    let database = scene.app.database.url.expose_secret();
    let mut server = mendline(&scene.app.config.data_dir, Some(database), &["api"]);
    let mut server = server.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let address = loop {
        let line = log.next_line().await.unwrap().expect("a server that serves");
        if let Some((_, address)) = line.split_once("API address=") {
            break address.trim().to_owned();
        }
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let looked = client.get(format!("http://{address}{}", scene.timeline())).bearer_auth(&scene.clinician.token);
    assert_eq!(looked.send().await.unwrap().status(), 200);
    signal(&server, Signal::SIGTERM);
    while log.next_line().await.unwrap().is_some() {}
    assert!(server.wait().await.unwrap().success());
    let written =
        format!("SELECT count(*) FROM audit WHERE action = 'timeline.read' AND clinic_id = '{}'", scene.clinic);
    assert_eq!(scene.app.count(&written).await, 1);
}

#[tokio::test]
async fn a_batch_of_which_nobody_knows_whether_it_was_written_is_written_once() {
    let scene = Scene::on(TestApp::start().await).await;
    let noted = format!(
        "jsonb_build_array(jsonb_build_object('at', now(), 'id', '{}', 'clinic_id', '{}', 'actor_role', 'clinician',
         'action', 'patient.read', 'subject_kind', 'patient', 'subject_id', '{}'))",
        Uuid::new_v4(),
        scene.clinic,
        scene.record()
    );
    let twice = format!("WITH n AS (SELECT {noted} AS n) SELECT append_reads(n) + append_reads(n) FROM n");
    assert_eq!(scene.app.count(&twice).await, 1);

    // The door is for looks: nothing else comes through it, nor from anybody who does not come by HTTP.
    let mut conn = Connector::new(&scene.app.database.url, None).unwrap().open().await.unwrap();
    for (was, other) in [
        ("patient.read", "patient.update"),
        ("patient.read", "reads"),
        ("'clinician'", "'operator'"),
        ("'actor_role'", "'role'"),
    ] {
        let refused = conn.batch_execute(&format!("SELECT append_reads({})", noted.replace(was, other))).await;
        assert!(refused.unwrap_err().to_string().contains("takes looks"), "{other}");
    }
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_a_look_at_what_it_answers() {
    let scene = Scene::on(TestApp::start().await).await;
    let (record, treatment) = (scene.record().to_string(), scene.treatment.clone());
    for (path, action, subject) in [
        (format!("/v1/patients/{record}"), "patient.read", record),
        (format!("/v1/treatments/{treatment}"), "treatment.read", treatment),
    ] {
        let request = scene.app.request(Method::PATCH, &path, &scene.clinician.token).header("if-match", "*");
        send(request.json(&json!({}))).await.expect(200);
        let [look] = &scene.entries(action).await[..] else { panic!("one look, one entry: {path}") };
        assert_eq!((look.patient_id, look.subject_id.to_string()), (Some(scene.record()), subject));
        assert_eq!(look.actor_id, Some(scene.clinician.caller.user_id));
    }
}

#[tokio::test]
async fn a_request_sent_again_is_a_look_at_what_it_answers() {
    let scene = Scene::on(TestApp::start().await).await;
    let (app, token) = (&scene.app, &scene.clinician.token);
    let (record, treatment, nudge) = (scene.record(), &scene.treatment, Uuid::new_v4());
    app.sql(&format!(
        "INSERT INTO nudges (clinic_id, id, patient_id, treatment_id, raised_at, completion_bp, below_bp, days, closed_tasks)
         VALUES ('{}', '{nudge}', '{record}', '{treatment}', now(), 1000, 5000, 7, 20)",
        scene.clinic
    ))
    .await;
    let now = app.care.now();
    let long_ago = |days: i64| now - TimeDelta::days(days);
    let (id, of_treatment) = (Uuid::new_v4, |what: &str| format!("/v1/treatments/{treatment}/{what}"));
    let fresh = id();
    let post = Method::POST;
    let cases = [
        (post.clone(), "/v1/patients".to_owned(), json!({ "id": fresh, "display_name": "Ada" }), "patient.read"),
        (
            post.clone(),
            "/v1/treatments".to_owned(),
            json!({ "id": id(), "patient_id": record, "performed_at": long_ago(10) }),
            "treatment.read",
        ),
        // By the key of the request alone.
        (
            post.clone(),
            "/v1/treatments".to_owned(),
            json!({ "patient_id": record, "performed_at": long_ago(20) }),
            "treatment.read",
        ),
        (
            post.clone(),
            "/v1/courses".to_owned(),
            json!({ "id": id(), "patient_id": record, "area": "neck" }),
            "course.read",
        ),
        (
            post.clone(),
            "/v1/appointments".to_owned(),
            json!({ "id": id(), "patient_id": record, "kind": "follow_up", "date": "2026-03-02", "time": "10:30" }),
            "appointment.read",
        ),
        (
            post.clone(),
            of_treatment("check-ins"),
            json!({ "id": id(), "recorded_at": now, "symptoms": { "redness": 1 } }),
            "check_in.read",
        ),
        (
            post.clone(),
            of_treatment("excuses"),
            json!({ "id": id(), "from": "2026-02-05", "reason": "Travelling." }),
            "excuse.read",
        ),
        (
            Method::PUT,
            of_treatment("overrides/make_up"),
            json!({ "window": { "to": "PT96H" }, "reason": "so" }),
            "treatment.read",
        ),
        (post.clone(), of_treatment("transfers"), json!({ "to": "day-by-day@1", "reason": "so" }), "treatment.read"),
        (
            post.clone(),
            "/v1/invitations".to_owned(),
            json!({ "role": "patient", "patient_id": fresh }),
            "invitation.read",
        ),
        (post, format!("/v1/nudges/{nudge}/acknowledge"), json!({}), "nudge.read"),
    ];
    for (method, path, body, action) in cases {
        let send_it = async |key: Uuid| {
            let request = app.request(method.clone(), &path, token).header("if-match", "*");
            let keyed = path == "/v1/invitations" || body.get("id").is_none() && path == "/v1/treatments";
            let request = if keyed { request.header("idempotency-key", key.to_string()) } else { request };
            let answer = send(request.json(&body)).await;
            assert!(answer.status.is_success(), "{path}: {}", answer.text);
        };
        let key = id();
        send_it(key).await;
        let before = scene.entries(action).await.len();
        send_it(key).await;
        let looks = scene.entries(action).await;
        assert_eq!(looks.len(), before + 1, "{path}");
        let look = looks.last().unwrap();
        let whose = if path == "/v1/patients" || path == "/v1/invitations" { fresh } else { record };
        assert_eq!((look.patient_id, look.actor_id), (Some(whose), Some(scene.clinician.caller.user_id)), "{path}");
    }
}

#[tokio::test]
async fn who_has_left_is_called_by_name_where_they_did_something() {
    let scene = Scene::on(TestApp::start().await).await;
    let (app, admin) = (&scene.app, &scene.administrator.token);
    let clinician = &scene.clinician;
    app.sql(&format!("UPDATE users SET display_name = 'Dr. Noor' WHERE id = '{}'", clinician.caller.user_id)).await;
    let path = format!("/v1/treatments/{}/check-ins", scene.treatment);
    let report = json!({ "recorded_at": app.care.now(), "symptoms": { "spreading": true } });
    let reported = app.post(&path, &scene.patient.token, report).await.expect(201);
    let flag = format!("/v1/flags/{}", reported["triage"]["flags"][0]["id"].as_str().unwrap());
    app.post(&format!("{flag}/acknowledge"), &clinician.token, json!({})).await.expect(200);
    app.delete(&format!("/v1/members/{}", clinician.caller.membership_id), admin).await.expect(204);
    app.get("/v1/me", &clinician.token).await.expect(401);

    let history = app.get(&flag, admin).await.expect(200);
    let acknowledged = history["events"].as_array().unwrap().iter().find(|event| event["kind"] == "acknowledged");
    assert_eq!(acknowledged.unwrap()["actor"]["display_name"], "Dr. Noor");
    let looks = scene.items("/v1/me/access-log", &scene.patient.token).await;
    assert!(looks.iter().any(|look| look["name"] == "Dr. Noor"), "{looks:?}");
    let query = format!("/v1/audit?actor_id={}", clinician.caller.user_id);
    let trail = scene.items(&query, admin).await;
    assert!(!trail.is_empty() && trail.iter().all(|entry| entry["actor_name"] == "Dr. Noor"), "{trail:?}");
}

#[tokio::test]
async fn a_search_for_somebody_is_a_look_at_whom_it_finds() {
    let scene = Scene::on(TestApp::start().await).await;
    let (app, token) = (&scene.app, &scene.clinician.token);
    app.sql(&format!("UPDATE patients SET display_name = 'Ada Noor' WHERE id = '{}'", scene.record())).await;
    app.get("/v1/patients?search=noor", token).await.expect(200);
    let [look] = &scene.entries("patient.read").await[..] else { panic!("one found, one entry") };
    assert_eq!((look.subject_kind.as_str(), look.patient_id), ("patient", Some(scene.record())));
    for nobody in ["/v1/patients?search=nobody", "/v1/patients"] {
        app.get(nobody, token).await.expect(200);
        let look = scene.entries("patient.read").await.pop().unwrap();
        assert_eq!((look.subject_kind.as_str(), look.patient_id), ("clinic", None), "{nobody}");
    }
}

#[tokio::test]
async fn patients_see_who_of_the_staff_looked_at_their_record_and_who_changed_it() {
    let scene = Scene::on(TestApp::start().await).await;
    let (app, token) = (&scene.app, &scene.patient.token);
    let other = app.stage(scene.clinic, Role::Patient).await;
    app.sql(&format!("UPDATE users SET display_name = 'Dr. Noor' WHERE id = '{}'", scene.clinician.caller.user_id))
        .await;
    app.get(&scene.timeline(), &scene.clinician.token).await.expect(200);
    app.get(&scene.timeline(), token).await.expect(200);
    app.get("/v1/patients", &scene.clinician.token).await.expect(200);
    app.get(&format!("/v1/patients/{}", other.caller.patient_id.unwrap()), &scene.clinician.token).await.expect(200);
    app.get(&format!("/v1/treatments?patient_id={}", scene.record()), &scene.administrator.token).await.expect(200);

    let told = |items: &[Value]| -> Vec<[String; 4]> {
        let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        items.iter().map(|item| ["name", "role", "deed", "area"].map(|field| text(item, field))).collect()
    };
    let items = scene.items("/v1/me/access-log", token).await;
    let expected = [
        ["Somebody", "administrator", "looked", "treatments"],
        ["Dr. Noor", "clinician", "looked", "plan"],
        ["Dr. Noor", "clinician", "changed", "treatments"],
    ];
    assert_eq!(told(&items), expected.map(|entry| entry.map(str::to_owned)), "neither oneself, nor lists, nor others");
    assert_eq!(items[1]["text"], "Angesehen: Plan und Hinweise", "in the language of the login");
    let english = app.get_with("/v1/me/access-log", token, "accept-language", "en").await;
    assert_eq!(english.headers["content-language"], "en");
    assert_eq!(english.body["items"][2]["text"], "Changed: treatments");

    // Page by page it is the same.
    let mut paged = Vec::new();
    let mut path = "/v1/me/access-log?limit=2".to_owned();
    loop {
        let page = app.get(&path, token).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/me/access-log?limit=2&cursor={cursor}");
    }
    assert_eq!(paged, items);

    // Nobody is called anything in the trail itself: who is gone has no name any more.
    app.sql(&format!(
        "UPDATE audit SET actor_id = gen_random_uuid() WHERE actor_id = '{}'",
        scene.clinician.caller.user_id
    ))
    .await;
    app.sql("UPDATE audit SET actor_id = NULL, actor_role = 'operator' WHERE action = 'treatment.create'").await;
    let english = app.get_with("/v1/me/access-log", token, "accept-language", "en").await.expect(200);
    let names: Vec<_> = english["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["Somebody", "a former member", "the clinic's operator"]);
    let others = scene.items("/v1/me/access-log", &other.token).await;
    assert_eq!(told(&others)[0][3], "record");
    assert_eq!(others.len(), 1);
}

#[tokio::test]
async fn administrators_read_the_trail_by_patient_person_action_and_time_and_are_in_it() {
    let scene = Scene::on(TestApp::start_stepped(&[]).await).await;
    let (app, token) = (&scene.app, &scene.administrator.token);
    let start = app.state.clocks.wall.now();
    app.pass(TimeDelta::minutes(1));
    app.get(&scene.timeline(), &scene.clinician.token).await.expect(200);
    app.pass(TimeDelta::minutes(1));
    app.get(&scene.timeline(), &scene.patient.token).await.expect(200);
    let rival = app.stage_clinic().await;
    let rival = app.stage(rival, Role::Administrator).await;
    app.get("/v1/patients", &rival.token).await.expect(200);

    let actions = |items: Vec<Value>| -> Vec<String> {
        items.iter().map(|item| item["action"].as_str().unwrap().to_owned()).collect()
    };
    let minute = |minutes: i64| (start + TimeDelta::minutes(minutes)).to_rfc3339().replace('+', "%2B");
    let (patient, clinician) = (scene.record(), scene.clinician.caller.user_id);
    assert_eq!(
        actions(scene.items("/v1/audit", token).await),
        ["timeline.read", "timeline.read", "treatment.create"],
        "newest first, and no other clinic's"
    );
    for (query, expected) in [
        (format!("actor_id={clinician}"), vec!["timeline.read", "treatment.create"]),
        (format!("patient_id={patient}&action=timeline.read&actor_id={clinician}"), vec!["timeline.read"]),
        (format!("action=timeline.read&from={}", minute(2)), vec!["timeline.read"]),
        (format!("from={}&to={}", minute(0), minute(1)), vec!["treatment.create"]),
        (format!("patient_id={}", Uuid::new_v4()), vec![]),
    ] {
        assert_eq!(actions(scene.items(&format!("/v1/audit?{query}"), token).await), expected, "{query}");
    }
    let looks = scene.entries("audit.read").await;
    assert_eq!(looks.len(), 6);
    assert!(looks.iter().all(|look| look.actor_id == Some(scene.administrator.caller.user_id)));
    assert_eq!(looks.iter().filter(|look| look.patient_id == Some(patient)).count(), 1);
    assert_eq!(app.get("/v1/audit?from=noon", token).await.problem(422), "invalid");
}

#[tokio::test]
async fn the_trail_is_taken_away_as_a_table_of_a_month_at_most_in_which_nothing_is_a_formula() {
    let scene = Scene::on(TestApp::start_stepped(&[]).await).await;
    let (app, token) = (&scene.app, &scene.administrator.token);
    let name = format!("UPDATE users SET display_name = '=cmd()' WHERE id = '{}'", scene.clinician.caller.user_id);
    app.sql(&name).await;
    app.pass(TimeDelta::minutes(1));
    app.get(&scene.timeline(), &scene.clinician.token).await.expect(200);
    app.state.reads.flush().await.unwrap();
    let day = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let (from, to) = (day("2026-02-01T00:00:00Z"), day("2026-03-04T00:00:00Z"));
    let path = |to: DateTime<Utc>| format!("/v1/audit.csv?from={}&to={}", "2026-02-01T00:00:00Z", to.format("%FT%TZ"));
    let table = app.get(&path(to), token).await;
    assert_eq!((to - from, table.status.as_u16()), (TimeDelta::days(31), 200));
    assert_eq!(table.headers["content-disposition"], "attachment; filename=\"audit.csv\"");
    let mut reader = csv::Reader::from_reader(table.text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let actions: Vec<&str> = rows.iter().map(|row| &row[5]).collect();
    assert_eq!(actions, ["timeline.read", "treatment.create"]);
    assert_eq!((&rows[0][4], &rows[0][10]), ("'=cmd()", "127.0.0.1"));
    assert_eq!(scene.entries("audit.download").await.len(), 1);

    for wrong in [path(to + TimeDelta::seconds(1)), path(from - TimeDelta::seconds(1))] {
        assert_eq!(app.get(&wrong, token).await.problem(422), "invalid");
    }
    assert_eq!(app.get("/v1/audit.csv", token).await.problem(400), "malformed");
}
