use super::*;

#[test]
fn only_relative_references_and_those_below_our_base_urls_are_our_own() {
    let bases = OwnBases::new([
        "https://ehi.example/fhir".to_owned(),
        "https://ehi.example/fhir/r4".to_owned(),
        "https://ehi.example/4_0_0".to_owned(),
    ]);
    let id = |text| bases.parse(text).map(|reference| reference.id);
    for ours in [
        "Patient/ann",
        "https://ehi.example/fhir/Patient/ann",
        "https://ehi.example/fhir/r4/Patient/ann",
        "https://ehi.example/4_0_0/Patient/ann/_history/2",
    ] {
        assert_eq!(id(ours), Some("ann"), "{ours}");
    }
    for other in [
        "https://other.example/fhir/Patient/ann",
        "https://ehi.example/other/Patient/ann",
        "https://ehi.example/fhir/x/Patient/ann",
        "https://ehi.example/fhir/https://other.example/Patient/ann",
        "https://ehi.example.org/fhir/Patient/ann",
        "http://ehi.example/fhir/Patient/ann",
        "urn:uuid:ann",
        "ann",
    ] {
        assert_eq!(id(other), None, "{other}");
    }
}

#[test]
fn only_references_are_found_at_any_depth() {
    let line = br##"{"resourceType":"Claim","subject":{"reference" : "Patient/1"},"x":"reference","y":["\"reference\":\"Patient/no\""],"z\"reference":"Patient/no","v":{"reference":"Patient/q\"uote"},
            "contained":[{"a":{"reference":"http://h/fhir/Practitioner/p.1/_history/2"}}],"b":{"reference":"#c"},"d":{"reference":"urn:uuid:1"},
            "e":{"reference":"Practitioner?identifier=1"},"f":{"reference":7},"g":{"reference":"../Organization/x"}}"##;
    let mut found = Vec::new();
    references(line, |reference| found.push(reference.text));
    assert_eq!(found, ["Patient/1", "Practitioner/p.1"]);
}
