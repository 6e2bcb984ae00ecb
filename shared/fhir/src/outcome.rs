//! Builds the OperationOutcome in which every error and notice is returned (FHIR R4, OperationOutcome).

use serde_json::{Value, json};

/// Returns an OperationOutcome with one issue.
pub fn outcome(severity: &str, code: &str, text: &str) -> Value {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": severity, "code": code, "diagnostics": text }],
    })
}

/// Returns an OperationOutcome that reports success.
pub fn information(text: &str) -> Value {
    outcome("information", "informational", text)
}
