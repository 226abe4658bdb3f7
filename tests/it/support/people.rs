//! Clinics and people who are really there: set up by the operator's command, invited, registered over HTTP. A person
//! costs one password hash, some 30 ms; tests that only need somebody to be logged in may stage one instead.

use std::sync::atomic::{AtomicU32, Ordering};

use mendline::clinics::create::{NewClinic, create};
use mendline::domain::role::Role;
use mendline::invitations::{Invitee, issue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::TestApp;

/// What everybody's password is.
pub const PASSWORD: &str = "four plain words together";

static NEXT: AtomicU32 = AtomicU32::new(1);

/// An address nobody has yet.
pub fn fresh_email() -> String {
    format!("person{}@example.org", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A clinic with its first administrator.
#[derive(Debug, Clone)]
pub struct Clinic {
    pub id: Uuid,
    pub admin: Person,
}

/// Somebody who registered and is logged in.
#[derive(Debug, Clone)]
pub struct Person {
    pub user_id: Uuid,
    pub email: String,
    pub role: Role,
    pub clinic_id: Uuid,
    pub membership_id: Uuid,
    /// The record, for patients.
    pub patient_id: Option<Uuid>,
    pub token: String,
    pub refresh_token: String,
}

impl Person {
    /// From the answer to a registration, login, refresh or switch.
    pub fn from_answer(answer: &Value) -> Self {
        let id = |value: &Value| value.as_str().map(|text| text.parse().unwrap());
        let (user, tokens) = (&answer["user"], &answer["tokens"]);
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
        Self {
            user_id: id(&user["user_id"]).unwrap(),
            email: user["email"].as_str().unwrap().to_owned(),
            role: user["membership"]["role"].as_str().unwrap().parse().unwrap(),
            clinic_id: id(&user["membership"]["clinic_id"]).unwrap(),
            membership_id: id(&user["membership"]["membership_id"]).unwrap(),
            patient_id: id(&user["membership"]["patient_id"]),
            token: tokens["access_token"].as_str().unwrap().to_owned(),
            refresh_token: tokens["refresh_token"].as_str().unwrap().to_owned(),
        }
    }

    /// The record of a patient.
    #[track_caller]
    pub fn patient(&self) -> Uuid {
        self.patient_id.expect("a patient")
    }
}

/// The body of a registration.
pub fn registration(code: &str, email: &str) -> Value {
    json!({
        "invitation_code": code, "email": email, "password": PASSWORD, "display_name": "Some Body",
        "time_zone": "Europe/Berlin", "locale": "de",
    })
}

impl TestApp {
    /// A clinic in Berlin and its administrator.
    pub async fn clinic(&self) -> Clinic {
        let admin_email = fresh_email();
        let new = NewClinic {
            name: "Clinic".to_owned(),
            time_zone: chrono_tz::Europe::Berlin,
            locale: "de".to_owned(),
            admin_email: admin_email.clone(),
            demo: false,
        };
        let state = &self.state;
        let created = create(&state.worker_db, &state.clocks, &state.keys, new).await.expect("a clinic");
        let admin = self.register(&created.invitation_code, &admin_email).await;
        Clinic { id: created.clinic_id, admin }
    }

    /// Registers somebody who was invited.
    pub async fn register(&self, code: &str, email: &str) -> Person {
        Person::from_answer(&self.post("/v1/auth/register", "", registration(code, email)).await.expect(201))
    }

    /// One more clinician of the clinic.
    pub async fn clinician_of(&self, clinic: &Clinic) -> Person {
        self.member_of(clinic, Role::Clinician).await
    }

    /// One more member of the staff.
    pub async fn member_of(&self, clinic: &Clinic, role: Role) -> Person {
        let code = self.invite(clinic, &json!({ "role": role })).await;
        self.register(&code, &fresh_email()).await
    }

    /// A patient who accepted the clinic's invitation.
    pub async fn patient_of(&self, clinic: &Clinic) -> Person {
        let code = self.invite(clinic, &json!({ "role": "patient", "patient": { "display_name": "Pat Ient" } })).await;
        self.register(&code, &fresh_email()).await
    }

    /// The code of an invitation by the clinic's administrator.
    pub async fn invite(&self, clinic: &Clinic, invitation: &Value) -> String {
        let made = self.post("/v1/invitations", &clinic.admin.token, invitation.clone()).await.expect(201);
        made["code"].as_str().unwrap().to_owned()
    }

    /// A fresh session of somebody.
    pub async fn log_in(&self, person: &Person) -> Person {
        let body = json!({ "email": person.email, "password": PASSWORD });
        Person::from_answer(&self.post("/v1/auth/login", "", body).await.expect(200))
    }

    /// An invitation that the operator issues.
    pub async fn operator_invites(&self, clinic: Uuid, role: Role, email: Option<&str>) -> String {
        let invitee =
            Invitee { id: self.state.clocks.fresh_id(), role, patient_id: None, email: email.map(str::to_owned) };
        let state = &self.state;
        let scope = mendline::db::Scope::System;
        let issued = state
            .worker_db
            .scoped(scope, async |conn| {
                Ok::<_, mendline::db::DbError>(issue(conn, &state.clocks, &state.keys, clinic, None, &invitee).await?)
            })
            .await;
        issued.expect("an invitation").code
    }
}
