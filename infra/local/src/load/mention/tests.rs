use fhir::head::{Plain, head_and_members};

use super::*;
use crate::load::belongs::belongs;
use crate::load::report::Place;

/// Calls `show` with the mentions in a resource, and the text in which they were read.
fn read<T>(text: &str, show: impl FnOnce(Vec<Mention>, &[u8]) -> T) -> T {
    let mut plain = Plain::default();
    let (head, members) = head_and_members(text.as_bytes(), &mut plain).expect("a resource");
    let resource = Arriving {
        number: 0,
        place: Place { piece: 0, line: 1 },
        rank: 0,
        resource_type: head.resource_type,
        id: head.id.unwrap_or_default(),
        text: text.as_bytes(),
        plain: head.text,
        members: &members,
        directory: None,
    };
    show(belongs(&resource).mentions, head.text)
}

/// Returns the identifier of a search.
fn searched(search: &str) -> Option<String> {
    Identifier::searched(search).map(|Identifier { system, value }| format!("{system} {value}"))
}

#[test]
fn a_search_by_one_identifier_has_it() {
    for search in [
        "Patient?identifier=http://s|1",
        "Patient?identifier=http%3A%2F%2Fs%7C1",
        "https://h/fhir/Patient?identifier=http://s|1",
        "Patient?identifier=http:%2F%2Fs|%31",
    ] {
        assert_eq!(searched(search).as_deref(), Some("http://s 1"), "{search}");
    }
    assert_eq!(searched(r"Patient?identifier=s\||a\,b\\").as_deref(), Some(r"s| a,b\"));
    for search in [
        "Patient",
        "Patient?",
        "Patient?identifier=",
        "Patient?identifier=1",
        "Patient?identifier=|1",
        "Patient?identifier=s|",
        "Patient?identifier=s|1,s|2",
        "Patient?identifier=s|1|2",
        "Patient?identifier=s|1&active=true",
        "Patient?identifier=s|1&identifier=s|2",
        "Patient?identifier:of-type=s|1",
        "Patient?name=s|1",
    ] {
        assert_eq!(searched(search), None, "{search}");
    }
}

#[test]
fn system_and_value_are_both_part_of_an_identifier() {
    let key = |system: &str, value: &str| Identifier::new(system, value).map(|identifier| identifier.key());
    assert_eq!(key("s", "1"), key("s", "1"));
    assert_ne!(key("s", "11"), key("s1", "1"));
    assert_ne!(key("s", "a"), key("s", "A"));
    assert_eq!((key("", "1"), key("s", "")), (None, None));
}

/// An element, and what is said of it as the subject of an Observation; `None` if it names no patient.
#[rustfmt::skip]
const SUBJECTS_AND_TEXTS: &[(&str, Option<&str>)] = &[
    (r#"{"reference":"Patient/a"}"#, None),
    (r#"{"reference":"Group/g"}"#, None),
    (r#"{"reference":"Device?identifier=s|1"}"#, None),
    (r##"{"reference":"#d"}"##, None),
    (r#"{"type":"Group","identifier":{"system":"s","value":"1"}}"#, None),
    (r#"{"type":"Device","display":"a pump"}"#, None),
    (r#"{"extension":[{"url":"http://h/absent","valueCode":"unknown"}]}"#, None),
    ("{}", None),
    ("null", None),
    (r#"{"identifier":{"system":"s","value":"1"}}"#, Some("the identifier s|1")),
    (r#"{"reference":"","identifier":{"system":"s","value":"1"}}"#, Some("the identifier s|1")),
    (r#"{"reference":"urn:uuid:1","identifier":{"system":"s","value":"1"}}"#, Some("the identifier s|1")),
    (r#"{"type":"http://hl7.org/fhir/StructureDefinition/Patient","identifier":{"system":"s","value":"1"}}"#, Some("the identifier s|1")),
    (r#"{"reference":"Patient?identifier=s|1"}"#, Some("the identifier s|1")),
    (r#"{"reference":"https:\/\/h\/Patient?identifier=http:\/\/x\/Patient\/7|1"}"#, Some("the identifier http://x/Patient/7|1")),
    (r#"{"identifier":{"value":"1"}}"#, Some("an identifier without a system or without a value")),
    (r#"{"identifier":{"system":"s"}}"#, Some("an identifier without a system or without a value")),
    (r#"{"reference":"Patient?name=x"}"#, Some("the search 'Patient?name=x': only 'Patient?identifier=system|value' is resolved")),
    (r##"{"reference":"#p"}"##, Some("the contained resource '#p'")),
    (r##"{"reference":"#p","identifier":{"system":"s","value":"1"}}"##, Some("the contained resource '#p'")),
    (r##"{"reference":"#missing"}"##, Some("the contained resource '#missing'")),
    (r#"{"reference":"Patient/a_b"}"#, Some("the reference 'Patient/a_b', which is not resolved")),
    (r#"{"reference":"urn:uuid:1"}"#, Some("the reference 'urn:uuid:1', which is not resolved")),
    (r#"{"display":"Ann"}"#, Some("only a display text")),
    (r#"{"type":"Patient","display":"Ann"}"#, Some("only a display text")),
    (r#"{"type":"Patient"}"#, Some("only a type")),
];

#[test]
fn the_subject_names_a_patient_in_these_ways() {
    for (subject, expected) in SUBJECTS_AND_TEXTS {
        let text = format!(
            r#"{{"resourceType":"Observation","contained":[{{"resourceType":"Patient","id":"p"}},{{"resourceType":"Device","id":"d"}}],"subject":{subject}}}"#
        );
        read(&text, |mentions, _| {
            let texts: Vec<_> = mentions.iter().map(|mention| mention.text.as_str()).collect();
            let expected = expected.map(|expected| format!("subject has {expected}"));
            assert_eq!(texts, expected.iter().map(String::as_str).collect::<Vec<_>>(), "{subject}");
            assert!(mentions.iter().all(|mention| mention.is_subject && mention.is_of_patient), "{subject}");
        });
    }
}

#[test]
fn another_element_names_a_patient_if_its_type_says_so() {
    for (performer, is_read, is_of_patient) in [
        (r#"{"identifier":{"system":"npi","value":"1"}}"#, true, false),
        (r#"{"type":"Patient","identifier":{"system":"s","value":"1"}}"#, true, true),
        (r#"{"type":"Practitioner","identifier":{"system":"npi","value":"1"}}"#, false, false),
        (r#"{"reference":"Patient?identifier=s|1"}"#, true, true),
        (r#"{"display":"Dr. Smith"}"#, false, false),
        (r#"{"reference":"urn:uuid:1"}"#, false, false),
        (r##"{"reference":"#p"}"##, true, true),
    ] {
        let text = format!(
            r#"{{"resourceType":"Observation","contained":[{{"resourceType":"Patient","id":"p"}}],"performer":[{{}},{performer}]}}"#
        );
        let found: Vec<_> = read(&text, |mentions, _| {
            mentions.iter().map(|mention| (mention.is_subject, mention.is_of_patient)).collect()
        });
        assert_eq!(found, if is_read { vec![(false, is_of_patient)] } else { Vec::new() }, "{performer}");
    }
}

#[test]
fn the_reference_is_written_into_the_element() {
    let text = r#"{"resourceType":"Appointment","participant":[ {"actor": {"identifier":{"system":"s","value":"1"}}},
        {"actor":{"display":"Bob","reference":"Patient?identifier=s|2"}}, {"actor":{"reference":null,"identifier":{"system":"s","value":"3"}}}]}"#;
    let written = read(text, |mentions, text| {
        let found = mentions.iter().zip(["a", "b", "c"]).rev().collect();
        String::from_utf8(with_references(text, found)).expect("UTF-8")
    });
    assert_eq!(
        written,
        r#"{"resourceType":"Appointment","participant":[ {"actor": {"reference":"Patient/a","identifier":{"system":"s","value":"1"}}},
        {"actor":{"display":"Bob","reference":"Patient/b"}}, {"actor":{"reference":"Patient/c","identifier":{"system":"s","value":"3"}}}]}"#
    );
}
