//! The patients that a Binary belongs to.

use super::*;

/// A Binary belongs to the patients whose resources of any type have it as an attachment, and to the patients of its
/// security context.
#[test]
fn a_binary_is_stored_with_its_patients_or_reported() {
    let lake = tempfile::tempdir().expect("a directory");
    let binary = |id: &str, context: Value| json!({"resourceType":"Binary","id":id,"data":"aGk=","securityContext":context});
    let text = [
        json!({"resourceType":"Patient","id":"a","photo":[{"url":"Binary/photo"}]}),
        json!({"resourceType":"Observation","id":"o","subject":{"reference":"Patient/a"}}),
        json!({"resourceType":"Claim","id":"c","patient":{"reference":"Patient/a"},
            "supportingInfo":[{"valueAttachment":{"url":"./Binary/claim?x=1"}},{"valueAttachment":{"url":"nowhere/x"}}]}),
        json!({"resourceType":"Practitioner","id":"p","photo":[{"url":"Binary/doctor"}]}),
        binary("photo", Value::Null),
        binary("claim", Value::Null),
        binary("of-patient", json!({"reference":"Patient/a"})),
        binary("of-observation", json!({"reference":"Observation/o"})),
        binary("of-practitioner", json!({"reference":"Practitioner/p"})),
        binary("of-nobody", Value::Null),
        binary("doctor", Value::Null),
    ];
    let loaded = loaded(&[("all.ndjson", lines(&text))], lake.path());
    assert_eq!(
        of(lake.path(), "Patient/a/records.ndjson"),
        [
            "Patient/a",
            "Binary/claim",
            "Binary/of-observation",
            "Binary/of-patient",
            "Binary/photo",
            "Claim/c",
            "Observation/o"
        ]
    );
    assert_eq!(
        of(lake.path(), "shared/Binary.ndjson"),
        ["Binary/doctor", "Binary/of-nobody", "Binary/of-practitioner"]
    );
    assert_eq!((loaded.unplaced.count, loaded.unplaced.named.len()), (3, 3));
    assert!(loaded.unplaced.named[1].ends_with("all.ndjson:10: Binary/of-nobody"), "{:?}", loaded.unplaced);
    assert_eq!((loaded.unserved.count, loaded.unresolved.count), (1, 0), "{:?}", loaded.unserved);
    // The next load reports its own Binaries only.
    let again = self::loaded(&[("more.ndjson", lines(&text[..1]))], lake.path());
    assert_eq!(again.unplaced.count, 0);
}

/// Returns a DocumentReference of a patient with one attachment.
fn document(id: &str, patient: &str, url: &str) -> Value {
    json!({"resourceType":"DocumentReference","id":id,"subject":{"reference":format!("Patient/{patient}")},
        "content":[{"attachment":{"url":url}}]})
}

/// Loads resources about `Binary/1`, with the patients Ann and Bob; returns the patients that have the Binary, and the number of unplaced
/// ones.
fn owners(resources: &[Value]) -> (Vec<&'static str>, u64) {
    let lake = tempfile::tempdir().expect("a directory");
    let people = ["ann", "bob"].map(|id| json!({"resourceType":"Patient","id":id}));
    let inputs = [("people.ndjson", lines(&people)), ("more.ndjson", lines(resources))];
    let loaded = loaded(&inputs, lake.path());
    assert_eq!(loaded.problems, Vec::<String>::new());
    let has = |path: &str| of(lake.path(), path).contains(&"Binary/1".to_owned());
    assert_eq!(has("shared/Binary.ndjson"), loaded.unplaced.count == 1);
    if loaded.unplaced.count > 0 {
        assert!(loaded.unplaced.named[0].ends_with("Binary/1"), "{:?}", loaded.unplaced);
    }
    let owners =
        ["ann", "bob"].into_iter().filter(|id| has(&format!("Patient/{id}/records.ndjson"))).collect();
    (owners, loaded.unplaced.count)
}

#[test]
fn a_binary_of_another_server_with_the_same_id_is_a_different_one() {
    const OTHER: &str = "https://other.example/fhir/Binary/1";
    let binary = json!({"resourceType":"Binary","id":"1","data":"aGk="});
    let with_context = |context: &str| json!({"resourceType":"Binary","id":"1","data":"aGk=","securityContext":{"reference":context}});
    let of_bob = document("b", "bob", OTHER);
    assert_eq!(owners(&[binary.clone(), document("a", "ann", "Binary/1"), of_bob.clone()]), (vec!["ann"], 0));
    assert_eq!(owners(&[with_context("Patient/ann"), of_bob.clone()]), (vec!["ann"], 0));
    let observation = json!({"resourceType":"Observation","id":"o","subject":{"reference":"Patient/ann"}});
    assert_eq!(
        owners(&[with_context("Observation/o"), observation.clone(), of_bob.clone()]),
        (vec!["ann"], 0)
    );
    // A Patient as the security context is the only owner; for another resource as the context, relative URLs count as well.
    let relative = document("r", "bob", "Binary/1");
    assert_eq!(owners(&[with_context("Patient/ann"), relative.clone()]), (vec!["ann"], 0));
    assert_eq!(owners(&[with_context("Observation/o"), observation, relative]), (vec!["ann", "bob"], 0));
}

#[test]
fn absolute_urls_place_a_binary_if_all_are_of_one_server() {
    let binary = json!({"resourceType":"Binary","id":"1","data":"aGk="});
    let of_ann = document("a", "ann", "https://h.example/fhir/Binary/1");
    assert_eq!(owners(&[binary.clone(), of_ann.clone()]), (vec!["ann"], 0));
    let same = document("b", "bob", " https://h.example/fhir/Binary/1/_history/2?_format=json#page=2");
    assert_eq!(owners(&[binary.clone(), of_ann.clone(), same]), (vec!["ann", "bob"], 0));
    for url in [
        "https://other.example/fhir/Binary/1",
        "https://h.example/Binary/1",
        "http://h.example/fhir/Binary/1",
    ] {
        assert_eq!(
            owners(&[binary.clone(), of_ann.clone(), document("b", "bob", url)]),
            (vec![], 1),
            "{url}"
        );
    }
    // This is also true for two URLs of the same patient, and for a resource of no patient.
    let other = "https://other.example/fhir/Binary/1";
    assert_eq!(owners(&[binary.clone(), of_ann.clone(), document("b", "ann", other)]), (vec![], 1));
    let practitioner = json!({"resourceType":"Practitioner","id":"p","photo":[{"url":other}]});
    assert_eq!(owners(&[binary, of_ann, practitioner]), (vec![], 1));
}

#[test]
fn a_provenance_is_stored_with_its_binary() {
    let binary = |context: Value| json!({"resourceType":"Binary","id":"1","securityContext":context});
    let provenance = json!({"resourceType":"Provenance","id":"v","target":[{"reference":"Binary/1"}]});
    let observation = json!({"resourceType":"Observation","id":"o","subject":{"reference":"Patient/ann"}});
    let absolute = document("b", "bob", "https://other.example/fhir/Binary/1");
    let patients = |binary: Value| {
        let lake = tempfile::tempdir().expect("a directory");
        let all = [binary, provenance.clone(), observation.clone(), absolute.clone()];
        loaded(&[("all.ndjson", lines(&all))], lake.path());
        let has = |id: &&str| {
            of(lake.path(), &format!("Patient/{id}/records.ndjson")).contains(&"Provenance/v".to_owned())
        };
        ["ann", "bob"].into_iter().filter(has).collect::<Vec<_>>()
    };
    assert_eq!(patients(binary(Value::Null)), ["bob"]);
    assert_eq!(patients(binary(json!({"reference":"Patient/ann"}))), ["ann"]);
    assert_eq!(patients(binary(json!({"reference":"Observation/o"}))), Vec::<&str>::new());
}
