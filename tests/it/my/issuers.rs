//! Exports that were started with tokens of other issuers.

use http::StatusCode;
use serde_json::{Value, json};
use tests::ANNA;

use super::{page, signed_in};
use crate::tokens::{Issuer, claims};

/// A clinician's app can have a patient in its context. Its exports are not the patient's own copies.
#[tokio::test]
async fn a_copy_of_a_clinician_is_not_offered_to_the_patient() {
    let issuer = Issuer::new();
    let world = issuer.world("");
    let session = signed_in(&world, ANNA).await;
    for (user, roles, is_own) in [
        (json!(format!("https://login.example.org/fhir/Patient/{ANNA}")), Value::Null, true),
        (json!("https://login.example.org/fhir/Practitioner/who"), Value::Null, false),
        (json!("https://login.example.org/fhir/RelatedPerson/mother"), Value::Null, false),
        (Value::Null, Value::Null, false),
        (Value::Null, json!(["PATIENT"]), true),
    ] {
        let mut claims = claims();
        (claims["patient"], claims["scope"]) = (json!(ANNA), json!("patient/$ehi-export patient/*.rs"));
        (claims["fhirUser"], claims["roles"]) = (user.clone(), roles);
        claims.as_object_mut().expect("an object").retain(|_, claim| !claim.is_null());
        let job = world.kick_off(&issuer.token(&claims), "/no-form", ANNA).await;
        let copy = format!("/my/exports/{}", job.rsplit('/').next().expect("an id"));
        let expected = if is_own { StatusCode::OK } else { StatusCode::NOT_FOUND };
        for path in [copy.clone(), format!("{copy}/cancel")] {
            assert_eq!(world.get(&path).cookie(&session).send().await.status, expected, "{path} {user}");
        }
        assert_eq!(page(&world, &session, "/my").await.contains(&copy), is_own, "{user}");
    }
}
