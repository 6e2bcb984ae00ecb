//! The successful responses and the errors of operations.

use std::collections::BTreeMap;

use fhir::FHIR_JSON;
use serde_json::{Value, json};
use web::describe::Returned;
use web::routes::{Access, Route};

use super::{path_parameters, reference};

pub(super) fn response(route: &Route, status: u16) -> Value {
    if status >= 400 {
        return error_reference(route.access, Some(status));
    }
    let mut response = json!({ "description": phrase(status) });
    let content = success_content(route, status);
    if content.as_object().is_some_and(|content| !content.is_empty()) {
        response["content"] = content;
    }
    response
}

fn success_content(route: &Route, status: u16) -> Value {
    let returned = route.returns.iter().filter(|returned| returned.status == status);
    let content = |Returned { media_type, schema, .. }: &Returned| {
        let schema = match schema {
            Some(name) => reference(name),
            None => json!({ "type": "string" }),
        };
        ((*media_type).to_owned(), json!({ "schema": schema }))
    };
    Value::Object(returned.map(content).collect())
}

/// Returns the error responses, by name.
pub(super) fn errors<'r>(routes: impl Iterator<Item = &'r Route>) -> BTreeMap<String, Value> {
    let of = |route: &'r Route| {
        let access = route.access;
        let refused = statuses(route).filter(|status| *status >= 400).map(Some);
        refused.chain([None]).map(move |status| (access, status)).collect::<Vec<_>>()
    };
    let named = |(access, status): (Access, Option<u16>)| {
        let description = status.map_or("Any other error", phrase);
        let response = json!({ "description": description, "content": error_content(access) });
        (error_key(access, status), response)
    };
    routes.flat_map(of).map(named).collect()
}

pub(super) fn error_reference(access: Access, status: Option<u16>) -> Value {
    json!({ "$ref": format!("#/components/responses/{}", error_key(access, status)) })
}

/// Returns the name of an error response: its status and its format, such as `NotFound-fhir`.
fn error_key(access: Access, status: Option<u16>) -> String {
    let kind = match access {
        Access::OAuth | Access::OAuthBearer => "oauth",
        Access::StaffPage | Access::PatientPage | Access::AppRedirect => "page",
        Access::SignIn => "sign-in",
        _ => "fhir",
    };
    format!("{}-{kind}", status.map_or("Other", phrase).replace(' ', ""))
}

/// Returns the media types of error responses, each with the name of its schema.
pub fn error_schemas(access: Access) -> &'static [(&'static str, Option<&'static str>)] {
    const FHIR: (&str, Option<&str>) = (FHIR_JSON, Some("OperationOutcome"));
    const PAGE: (&str, Option<&str>) = ("text/html", None);
    match access {
        Access::OAuth | Access::OAuthBearer => &[("application/json", Some("OAuthError"))],
        // If `Accept` has only JSON, the error is JSON.
        Access::StaffPage | Access::PatientPage | Access::AppRedirect => &[PAGE, FHIR],
        Access::SignIn => &[FHIR, PAGE, ("application/json", Some("Refusal"))],
        // If `Accept` has only HTML, the error is a page.
        Access::Public
        | Access::Owner
        | Access::OwnerOrSigned
        | Access::OwnerOrStaff
        | Access::FormFiller
        | Access::Client
        | Access::Staff => &[FHIR, PAGE],
    }
}

fn error_content(access: Access) -> Value {
    let content = |(media_type, schema): &(&str, Option<&str>)| {
        let schema = schema.map_or_else(|| json!({ "type": "string" }), reference);
        ((*media_type).to_owned(), json!({ "schema": schema }))
    };
    Value::Object(error_schemas(access).iter().map(content).collect())
}

/// Returns the statuses of success, and those of the errors for callers without access.
pub fn statuses(route: &Route) -> impl Iterator<Item = u16> {
    let has_parameters = !path_parameters(&route.path).is_empty();
    route.statuses.iter().chain(refusals(route.access, has_parameters)).copied()
}

/// Returns the statuses of the errors for callers without access.
fn refusals(access: Access, has_parameters: bool) -> &'static [u16] {
    match (access, has_parameters) {
        (Access::Public, true) => &[404, 503],
        (Access::Public, false) => &[503],
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
