//! The CapabilityStatement (FHIR R4, CapabilityStatement; Bulk Data and Argonaut EHI define the operations).

use domain::dialect::Dialect;
use fhir::instant;
use fhir::search::table::of_type;
use fhir::types::TYPES;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The canonical URL of the EHI export operation (Argonaut EHI API, 0.1.0).
pub const EHI_EXPORT: &str = "http://argonautproject.org/ehi-api/OperationDefinition/patient-ehi-export";

/// The requirements that the server meets in a dialect with [`Dialect::claims_bulk_data`].
const BULK_DATA: &str = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data";

/// Returns the canonical URL of an operation of Bulk Data.
fn operation(name: &str) -> String {
    format!("http://hl7.org/fhir/uv/bulkdata/OperationDefinition/{name}")
}

/// Returns the entry of an exported type, with the search parameters that `_typeFilter` accepts.
fn resource(name: &str) -> Value {
    let parameters = of_type(name);
    let parameters: Vec<_> = parameters
        .map(|parameter| json!({ "name": parameter.name, "type": parameter.kind.name() }))
        .collect();
    let mut resource = json!({ "type": name, "searchParam": parameters });
    match name {
        "Patient" => {
            resource["interaction"] = json!([{ "code": "read" }]);
            resource["operation"] = json!([
                { "name": "ehi-export", "definition": EHI_EXPORT },
                { "name": "export", "definition": operation("patient-export") },
            ]);
        }
        "Group" => {
            resource["interaction"] = json!([{ "code": "read" }, { "code": "search-type" }]);
            resource["operation"] = json!([{ "name": "export", "definition": operation("group-export") }]);
        }
        _ => {}
    }
    resource
}

/// Returns what the server supports below one of the sandbox's shortcuts: EHI exports, and reading the patient of the token.
fn of_shortcut() -> Value {
    json!([{
        "type": "Patient",
        "interaction": [{ "code": "read" }],
        "operation": [{ "name": "ehi-export", "definition": EHI_EXPORT }],
    }])
}

/// Returns the CapabilityStatement of the server at `base_url` in a dialect. `root` is the base URL of its OAuth endpoints.
/// `is_shortcut` is true below a prefix of the sandbox, which has no bulk export.
pub fn capability_statement(
    dialect: &Dialect,
    base_url: &str,
    is_shortcut: bool,
    root: &str,
    date: Timestamp,
) -> Value {
    let oauth = json!({
        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
        "extension": [
            { "url": "authorize", "valueUri": format!("{root}/auth/authorize") },
            { "url": "token", "valueUri": format!("{root}/auth/token") },
            { "url": "introspect", "valueUri": format!("{root}/auth/introspect") },
            { "url": "revoke", "valueUri": format!("{root}/auth/revoke") },
        ],
    });
    let mut statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(date),
        "kind": "instance",
        "software": { "name": "EHI export server", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "Exports of electronic health information", "url": base_url },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "security": {
                "cors": true,
                "service": [{
                    "coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                        "display": "SMART-on-FHIR",
                    }],
                }],
                "extension": [oauth],
            },
        }],
    });
    let rest = &mut statement["rest"][0];
    if is_shortcut {
        rest["resource"] = of_shortcut();
        return statement;
    }
    rest["operation"] = json!([{ "name": "export", "definition": operation("export") }]);
    rest["resource"] = TYPES.iter().map(|name| resource(name)).collect();
    if dialect.claims_bulk_data {
        statement["instantiates"] = json!([BULK_DATA]);
    }
    statement
}
