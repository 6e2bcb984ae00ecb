//! The patient who is signed in. Other visitors are redirected to the sign-in page, which leads them back to the same address.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use domain::ids::PatientId;
use http::request::Parts;
use url::form_urlencoded::Serializer;
use web::patient_session::{current_patient, glimpse_patient};
use web::respond::{PageError, found};
use web::session::Cookies;

use crate::My;

/// See the [module](self).
pub(crate) struct SignedIn {
    pub(crate) patient: PatientId,
    /// The patient's name, or the id if the record has no name.
    pub(crate) name: String,
}

impl FromRequestParts<My> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &My) -> Result<Self, Response> {
        let cookies = Cookies::of(&parts.headers);
        // A page that reloads by itself does not prolong the session.
        let session = match is_by_itself(parts) {
            true => glimpse_patient(&cookies, &*state.expiring, &state.settings).await,
            false => current_patient(&cookies, &*state.expiring, &*state.clock, &state.settings).await,
        };
        match session.map_err(|error| PageError(error).into_response())? {
            Some(session) if session.name.is_empty() => {
                Ok(Self { name: session.patient.to_string(), patient: session.patient })
            }
            Some(session) => Ok(Self { patient: session.patient, name: session.name }),
            // Each address that takes a form also has a page.
            None => {
                let next = parts.uri.path_and_query().map_or("/my", |path| path.as_str());
                let query = Serializer::new(String::new()).append_pair("next", next).finish();
                Err(found(&state.settings.url(&format!("/patient-login?{query}"))))
            }
        }
    }
}

fn is_by_itself(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    query.split('&').any(|field| field.starts_with("live="))
}
