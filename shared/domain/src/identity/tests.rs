use super::*;

fn of(text: &str) -> PatientSummary {
    of_resource(PatientId::parse("p").expect("an id"), text.as_bytes())
}

#[test]
fn given_names_come_before_the_family_name() {
    let name = |text: &str| of(text).name;
    assert_eq!(name(r#"{"name":[{"given":["Ana","B."],"family":"O'Neil"},{"text":"x"}]}"#), "Ana B. O'Neil");
    assert_eq!(name(r#"{"name":[{"text":"J\u00f8rgen"}]}"#), "Jørgen");
    assert_eq!((name("{}"), name(r#"{"name":[]}"#)), ("p".to_owned(), "p".to_owned()));
    assert_eq!(name(&format!(r#"{{"name":[{{"text":"{}"}}]}}"#, "é".repeat(500))), "é".repeat(120));
}

#[test]
fn birth_date_and_sex_are_read_if_they_are_what_fhir_allows() {
    let summary = of(r#"{"birthDate":"1980-03-14","gender":"female"}"#);
    assert_eq!((summary.birth_date.as_deref(), summary.sex), (Some("1980-03-14"), Some(Sex::Female)));
    assert_eq!(of(r#"{"birthDate":"1980"}"#).birth_date.as_deref(), Some("1980"));
    for wrong in [r#""1980-02-30""#, r#""14.3.1980""#, "1980", "null", r#""1980-03-14T00:00:00Z""#] {
        let summary = of(&format!(r#"{{"birthDate":{wrong},"gender":{wrong}}}"#));
        assert_eq!((summary.birth_date, summary.sex), (None, None), "{wrong}");
    }
}

#[test]
fn identifiers_are_limited_and_government_numbers_are_left_out() {
    let text = r#"{"identifier":[
            {"type":{"coding":[{"code":"MR"}],"text":"Medical record number"},"value":"A-1"},
            {"type":{"text":"Card"},"value":"2"},
            {"value":"3"},
            {"system":"http://hl7.org/fhir/sid/us-ssn","value":"999-00-1111"},
            {"type":{"coding":[{"code":"DL"}]},"value":"S999"},
            {"type":{"coding":[{"code":"MR"}]}},
            {"value":""}]}"#;
    let found: Vec<_> =
        of(text).identifiers.into_iter().map(|known| format!("{}={}", known.kind, known.value)).collect();
    assert_eq!(found, ["MR=A-1", "Card=2", "=3"]);
    let many: Vec<_> = (0..50).map(|number| format!(r#"{{"value":"{number}"}}"#)).collect();
    assert_eq!(of(&format!(r#"{{"identifier":[{}]}}"#, many.join(","))).identifiers.len(), MAX_IDENTIFIERS);
    let long = |length: usize| of(&format!(r#"{{"identifier":[{{"value":"{}"}}]}}"#, "1".repeat(length)));
    assert_eq!((long(100).identifiers.len(), long(101).identifiers.len()), (1, 0));
}

#[test]
fn government_numbers_are_left_out_in_every_spelling_of_their_systems() {
    let is_kept = |system: &str| {
        let text = format!(r#"{{"identifier":[{{"system":"{system}","value":"999-00-1111"}}]}}"#);
        !of(&text).identifiers.is_empty()
    };
    for system in [
        "http://hl7.org/fhir/sid/us-ssn",
        "https://HL7.org/fhir/sid/us-ssn/",
        "urn:oid:2.16.840.1.113883.4.1",
        "URN:OID:2.16.840.1.113883.4.1",
        "2.16.840.1.113883.4.1",
        "urn:oid:2.16.840.1.113883.4.3.25",
        "http://hl7.org/fhir/sid/us-medicare",
        "urn:oid:2.16.840.1.113883.4.572",
        "http://hl7.org/fhir/sid/passport-USA",
        "http://standardhealthrecord.org/fhir/StructureDefinition/passportNumber",
        "urn:oid:2.16.840.1.113883.4.330.840",
    ] {
        assert!(!is_kept(system), "{system}");
    }
    // The national provider identifier, Medicare's number and those of a hospital.
    for system in [
        "urn:oid:2.16.840.1.113883.4.6",
        "urn:oid:2.16.840.1.113883.4.15",
        "http://hl7.org/fhir/sid/us-mbi",
        "http://hospital.example.org/us-ssn-free",
        "",
    ] {
        assert!(is_kept(system), "{system}");
    }
}

#[test]
fn a_merged_record_names_the_one_that_replaces_it() {
    let link = |kind: &str, other: &str| {
        replaced_by(
            format!(r#"{{"link":[{{"other":{{"reference":"{other}"}},"type":"{kind}"}}]}}"#).as_bytes(),
        )
    };
    assert_eq!(link("replaced-by", "Patient/b").as_deref(), Some("b"));
    for (kind, other) in
        [("seealso", "Patient/b"), ("replaced-by", "RelatedPerson/b"), ("replaced-by", "Patient/b c")]
    {
        assert_eq!(link(kind, other), None, "{kind} {other}");
    }
    assert_eq!(replaced_by(br#"{"link":{}}"#), None);
}

#[test]
fn a_summary_of_an_earlier_version_is_read() {
    let stored: PatientSummary = serde_json::from_str(r#"{"id":"p","name":"A"}"#).expect("a summary");
    assert_eq!(stored, PatientSummary::new(PatientId::parse("p").expect("an id"), "A"));
    assert_eq!(serde_json::to_string(&stored).expect("JSON"), r#"{"id":"p","name":"A"}"#);
}

/// Returns the address for mails of a patient with these contact points, on March 1, 2026.
fn email_of(telecom: &str) -> Option<String> {
    let now = "2026-03-01T12:00:00Z".parse().expect("a time");
    let line = format!(r#"{{"resourceType":"Patient","telecom":{telecom}}}"#);
    email(line.as_bytes(), now).map(|address| address.as_str().to_owned())
}

#[test]
fn the_address_in_use_with_the_lowest_rank_is_taken() {
    for (telecom, expected) in [
        (
            r#"[{"system":"phone","value":"a@example.org"},{"system":"email","value":"b@example.org"}]"#,
            Some("b"),
        ),
        (
            r#"[{"system":"email","value":"a@example.org"},{"system":"email","value":"b@example.org"}]"#,
            Some("a"),
        ),
        (
            r#"[{"system":"email","value":"a@example.org"},{"system":"email","value":"b@example.org","rank":7}]"#,
            Some("b"),
        ),
        (
            r#"[{"system":"email","value":"a@example.org","rank":10},{"system":"email","value":"b@example.org","rank":9}]"#,
            Some("b"),
        ),
        (
            r#"[{"system":"email","value":"a@example.org","use":"old"},{"system":"email","value":"b@example.org"}]"#,
            Some("b"),
        ),
        (r#"[{"system":"email","value":" a@example.org "}]"#, Some("a")),
        (r#"[{"system":"email","value":"a@example.org","period":{"end":"2026-02"}}]"#, None),
        (r#"[{"system":"email","value":"a@example.org","period":{"end":"2026-03"}}]"#, Some("a")),
        (r#"[{"system":"email","value":"a@example.org","period":{"end":"2026-03-01T11:59:59Z"}}]"#, None),
        (r#"[{"system":"email","value":"a@example.org","period":{"start":"2020"}}]"#, Some("a")),
        (r#"[{"system":"email","value":"a@example.org","period":{"start":"2026-03-02"}}]"#, None),
        (r#"[{"system":"email","value":"a@example.org","period":{"end":"soon"}}]"#, None),
        (r#"[{"system":"email"}]"#, None),
        (r#"[{"value":"a@example.org"}]"#, None),
        ("[]", None),
        ("7", None),
    ] {
        assert_eq!(email_of(telecom), expected.map(|name| format!("{name}@example.org")), "{telecom}");
    }
}

#[test]
fn an_address_with_a_header_in_it_is_not_taken() {
    let evil = r#"{"system":"email","value":"a@example.org\r\nBcc: eve@example.org","rank":1}"#;
    assert_eq!(email_of(&format!("[{evil}]")), None);
    let other = r#"{"system":"email","value":"b@example.org"}"#;
    assert_eq!(email_of(&format!("[{evil},{other}]")).as_deref(), Some("b@example.org"));
}
