//! What a clinic may write into a patient's record, as it is sent, and the checks of its values.

use serde::Deserialize;
use uuid::Uuid;

use super::record::Changes;
use super::store::NewPatient;
use crate::body::Faults;

/// Lengths in characters.
const NAME: std::ops::RangeInclusive<usize> = 1..=200;
const REFERENCE: std::ops::RangeInclusive<usize> = 1..=100;
const PHONE: std::ops::RangeInclusive<usize> = 3..=40;

/// A record to be made: the body of `create_patient`, and what an invitation may bring along.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientFields {
    id: Option<Uuid>,
    display_name: String,
    time_zone: Option<String>,
    locale: Option<String>,
    reference: Option<String>,
    phone: Option<String>,
}

impl PatientFields {
    /// Checks the values; faults are told relative to `at`, the pointer of this object in the body.
    pub fn read(self, faults: &mut Faults, at: &str, fresh_id: Uuid, created_by: Option<Uuid>) -> NewPatient {
        NewPatient {
            id: self.id.unwrap_or(fresh_id),
            display_name: faults.text(&format!("{at}/display_name"), &self.display_name, NAME),
            time_zone: self.time_zone.map(|zone| time_zone(faults, &format!("{at}/time_zone"), &zone)),
            locale: self.locale.map(|locale| faults.locale(&format!("{at}/locale"), &locale)),
            reference: faults.optional_text(&format!("{at}/reference"), self.reference.as_deref(), REFERENCE),
            phone: phone(faults, &format!("{at}/phone"), self.phone.as_deref()),
            created_by,
        }
    }
}

/// The body of `update_patient`. Absent: as it was; an empty reference or phone: no longer there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientChanges {
    display_name: Option<String>,
    time_zone: Option<String>,
    locale: Option<String>,
    reference: Option<String>,
    phone: Option<String>,
}

impl PatientChanges {
    /// Checks the values.
    pub fn read(self, faults: &mut Faults) -> Changes {
        Changes {
            display_name: self.display_name.map(|name| faults.text("/display_name", &name, NAME)),
            time_zone: self.time_zone.map(|zone| faults.time_zone("/time_zone", zone.trim())),
            locale: self.locale.map(|locale| faults.locale("/locale", &locale)),
            reference: self.reference.map(|text| faults.optional_text("/reference", Some(&text), REFERENCE)),
            phone: self.phone.map(|text| phone(faults, "/phone", Some(&text))),
        }
    }
}

/// The zone under the name that the zone data gives it.
fn time_zone(faults: &mut Faults, pointer: &str, zone: &str) -> String {
    faults.time_zone(pointer, zone.trim()).name().to_owned()
}

/// A number for people to dial: what it may look like differs too much between countries to be stricter.
fn phone(faults: &mut Faults, pointer: &str, value: Option<&str>) -> Option<String> {
    let phone = faults.optional_text(pointer, value, PHONE)?;
    let digits = phone.chars().filter(char::is_ascii_digit).count();
    if digits < 3 || !phone.chars().all(|c| c.is_ascii_digit() || " +()-./".contains(c)) {
        faults.push(pointer, "is not a telephone number");
    }
    Some(phone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ApiError;

    #[test]
    fn every_wrong_value_is_named_where_it_stands() {
        let body = r#"{"display_name": " ", "time_zone": "Mars/Base", "locale": "?", "phone": "call me"}"#;
        let fields: PatientFields = serde_json::from_str(body).unwrap();
        let mut faults = Faults::default();
        fields.read(&mut faults, "/patient", Uuid::nil(), None);
        let Err(ApiError::Invalid(errors)) = faults.finish() else { panic!("must fail") };
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/patient/display_name", "/patient/time_zone", "/patient/locale", "/patient/phone"]);
    }

    #[test]
    fn an_empty_text_takes_a_value_away_and_an_absent_one_leaves_it() {
        let changes: PatientChanges = serde_json::from_str(r#"{"reference": "", "phone": "+49 30 123"}"#).unwrap();
        let mut faults = Faults::default();
        let changes = changes.read(&mut faults);
        faults.finish().unwrap();
        assert_eq!((changes.reference, changes.phone), (Some(None), Some(Some("+49 30 123".to_owned()))));
        assert_eq!((changes.display_name, changes.time_zone), (None, None));
    }
}
