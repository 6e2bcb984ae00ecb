//! The OpenAPI description of the server and the table of its routes, from the declarations of the functions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::request::Base;
use serde_json::{Map, Value, json};
use web::routes::{Access, Below, Route};

use crate::server::routes;

/// Each route once, with its function: those below other base URLs of FHIR and below the sandbox's shortcuts are the same.
fn described() -> impl Iterator<Item = (&'static str, Route)> {
    routes().into_iter().filter(|(_, route)| matches!(route.below, Below::Root | Below::Base(Base::Fhir)))
}

/// The OpenAPI document, with a line end: what `GET /openapi.json` returns.
pub fn document() -> String {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (function, route) in described() {
        let methods = paths.entry(route.path.clone()).or_default();
        methods.insert(route.method.as_str().to_ascii_lowercase(), operation(function, &route));
    }
    let document = json!({
        "openapi": "3.0.3",
        "info": {
            "title": "EHI export server",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "EHI exports of one patient and Bulk Data exports of many. What is below /fhir is below /4_0_0 and /fhir/r4 as well, in other dialects; in a sandbox, EHI exports and metadata also below /auto-approve and /no-form.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "securitySchemes": security_schemes() },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn operation(function: &str, route: &Route) -> Value {
    let parameters: Vec<_> = path_parameters(&route.path)
        .iter()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let mut responses: BTreeMap<_, _> = statuses(route)
        .map(|status| (status.to_string(), json!({ "description": phrase(status) })))
        .collect();
    let other = "Any other refusal or failure, as an OperationOutcome, a page or the JSON of OAuth";
    responses.insert("default".to_owned(), json!({ "description": other }));
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [function],
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
        "security": security(route.access),
    });
    if !route.takes.is_empty() {
        let content: Map<_, _> = route
            .takes
            .iter()
            .map(|name| ((*name).to_owned(), json!({ "schema": { "type": "object" } })))
            .collect();
        operation["requestBody"] = json!({ "content": content });
    }
    operation
}

/// The statuses of success, and those with which callers are refused whom the route is not for.
pub fn statuses(route: &Route) -> impl Iterator<Item = u16> {
    let has_parameters = !path_parameters(&route.path).is_empty();
    route.statuses.iter().chain(refusals(route.access, has_parameters)).copied()
}

/// `getJobsJobStatus` for `GET /jobs/{job}/status`.
fn operation_id(route: &Route) -> String {
    let words =
        route.path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capitalised = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
    std::iter::once(route.method.as_str().to_ascii_lowercase()).chain(capitalised).collect()
}

fn path_parameters(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect()
}

/// How callers are refused whom a route is not for.
fn refusals(access: Access, has_parameters: bool) -> &'static [u16] {
    match (access, has_parameters) {
        (Access::Public, _) => &[503],
        (Access::SignIn, _) => &[400, 401, 403, 415, 429, 503],
        (
            Access::Owner | Access::OwnerOrSigned | Access::OwnerOrStaff | Access::FormFiller | Access::Staff,
            true,
        ) => &[400, 401, 403, 404, 503],
        (
            Access::Owner | Access::OwnerOrSigned | Access::OwnerOrStaff | Access::FormFiller | Access::Staff,
            false,
        ) => &[400, 401, 403, 503],
        (Access::Client, _) => &[400, 401, 403, 404, 429, 503],
        (Access::StaffPage, _) => &[303, 401, 403, 404, 503],
        (Access::PatientPage, _) => &[302, 400, 401, 404, 429, 503],
        (Access::AppRedirect, _) => &[400, 503],
        (Access::OAuth | Access::OAuthBearer, _) => &[400, 401, 403, 429, 503],
    }
}

fn phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Other")
}

fn security(access: Access) -> Value {
    match access {
        Access::Public | Access::SignIn | Access::AppRedirect => json!([]),
        Access::Owner => json!([{ "patient": [] }, { "system": [] }]),
        Access::OwnerOrSigned => json!([{ "patient": [] }, { "system": [] }, {}]),
        Access::OwnerOrStaff => json!([{ "patient": [] }, { "system": [] }, { "staffCookie": [] }]),
        Access::FormFiller => {
            json!([{ "patient": [] }, { "system": [] }, { "patientCookie": [] }, { "staffCookie": [] }, {}])
        }
        // Some dialects let patients export their own records in bulk.
        Access::Client => json!([{ "system": [] }, { "patient": [] }]),
        Access::Staff => json!([{ "staffToken": [] }, { "staffCookie": [] }]),
        Access::StaffPage => json!([{ "staffCookie": [] }]),
        Access::PatientPage => json!([{ "patientCookie": [] }, {}]),
        Access::OAuth => json!([{ "clientSecret": [] }, { "patient": [] }, { "system": [] }, {}]),
        Access::OAuthBearer => json!([{ "patient": [] }]),
    }
}

fn security_schemes() -> Value {
    let scopes = |name: &str, text: &str| json!({ (name): text });
    json!({
        "patient": { "type": "oauth2", "description": "SMART App Launch", "flows": { "authorizationCode": {
            "authorizationUrl": "/auth/authorize", "tokenUrl": "/auth/token", "refreshUrl": "/auth/token",
            "scopes": scopes("patient/$ehi-export", "Export the patient's record"),
        } } },
        "system": { "type": "oauth2", "description": "SMART Backend Services", "flows": { "clientCredentials": {
            "tokenUrl": "/auth/token", "scopes": scopes("system/*.rs", "Export the records of many patients"),
        } } },
        "staffToken": { "type": "http", "scheme": "bearer", "description": "A token of a trusted issuer with the role ADMIN" },
        "staffCookie": { "type": "apiKey", "in": "cookie", "name": "sid" },
        "patientCookie": { "type": "apiKey", "in": "cookie", "name": "patient" },
        "clientSecret": { "type": "http", "scheme": "basic", "description": "Or an assertion, or a secret in the form (RFC 6749, 2.3)" },
    })
}

/// The table of routes in the wire contract.
pub fn table() -> String {
    let mut table =
        "| method | path | who may call | what it does | success |\n|---|---|---|---|---|\n".to_owned();
    for (_, route) in described() {
        let statuses: Vec<_> = route.statuses.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            table,
            "| {} | `{}` | {} | {} | {} |",
            route.method,
            route.path,
            who(route.access),
            route.summary,
            statuses.join(", ")
        );
    }
    table
}

fn who(access: Access) -> &'static str {
    match access {
        Access::Public => "anybody",
        Access::SignIn => "staff who sign in or out",
        Access::Owner => "the token of the patient or client that it belongs to",
        Access::OwnerOrSigned => "the same token, or a URL that the manifest has signed",
        Access::OwnerOrStaff => "the same token, or staff",
        Access::FormFiller => "the same token, the code of the link, the patient in a browser, or staff",
        Access::Client => "a client with access to many patients",
        Access::Staff => "staff, by cookie or token",
        Access::StaffPage => "staff in a browser",
        Access::PatientPage => "the patient in a browser",
        Access::AppRedirect => "an app, through the browser",
        Access::OAuth => "an OAuth client",
        Access::OAuthBearer => "an app with an access token",
    }
}
