//! `GET {base}/Patient/{patient}`: the patient of the token, and nobody else (FHIR R4, read). With it an app checks
//! whose token it has.

use axum::extract::State;
use axum::response::Response;
use shared::domain::choices::Sensitive;
use shared::domain::scopes::Level;
use shared::error::{Error, Result};
use shared::fhir::patient::resource;
use shared::http::caller::Bearer;
use shared::http::extract::{NO_PATIENT, PatientPath};
use shared::http::respond::fhir_text;
use shared::http::unique_json;

use crate::KickOff;
use crate::visible::labels;

/// The largest Patient that is answered, in bytes: a function on AWS answers with 6 MB at most.
const MAX_PATIENT: usize = 4 * 1024 * 1024;

pub(crate) async fn read(
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    PatientPath(patient): PatientPath,
) -> Result<Response> {
    match &caller.patient {
        None => return Err(Error::Forbidden("only the token of a patient reads a Patient here".to_owned())),
        Some(own) if *own != patient => return Err(NO_PATIENT),
        Some(_) => {}
    }
    if !caller.scopes.may_read(Level::Patient, "Patient") {
        return Err(Error::Forbidden("the token lacks a scope such as patient/Patient.r".to_owned()));
    }
    let text = resource(&*state.records, &patient).await?.ok_or(NO_PATIENT)?;
    if text.len() > MAX_PATIENT {
        return Err(Error::TooLarge(format!("the Patient has more than {MAX_PATIENT} bytes: export it")));
    }
    let withheld = |why: &str| Error::Forbidden(format!("the Patient is withheld: {why}"));
    let value = unique_json::parse(&text).map_err(|_| withheld("its labels cannot be read for certain"))?;
    let labels = value
        .as_object()
        .and_then(labels)
        .ok_or_else(|| withheld("its labels cannot be read for certain"))?;
    let is_sensitive = |label: &String| {
        Sensitive::ALL
            .iter()
            .any(|category| category.labels().iter().any(|known| known.eq_ignore_ascii_case(label)))
    };
    if labels.all.iter().any(is_sensitive) {
        return Err(withheld("it carries a label of sensitive information"));
    }
    if caller.scopes.access_tags().is_some_and(|tags| tags.is_disjoint(&labels.own)) {
        return Err(withheld("it carries no tag that the token gives access to"));
    }
    Ok(fhir_text(text))
}
