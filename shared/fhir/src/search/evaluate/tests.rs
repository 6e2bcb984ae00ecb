use jiff::Timestamp;

use super::super::compile::compile;
use super::*;
use crate::head::{Plain, head_and_members};

fn check(line: &str, cases: &[(&str, bool)]) {
    let plain = &mut Plain::default();
    let (head, members) = head_and_members(line.as_bytes(), plain).expect("a resource");
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
    for (query, expected) in cases {
        let search = format!("{}?{query}", head.resource_type);
        let filter = compile(&search, now).unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(passes(head.text, &members, &filter), *expected, "{search}");
    }
}

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o1","meta":{"lastUpdated":"2024-03-01T10:00:00Z","tag":[{"system":"t","code":"x"}],"profile":["http://p|1"]},"status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory","display":"Lab \u00dcber"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"1-1"},{"code":"local"}],"text":"Sodium"},"subject":{"reference":"Patient/p1"},"effectivePeriod":{"start":"2024-01-10","end":"2024-01-20"},"valueQuantity":{"value":5.40,"unit":"mmol","system":"http://unitsofmeasure.org","code":"mmol/L"}}"#;

#[test]
fn an_observation_matches_as_fhir_defines() {
    check(
        OBSERVATION,
        &[
            ("code=1-1", true),
            ("code=http://loinc.org|1-1", true),
            ("code=http://snomed|1-1", false),
            ("code=|local", true),
            ("code=|1-1", false),
            ("code=http://loinc.org|", true),
            ("code=2-2,local", true),
            ("code:not=2-2", true),
            ("code:not=1-1", false),
            ("code:text=sod", true),
            ("category:text=lab ü", true),
            ("code:missing=false", true),
            ("encounter:missing=true", true),
            ("encounter:missing=false", false),
            ("status:not=final", false),
            ("status=final&category=laboratory", true),
            ("status=final&category=vital-signs", false),
            ("date=2024-01", true),
            ("date=2024-01-15", false),
            ("date=ne2024-01-15", true),
            ("date=gt2024-01-15", true),
            ("date=lt2024-01-10", false),
            ("date=lt2024-01-11", true),
            ("date=sa2024-01-09", true),
            ("date=sa2024-01-10", false),
            ("date=eb2024-01-21", true),
            ("date=ge2024-01-21", false),
            ("date=le2024", true),
            ("date=ge2024-01-01&date=lt2025", true),
            ("date=ap2024-02", true),
            ("date=ap2024-06", false),
            ("date=2023,2024", true),
            ("subject=Patient/p1", true),
            ("subject=p1", true),
            ("subject:Patient=p1", true),
            ("subject=Patient/p", false),
            ("subject=1", false),
            ("patient=Group/p1", false),
            ("value-quantity=5.4", true),
            ("value-quantity=5.3", false),
            ("value-quantity=5", true),
            ("value-quantity=gt5.39", true),
            ("value-quantity=lt5.4", false),
            ("value-quantity=le5.40", true),
            ("value-quantity=5.4|http://unitsofmeasure.org|mmol/L", true),
            ("value-quantity=5.4||mmol", true),
            ("value-quantity=5.4||mg", false),
            ("value-quantity=ap5", true),
            ("_id=o1", true),
            ("_id=o2,o3", false),
            ("_lastUpdated=gt2024-02-28", true),
            ("_tag=t|x", true),
            ("_tag=y", false),
            ("_profile=http://p|1", true),
            ("_profile=http://p", false),
        ],
    );
}

#[test]
fn a_patient_matches_as_fhir_defines() {
    let line = r#"{"resourceType":"Patient","id":"p1","active":true,"name":[{"family":"O'Neil","given":["Ada","Zo\u00eb"]}],"gender":"female","birthDate":"1980-05","address":[{"state":"MA"},{"state":"NH","city":"Nashua"}],"telecom":[{"system":"phone","value":"555"}]}"#;
    check(
        line,
        &[
            ("active=true", true),
            ("active=false", false),
            ("gender=female", true),
            ("birthdate=1980", true),
            ("birthdate=1980-05-01", false),
            ("birthdate=ge1980-05-01", true),
            ("birthdate=gt1980", false),
            ("address-state=nh", true),
            ("address-state:exact=nh", false),
            ("address-state:exact=NH", true),
            ("given=zoë", true),
            ("family:contains=NEIL", true),
            ("family=neil", false),
            ("telecom=phone|555", true),
            ("name=ada", true),
        ],
    );
}

#[test]
fn a_date_of_a_prescription_is_one_of_its_events() {
    check(
        r#"{"resourceType":"MedicationRequest","dosageInstruction":[{"timing":{"event":["2018-07-02","2019-01-01T10:00:00Z"]}},{"text":"x"}]}"#,
        &[
            ("date=gt2018-07-01T00:00:00Z", true),
            ("date=2018-07-02", true),
            ("date=2019", true),
            ("date=gt2020", false),
            ("date:missing=true", false),
        ],
    );
    check(r#"{"resourceType":"MedicationRequest","authoredOn":"2020-01-01"}"#, &[("date=gt2018", false)]);
}

#[test]
fn the_types_around_a_record_match_as_fhir_defines() {
    check(
        r#"{"resourceType":"MedicationDispense","status":"completed","type":{"coding":[{"system":"t","code":"FF"}]},"subject":{"reference":"Patient/p1"},"authorizingPrescription":[{"reference":"MedicationRequest/m"}],"whenHandedOver":"2024-05-06T07:08:09Z"}"#,
        &[
            ("status=completed&type=t|FF&patient=p1&subject=Patient/p1", true),
            ("whenhandedover=ge2024-05&whenhandedover=lt2024-06", true),
            ("whenhandedover=2023", false),
            ("prescription=MedicationRequest/m", true),
            ("whenprepared:missing=true", true),
        ],
    );
    check(
        r#"{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/p1"},"dateTime":"2024-02","provision":{"period":{"start":"2024","end":"2025"}}}"#,
        &[
            ("status=active&category=59284-0&patient=Patient/p1&date=2024", true),
            ("status=rejected", false),
            ("date=gt2024-02", false),
            ("scope=patient-privacy", true),
            ("period=gt2024-06", true),
        ],
    );
    check(
        r#"{"resourceType":"RelatedPerson","patient":{"reference":"Patient/p1"},"relationship":[{"coding":[{"code":"MTH"}]}],"name":[{"family":"Lindqvist","given":["Eva"]}]}"#,
        &[
            ("name=lind", true),
            ("name=eva", true),
            ("name=anna", false),
            ("patient=p1&relationship=MTH", true),
        ],
    );
    check(
        r#"{"resourceType":"Specimen","status":"available","type":{"coding":[{"code":"119297000"}]},"subject":{"reference":"Patient/p1"},"collection":{"collectedPeriod":{"start":"2024-01-01","end":"2024-01-02"}}}"#,
        &[("type=119297000&patient=p1&status=available", true), ("type=1", false), ("collected=2024", true)],
    );
}

#[test]
fn a_questionnaire_is_found_by_its_canonical_url() {
    let answered = |questionnaire: &str| {
        format!(
            r#"{{"resourceType":"QuestionnaireResponse","status":"completed","subject":{{"reference":"Patient/p1"}},"authored":"2024-03-04T05:06:07Z","questionnaire":"{questionnaire}"}}"#
        )
    };
    check(
        &answered("http://example.org/Questionnaire/phq9|1.2"),
        &[
            ("questionnaire=http://example.org/Questionnaire/phq9", true),
            ("questionnaire=http://example.org/Questionnaire/phq9|1.2", true),
            ("questionnaire=http://example.org/Questionnaire/phq9|1.3", false),
            ("questionnaire=http://example.org/Questionnaire/phq", false),
            (
                "questionnaire=http://example.org/Questionnaire/gad7,http://example.org/Questionnaire/phq9",
                true,
            ),
            ("questionnaire:missing=false", true),
            ("status=completed&patient=p1&subject=p1&authored=2024-03", true),
            ("authored=gt2025", false),
        ],
    );
    check(
        &answered("http://example.org/Questionnaire/phq9"),
        &[
            ("questionnaire=http://example.org/Questionnaire/phq9", true),
            ("questionnaire=http://example.org/Questionnaire/phq9|1.2", false),
        ],
    );
}
