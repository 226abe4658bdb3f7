//! What commits before the claim wins: whatever is called off, moved or forgotten in time is never sent, even if that
//! happens in the last moment before it falls due, or while a worker is already looking.

use chrono::TimeDelta;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use mendline::alerts::queue;
use mendline::db::{Connector, Scope};
use mendline::domain::ids;
use mendline::domain::role::Role;
use mendline::erasure::mark;
use mendline::worker::Worker;
use reqwest::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Staged, TestApp, seed, send};

/// A clinic with an administrator, and one of its patients with a phone.
struct Case {
    app: TestApp,
    admin: Staged,
    patient: Staged,
    person: seed::Person,
    phone: Uuid,
}

const PREFERENCES: &str = "/v1/me/notification-preferences";

async fn case() -> Case {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let (admin, patient) = (app.stage(clinic, Role::Administrator).await, app.stage(clinic, Role::Patient).await);
    let caller = &patient.caller;
    let person = seed::Person { clinic_id: clinic, patient_id: caller.patient_id.unwrap(), user_id: caller.user_id };
    let phone = seed::phone(&app, person).await;
    Case { app, admin, patient, person, phone }
}

impl Case {
    /// One more alert, due so much later.
    async fn owe(&self, key: &str, due_in: TimeDelta) {
        let (owed, now) = (seed::owed(&self.app, key, due_in, TimeDelta::hours(1)), self.app.care.now());
        seed::run(&self.app, async |conn| queue::enqueue(conn, self.person.recipient(), &owed, now).await).await;
    }

    /// How often the patient was told.
    fn told(&self, key: &str) -> usize {
        let alert = ids::alert_id(self.person.clinic_id, self.person.patient_id, key);
        self.app.fcm.sent().iter().filter(|sent| sent.message.payload.alert_id == alert).count()
    }
}

/// To see what would have been sent.
const NOTHING: &str = "nothing";

/// What may be done about an alert that is owed.
const CHANGES: [&str; 8] = [
    NOTHING,
    "the treatment is cancelled",
    "it is moved",
    "preferences",
    "the phone is removed",
    "removal",
    "the login is deleted",
    "the plan",
];

/// Does it, over HTTP where there is a route.
async fn change(case: &Case, treatment: &str, change: &str) {
    let Case { app, admin, patient, person, phone } = case;
    let path = format!("/v1/treatments/{treatment}");
    let answer = match change {
        NOTHING => return,
        "the treatment is cancelled" => app.delete(&path, &admin.token).await,
        "it is moved" => {
            let body = json!({"performed_at": app.care.now() - TimeDelta::days(3)});
            send(app.request(Method::PATCH, &path, &admin.token).header("if-match", "*").json(&body)).await
        }
        "preferences" => app.put(PREFERENCES, &patient.token, json!({"paused": true})).await,
        "the phone is removed" => app.delete(&format!("/v1/me/devices/{phone}"), &patient.token).await,
        "the login is deleted" => return delete_login(case).await,
        "removal" => app.delete(&format!("/v1/members/{}", patient.caller.membership_id), &admin.token).await,
        _ => {
            seed::plan(app, *person, &[]).await;
            return;
        }
    };
    assert!(answer.status.is_success(), "{change}: {}", answer.text);
}

/// As its person does who has shown the password.
async fn delete_login(case: &Case) {
    let (state, user_id) = (&case.app.state, case.person.user_id);
    let marked = state.db.scoped(Scope::User(user_id), async |conn| {
        let proven = mendline::auth::store::find_user(conn, user_id).await.unwrap();
        mark(conn, &state.clocks, &proven, TimeDelta::days(14)).await
    });
    marked.await.unwrap();
}

#[tokio::test]
async fn a_cancellation_replan_preference_or_deletion_that_commits_before_the_claim_wins() {
    for what in CHANGES {
        let case = case().await;
        let performed_at = case.app.care.now() - TimeDelta::days(2);
        let treatment = case.app.treat(&case.admin.token, case.patient.caller.patient_id.unwrap(), performed_at).await;
        case.owe("t:due", TimeDelta::zero()).await;
        change(&case, &treatment, what).await;

        case.app.drain_worker().await;
        assert_eq!(case.told("t:due"), usize::from(what == NOTHING), "{what}");
        let state = seed::state(&case.app, "t:due").await;
        assert!(what == NOTHING || ["cancelled", "no_device"].contains(&state.as_str()), "{what}: {state}");
    }
}

#[tokio::test]
async fn what_is_called_off_while_a_worker_sleeps_until_it_is_due_is_not_sent() {
    for what in CHANGES {
        let case = case().await;
        let treatment = case
            .app
            .treat(&case.admin.token, case.patient.caller.patient_id.unwrap(), case.app.care.now() - TimeDelta::days(2))
            .await;
        case.owe("t:soon", TimeDelta::seconds(2)).await;
        let other = seed::person(&case.app).await;
        seed::phone(&case.app, other).await;
        let (stop, worker) = (CancellationToken::new(), Worker::new(case.app.worker_parts()));
        let story = async {
            // The worker has looked: it knows what is due next.
            seed::due_now(&case.app, other, "m:before").await;
            seed::wait_for(&case.app, "m:before", "sent").await;
            change(&case, &treatment, what).await;
            case.app.care.advance(TimeDelta::seconds(2));
            seed::plan(&case.app, other, &[seed::owed(&case.app, "m:after", TimeDelta::zero(), TimeDelta::hours(1))])
                .await;
            seed::wait_for(&case.app, "m:after", "sent").await;
            if what == NOTHING {
                seed::wait_for(&case.app, "t:soon", "sent").await;
            }
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(worker.run(stop.clone()), story);
        ended.unwrap();
        assert_eq!(case.told("t:soon"), usize::from(what == NOTHING), "{what}");
    }
}

#[tokio::test]
async fn a_claim_leaves_alone_what_a_change_that_is_not_committed_yet_holds() {
    let case = case().await;
    case.owe("t:due", TimeDelta::zero()).await;
    let mut conn: AsyncPgConnection = Connector::new(&case.app.database.url, None).unwrap().open().await.unwrap();
    let now = case.app.care.now();
    conn.batch_execute("BEGIN").await.unwrap();
    let changed = queue::replace_plan(&mut conn, case.person.recipient(), &[], now, now, 1).await.unwrap();
    assert_eq!(changed, 1);

    assert_eq!(case.app.drain_worker().await.claimed, 0, "neither waits for the other");
    conn.batch_execute("COMMIT").await.unwrap();
    assert_eq!(case.app.drain_worker().await.claimed, 0);
    assert!(case.app.fcm.sent().is_empty());
    assert_eq!(seed::state(&case.app, "t:due").await, "cancelled");
}

/// The binary that is tested by crashes has failpoints, any other has not: not even their name.
#[test]
fn a_binary_has_failpoints_only_if_it_was_built_with_them() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_mendline")).unwrap();
    let has = |name: &str| binary.windows(name.len()).any(|bytes| bytes == name.as_bytes());
    for name in ["MENDLINE_FAILPOINTS", "settle:uncommitted"] {
        assert_eq!(has(name), cfg!(feature = "failpoints"), "{name}");
    }
}
