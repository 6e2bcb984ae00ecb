use super::*;

#[test]
fn a_resource_belongs_to_a_patient_unless_it_names_none_for_certain() {
    for (line, expected) in [
        (r#"{"resourceType":"Device","id":"d"}"#, false),
        (r#"{"resourceType":"Device","id":"d","owner":{"reference":"Organization/o"}}"#, false),
        (r#"{"resourceType":"Device","id":"d","patient":{"reference":"Patient/p"}}"#, true),
        (
            r#"{"resourceType":"Device","id":"d","patient":{"reference":"https://other.example/Patient/p"}}"#,
            true,
        ),
        (r#"{"resourceType":"Device","id":"d","patient":{"reference":"Patient?identifier=a|b"}}"#, true),
        (r#"{"resourceType":"Device","id":"d","patient":{"identifier":{"value":"1"}}}"#, true),
        (r##"{"resourceType":"Device","id":"d","patient":{"reference":"#p"}}"##, true),
        (r#"{"resourceType":"Schedule","id":"s","actor":[{"reference":"Practitioner/x"}]}"#, false),
        (
            r#"{"resourceType":"Schedule","id":"s","actor":[{"type":"Practitioner","display":"Dr. X"}]}"#,
            false,
        ),
        (r#"{"resourceType":"Schedule","id":"s","actor":[{"type":"Patient","display":"X"}]}"#, true),
        (
            r#"{"resourceType":"Schedule","id":"s","actor":[{"reference":"Practitioner/x"},{"display":"X"}]}"#,
            true,
        ),
        (r#"{"resourceType":"List","id":"l","entry":[{"item":{"reference":"Patient/p"}}]}"#, true),
        (
            r#"{"resourceType":"CareTeam","id":"c","participant":[{"member":{"reference":"RelatedPerson/r"}}]}"#,
            true,
        ),
        (r#"{"resourceType":"Task","id":"t","for":{"reference":"Patient/p"}}"#, true),
        (r#"{"resourceType":"Task","id":"t","owner":{"reference":"Organization/o"}}"#, false),
        (r#"{"resourceType":"Patient","id":"p"}"#, true),
        (r#"{"resourceType":"Binary","id":"b"}"#, true),
        (r#"{"resourceType":"Organization","id":"o","contact":[{"reference":"Patient/p"}]}"#, false),
    ] {
        let resource_type = line.split('"').nth(3).expect("a type");
        assert_eq!(may_belong_to_patient(line.as_bytes(), resource_type), expected, "{line}");
    }
}
