//! Compares the tables that come from the definitions of FHIR R4 with these definitions.

use std::process::Command;

use fhir::mandatory::{CHOICES, MANDATORY};

#[test]
#[ignore = "cargo xtask test installs the R4 models of fhirclient"]
#[expect(clippy::disallowed_methods, reason = "the path of Python is not a setting of the server")]
fn mandatory_elements_are_those_of_the_definitions() {
    let python =
        std::env::var("EHI_TEST_FHIRCLIENT").expect("EHI_TEST_FHIRCLIENT: a Python with fhirclient 4");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/definitions.py");
    let printed = Command::new(python).arg(script).output().expect("Python runs");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let ours = MANDATORY.iter().map(|(name, elements)| format!("{name} {}", elements.join(" ")));
    let ours: Vec<_> = ours.chain([format!("choices {}", CHOICES.join(" "))]).collect();
    assert_eq!(String::from_utf8_lossy(&printed.stdout).lines().collect::<Vec<_>>(), ours);
}
