//! The form of a check-in, as sent: what is asked, in which words and within which bounds it is answered, and whom to turn
//! to instead of an app.

use serde::Serialize;

use crate::check_ins::fields::LONGEST_NOTE;
use crate::check_ins::store::Manner;
use crate::check_ins::view::{AdviceView, WindowView, emergencies};
use crate::domain::protocol::{ProtocolVersion, Texts};
use crate::domain::symptoms::{Answer, Field, HIGHEST_STEP, LONGEST_PRODUCT, TEMPERATURE_BOUNDS, TemperatureUnit};

/// What an app needs to ask how it goes, and to keep the answer until it can be sent. What follows from it is judged by
/// the server alone; what is said in an emergency needs no judgement.
#[derive(Debug, Serialize)]
pub struct CheckInFormView {
    fields: Vec<FieldView>,
    longest_note: usize,
    longest_product: usize,
    windows: Vec<WindowView>,
    /// Whether the server judges what is reported; the clinic reads it in either case.
    judged: bool,
    /// Advice that is shown beside the form, whatever is answered.
    emergencies: Vec<AdviceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_hours_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency_line: Option<String>,
}

/// One question.
#[derive(Debug, Serialize)]
struct FieldView {
    field: Field,
    answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<&'static str>>,
}

impl FieldView {
    fn new(field: Field) -> Self {
        let bounds = |(low, high): (f64, f64)| (Some(low), Some(high));
        let (answer, (minimum, maximum), words) = match field.answer() {
            Answer::Scale => ("scale", bounds((0.0, f64::from(HIGHEST_STEP))), None),
            Answer::YesNo => ("yes_no", (None, None), None),
            Answer::Choice(words) => ("choice", (None, None), Some(words.to_vec())),
            Answer::Temperature => {
                let (low, high) = TEMPERATURE_BOUNDS;
                let degrees = |centi: i32| f64::from(centi) / 100.0;
                let units = TemperatureUnit::ALL.iter().map(|unit| unit.as_str());
                ("temperature", bounds((degrees(low), degrees(high))), Some(units.collect()))
            }
        };
        Self { field, answer, minimum, maximum, words }
    }
}

impl CheckInFormView {
    /// The form for a treatment that follows a version, with the clinic's lines.
    pub fn new(version: &ProtocolVersion, texts: &Texts, manner: &Manner, windows: Vec<WindowView>) -> Self {
        let lines = manner.lines();
        Self {
            fields: Field::ALL.iter().copied().map(FieldView::new).collect(),
            longest_note: LONGEST_NOTE,
            longest_product: LONGEST_PRODUCT,
            windows,
            judged: manner.triage_enabled,
            emergencies: emergencies(version, texts),
            contact_line: lines.contact,
            out_of_hours_text: lines.out_of_hours,
            emergency_line: lines.emergency,
        }
    }
}
