use words::Language;

use super::*;

fn lines(scopes: &str, language: &str) -> Vec<String> {
    let language = Language::of_tag(language).expect("a language");
    scopes_in_words(&Scopes::parse(scopes), &Words { language, ..Words::default() })
}

#[test]
fn each_meaning_appears_once_and_in_order() {
    assert_eq!(
        lines("offline_access openid patient/$ehi-export fhirUser patient/*.rs launch/patient profile", "en"),
        [
            "Know who you are",
            "Know whose record this is",
            "Read your health record",
            "Get a copy of your record; you choose the parts",
            "Do this later too, until you stop it in \"Apps with access\"",
        ]
    );
    assert_eq!(
        lines("patient/Observation.read patient/Observation.rs patient/Condition.r", "en"),
        ["Read your illnesses", "Read your test results and measures"]
    );
    assert_eq!(lines("patient/Observation.cud", "en"), ["Something else: patient/Observation.cud"]);
}

/// The types that have no name in the catalogues are those of definitions and other contents that are in no record.
#[test]
fn a_type_without_a_name_is_called_an_entry() {
    let scopes = "patient/Goal.rs patient/ExplanationOfBenefit.rs patient/CodeSystem.rs";
    assert_eq!(
        lines(scopes, "en"),
        ["Read your goals", "Read your insurance payments", "Read your other entries (CodeSystem)"]
    );
    assert_eq!(
        lines(scopes, "es"),
        [
            "Leer su información: metas",
            "Leer su información: otras entradas (CodeSystem)",
            "Leer su información: pagos del seguro",
        ]
    );
}

/// Two types with the same name would be one line of the consent page.
#[test]
fn every_type_has_a_name_of_its_own() {
    for language in Language::all() {
        let words = Words { language, ..Words::default() };
        let mut known = std::collections::BTreeMap::new();
        for key in language.keys().filter(|key| key.starts_with("type-")) {
            let name = words.text(key, &[("type", "X")]);
            assert_eq!(known.insert(name.clone(), key), None, "{}: {key} is '{name}'", language.tag());
        }
    }
}

/// Each type has two names: one in lists and titles, and one in a sentence.
#[test]
fn every_name_of_a_list_has_one_in_a_sentence() {
    for language in Language::all() {
        let types = |begin: &str| -> Vec<_> {
            language.keys().filter_map(|key| key.strip_prefix(begin)).map(str::to_owned).collect()
        };
        assert_eq!(types("kind-"), types("type-"), "{}", language.tag());
        let is_type = |name: &String| name == "other" || fhir::types::is_type(name);
        assert!(types("kind-").iter().all(is_type), "{:?}", types("kind-"));
    }
}

/// The granular scopes that US Core 7.0 requires or recommends.
#[test]
fn a_scope_with_a_category_says_which_part() {
    let scopes = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory \
        patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs \
        patient/Observation.rs?category=http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh \
        patient/Condition.rs?category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern \
        patient/DiagnosticReport.rs?category=http://loinc.org|LP29684-5 \
        patient/Observation.rs patient/$ehi-export patient/Goal.rs";
    assert_eq!(
        lines(scopes, "en"),
        [
            "Read your goals",
            "Read your test results and measures",
            "Read a part of your illnesses: only health concerns",
            "Read a part of your test reports: only scans and X-rays",
            "Read a part of your test results and measures: only lab tests",
            "Read a part of your test results and measures: only measures like blood pressure",
            "Read a part of your test results and measures: only needs such as food and a home",
            "Get a copy of your record; you choose the parts",
        ]
    );
    assert_eq!(
        lines("patient/Observation.rs?category=laboratory,survey patient/*.rs?category=laboratory", "es"),
        [
            "Leer una parte de su historial médico: solo análisis de laboratorio",
            "Leer una parte de su información (resultados de pruebas y medidas): solo análisis de laboratorio, respuestas a preguntas",
        ]
    );
}

#[test]
fn the_same_category_in_other_spellings_is_one_line() {
    let scopes = "patient/Observation.rs?category=laboratory patient/Observation.r?category=laboratory& \
        patient/Observation.read?category=http%3A%2F%2Fterminology.hl7.org%2FCodeSystem%2Fobservation-category%7Claboratory \
        patient/Observation.rs?category=laboratory,laboratory";
    assert_eq!(lines(scopes, "en"), ["Read a part of your test results and measures: only lab tests"]);
}

/// What the catalogues do not describe exactly is shown as it is: it limits the access.
#[test]
fn another_search_is_shown() {
    for search in [
        "code=http://loinc.org|4548-4",
        "category=laboratory&date=ge2020",
        "category=http://example.org|laboratory",
        "category=laboratory,unknown",
        "category=|laboratory",
        "category:not=laboratory",
        "",
    ] {
        let limited = format!("patient/Observation.rs?{search}");
        let expected = format!("Read a part of your test results and measures: only what matches {search}");
        assert_eq!(lines(&limited, "en"), [expected], "{search}");
        let spanish = format!(
            "Leer una parte de su información (resultados de pruebas y medidas): solo lo que cumple {search}"
        );
        assert_eq!(lines(&limited, "es"), [spanish], "{search}");
    }
    assert_eq!(
        lines("patient/Observation.rs?code=http%3A%2F%2Floinc.org%7C4548-4", "en"),
        ["Read a part of your test results and measures: only what matches code=http://loinc.org|4548-4"]
    );
    assert_eq!(
        lines("patient/Observation.cud?category=laboratory", "en"),
        ["Something else: patient/Observation.cud?category=laboratory"]
    );
}

#[test]
fn every_category_of_the_table_has_words() {
    for (system, code, _) in CATEGORIES {
        let text = lines(&format!("patient/Observation.rs?category={system}|{code}"), "en").concat();
        assert!(!text.contains("http"), "{text}");
    }
}
