use super::*;

#[test]
fn the_table_is_sorted_for_the_binary_search() {
    assert!(TABLE.is_sorted_by(|(a, _), (b, _)| a < b));
    assert!(FURTHER_TYPES.is_sorted_by(|a, b| a < b));
}

#[test]
fn further_elements_name_a_patient_where_the_table_does_not() {
    assert_eq!(further_paths("Task").collect::<Vec<_>>(), FURTHER_PATHS);
    assert!(further_paths("NutritionOrder").any(|path| path == "subject"));
    assert!(further_paths("NutritionOrder").all(|path| path != "patient"), "it is in the table");
    assert_eq!(further_paths("Group").next(), None);
    assert!(can_have_patient("Task") && can_have_patient("Observation") && !can_have_patient("Organization"));
    assert!(FURTHER_TYPES.iter().all(|further| !has_compartment(further)));
}

#[test]
fn only_the_paths_of_the_definition_match() {
    let line = br#"{"resourceType":"Procedure","subject":{"reference":"Patient/a"},
            "performer":[{"actor":{"reference":"Practitioner/x"}},{"actor":{"reference":"Patient/b"}}],
            "recorder":{"reference":"Patient/not-this"},"contained":[{"subject":{"reference":"Patient/nor-this"}}]}"#;
    let mut found = Vec::new();
    for path in paths("Procedure") {
        values_at(line, path, |value| found.extend(json::string(line, value)));
    }
    assert_eq!(found, ["Patient/a", "Practitioner/x", "Patient/b"]);
    assert!(paths("Organization").is_empty() && paths("Group").is_empty());
}

/// Returns `{"a":{"b":{"reference":…}}}` for the path `a.b`; each level is a list if `lists` is true.
fn nested(path: &str, lists: bool, reference: &str) -> serde_json::Value {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let inside = rest
        .map_or_else(|| serde_json::json!({ "reference": reference }), |rest| nested(rest, lists, reference));
    serde_json::json!({ name: if lists { serde_json::json!([{}, inside]) } else { inside } })
}

proptest::proptest! {
    #[test]
    fn a_reference_at_any_path_of_any_type_is_found(row in 0..TABLE.len(), lists: bool, id in "[a-z0-9-]{1,20}") {
        let (resource_type, paths) = TABLE[row];
        for path in paths {
            let reference = format!("Patient/{id}");
            let line = nested(path, lists, &reference).to_string();
            let mut found = Vec::new();
            for path in super::paths(resource_type) {
                values_at(line.as_bytes(), path, |value| found.extend(json::string(line.as_bytes(), value)));
            }
            // Two paths of one type can meet in the same element, so there may be more than one.
            proptest::prop_assert!(!found.is_empty() && found.iter().all(|found| *found == reference), "{} {}", resource_type, path);
        }
    }
}
