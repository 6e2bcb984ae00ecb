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
    assert_eq!(anna.words, ["lindqvist", "anna", "maria", "o", "neil", "annaoneil", "oneil"]);
    assert_eq!(anna.identifiers, ["p1", "mrn1000"]);
    let rows = anna.rows();
    assert_eq!(rows.len(), 10);
    assert_eq!(
        rows[0],
        "name:lindqvist\tlindqvist anna maria o neil annaoneil oneil\t1961-04-12\tp1 mrn1000\tP-1"
    );
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
        ("1961", true),
        ("1961 lind", true),
        ("4/1961", true),
        ("04.1961", true),
        ("1961-4", true),
        ("1961-05", false),
        ("1962", false),
        ("961", false),
        ("", false),
        ("% _ \u{200f}", false),
    ] {
        let search = PatientSearch::parse(text, false);
        assert_eq!(search.finds(&anna), is_found, "{text}");
        if is_found {
            every_way_leads_to(&anna, &search);
        }
    }
}

/// Checks that the patient has a row in each of the ways, because a search reads only one of them.
fn every_way_leads_to(patient: &Findable, search: &PatientSearch) {
    let keys: Vec<_> = patient.keys().collect();
    for way in search.ways() {
        let finds = |lookup: &Lookup| keys.iter().any(|key| lookup.has(key));
        assert!(way.iter().any(finds), "{search:?}: {way:?}");
    }
}

fn named(family: &str, given: &[&str]) -> Findable {
    patient(&serde_json::json!({ "name": [{ "family": family, "given": given }] }).to_string())
}

#[test]
fn names_written_together_or_apart_and_in_other_spellings_are_found() {
    for (family, given, found, not_found) in [
        (
            "O'Brien",
            "Pat",
            &["obrien", "O'Brien", "o brien", "O’Brien pat", "obri", "pat obrien"][..],
            &["brieno"][..],
        ),
        ("Obrien", "Pat", &["obrien", "o'brien", "o brien", "pat o brien", "o brien pat"], &["brien"]),
        (
            "van der Berg",
            "Jan",
            &["vanderberg", "van der berg", "vander berg", "vanderb jan", "derberg", "berg"],
            &["vanberg"],
        ),
        ("Vandenberg", "Jan", &["van den berg", "vandenberg", "jan van den berg"], &["van der berg"]),
        (
            "Smith",
            "Anne-Marie",
            &["annemarie", "anne marie", "anne-marie", "smith annemarie", "marie"],
            &["mariesmith"],
        ),
        ("Smith", "Annemarie", &["anne marie", "Anne-Marie smith", "annemarie"], &["marie"]),
        ("Müller", "Jörg", &["muller", "mueller", "müller", "joerg mueller", "jorg müller"], &["mller"]),
        ("Mueller", "Joerg", &["mueller", "müller", "jörg"], &["muller"]),
        ("Weiß", "Åse", &["weiss", "weiß", "ase", "aase", "åse"], &["weisz"]),
        ("Ødegård", "Ægir", &["odegaard", "oedegaard", "odegard", "ødegård", "aegir"], &["dgard"]),
        ("Łukasiewicz", "Þór", &["lukasiewicz", "łuk", "thor"], &["ukasiewicz"]),
        (
            "Müller-Lüdenscheidt",
            "A",
            &["muellerluedenscheidt", "mullerludenscheidt", "muller ludenscheidt"],
            &["lm"],
        ),
        ("García Márquez", "G", &["garciamarquez", "garcia marquez", "marquez"], &["marquezgarcia"]),
        ("山田", "太郎", &["山田", "山田太郎", "太郎 山田", "山田 太"], &["太郎山田"]),
    ] {
        let known = named(family, &[given]);
        for text in found {
            let search = PatientSearch::parse(text, false);
            assert!(search.finds(&known), "{text}: {known:?}");
            every_way_leads_to(&known, &search);
        }
        for text in not_found {
            assert!(!PatientSearch::parse(text, false).finds(&known), "{text}: {known:?}");
        }
    }
    // A name that is only a text is found in the same ways.
    let of_text = patient(r#"{"name":[{"text":"王小明"},{"text":"Maria de la Cruz"}]}"#);
    for text in ["王 小明", "delacruz maria", "de la cruz", "mariadelacruz"] {
        assert!(PatientSearch::parse(text, false).finds(&of_text), "{text}");
    }
}

#[test]
fn a_record_with_a_year_or_a_month_is_found_by_each_of_its_days() {
    for (born, text, is_found) in [
        ("1980", "1980", true),
        ("1980", "1980-05", true),
        ("1980", "5/14/1980", true),
        ("1980", "1981-05-14", false),
        ("1980-05", "1980", true),
        ("1980-05", "1980-05-14", true),
        ("1980-05", "1980-06-14", false),
        ("1980-05-14", "1980", true),
        ("1980-05-14", "5/1980", true),
        ("1980-05-14", "1980-05-15", false),
    ] {
        let known = patient(&format!(r#"{{"birthDate":"{born}"}}"#));
        let search = PatientSearch::parse(text, false);
        assert_eq!(search.finds(&known), is_found, "{born}: {text}");
        if is_found {
            every_way_leads_to(&known, &search);
        }
    }
}

#[test]
fn rows_are_bounded_and_what_is_beyond_is_counted() {
    let id = || PatientId::parse("p").expect("an id");
    let identifiers: Vec<_> =
        (0..40).map(|number| serde_json::json!({ "value": format!("mrn-{number}") })).collect();
    let text = serde_json::json!({ "identifier": identifiers }).to_string();
    let (known, beyond) = Findable::and_beyond(id(), text.as_bytes());
    assert_eq!((known.identifiers.len(), beyond), (33, Beyond { words: 0, identifiers: 8 }));
    assert!(PatientSearch::parse("MRN 31", false).finds(&known));
    // A part of an identifier is another identifier.
    let long =
        serde_json::json!({ "identifier": [{ "value": "9".repeat(101) }, { "value": "1" }] }).to_string();
    let (known, beyond) = Findable::and_beyond(id(), long.as_bytes());
    assert_eq!((known.identifiers, beyond.identifiers), (vec!["p".to_owned(), "1".to_owned()], 1));
    let wide: Vec<_> = (0..60).map(|number| format!("{number}{}", "\u{10428}ü".repeat(20))).collect();
    let values: Vec<_> = (0..60)
        .map(|number| serde_json::json!({ "value": format!("{number}{}", "\u{10428}".repeat(97)) }))
        .collect();
    let text =
        serde_json::json!({ "name": [{ "family": wide.join(" "), "given": wide }], "identifier": values });
    let (known, beyond) = Findable::and_beyond(id(), text.to_string().as_bytes());
    assert_eq!(known.words.len(), MAX_WORDS + MAX_FORMS);
    assert!(beyond.words > 0 && beyond.identifiers > 0, "{beyond:?}");
    let longest = known.rows().iter().map(String::len).max();
    assert!(longest.is_some_and(|longest| longest < 24 * 1024), "{longest:?}");
    assert_eq!(Findable::and_beyond(id(), br#"{"name":[{"family":"Smith"}]}"#).1, Beyond::default());
}

#[test]
fn bytes_that_are_not_a_row_are_reported_as_damage() {
    for line in ["", "name:a", "name:a\ta\t\t\tno id!", "a\tb\tc\td\te\tf"] {
        assert!(matches!(Row::parse(line.as_bytes()), Err(Error::Damaged(_))), "{line}");
    }
    assert!(matches!(Row::parse(b"\xff"), Err(Error::Damaged(_))));
}
