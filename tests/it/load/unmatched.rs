//! Resources that name their patient by an identifier, or in another way than by a reference.

use ehi::load::Noted;

use super::*;
use crate::program::{ehi, printed, run};

fn patient(id: &str, identifiers: &[(&str, &str)]) -> Value {
    let identifiers: Vec<_> =
        identifiers.iter().map(|(system, value)| json!({ "system": system, "value": value })).collect();
    json!({ "resourceType": "Patient", "id": id, "identifier": identifiers })
}

fn at(mut resource: Value, time: &str) -> Value {
    resource["meta"] = json!({ "lastUpdated": time });
    resource
}

fn observation(id: &str, subject: Value) -> Value {
    json!({ "resourceType": "Observation", "id": id, "subject": subject })
}

fn identified(value: &str) -> Value {
    json!({ "identifier": { "system": "http://mrn", "value": value } })
}

/// Checks the places and the texts of the notes.
fn assert_named(noted: &Noted, expected: &[&str]) {
    let named = &noted.named;
    assert_eq!((noted.count, named.len()), (expected.len() as u64, expected.len()), "{named:#?}");
    for (named, expected) in named.iter().zip(expected) {
        assert!(named.ends_with(expected), "{named} does not end with {expected}");
    }
}

/// Checks that each resource of the next test has a reference, and its other elements as before.
fn assert_references(lake: &Path) {
    for resource in json_lines(&lake.join("Patient/a/records.ndjson")) {
        if resource["resourceType"] == "Observation" {
            assert_eq!(resource["subject"]["reference"], "Patient/a", "{resource}");
        }
        match text(&resource["id"]).as_str() {
            "1" => assert_eq!(resource["subject"]["identifier"], identified("1")["identifier"]),
            "2" => assert_eq!(resource["subject"]["display"], "Ann"),
            "b" if resource["resourceType"] == "Appointment" => {
                assert_eq!(resource["participant"][0]["actor"]["reference"], "Patient/b");
                assert_eq!(resource["participant"][2]["actor"].get("reference"), None);
            }
            _ => {}
        }
    }
}

#[test]
fn a_patient_is_found_by_an_identifier_or_a_search() -> tests::Result {
    let lake = tempfile::tempdir()?;
    // The Patient comes last, and has the identifier under an id that the other resources do not name.
    let spellings = [
        identified("1"),
        json!({ "type": "Patient", "identifier": { "value": "1", "use": "usual", "system": "http://mrn" }, "display": "Ann" }),
        json!({ "reference": "Patient?identifier=http://mrn|1" }),
        json!({ "reference": "Patient?identifier=http%3A%2F%2Fmrn%7C1" }),
        json!({ "reference": "https://h.example/fhir/Patient?identifier=http://mrn|1", "display": "Ann" }),
        json!({ "reference": "urn:uuid:unknown", "identifier": { "system": "http://mrn", "value": "1" } }),
        json!({ "reference": "", "identifier": { "system": "http://mrn", "value": "1" } }),
    ];
    let mut resources: Vec<_> =
        (1..).zip(spellings).map(|(number, subject)| observation(&number.to_string(), subject)).collect();
    resources.extend([
        json!({"resourceType":"Appointment","id":"b","participant":[{"actor":identified("2")},{"actor":identified("1")},
            {"actor":{"type":"Practitioner","identifier":{"system":"http://npi","value":"7"}}}]}),
        json!({"resourceType":"Coverage","id":"c","beneficiary":identified("1"),"payor":[{"reference":"Organization?identifier=x|y"}]}),
        json!({"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/1"}]}),
        json!({"resourceType":"Binary","id":"s","securityContext":{"reference":"Patient?identifier=http://mrn|1"}}),
    ]);
    let people =
        [patient("a", &[("http://other", "1"), ("http://mrn", "1")]), patient("b", &[("http://mrn", "2")])];
    let inputs = [("1.ndjson", lines(&resources)), ("2.ndjson", lines(&people))];
    let loaded = loaded(&inputs, lake.path());
    assert_eq!(loaded.problems, Vec::<String>::new());
    assert_named(&loaded.unmatched, &[]);
    // A search for a Patient is a reference that was resolved, one for an Organization is not.
    assert_eq!(loaded.unresolved.named.len(), 1, "{:?}", loaded.unresolved);
    let of_a = of(lake.path(), "Patient/a/records.ndjson");
    let expected = ["Patient/a", "Appointment/b", "Binary/s", "Coverage/c"].map(str::to_owned);
    let observations = (1..=7).map(|number| format!("Observation/{number}"));
    let provenance = std::iter::once("Provenance/v".to_owned());
    assert_eq!(of_a, expected.into_iter().chain(observations).chain(provenance).collect::<Vec<_>>());
    assert_eq!(of(lake.path(), "Patient/b/records.ndjson"), ["Patient/b", "Appointment/b"]);
    assert!(!lake.path().join("shared").exists());
    assert_references(lake.path());
    let read = || std::fs::read_to_string(lake.path().join("Patient/a/records.ndjson"));
    let before = read()?;
    // The Appointment is in two records.
    assert_eq!(self::loaded(&inputs, lake.path()).repeated, 14);
    assert_eq!(read()?, before);
    Ok(())
}

#[test]
fn a_patient_of_an_earlier_load_is_found() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let first = [
        patient("a", &[("http://mrn", "1")]),
        patient("b", &[("http://mrn", "2")]),
        json!({"resourceType":"Claim","id":"c","patient":{"reference":"Patient/a"}}),
    ];
    loaded(&[("1.ndjson", lines(&first))], lake.path());
    let next = [observation("1", identified("1")), observation("2", identified("3"))];
    let next = loaded(&[("2.ndjson", lines(&next))], lake.path());
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "Claim/c", "Observation/1"]);
    assert_eq!(of(lake.path(), "Patient/b/records.ndjson"), ["Patient/b"]);
    assert_named(
        &next.unmatched,
        &["2.ndjson:2: Observation/2: subject has the identifier http://mrn|3, which no Patient has"],
    );
    assert_eq!(of(lake.path(), "shared/Observation.ndjson"), ["Observation/2"]);
    // When the patient is known, the same input moves the resource to the record.
    let both = [patient("d", &[("http://mrn", "3")]), observation("2", identified("3"))];
    let both = loaded(&[("3.ndjson", lines(&both))], lake.path());
    assert_named(&both.unmatched, &[]);
    assert_eq!(of(lake.path(), "Patient/d/records.ndjson"), ["Patient/d", "Observation/2"]);
    assert!(!lake.path().join("shared/Observation.ndjson").exists());
    Ok(())
}

#[test]
fn an_identifier_of_two_patients_finds_neither() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let fault = "subject has the identifier http://mrn|1, which several patients have, such as a and b";
    let mrn = &[("http://mrn", "1")];
    let input = [patient("b", mrn), patient("a", mrn), patient("c", mrn), observation("1", identified("1"))];
    let loaded = loaded(&[("1.ndjson", lines(&input))], lake.path());
    assert_named(&loaded.unmatched, &[&format!("1.ndjson:4: Observation/1: {fault}")]);
    assert_eq!(of(lake.path(), "shared/Observation.ndjson"), ["Observation/1"]);
    // One of them is in the input, the other in the lake.
    let lake = tempfile::tempdir()?;
    self::loaded(&[("1.ndjson", lines(&[at(patient("a", mrn), "2024-01-01T00:00:00Z")]))], lake.path());
    let search = json!({ "reference": "Patient?identifier=http://mrn|1" });
    let next = [patient("b", mrn), observation("1", search.clone())];
    let loaded = self::loaded(&[("2.ndjson", lines(&next))], lake.path());
    assert_named(&loaded.unmatched, &[&format!("2.ndjson:2: Observation/1: {fault}")]);
    // A patient who gave the identifier away does not have it any more, and one who has it twice has it once.
    let moved = [
        at(patient("a", &[("http://mrn", "old")]), "2024-01-02T00:00:00Z"),
        patient("b", &[("http://mrn", "1"), ("http://mrn", "1")]),
        observation("1", search),
    ];
    let loaded = self::loaded(&[("3.ndjson", lines(&moved))], lake.path());
    assert_named(&loaded.unmatched, &[]);
    assert_eq!(of(lake.path(), "Patient/b/records.ndjson"), ["Patient/b", "Observation/1"]);
    // An older version in the input does not count either.
    let older = [at(patient("a", mrn), "2023-01-01T00:00:00Z"), observation("2", identified("1"))];
    let loaded = self::loaded(&[("4.ndjson", lines(&older))], lake.path());
    assert_named(&loaded.unmatched, &[]);
    assert_eq!(of(lake.path(), "Patient/b/records.ndjson"), ["Patient/b", "Observation/1", "Observation/2"]);
    Ok(())
}

#[test]
fn a_resource_whose_patient_is_not_found_is_reported() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let contained = |id: &str| {
        let mut resource = observation(id, json!({ "reference": "#p" }));
        resource["contained"] =
            json!([{ "resourceType": "Patient", "id": "p", "name": [{ "family": "Smith" }] }]);
        resource
    };
    let mut of_both = observation("both", identified("nobody"));
    of_both["performer"] = json!([{ "reference": "Patient/a" }]);
    let reported = [
        observation("value", json!({ "identifier": { "value": "1" } })),
        observation("system", json!({ "identifier": { "system": "http://mrn" } })),
        observation("case", identified("A1")),
        contained("contained"),
        observation("display", json!({ "display": "Ann Smith" })),
        observation("search", json!({ "reference": "Patient?name=smith" })),
        observation("id", json!({ "reference": "Patient/a_1" })),
        observation("urn", json!({ "reference": "urn:uuid:nobody" })),
        of_both,
        json!({"resourceType":"Person","id":"p","link":[{"target":{"type":"Patient","identifier":{"system":"http://mrn","value":"9"}}}]}),
    ];
    let expected = [
        "Observation/value: subject has an identifier without a system or without a value",
        "Observation/system: subject has an identifier without a system or without a value",
        "Observation/case: subject has the identifier http://mrn|A1, which no Patient has",
        "Observation/contained: subject has the contained resource '#p'",
        "Observation/display: subject has only a display text",
        "Observation/search: subject has the search 'Patient?name=smith': only 'Patient?identifier=system|value' is resolved",
        "Observation/id: subject has the reference 'Patient/a_1', which is not resolved",
        "Observation/urn: subject has the reference 'urn:uuid:nobody', which is not resolved",
        "Observation/both: subject has the identifier http://mrn|nobody, which no Patient has",
        "Person/p: link.target has the identifier http://mrn|9, which no Patient has",
    ];
    let inputs =
        [("1.ndjson", lines(&reported)), ("2.ndjson", lines(&[patient("a", &[("http://mrn", "a1")])]))];
    let loaded = loaded(&inputs, lake.path());
    let places = (1..).zip(expected).map(|(line, text)| format!("1.ndjson:{line}: {text}"));
    let places: Vec<_> = places.collect();
    assert_named(&loaded.unmatched, &places.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!format!("{:?}", loaded.unmatched).contains("Ann"), "no name of a patient");
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "Observation/both"]);
    assert_eq!(of(lake.path(), "shared/Observation.ndjson").len(), 8);
    // The next load does not report what is in shared/ already.
    let again = self::loaded(&inputs[1..], lake.path());
    assert_named(&again.unmatched, &[]);
    assert_eq!(of(lake.path(), "shared/Observation.ndjson").len(), 8);
    Ok(())
}

#[test]
fn a_resource_that_names_no_patient_is_not_reported() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let input = [
        patient("a", &[("http://mrn", "1")]),
        json!({"resourceType":"List","id":"l","title":"all"}),
        json!({"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"display":"Ann"}}]}),
        json!({"resourceType":"Device","id":"d","owner":{"identifier":{"system":"http://org","value":"1"}}}),
        json!({"resourceType":"Observation","id":"empty","subject":{}}),
        json!({"resourceType":"Observation","id":"absent","subject":{"extension":[{"url":"http://h/absent","valueCode":"unknown"}]}}),
        json!({"resourceType":"Observation","id":"group","subject":{"reference":"Group/g"}}),
        json!({"resourceType":"Observation","id":"device","subject":{"type":"Device","display":"a pump"}}),
        json!({"resourceType":"Observation","id":"doctor","performer":[{"display":"Dr. Smith"},{"identifier":{"system":"http://npi","value":"1"}}]}),
        json!({"resourceType":"Schedule","id":"s","actor":[{"display":"Dr. Smith"}]}),
        json!({"resourceType":"DocumentReference","id":"r","subject":{"reference":"Patient/a"},"author":[{"reference":"#p"},{"display":"Ann"}],
            "contained":[{"resourceType":"Patient","id":"p"}]}),
        json!({"resourceType":"Practitioner","id":"p","identifier":[{"system":"http://npi","value":"1"}]}),
    ];
    let loaded = loaded(&[("1.ndjson", lines(&input))], lake.path());
    assert_named(&loaded.unmatched, &[]);
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "DocumentReference/r"]);
    assert_eq!(of(lake.path(), "shared/Observation.ndjson").len(), 5);
    for name in ["List", "Device", "Schedule"] {
        assert_eq!(of(lake.path(), &format!("shared/{name}.ndjson")).len(), 1, "{name}");
    }
    Ok(())
}

#[test]
fn only_the_kept_version_is_reported_and_all_are_counted() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let nobody = observation("1", identified("nobody"));
    let input = [
        at(nobody.clone(), "2024-01-01T00:00:00Z"),
        at(observation("1", json!({ "reference": "Patient/a" })), "2024-01-02T00:00:00Z"),
        patient("a", &[]),
    ];
    let loaded = loaded(&[("1.ndjson", lines(&input))], lake.path());
    assert_named(&loaded.unmatched, &[]);
    let twice = self::loaded(&[("1.ndjson", lines(&[nobody.clone(), nobody]))], tempfile::tempdir()?.path());
    assert_eq!((twice.unmatched.count, twice.repeated), (1, 1));
    let many: Vec<_> = (0..150).map(|id| observation(&id.to_string(), identified("nobody"))).collect();
    let many = self::loaded(&[("1.ndjson", lines(&many))], tempfile::tempdir()?.path());
    assert_eq!((many.unmatched.count, many.unmatched.named.len()), (150, 100));
    Ok(())
}

/// Other programs may write records whose patient is known only by the directory.
#[test]
fn a_record_of_another_program_stays_with_its_patient() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let directory = lake.path().join("Patient/a");
    std::fs::create_dir_all(&directory)?;
    let records = [
        patient("a", &[("http://mrn", "1")]),
        observation("1", identified("1")),
        observation("2", json!({ "display": "Ann" })),
        json!({"resourceType":"Observation","id":"3","subject":{"display":"Ann"},"encounter":{"reference":"urn:uuid:e"}}),
        json!({"resourceType":"Organization","id":"o"}),
    ];
    std::fs::write(directory.join("other.ndjson"), lines(&records))?;
    let more = lines(&[json!({"resourceType":"Claim","id":"c","patient":{"reference":"Patient/a"}})]);
    let loaded = loaded(&[("1.ndjson", more)], lake.path());
    assert_named(&loaded.unmatched, &[]);
    assert_eq!(
        of(lake.path(), "Patient/a/records.ndjson"),
        ["Patient/a", "Claim/c", "Observation/1", "Observation/2", "Observation/3"]
    );
    assert_eq!(of(lake.path(), "shared/Organization.ndjson"), ["Organization/o"]);
    assert!(!lake.path().join("shared/Observation.ndjson").exists());
    Ok(())
}

#[test]
fn the_program_says_what_to_do_and_exits_0() {
    let directory = tempfile::tempdir().expect("a directory");
    let input = directory.path().join("Observation.ndjson");
    std::fs::write(&input, lines(&[observation("1", identified("1"))])).expect("written");
    let output = run(ehi().arg("load").arg(&input).arg("--into").arg(directory.path().join("lake")));
    let printed = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("1 resources name a patient who was not found"), "{printed}");
    assert!(printed.contains("Observation.ndjson:1: Observation/1: subject has the identifier"), "{printed}");
    assert!(printed.contains("or write 'Patient/ID' as their reference"), "{printed}");
}
