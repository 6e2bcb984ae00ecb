//! Scopes for the data of all patients: they apply only where all users are staff.

use http::StatusCode;
use serde_json::{Value, json};
use tests::lake;

use super::{Issuer, user};

#[tokio::test]
async fn user_scopes_reach_all_patients_only_if_all_users_are_staff() -> tests::Result {
    let directory = tempfile::tempdir()?;
    lake::write(directory.path());
    let issuer = Issuer::new();
    let with = |name: &str, value: Value| {
        let mut claims = user("u1", "user/*.rs");
        claims[name] = value;
        claims
    };
    let plain = user("u1", "user/*.rs");
    let (open, closed) = (
        issuer.world_over(", users_are_staff = true", directory.path()),
        issuer.world_over(", staff = true", directory.path()),
    );
    let practitioner = with("fhirUser", json!("https://ehr.example.org/fhir/Practitioner/p"));
    for (world, claims, expected) in [
        (&closed, &plain, StatusCode::FORBIDDEN),
        (&closed, &practitioner, StatusCode::FORBIDDEN),
        (&open, &plain, StatusCode::ACCEPTED),
        (&open, &practitioner, StatusCode::ACCEPTED),
        (&open, &with("fhirUser", json!("Patient/p1")), StatusCode::FORBIDDEN),
        (
            &open,
            &with("fhirUser", json!("https://ehr.example.org/fhir/RelatedPerson/r")),
            StatusCode::FORBIDDEN,
        ),
        (
            &open,
            &with("fhirUser", json!("https://ehr.example.org/fhir/Patient/p1/_history/2")),
            StatusCode::FORBIDDEN,
        ),
        (&open, &with("profile", json!("Patient/p1")), StatusCode::FORBIDDEN),
        (&open, &with("fhirUser", json!("PractitionerRole/r")), StatusCode::ACCEPTED),
        (&open, &with("fhirUser", json!("Person/x")), StatusCode::FORBIDDEN),
        (&open, &with("fhirUser", json!("patient/p1")), StatusCode::FORBIDDEN),
        (&open, &with("fhirUser", json!("https://ehr.example.org/fhir/Patient%2Fp1")), StatusCode::FORBIDDEN),
    ] {
        for path in ["/fhir/$export", "/4_0_0/Patient/$export", "/fhir/r4/Patient/$export"] {
            let response = world.get(path).bearer(&issuer.token(claims)).send().await;
            assert_eq!(response.status, expected, "{path} {claims}");
        }
    }
    // A fhirUser that is not a text is refused.
    let odd = with("fhirUser", json!(["Practitioner/p"]));
    assert_eq!(
        open.get("/fhir/$export").bearer(&issuer.token(&odd)).send().await.status,
        StatusCode::UNAUTHORIZED
    );
    // A patient with an administrator role is not staff of this server.
    let mut patient = with("fhirUser", json!("Patient/p1"));
    patient["roles"] = json!(["ADMIN"]);
    assert_eq!(
        closed.get("/admin/jobs").bearer(&issuer.token(&patient)).send().await.status,
        StatusCode::FORBIDDEN
    );
    Ok(())
}
