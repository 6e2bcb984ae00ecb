//! The OpenAPI description of the server and the table of its routes, generated from the declarations of the functions.
//!
//! - [`parameters`] and [`responses`]: the requests and responses of operations; `schemas.json`: the schemas of documents by name
//!   (those of a manifest are in `web`, because a page shows them);
//! - [`mod@security`]: the permitted callers; [`mod@table`]: the table of routes in the wire contract.

mod parameters;
mod responses;
mod security;
mod table;

use std::collections::BTreeMap;

use domain::request::Base;
use serde_json::{Map, Value, json};
use web::routes::{Below, Route};

use self::parameters::{Parameters, body_schema};
use self::responses::{error_reference, errors, response};
pub use self::responses::{error_schemas, statuses};
use self::security::{security, security_schemes};
pub use self::table::table;
use crate::server::routes;

/// Returns each route with the name of its function. The same routes below other FHIR base URLs and the sandbox's shortcuts are left out.
fn described() -> impl Iterator<Item = (&'static str, Route)> {
    routes().into_iter().filter(|(_, route)| matches!(route.below, Below::Root | Below::Base(Base::Fhir)))
}

/// Returns the OpenAPI document with a line end, which is the response to `GET /openapi.json`.
pub fn document() -> String {
    let routes: Vec<_> = described().collect();
    let declared = || routes.iter().map(|(_, route)| route);
    let parameters = Parameters::of(declared());
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (function, route) in &routes {
        let methods = paths.entry(route.path.clone()).or_default();
        methods.insert(route.method.as_str().to_ascii_lowercase(), operation(function, route, &parameters));
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "EHI export server",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "EHI exports of one patient and Bulk Data exports of many. The routes below /fhir also exist below /4_0_0 and /fhir/r4, in other dialects. In a sandbox, those of EHI exports and metadata also exist below /auto-approve and /no-form.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "schemas": schemas(),
            "parameters": parameters.components(),
            "responses": errors(declared()),
        },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// Returns the schemas of the documents that routes read and return, by name. OpenAPI 3.1 uses JSON Schema without changes.
fn schemas() -> Map<String, Value> {
    let mut schemas: Map<_, _> =
        serde_json::from_str(include_str!("schemas.json")).expect("the schemas are JSON");
    schemas.extend(web::manifest::schemas());
    schemas
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn operation(function: &str, route: &Route, parameters: &Parameters) -> Value {
    let in_path = path_parameters(&route.path)
        .into_iter()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let mut responses: BTreeMap<_, _> =
        statuses(route).map(|status| (status.to_string(), response(route, status))).collect();
    responses.insert("default".to_owned(), error_reference(route.access, None));
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [function],
        "summary": route.summary,
        "parameters": in_path.chain(parameters.references(route)).collect::<Vec<_>>(),
        "responses": responses,
        "security": security(route.access),
    });
    if !route.takes.is_empty() {
        let content = |name: &&str| ((*name).to_owned(), json!({ "schema": body_schema(route) }));
        operation["requestBody"] =
            json!({ "content": route.takes.iter().map(content).collect::<Map<_, _>>() });
    }
    operation
}

/// Returns the id of an operation, such as `getJobsJobStatus` for `GET /jobs/{job}/status`.
fn operation_id(route: &Route) -> String {
    let words =
        route.path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capitalised = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
    std::iter::once(route.method.as_str().to_ascii_lowercase()).chain(capitalised).collect()
}

fn path_parameters(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect()
}
