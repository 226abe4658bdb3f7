//! Who takes part: a clinic with an administrator, and two clinicians and a patient, each with a login and a phone.

use serde_json::{Value, json};
use uuid::Uuid;

use super::api::{Api, text};
use super::phone::{Exchange, Phone};
use crate::app::State;
use crate::clinics::create::{NewClinic, create};

/// Where the patient lives.
pub const ZONE: chrono_tz::Tz = chrono_tz::Europe::Berlin;

const ADMINISTRATOR: &str = "Ada Admin";

/// Somebody with a login and a phone.
pub struct Person {
    /// As the API greets them.
    pub name: &'static str,
    /// To log in with.
    pub email: String,
    /// To log in with.
    pub password: String,
    /// The API as this person.
    pub api: Api,
    /// Where alerts arrive.
    pub phone: Phone,
}

/// To log in with: name, e-mail, password.
pub type Login = (String, String, String);

impl Person {
    /// To log in with.
    pub fn login(&self) -> Login {
        (self.name.to_owned(), self.email.clone(), self.password.clone())
    }
}

/// Everybody.
pub struct Cast {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Whoever runs the clinic: invites the others, and does nothing else in the story.
    pub administrator: Login,
    /// The clinician.
    pub clinician: Person,
    /// Another one, who treats other patients.
    pub colleague: Person,
    /// The patient.
    pub patient: Person,
    /// The patient's record.
    pub patient_id: String,
}

impl Cast {
    /// Sets the clinic up and brings everybody in, through the same calls that real apps make.
    pub async fn assemble(state: &State, exchange: &Exchange, base: &str) -> anyhow::Result<Self> {
        let tag = Uuid::new_v4().simple().to_string();
        let email = |who: &str| format!("{who}.{}@demo.example", &tag[..6]);
        let admin_email = email("admin");
        let new = NewClinic {
            name: "Linden Skin Clinic".to_owned(),
            time_zone: ZONE,
            locale: "en".to_owned(),
            admin_email: admin_email.clone(),
            demo: true,
        };
        let clinic = create(&state.worker_db, &state.clocks, &state.keys, new).await?;
        let nobody = Api::new(base)?;
        let (admin, password) = register(&nobody, &clinic.invitation_code, &admin_email, ADMINISTRATOR).await?;
        let administrator = (ADMINISTRATOR.to_owned(), admin_email, password);

        let code = invite(&admin, &json!({ "role": "clinician" })).await?;
        let clinician = person(&nobody, exchange, &code, email("clara"), "Clara Clinician").await?;

        let code = invite(&admin, &json!({ "role": "clinician" })).await?;
        let colleague = person(&nobody, exchange, &code, email("carl"), "Carl Colleague").await?;

        let record = json!({ "display_name": "Pia Patient", "time_zone": ZONE.name(), "locale": "en" });
        let invitation = json!({ "role": "patient", "patient": record });
        let code = invite(&clinician.api, &invitation).await?;
        let patient = person(&nobody, exchange, &code, email("pia"), "Pia Patient").await?;
        let me = patient.api.get("/v1/me").await?;
        let patient_id = text(&me, "/membership/patient_id")?;
        Ok(Self { clinic_id: clinic.clinic_id, administrator, clinician, colleague, patient, patient_id })
    }
}

async fn invite(api: &Api, invitation: &Value) -> anyhow::Result<String> {
    text(&api.post("/v1/invitations", invitation).await?, "/code")
}

async fn register(nobody: &Api, code: &str, email: &str, name: &str) -> anyhow::Result<(Api, String)> {
    let password = format!("demo-{}", Uuid::new_v4().simple());
    let body = json!({
        "invitation_code": code, "email": email, "password": password, "display_name": name,
        "time_zone": ZONE.name(), "locale": "en",
    });
    let answer = nobody.post("/v1/auth/register", &body).await?;
    Ok((nobody.with_token(&text(&answer, "/tokens/access_token")?), password))
}

async fn person(
    nobody: &Api,
    exchange: &Exchange,
    code: &str,
    email: String,
    name: &'static str,
) -> anyhow::Result<Person> {
    let (api, password) = register(nobody, code, &email, name).await?;
    let phone = exchange.phone()?;
    let path = format!("/v1/me/devices/{}", phone.device_id());
    api.put(&path, &phone.registration(ZONE.name())).await?;
    Ok(Person { name, email, password, api, phone })
}
