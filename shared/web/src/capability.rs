//! The CapabilityStatement (FHIR R4, CapabilityStatement; Bulk Data and Argonaut EHI define the operations).

use domain::dialect::Dialect;
use domain::error::Result;
use fhir::instant;
use fhir::search::table::of_type;
use fhir::types::TYPES;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// The canonical URL of the EHI export operation (Argonaut EHI API, 0.1.0).
pub const EHI_EXPORT: &str = "http://argonautproject.org/ehi-api/OperationDefinition/patient-ehi-export";

/// The requirements that the server meets in a dialect with [`Dialect::claims_bulk_data`].
const BULK_DATA: &str = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data";

/// Returns the canonical URL of an operation of Bulk Data.
fn operation(name: &str) -> String {
    format!("http://hl7.org/fhir/uv/bulkdata/OperationDefinition/{name}")
}

/// The statement. Its many search parameters are serialized as they are listed: as JSON values they would take more time at
/// the cold start of a function than everything else.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CapabilityStatement<'s> {
    resource_type: &'static str,
    status: &'static str,
    date: String,
    kind: &'static str,
    software: Value,
    implementation: Value,
    fhir_version: &'static str,
    format: [&'static str; 2],
    rest: [Rest<'s>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    instantiates: Option<[&'static str; 1]>,
}

#[derive(Serialize)]
struct Rest<'s> {
    mode: &'static str,
    security: &'s Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Value>,
    resource: Vec<ResourceEntry>,
}

/// A type of resource, with the search parameters that `_typeFilter` accepts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceEntry {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_param: Option<Vec<SearchParam>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Value>,
}

#[derive(Serialize)]
struct SearchParam {
    name: &'static str,
    r#type: &'static str,
}

impl ResourceEntry {
    /// Returns the entry of an exported type.
    fn of(name: &'static str) -> Self {
        let parameters = of_type(name)
            .map(|parameter| SearchParam { name: parameter.name, r#type: parameter.kind.name() })
            .collect();
        let (interaction, operation) = match name {
            "Patient" => (
                Some(json!([{ "code": "read" }])),
                Some(json!([
                    { "name": "ehi-export", "definition": EHI_EXPORT },
                    { "name": "export", "definition": operation("patient-export") },
                ])),
            ),
            "Group" => (
                Some(json!([{ "code": "read" }, { "code": "search-type" }])),
                Some(json!([{ "name": "export", "definition": operation("group-export") }])),
            ),
            _ => (None, None),
        };
        Self { r#type: name, search_param: Some(parameters), interaction, operation }
    }

    /// Returns what the server supports below one of the sandbox's shortcuts: EHI exports, and reading the patient of the token.
    fn of_shortcut() -> Self {
        Self {
            r#type: "Patient",
            search_param: None,
            interaction: Some(json!([{ "code": "read" }])),
            operation: Some(json!([{ "name": "ehi-export", "definition": EHI_EXPORT }])),
        }
    }
}

/// Returns how clients get tokens. `root` is the base URL of the OAuth endpoints.
fn security(root: &str) -> Value {
    json!({
        "cors": true,
        "service": [{
            "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                "code": "SMART-on-FHIR",
                "display": "SMART-on-FHIR",
            }],
        }],
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [
                { "url": "authorize", "valueUri": format!("{root}/auth/authorize") },
                { "url": "token", "valueUri": format!("{root}/auth/token") },
                { "url": "introspect", "valueUri": format!("{root}/auth/introspect") },
                { "url": "revoke", "valueUri": format!("{root}/auth/revoke") },
            ],
        }],
    })
}

/// Returns the JSON of the CapabilityStatement of the server at `base_url` in a dialect. `root` is the base URL of its OAuth
/// endpoints. `is_shortcut` is true below a prefix of the sandbox, which has no bulk export.
pub fn capability_statement(
    dialect: &Dialect,
    base_url: &str,
    is_shortcut: bool,
    root: &str,
    date: Timestamp,
) -> Result<Vec<u8>> {
    let export = || json!([{ "name": "export", "definition": operation("export") }]);
    let statement = CapabilityStatement {
        resource_type: "CapabilityStatement",
        status: "active",
        date: instant(date),
        kind: "instance",
        software: json!({ "name": "EHI export server", "version": env!("CARGO_PKG_VERSION") }),
        implementation: json!({ "description": "Exports of electronic health information", "url": base_url }),
        fhir_version: "4.0.1",
        format: ["application/fhir+json", "json"],
        rest: [Rest {
            mode: "server",
            security: &security(root),
            operation: (!is_shortcut).then(export),
            resource: match is_shortcut {
                true => vec![ResourceEntry::of_shortcut()],
                false => TYPES.iter().copied().map(ResourceEntry::of).collect(),
            },
        }],
        instantiates: (dialect.claims_bulk_data && !is_shortcut).then_some([BULK_DATA]),
    };
    Ok(serde_json::to_vec(&statement)?)
}
