//! Compares the tables that come from the definitions of FHIR R4 with these definitions.

use std::process::Command;

use fhir::attachments::linked_attachments;
use fhir::mandatory::{CHOICES, MANDATORY};
use serde_json::{Value, json};

/// Returns the lines of a table of the definitions.
#[expect(clippy::disallowed_methods, reason = "the path of Python is not a setting of the server")]
fn definitions(table: &str) -> Vec<String> {
    let python =
        std::env::var("EHI_TEST_FHIRCLIENT").expect("EHI_TEST_FHIRCLIENT: a Python with fhirclient 4");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/definitions.py");
    let printed = Command::new(python).args([script, table]).output().expect("Python runs");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    String::from_utf8_lossy(&printed.stdout).lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "cargo xtask test installs the R4 models of fhirclient"]
fn mandatory_elements_are_those_of_the_definitions() {
    let ours = MANDATORY.iter().map(|(name, elements)| format!("{name} {}", elements.join(" ")));
    let ours: Vec<_> = ours.chain([format!("choices {}", CHOICES.join(" "))]).collect();
    assert_eq!(definitions("mandatory"), ours);
}

#[test]
#[ignore = "cargo xtask test installs the R4 models of fhirclient"]
fn every_attachment_of_the_definitions_is_found() {
    let rows = definitions("attachments");
    assert!(rows.len() > 50, "{rows:?}");
    for row in rows {
        let (resource_type, path) = row.split_once(' ').expect("a type and a path");
        let attachment = json!({ "url": "Binary/b" });
        let inside = |inside: Value, name: &str| json!({ name: [inside] });
        let resource = path.split('.').rev().fold(attachment, inside);
        let found = linked_attachments(resource.to_string().as_bytes(), resource_type, "");
        assert_eq!(found.len(), 1, "{row}");
    }
}
