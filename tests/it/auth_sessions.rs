//! Registering, logging in, refreshing, switching, logging out, resetting.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::db::Connector;
use mendline::domain::role::Role;
use mendline::schema::{devices, invitations, sessions, users};
use serde_json::json;

use crate::support::TestApp;
use crate::support::people::{PASSWORD, Person, fresh_email, registration};

async fn refresh(app: &TestApp, refresh_token: &str) -> crate::support::Answer {
    app.post("/v1/auth/refresh", "", json!({ "refresh_token": refresh_token })).await
}

async fn connection(app: &TestApp) -> diesel_async::AsyncPgConnection {
    Connector::new(&app.database.url, None).unwrap().open().await.unwrap()
}

/// A device of the session, straight into the database.
async fn insert_device(app: &TestApp, person: &Person, session_id: uuid::Uuid) {
    let id = uuid::Uuid::new_v4();
    let now = app.state.clocks.wall.now();
    diesel::insert_into(devices::table)
        .values((
            devices::id.eq(id),
            devices::user_id.eq(person.user_id),
            devices::session_id.eq(session_id),
            devices::provider.eq("fcm"),
            devices::app_id.eq(""),
            devices::environment.eq("production"),
            devices::address_kind.eq("token"),
            devices::address_hash.eq([id.as_bytes().as_slice(), id.as_bytes().as_slice()].concat()),
            devices::address_sealed.eq(vec![0u8]),
            devices::locale.eq("en"),
            devices::time_zone.eq("UTC"),
            devices::permission.eq("granted"),
            devices::registered_at.eq(now),
            devices::last_seen_at.eq(now),
        ))
        .execute(&mut connection(app).await)
        .await
        .unwrap();
}

async fn device_count(app: &TestApp, person: &Person) -> i64 {
    let of_person = devices::table.filter(devices::user_id.eq(person.user_id));
    of_person.count().get_result(&mut connection(app).await).await.unwrap()
}

async fn session_of(app: &TestApp, person: &Person) -> uuid::Uuid {
    let verified = app.state.auth.tokens.verify(&person.token, app.state.clocks.wall.now()).unwrap();
    assert_eq!(verified.caller.user_id, person.user_id);
    verified.caller.session_id
}

#[tokio::test]
async fn an_invited_administrator_registers_and_sees_herself() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let answer = app.get("/v1/me", &clinic.admin.token).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["etag"], "\"1\"");
    let me = answer.expect(200);
    assert_eq!(me["email"], clinic.admin.email);
    assert_eq!((&me["time_zone"], &me["locale"]), (&json!("Europe/Berlin"), &json!("de")));
    assert_eq!(me["membership"]["clinic_id"], json!(clinic.id));
    assert_eq!(me["membership"]["role"], "administrator");
    assert!(me["membership"].get("patient_id").is_none());
    assert_eq!(me["memberships"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn everything_wrong_with_a_registration_is_said_at_once() {
    let app = TestApp::start().await;
    let body = json!({
        "invitation_code": "", "email": "nobody", "password": "short", "display_name": " ",
        "time_zone": "Berlin", "locale": "german please",
    });
    let answer = app.post("/v1/auth/register", "", body).await.expect(422);
    let pointers: Vec<_> =
        answer["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/email", "/password", "/invitation_code", "/display_name", "/time_zone", "/locale"]);
}

#[tokio::test]
async fn an_invitation_works_once_in_time_and_for_the_address_it_names() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let named = app.operator_invites(clinic.id, Role::Clinician, Some("right@example.org")).await;
    let wrong = app.post("/v1/auth/register", "", registration(&named, "wrong@example.org")).await.expect(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/email");
    app.register(&named, "right@example.org").await;
    let again = app.post("/v1/auth/register", "", registration(&named, &fresh_email())).await.expect(422);
    assert_eq!(again["errors"][0]["pointer"], "/invitation_code");

    let late = app.operator_invites(clinic.id, Role::Clinician, None).await;
    let past = app.state.clocks.wall.now() - TimeDelta::seconds(1);
    let open = invitations::table.filter(invitations::accepted_at.is_null());
    diesel::update(open).set(invitations::expires_at.eq(past)).execute(&mut connection(&app).await).await.unwrap();
    app.post("/v1/auth/register", "", registration(&late, &fresh_email())).await.expect(422);
    let made_up = registration("00000-00000-00000-00000", &fresh_email());
    app.post("/v1/auth/register", "", made_up).await.expect(422);
}

#[tokio::test]
async fn a_login_that_exists_is_not_registered_twice_and_nothing_is_half_done() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let code = app.operator_invites(clinic.id, Role::Clinician, None).await;
    let upper = clinic.admin.email.to_uppercase();
    let answer = app.post("/v1/auth/register", "", registration(&code, &upper)).await;
    assert_eq!(answer.problem(409), "email_taken");
    app.register(&code, &fresh_email()).await;
}

#[tokio::test]
async fn of_two_registrations_with_one_invitation_one_wins() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let code = app.operator_invites(clinic.id, Role::Clinician, None).await;
    let (one, other) = tokio::join!(
        app.post("/v1/auth/register", "", registration(&code, &fresh_email())),
        app.post("/v1/auth/register", "", registration(&code, &fresh_email())),
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let wrong = json!({ "email": clinic.admin.email, "password": "four other words together" });
    let unknown = json!({ "email": "nobody@example.org", "password": PASSWORD });
    let (wrong, unknown) = (app.post("/v1/auth/login", "", wrong).await, app.post("/v1/auth/login", "", unknown).await);
    assert_eq!(wrong.headers["www-authenticate"], "Bearer");
    let (mut wrong, mut unknown) = (wrong.expect(401), unknown.expect(401));
    for body in [&mut wrong, &mut unknown] {
        body.as_object_mut().unwrap().remove("instance");
    }
    assert_eq!(wrong, unknown);
    app.log_in(&clinic.admin).await;
}

#[tokio::test]
async fn a_refresh_brings_a_new_pair_and_the_current_role() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let answer = refresh(&app, &clinic.admin.refresh_token).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let next = Person::from_answer(&answer.expect(200));
    assert_ne!(next.refresh_token, clinic.admin.refresh_token);
    app.get("/v1/me", &next.token).await.expect(200);
    assert_eq!(session_of(&app, &next).await, session_of(&app, &clinic.admin).await);
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again_until_its_token_is_used() {
    let app = TestApp::start().await;
    let first = app.clinic().await.admin;
    let lost = Person::from_answer(&refresh(&app, &first.refresh_token).await.expect(200));
    let again = Person::from_answer(&refresh(&app, &first.refresh_token).await.expect(200));
    assert_eq!(lost.refresh_token, again.refresh_token);
    let (one, other) = tokio::join!(refresh(&app, &again.refresh_token), refresh(&app, &again.refresh_token));
    let (one, other) = (Person::from_answer(&one.expect(200)), Person::from_answer(&other.expect(200)));
    assert_eq!(one.refresh_token, other.refresh_token, "two tabs at once share one successor");
}

#[tokio::test]
async fn a_refresh_token_in_two_hands_ends_the_session_its_tokens_and_its_device() {
    let app = TestApp::start().await;
    let first = app.clinic().await.admin;
    let bystander = app.log_in(&first).await;
    insert_device(&app, &first, session_of(&app, &first).await).await;
    let second = Person::from_answer(&refresh(&app, &first.refresh_token).await.expect(200));
    let third = Person::from_answer(&refresh(&app, &second.refresh_token).await.expect(200));
    assert_eq!(refresh(&app, &first.refresh_token).await.problem(401), "unauthenticated");
    for token in [&second.refresh_token, &third.refresh_token] {
        refresh(&app, token).await.expect(401);
    }
    app.get("/v1/me", &third.token).await.expect(401);
    assert_eq!(device_count(&app, &first).await, 0);
    app.get("/v1/me", &bystander.token).await.expect(200);
    refresh(&app, &bystander.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_session_ends_when_idle_too_long_or_after_a_year() {
    let app = TestApp::start().await;
    let person = app.clinic().await.admin;
    let id = session_of(&app, &person).await;
    let mut conn = connection(&app).await;
    let (idle, end): (chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>) = sessions::table
        .find(id)
        .select((sessions::idle_expires_at, sessions::expires_at))
        .first(&mut conn)
        .await
        .unwrap();
    let now = app.state.clocks.wall.now();
    assert_eq!(((idle - now).num_hours() + 1, (end - now).num_hours() + 1), (180 * 24, 365 * 24));
    let past = now - TimeDelta::seconds(1);
    diesel::update(sessions::table.find(id)).set(sessions::idle_expires_at.eq(past)).execute(&mut conn).await.unwrap();
    refresh(&app, &person.refresh_token).await.expect(401);
    diesel::update(sessions::table.find(id))
        .set((sessions::idle_expires_at.eq(idle), sessions::expires_at.eq(past)))
        .execute(&mut conn)
        .await
        .unwrap();
    refresh(&app, &person.refresh_token).await.expect(401);
}

#[tokio::test]
async fn logging_out_ends_this_session_alone_and_removes_its_device() {
    let app = TestApp::start().await;
    let here = app.clinic().await.admin;
    let there = app.log_in(&here).await;
    for person in [&here, &there] {
        insert_device(&app, person, session_of(&app, person).await).await;
    }
    let answer = crate::support::send(app.request(reqwest::Method::POST, "/v1/auth/logout", &here.token)).await;
    answer.expect(204);
    app.get("/v1/me", &here.token).await.expect(401);
    refresh(&app, &here.refresh_token).await.expect(401);
    assert_eq!(device_count(&app, &here).await, 1);
    app.get("/v1/me", &there.token).await.expect(200);

    let by_refresh_token = json!({ "refresh_token": there.refresh_token });
    app.post("/v1/auth/logout", "", by_refresh_token.clone()).await.expect(204);
    app.post("/v1/auth/logout", "", by_refresh_token).await.expect(204);
    app.get("/v1/me", &there.token).await.expect(401);
    assert_eq!(device_count(&app, &here).await, 0);
    app.post("/v1/auth/logout", "", json!({})).await.expect(401);
}

#[tokio::test]
async fn a_person_at_two_clinics_has_one_login_and_switches() {
    let app = TestApp::start().await;
    let (home, other) = (app.clinic().await, app.clinic().await);
    let person = app.log_in(&home.admin).await;
    let not_yet = app.post("/v1/auth/switch", &person.token, json!({ "clinic_id": other.id })).await;
    assert_eq!(not_yet.problem(404), "not_found");
    let code = app.operator_invites(other.id, Role::Clinician, None).await;
    let accepted = app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": code })).await;
    assert_eq!(accepted.expect(201)["clinic_id"], json!(other.id));

    let answer = app.post("/v1/auth/switch", &person.token, json!({ "clinic_id": other.id })).await.expect(200);
    let switched = Person::from_answer(&answer);
    assert_eq!((switched.clinic_id, switched.role), (other.id, Role::Clinician));
    let me = app.get("/v1/me", &switched.token).await.expect(200);
    assert_eq!(me["memberships"].as_array().unwrap().len(), 2);
    // The answer might have been lost: the token from before still works, and stays at the new clinic.
    let kept = Person::from_answer(&refresh(&app, &person.refresh_token).await.expect(200));
    assert_eq!(kept.clinic_id, other.id);
    let next = Person::from_answer(&refresh(&app, &switched.refresh_token).await.expect(200));
    assert_eq!(next.clinic_id, other.id);
    // Once the new one is in use, what else was given out in its place is forgotten.
    refresh(&app, &kept.refresh_token).await.expect(401);
    assert_eq!(app.log_in(&home.admin).await.clinic_id, other.id, "a login begins where the last one was");
}

#[tokio::test]
async fn accepting_twice_or_with_another_address_is_refused() {
    let app = TestApp::start().await;
    let (home, other) = (app.clinic().await, app.clinic().await);
    let accept = async |code: &str| {
        app.post("/v1/invitations/accept", &home.admin.token, json!({ "invitation_code": code })).await
    };
    let foreign = app.operator_invites(other.id, Role::Clinician, Some("somebody@example.org")).await;
    assert_eq!(accept(&foreign).await.expect(422)["errors"][0]["pointer"], "/invitation_code");
    let first = app.operator_invites(other.id, Role::Clinician, None).await;
    accept(&first).await.expect(201);
    accept(&first).await.expect(422);
    let second = app.operator_invites(other.id, Role::Administrator, None).await;
    assert_eq!(accept(&second).await.problem(409), "conflict");
}

#[tokio::test]
async fn revocations_reach_another_node_within_a_second_and_are_asked_for_while_its_feed_is_down() {
    let app = TestApp::start().await;
    let person = app.clinic().await.admin;
    let wall = &app.state.clocks.wall;
    let verified = app.state.auth.tokens.verify(&person.token, wall.now()).unwrap();
    // A node whose feed never came up, and one whose feed is up.
    let deaf = mendline::auth::revocation::Revocations::default();
    let other = mendline::auth::revocation::Revocations::default();
    let feed = other.clone().run(app.state.db.clone(), app.state.clocks.clone());
    let story = async {
        while !other.is_live() {
            tokio::task::yield_now().await;
        }
        assert!(deaf.stands(&app.state.db, &verified).await.unwrap());
        assert!(other.stands(&app.state.db, &verified).await.unwrap());
        let logout = app.request(reqwest::Method::POST, "/v1/auth/logout", &person.token);
        crate::support::send(logout).await.expect(204);
        let ended_at = wall.now();
        assert!(!deaf.stands(&app.state.db, &verified).await.unwrap());
        while other.stands(&app.state.db, &verified).await.unwrap() {
            assert!(wall.now() - ended_at < TimeDelta::seconds(1), "the other node did not hear of it");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = feed => unreachable!("the feed runs for ever"),
        () = story => {}
    }
}

#[tokio::test]
async fn tokens_and_passwords_are_stored_as_hashes_only() {
    let app = TestApp::start().await;
    let person = app.clinic().await.admin;
    let mut conn = connection(&app).await;
    let hash: String = users::table.find(person.user_id).select(users::password_hash).first(&mut conn).await.unwrap();
    assert!(hash.starts_with("$argon2id$"));
    let dump = "SELECT string_agg(t::text, ' ') AS text FROM (SELECT * FROM refresh_tokens) t";
    #[derive(QueryableByName)]
    struct Text {
        #[diesel(sql_type = diesel::sql_types::Text)]
        text: String,
    }
    let stored: Text = diesel::sql_query(dump).get_result(&mut conn).await.unwrap();
    assert!(!stored.text.contains(&person.refresh_token));
}

#[tokio::test]
async fn guessing_a_password_costs_a_wait_and_shuts_nobody_else_out() {
    let app = TestApp::start_stepped(&[("MENDLINE_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let clinic = app.clinic().await;
    let guess = async |address: &str, password: &str| {
        let body = json!({ "email": clinic.admin.email, "password": password });
        let request = app.request(reqwest::Method::POST, "/v1/auth/login", "").header("x-forwarded-for", address);
        crate::support::send(request.json(&body)).await
    };
    for _ in 0..3 {
        guess("192.0.2.7", PASSWORD).await.expect(200);
    }
    for _ in 0..10 {
        guess("192.0.2.7", "four other words together").await.expect(401);
    }
    let refused = guess("192.0.2.7", PASSWORD).await;
    let wait: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.problem(429), "too_many_requests");
    guess("198.51.100.1", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn trying_codes_costs_the_address_a_wait_and_right_ones_cost_nothing() {
    let app = TestApp::start_stepped(&[("MENDLINE_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let clinic = app.clinic().await;
    let made_up = "00000-00000-00000-00000";
    let send = async |address: &str, path: &str, token: &str, body: serde_json::Value| {
        let request = app.request(reqwest::Method::POST, path, token).header("x-forwarded-for", address);
        crate::support::send(request.json(&body)).await
    };
    let tries = [
        ("/v1/auth/reset", "", json!({ "code": made_up, "password": "another four plain words" })),
        ("/v1/auth/register", "", registration(made_up, "somebody@example.org")),
        ("/v1/invitations/accept", clinic.admin.token.as_str(), json!({ "invitation_code": made_up })),
    ];
    for number in 0..100 {
        let (path, token, body) = &tries[number % tries.len()];
        send("192.0.2.7", path, token, body.clone()).await.expect(422);
    }
    for (path, token, body) in &tries {
        let refused = send("192.0.2.7", path, token, body.clone()).await;
        assert_eq!(refused.headers["retry-after"], "6", "{path}");
        assert_eq!(refused.problem(429), "too_many_requests");
    }
    let code = app.operator_invites(clinic.id, Role::Clinician, None).await;
    send("198.51.100.1", "/v1/auth/register", "", registration(&code, &fresh_email())).await.expect(201);
    app.pass(TimeDelta::seconds(6));
    for _ in 0..2 {
        let code = app.operator_invites(clinic.id, Role::Clinician, None).await;
        send("192.0.2.7", "/v1/auth/register", "", registration(&code, &fresh_email())).await.expect(201);
    }
}

#[tokio::test]
async fn what_ended_long_ago_is_forgotten_and_what_may_still_be_used_is_not() {
    let app = TestApp::start().await;
    let [gone, idle, kept] = [app.clinic().await.admin, app.clinic().await.admin, app.clinic().await.admin];
    for person in [&idle, &kept] {
        insert_device(&app, person, session_of(&app, person).await).await;
    }
    crate::support::send(app.request(reqwest::Method::POST, "/v1/auth/logout", &gone.token)).await.expect(204);
    let first = Person::from_answer(&refresh(&app, &kept.refresh_token).await.expect(200));
    let second = Person::from_answer(&refresh(&app, &first.refresh_token).await.expect(200));
    let mut conn = connection(&app).await;
    let prune = async |conn: &mut diesel_async::AsyncPgConnection, days| {
        mendline::auth::prune(conn, app.state.clocks.wall.now() + TimeDelta::days(days)).await.unwrap()
    };
    let begun = json!({ "current_password": PASSWORD });
    app.post("/v1/me/second-factor", &kept.token, begun).await.expect(201);
    assert_eq!(prune(&mut conn, 29).await, 0);
    // A secret that nobody confirmed, the session that was ended, and the one token whose successor was used; its successor may yet be presented again.
    assert_eq!(prune(&mut conn, 31).await, 3);
    let again = Person::from_answer(&refresh(&app, &first.refresh_token).await.expect(200));
    assert_eq!(again.refresh_token, second.refresh_token);
    // Those left idle for half a year lose their phones at once and are themselves forgotten a month later.
    assert_eq!(prune(&mut conn, 181).await, 2);
    assert_eq!((device_count(&app, &idle).await, device_count(&app, &kept).await), (0, 0));
    assert_eq!(prune(&mut conn, 211).await, 2);
    refresh(&app, &kept.refresh_token).await.expect(401);
}
