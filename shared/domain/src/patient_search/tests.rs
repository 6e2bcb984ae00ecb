use super::*;

fn patient(text: &str) -> Findable {
    Findable::of_resource(PatientId::parse("P-1").expect("an id"), text.as_bytes())
}

#[test]
fn every_name_of_a_patient_has_its_words() {
    let anna = patient(
        r#"{"name":[{"given":["Anna","María"],"family":"Lindqvist","prefix":["Dr."]},
                {"use":"maiden","text":"Anna O'Neil"}],"birthDate":"1961-04-12",
                "identifier":[{"value":"MRN-1000"},{"value":"--"}]}"#,
    );
    assert_eq!(anna.words, ["lindqvist", "anna", "maria", "o", "neil"]);
    assert_eq!(anna.identifiers, ["p1", "mrn1000"]);
    let rows = anna.rows();
    assert_eq!(rows.len(), 8);
    assert_eq!(rows[0], "name:lindqvist\tlindqvist anna maria o neil\t1961-04-12\tp1 mrn1000\tP-1");
    for row in &rows {
        assert_eq!(Row::parse(row.as_bytes()).expect("a row").patient, anna, "{row}");
    }
    assert_eq!(patient("{}").rows(), ["id:p1\t\t\tp1\tP-1"]);
}

#[test]
fn all_words_that_were_typed_must_match() {
    let anna = patient(
        r#"{"name":[{"given":["Anna"],"family":"Lindqvist"}],"birthDate":"1961-04-12",
                "identifier":[{"value":"MRN 10/00"}]}"#,
    );
    for (text, is_found) in [
        ("anna", true),
        ("LIND an", true),
        ("a", true),
        ("ánna, 1961-04-12", true),
        ("anna 4/12/1961 mrn10/00", true),
        ("1961-04 lind", true),
        ("mrn 10 00", true),
        ("P-1", true),
        ("p1 anna", true),
        ("https://hospital.example.org/mrn|MRN 10/00", true),
        ("urn:oid:1.2|mrn1000 anna", true),
        ("|mrn1000", true),
        ("mrn1000|", false),
        ("https://hospital.example.org/mrn|1000", false),
        ("anna - 😀", true),
        ("anna smith", false),
        ("anna 1961-04-13", false),
        ("mrn10 anna", false),
        ("mrn", false),
        ("nna", false),
        ("1961", false),
        ("", false),
        ("% _ \u{200f}", false),
    ] {
        let search = PatientSearch::parse(text, false);
        assert_eq!(search.finds(&anna), is_found, "{text}");
        if is_found {
            for way in search.ways() {
                let keys: Vec<_> = anna.keys().collect();
                let finds = |lookup: &Lookup| keys.iter().any(|key| lookup.has(key));
                assert!(way.iter().any(finds), "{text}: {way:?}");
            }
        }
    }
}

#[test]
fn what_is_no_row_is_damage() {
    for line in ["", "name:a", "name:a\ta\t\t\tno id!", "a\tb\tc\td\te\tf"] {
        assert!(matches!(Row::parse(line.as_bytes()), Err(Error::Damaged(_))), "{line}");
    }
    assert!(matches!(Row::parse(b"\xff"), Err(Error::Damaged(_))));
}
