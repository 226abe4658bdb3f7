//! The clinic's worklist: who needs looking at, why, and in which order; pages that agree; sums that are kept and exact.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::treatments::{entry, utc};
use crate::support::wire::CountingProxy;
use crate::support::{Staged, TestApp, TestDatabase, seed};

struct Clinic {
    app: TestApp,
    id: Uuid,
    clinician: Staged,
}

const DAY_1: &str = "2026-02-03";

impl Clinic {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let id = app.stage_clinic().await;
        let clinician = app.stage(id, Role::Clinician).await;
        Self { app, id, clinician }
    }

    /// A patient of that name with a phone, treated now. Returns the patient and the treatment.
    async fn treated(&self, name: &str) -> (Staged, String) {
        let patient = self.app.stage(self.id, Role::Patient).await;
        let record = patient.caller.patient_id.unwrap();
        self.app.sql(&format!("UPDATE patients SET display_name = '{name}' WHERE id = '{record}'")).await;
        let person = seed::Person { clinic_id: self.id, patient_id: record, user_id: patient.caller.user_id };
        seed::phone(&self.app, person).await;
        let treatment = self.app.treat(&self.clinician.token, record, self.app.care.now()).await;
        (patient, treatment)
    }

    async fn page(&self, query: &str) -> Value {
        self.app.get(&format!("/v1/patients?{query}"), &self.clinician.token).await.expect(200)
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let page = self.page(query).await;
        let items = page["items"].as_array().unwrap();
        items.iter().map(|line| line["patient"]["display_name"].as_str().unwrap().to_owned()).collect()
    }

    async fn line(&self, name: &str) -> Value {
        let page = self.page(&format!("search={name}")).await;
        page["items"][0].clone()
    }

    /// The patient does the first `count` tasks of the day after the treatment, each at its opening.
    async fn does(&self, patient: &Staged, treatment: &str, count: usize) {
        let tasks = self.app.tasks(treatment, &patient.token, DAY_1, DAY_1).await;
        let entries: Vec<Value> =
            tasks[..count].iter().map(|task| entry(task, "done", utc(task["open_at"].as_str().unwrap()))).collect();
        self.app.report(treatment, &patient.token, json!(entries)).await;
    }
}

#[tokio::test]
async fn a_line_tells_a_clinician_what_there_is_to_know() {
    let clinic = Clinic::start().await;
    let (patient, treatment) = clinic.treated("Ada").await;
    clinic.app.care.set(utc("2026-02-03T18:00:00Z"));
    clinic.does(&patient, &treatment, 5).await;
    clinic.app.care.set(utc("2026-02-04T06:00:00Z"));
    let line = clinic.line("Ada").await;
    assert_eq!(line["patient"]["id"], json!(patient.caller.patient_id));
    assert_eq!(
        (&line["treatment"]["id"], &line["treatment"]["protocol"]["key"]),
        (&json!(treatment), &json!("conservative"))
    );
    assert_eq!((&line["attention"], &line["open_flags"]), (&json!([]), &json!(0)));
    assert_eq!(line["push"], json!({ "reachable": true }));
    assert_eq!(line["phase"]["key"], "flaking");
    assert_eq!(line["next_milestone"]["key"], "calmer");
    assert!(line.get("last_check_in_at").is_none());
    let path = format!("/v1/treatments/{treatment}/compliance");
    let alone = clinic.app.get(&path, &clinic.clinician.token).await.expect(200);
    for field in ["on_time_bp", "completion_bp", "counts", "done_w", "on_time_w", "closed_w", "since"] {
        assert_eq!(line["compliance"][field], alone[field], "{field}");
    }
    assert_eq!(line["compliance"]["completion_bp"], 10000);
}

#[tokio::test]
async fn the_most_pressing_reason_comes_first_and_nobody_is_left_out() {
    let clinic = Clinic::start().await;
    let app = &clinic.app;
    let (well, well_treatment) = clinic.treated("Well").await;
    let (low, low_treatment) = clinic.treated("Low").await;
    clinic.treated("Silent").await;
    let (flagged, flagged_treatment) = clinic.treated("Urgent").await;
    let off = clinic.treated("Off").await;
    app.sql(&format!("DELETE FROM devices WHERE user_id = '{}'", off.0.caller.user_id)).await;
    app.post("/v1/patients", &clinic.clinician.token, json!({ "display_name": "Unregistered" })).await.expect(201);

    app.care.set(utc("2026-02-03T18:00:00Z"));
    for (patient, treatment, count) in
        [(&well, &well_treatment, 5), (&low, &low_treatment, 1), (&flagged, &flagged_treatment, 5), (&off.0, &off.1, 5)]
    {
        clinic.does(patient, treatment, count).await;
    }
    let (check_in, record) = (Uuid::new_v4(), flagged.caller.patient_id.unwrap());
    app.sql(&format!(
        "INSERT INTO check_ins (clinic_id, id, treatment_id, patient_id, recorded_at, received_at, symptoms, level, advice, entered_by)
             VALUES ('{c}', '{check_in}', '{flagged_treatment}', '{record}', '2026-02-03T17:00:00Z', '2026-02-03T17:00:00Z', '{{}}', 'urgent', '{{}}', '{u}');
         INSERT INTO flags (clinic_id, id, treatment_id, patient_id, check_in_id, rule, episode, level, status, opened_at, last_reported_at, version)
             VALUES ('{c}', '{f}', '{flagged_treatment}', '{record}', '{check_in}', 'pus', 1, 'urgent', 'open', '2026-02-03T17:00:00Z', '2026-02-03T17:00:00Z', 1)",
        c = clinic.id,
        u = flagged.caller.user_id,
        f = Uuid::new_v4(),
    ))
    .await;
    app.care.set(utc("2026-02-04T06:00:00Z"));
    assert_eq!(clinic.names("").await, ["Urgent", "Silent", "Low", "Unregistered", "Off", "Well"]);
    let reasons = async |name: &str| clinic.line(name).await["attention"].clone();
    assert_eq!(reasons("Urgent").await, json!(["urgent_flag"]));
    assert_eq!(reasons("Silent").await, json!(["no_reports"]));
    assert_eq!(reasons("Low").await, json!(["low_compliance"]));
    assert_eq!(reasons("Unregistered").await, json!(["not_registered"]));
    assert_eq!(reasons("Off").await, json!(["push_off"]));
    assert_eq!(reasons("Well").await, json!([]));

    let urgent = clinic.line("Urgent").await;
    assert_eq!((&urgent["open_flags"], &urgent["last_check_in_at"]), (&json!(1), &json!("2026-02-03T17:00:00Z")));
    assert_eq!(clinic.line("Off").await["push"], json!({ "reachable": false, "reason": "no_device" }));
    let silent = clinic.line("Silent").await;
    assert!(silent["compliance"].get("completion_bp").is_none());
    assert_eq!(silent["compliance"]["no_reports"], true);
    assert!(clinic.line("Unregistered").await.get("treatment").is_none());

    assert_eq!(clinic.names("attention=low_compliance").await, ["Low"]);
    assert_eq!(clinic.names("sort=name").await, ["Low", "Off", "Silent", "Unregistered", "Urgent", "Well"]);
    assert_eq!(clinic.names("sort=compliance").await[0], "Low");
    assert_eq!(clinic.names("search=EL").await, ["Well"]);
}

#[tokio::test]
async fn what_is_kept_says_what_counting_says_while_windows_close_behind_early_ticks() {
    let clinic = Clinic::start().await;
    let (patient, treatment) = clinic.treated("Early").await;
    let (other, other_treatment) = clinic.treated("Later").await;
    clinic.app.care.set(utc("2026-02-03T05:30:00Z"));
    clinic.does(&patient, &treatment, 2).await;
    clinic.does(&other, &other_treatment, 1).await;
    for hours in [0, 3, 6, 9, 24, 40] {
        clinic.app.care.set(utc("2026-02-03T05:30:00Z") + TimeDelta::hours(hours));
        let page = clinic.page("sort=compliance").await;
        let shares: Vec<_> =
            page["items"].as_array().unwrap().iter().map(|l| l["compliance"]["completion_bp"].as_i64()).collect();
        assert!(shares.is_sorted(), "the kept sums sort as the counted shares do, after {hours} h: {shares:?}");
        for line in page["items"].as_array().unwrap() {
            let path = format!("/v1/treatments/{}/compliance", line["treatment"]["id"].as_str().unwrap());
            let alone = clinic.app.get(&path, &clinic.clinician.token).await.expect(200);
            assert_eq!(line["compliance"]["closed_w"], alone["closed_w"]);
        }
    }
}

#[tokio::test]
async fn pages_agree_on_the_moment_and_meet_everybody_once() {
    let clinic = Clinic::start().await;
    for name in ["Ada", "Bea", "Cleo", "Dora", "Elsa"] {
        clinic.app.post("/v1/patients", &clinic.clinician.token, json!({ "display_name": name })).await.expect(201);
    }
    for sort in ["attention", "compliance", "name", "performed_at"] {
        let (mut met, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = clinic.page(&format!("limit=2&sort={sort}{cursor}")).await;
            met.extend(page["items"].as_array().unwrap().iter().map(|line| line["patient"]["display_name"].clone()));
            clinic.app.care.advance(TimeDelta::hours(1));
            let Some(next) = page.get("next_cursor") else { break };
            cursor = format!("&cursor={}", next.as_str().unwrap());
        }
        met.sort_by_key(ToString::to_string);
        assert_eq!(met, ["Ada", "Bea", "Cleo", "Dora", "Elsa"], "{sort}");
    }
    let page = clinic.page("limit=2&sort=name").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let other = format!("/v1/patients?sort=compliance&cursor={cursor}");
    assert_eq!(clinic.app.get(&other, &clinic.clinician.token).await.problem(400), "malformed");
    clinic.app.care.advance(TimeDelta::days(2));
    let stale = format!("/v1/patients?sort=name&cursor={cursor}");
    assert_eq!(clinic.app.get(&stale, &clinic.clinician.token).await.problem(400), "malformed");
}

#[tokio::test]
async fn a_wish_that_cannot_be_met_is_refused_with_pointers() {
    let clinic = Clinic::start().await;
    let answer = clinic.app.get("/v1/patients?sort=height&attention=boredom", &clinic.clinician.token).await;
    let pointers: Vec<_> = answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, ["sort", "attention"]);
    assert_eq!(answer.problem(422), "invalid");
    for query in ["limit=0", "limit=x", "cursor=%25", "colour=red"] {
        assert_eq!(
            clinic.app.get(&format!("/v1/patients?{query}"), &clinic.clinician.token).await.problem(400),
            "malformed"
        );
    }
}

#[tokio::test]
async fn a_clinic_sees_its_own_patients_and_a_patient_sees_no_list() {
    let clinic = Clinic::start().await;
    let (patient, _) = clinic.treated("Ada").await;
    let elsewhere = clinic.app.stage_clinic().await;
    let stranger = clinic.app.stage(elsewhere, Role::Administrator).await;
    assert_eq!(clinic.app.get("/v1/patients", &stranger.token).await.expect(200), json!({ "items": [] }));
    assert_eq!(clinic.app.get("/v1/patients", &patient.token).await.problem(403), "forbidden");
}

#[tokio::test]
async fn a_page_costs_three_queries_however_many_patients_there_are() {
    let database = TestDatabase::create().await;
    let proxy = CountingProxy::before(&database.url);
    let app = TestApp::start_at(database.clone(), &proxy.url, &[("MENDLINE_DATABASE_POOL", "2")]).await;
    let id = app.stage_clinic().await;
    let clinician = app.stage(id, Role::Clinician).await;
    let clinic = Clinic { app, id, clinician };
    let mut costs = Vec::new();
    for patients in [1, 4] {
        for n in 0..patients {
            clinic.treated(&format!("Patient {patients}.{n}")).await;
        }
        // Every statement has been prepared on every connection once some requests have gone through. Whatever runs in the
        // background may add round trips of its own and takes none away: the least is the request's.
        let mut least = usize::MAX;
        for _ in 0..8 {
            proxy.counts.reset();
            clinic.page("sort=compliance").await;
            if proxy.counts.parses() == 0 {
                least = least.min(proxy.counts.round_trips());
            }
        }
        costs.push(least);
    }
    // A transaction is begun with its scope and committed: two round trips that ask nothing.
    assert!(costs.iter().all(|cost| *cost <= 3 + 2), "{costs:?}");
    assert_eq!(costs[0], costs[1]);
}
