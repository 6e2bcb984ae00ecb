//! Several versions of a resource in `shared/`.

use serde_json::{Value, json};
use tests::text;

use super::{by_form, by_token};
use crate::supporting::{lake, of_patient, shared};

/// Returns a version of a Medication.
fn medication(number: u32, updated: &str, label: &str) -> (String, Value) {
    let mut meta = json!({ "versionId": number.to_string(), "security": [{ "code": label }] });
    if !updated.is_empty() {
        meta["lastUpdated"] = json!(updated);
    }
    shared(json!({ "resourceType": "Medication", "id": "p", "meta": meta }))
}

/// Returns a lake with these versions of a Medication, to which a Condition of ann refers.
fn of_versions(versions: &[(String, Value)]) -> tempfile::TempDir {
    let condition = json!({
        "resourceType": "Condition", "id": "c", "meta": { "security": [{ "code": "open" }] },
        "evidence": [{ "detail": [{ "reference": "Medication/p" }] }],
    });
    let own =
        [json!({ "resourceType": "Patient", "id": "ann" }), condition].map(|own| of_patient("ann", own));
    lake(&[versions, &own].concat())
}

/// Returns the versions of the Medication in the output.
fn exported(resources: &[Value]) -> Vec<String> {
    let found = resources.iter().filter(|resource| resource["resourceType"] == "Medication");
    found.map(|medication| text(&medication["meta"]["versionId"])).collect()
}

const PATHS: [&str; 2] =
    ["/fhir/$export?_type=Medication", "/fhir/Patient/$export?_type=Condition,Medication"];
const TIMES: [&str; 2] = ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"];

#[tokio::test]
async fn a_token_gets_no_version_if_one_has_none_of_its_tags() {
    for labels in [["open", "restricted"], ["restricted", "open"]] {
        for times in [TIMES, [TIMES[1], TIMES[0]]] {
            let versions = [medication(1, times[0], labels[0]), medication(2, times[1], labels[1])];
            let lake = of_versions(&versions);
            for path in PATHS {
                let (found, ledger, _) = by_token(lake.path(), "system/*.rs access/open.read", path).await;
                assert_eq!(exported(&found), [""; 0], "{labels:?} {path}");
                assert_eq!(ledger["duplicates"], 1, "{labels:?} {path}: {ledger}");
                assert!(ledger["leftOut"]["tag"].as_u64() >= Some(1), "{labels:?} {path}: {ledger}");
            }
        }
    }
}

#[tokio::test]
async fn the_most_recent_version_is_exported_whatever_its_place() {
    for (times, expected) in
        [(TIMES, "2"), ([TIMES[1], TIMES[0]], "1"), ([TIMES[0]; 2], "2"), (["", TIMES[0]], "2")]
    {
        let lake = of_versions(&[medication(1, times[0], "open"), medication(2, times[1], "open")]);
        for path in PATHS {
            for scopes in ["system/*.rs", "system/*.rs access/open.read"] {
                let (found, ledger, _) = by_token(lake.path(), scopes, path).await;
                assert_eq!(exported(&found), [expected], "{times:?} {path} {scopes}");
                assert_eq!(ledger["duplicates"], 1, "{times:?} {path}: {ledger}");
            }
        }
    }
}

#[tokio::test]
async fn the_label_of_one_version_withholds_all_of_them() {
    for (labels, expected) in [(["open", "PSY"], &[][..]), (["PSY", "open"], &[]), (["open", "open"], &["2"])]
    {
        let lake = of_versions(&[medication(1, "", labels[0]), medication(2, "", labels[1])]);
        let (found, ledger) = by_form(lake.path()).await;
        assert_eq!(exported(&found), expected, "{labels:?}");
        assert_eq!(ledger["duplicates"], 1, "{labels:?}: {ledger}");
    }
}
