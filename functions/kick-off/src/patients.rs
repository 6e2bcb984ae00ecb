//! `GET {base}/Patient/{patient}` returns the patient of the token, and no other patient (FHIR R4, read). Apps use it to identify the
//! patient of their token.

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, NO_PATIENT, Result};
use domain::patient::resource;
use domain::scopes::ScopeLevel;
use domain::sensitive::Sensitive;
use web::caller::Bearer;
use web::extract::PatientPath;
use web::respond::fhir_text;
use web::{ApiError, unique_json};

use crate::KickOff;
use crate::visible::labels;

/// The maximum size of a returned Patient in bytes: a response of a function on AWS has at most 6 MB.
const MAX_PATIENT: usize = 4 * 1024 * 1024;

pub(crate) async fn read(
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    PatientPath(patient): PatientPath,
) -> Result<Response, ApiError> {
    match &caller.patient {
        None => {
            return Err(Error::Forbidden(
                "a Patient can be read only with the token of that patient".to_owned(),
            )
            .into());
        }
        Some(own) if *own != patient => return Err(NO_PATIENT.into()),
        Some(_) => {}
    }
    if !caller.scopes.may_read(ScopeLevel::Patient, "Patient") {
        return Err(Error::Forbidden("the token lacks a scope such as patient/Patient.r".to_owned()).into());
    }
    let text = resource(&*state.records, &patient).await?.ok_or(NO_PATIENT)?;
    if text.len() > MAX_PATIENT {
        return Err(
            Error::TooLarge(format!("the Patient has more than {MAX_PATIENT} bytes: export it")).into()
        );
    }
    let withheld = |why: &str| Error::Forbidden(format!("the Patient is withheld: {why}"));
    let value = unique_json::parse(&text).map_err(|_| withheld("its labels cannot be read reliably"))?;
    let labels =
        value.as_object().and_then(labels).ok_or_else(|| withheld("its labels cannot be read reliably"))?;
    let is_sensitive = |label: &String| {
        Sensitive::ALL
            .iter()
            .any(|category| category.labels().iter().any(|known| known.eq_ignore_ascii_case(label)))
    };
    if labels.all.iter().any(is_sensitive) {
        return Err(withheld("it has a label of sensitive information").into());
    }
    if caller.scopes.access_tags().is_some_and(|tags| tags.is_disjoint(&labels.own)) {
        return Err(withheld("it has none of the tags that the token gives access to").into());
    }
    let event = Event::new(Actor::client(&caller.client), Action::RecordViewed).of_patient(&patient);
    state.audit.record(event.about("Patient")).await?;
    Ok(fhir_text(text))
}
