//! Exports that were started with tokens of other issuers.

use http::StatusCode;
use serde_json::{Value, json};
use tests::ANNA;

use super::{approved, filled_in, page, signed_in};
use crate::tokens::{Issuer, claims};

/// A clinician's app can have a patient in its context. Its exports are not the patient's own copies.
#[tokio::test]
async fn a_copy_of_a_clinician_is_not_offered_to_the_patient() {
    let issuer = Issuer::new();
    let world = issuer.world(r#", fhir_base = "https://login.example.org/fhir""#);
    let session = signed_in(&world, ANNA).await;
    for (user, roles, is_own) in [
        (json!(format!("https://login.example.org/fhir/Patient/{ANNA}")), Value::Null, true),
        (json!(format!("Patient/{ANNA}")), Value::Null, true),
        (json!(format!("https://elsewhere.example.org/fhir/Patient/{ANNA}")), Value::Null, false),
        (json!("https://login.example.org/fhir/Practitioner/who"), Value::Null, false),
        (json!("https://login.example.org/fhir/RelatedPerson/mother"), Value::Null, false),
        (Value::Null, Value::Null, false),
        (Value::Null, json!(["PATIENT"]), true),
        (Value::Null, json!(["PATIENT", "ADMIN"]), false),
        (Value::Null, json!(["PHYSICIAN", "PATIENT"]), false),
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

/// The form promises that the patient can take back the permission, whoever started the export.
#[tokio::test]
async fn a_patient_takes_back_the_permission_for_an_export_of_a_clinician() {
    let issuer = Issuer::new();
    let world = issuer.world("");
    let session = signed_in(&world, ANNA).await;
    let mut claims = claims();
    (claims["roles"], claims["fhirUser"]) = (json!([]), json!("https://login.example.org/Practitioner/who"));
    let token = issuer.token(&claims);
    let job = world.kick_off(&token, "", ANNA).await;
    let copy = format!("/my/exports/{}", job.rsplit('/').next().expect("an id"));
    let status = async |path: &str| world.get(path).cookie(&session).send().await.status;
    assert_eq!(status(&copy).await, StatusCode::NOT_FOUND, "the patient has not filled in the form");
    filled_in(&world, &session, &format!("{job}/customize"), &["hiv"]).await;
    world.work().await;
    approved(&world, &copy).await;
    let manifest = world.status(&token, &job).await;
    assert_eq!(manifest.status, StatusCode::OK);
    let list = page(&world, &session, "/my").await;
    let asked = "The app portal of https://login.example.org asked for it on ";
    assert!(list.contains(&copy) && list.contains(asked) && list.contains("Ready"), "{list}");
    let shown = page(&world, &session, &copy).await;
    assert!(shown.contains(asked) && shown.contains("Take back my permission"), "{shown}");
    for hidden in ["What is in it", "What was left out", "/zip", "/files/", "Ask for a copy again"] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
    let file = tests::text(&manifest.json()["output"][0]["url"]);
    let file = file.rsplit('/').next().expect("a name");
    for path in [format!("{copy}/zip"), format!("{copy}/files/{file}")] {
        assert_eq!(status(&path).await, StatusCode::NOT_FOUND, "{path}");
    }
    let other = signed_in(&world, tests::BRUNO).await;
    let stranger = world.post(&format!("{copy}/take-back")).cookie(&other).send().await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    let asks = page(&world, &session, &format!("{copy}/take-back")).await;
    assert!(asks.contains("Take back your permission?"), "{asks}");
    let taken = world.post(&format!("{copy}/take-back")).cookie(&session).send().await;
    assert!(taken.location().ends_with("/my?said=taken-back"), "{}", taken.location());
    assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
    assert!(page(&world, &session, &copy).await.contains("That app cannot load it any more."));
}

#[test]
fn the_base_of_an_issuers_patients_must_be_a_url() {
    for (base, is_good) in [
        ("https://ehr.example.org/fhir", true),
        ("ehr.example.org", false),
        ("ftp://ehr.example.org", false),
        ("https://ehr.example.org/fhir?tenant=a", false),
    ] {
        let issuer = "issuer = \"https://login.example.org\", jwks_url = \"https://login.example.org/jwks\"";
        let issuers = format!("issuers = [{{ {issuer}, fhir_base = \"{base}\" }}]");
        let read = settings::Settings::parse(&tests::settings(&issuers), |_| None, None);
        assert_eq!(read.is_ok(), is_good, "{base}");
    }
}
