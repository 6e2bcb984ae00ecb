use serde_json::json;

use super::*;

#[test]
fn the_user_is_the_patient_only_if_the_token_says_so() {
    let patient = PatientId::parse("p1").expect("an id");
    let issuer = serde_json::from_value(json!({
        "issuer": "https://login.example.org/", "fhir_base": "https://a.example.org/fhir",
    }));
    let ours = ["https://here.example.org/fhir".to_owned()];
    let bases = Bases { ours: &ours, issuer: &issuer.expect("an issuer") };
    for (fhir_user, profile, role, expected) in [
        (json!("https://a.example.org/fhir/Patient/p1"), Value::Null, false, true),
        (json!("https://here.example.org/fhir/Patient/p1"), Value::Null, false, true),
        (json!("https://login.example.org/Patient/p1"), Value::Null, false, true),
        (json!("https://b.example.org/fhir/Patient/p1"), Value::Null, true, false),
        (json!("https://a.example.org/fhir/b/Patient/p1"), Value::Null, true, false),
        (json!("https://a.example.org/fhirPatient/p1"), Value::Null, true, false),
        (json!("http://a.example.org/fhir/Patient/p1"), Value::Null, true, false),
        (json!("/Patient/p1"), Value::Null, true, false),
        (json!("Practitioner/x?Patient/p1"), Value::Null, true, false),
        (json!("Patient/p1"), json!("Patient/p1"), false, true),
        (json!("Patient/p1"), json!("https://b.example.org/fhir/Patient/p1"), false, false),
        (Value::Null, json!("Patient/p1"), false, true),
        (Value::Null, Value::Null, true, true),
        (Value::Null, Value::Null, false, false),
        (json!("Patient/p2"), Value::Null, true, false),
        (json!("Patient/p1"), json!("Practitioner/p1"), true, false),
        (json!("Practitioner/p1"), Value::Null, true, false),
        (json!("RelatedPerson/p1"), Value::Null, true, false),
        (json!("p1"), Value::Null, false, false),
        (json!(["Patient/p1"]), Value::Null, true, false),
    ] {
        assert_eq!(
            is_user(&patient, [&fhir_user, &profile], &bases, role),
            expected,
            "{fhir_user} {profile} {role}"
        );
    }
}

#[test]
fn only_practitioners_may_be_staff() {
    for (user, expected) in [
        (Value::Null, true),
        (json!("Practitioner/x"), true),
        (json!("PractitionerRole/x"), true),
        (json!("https://ehr.example.org/fhir/Practitioner/x"), true),
        (json!("http://ehr.example.org/PractitionerRole/x-1.y"), true),
        (json!("Patient/1"), false),
        (json!("patient/1"), false),
        (json!("practitioner/1"), false),
        (json!("RelatedPerson/1"), false),
        (json!("Person/1"), false),
        (json!("https://ehr.example.org/fhir/Person/1"), false),
        (json!("https://ehr.example.org/fhir/Patient%2F1"), false),
        (json!("https://ehr.example.org/fhir/Patient/1/_history/2"), false),
        (json!("Patient/Practitioner/1"), false),
        (json!("Practitioner/1?x=Patient/1"), false),
        (json!("Practitioner/Patient%2F1"), false),
        (json!("Practitioner/"), false),
        (json!("Practitioner"), false),
        (json!("/Practitioner/1"), false),
        (json!("1"), false),
        (json!(""), false),
        (json!(["Practitioner/1"]), false),
        (json!(false), false),
    ] {
        assert_eq!(may_name_staff(&user), expected, "{user}");
    }
}
