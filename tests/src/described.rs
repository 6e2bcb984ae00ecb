//! Compares every response in the stories with the declaration of its route: statuses, media types, and the schemas of JSON
//! documents. This keeps the OpenAPI document correct.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ::http::{Method, StatusCode};
use ehi::openapi;
use jsonschema::Validator;
use serde_json::{Value, json};
use web::routes::Route;

use crate::TestResponse;

static ROUTES: LazyLock<Vec<Route>> =
    LazyLock::new(|| ehi::server::routes().into_iter().map(|(_, route)| route).collect());

/// The schemas of the OpenAPI document by name.
static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let mut document: Value = serde_json::from_str(&openapi::document()).expect("JSON");
    let components = &mut document["components"];
    for name in web::manifest::schemas().keys() {
        close(&mut components["schemas"][name]);
    }
    let validator = |name: &String| {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": format!("#/components/schemas/{name}"),
            "components": { "schemas": components["schemas"] },
        });
        jsonschema::options().should_validate_formats(true).build(&schema).expect(name)
    };
    let names = components["schemas"].as_object().expect("schemas").keys();
    names.map(|name| (name.clone(), validator(name))).collect()
});

/// Refuses members that a schema does not have. The page `/format` is generated from the schemas of manifests, so they must have
/// all members; clients accept unknown members.
fn close(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    let has_members = schema.contains_key("properties");
    if has_members && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    if let Some(Value::Object(members)) = schema.get_mut("properties") {
        members.values_mut().for_each(close);
    }
    if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
        variants.iter_mut().for_each(close);
    }
    if let Some(items) = schema.get_mut("items") {
        close(items);
    }
}

/// Returns the route that a request reaches; `None` if no route has the path and method.
fn route(method: &Method, path: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let path = path.replace("%24", "$");
    let candidates = ROUTES.iter().filter(|route| route.method == *method && is_at(&route.path, &path));
    candidates.min_by_key(|route| route.path.matches('{').count())
}

fn is_at(template: &str, path: &str) -> bool {
    let (mut known, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (known.next(), given.next()) {
            (None, None) => return true,
            (Some(known), Some(given)) if known == given => {}
            (Some(known), Some(given)) if known.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

/// Panics if a response differs from the declaration of its route.
pub(crate) fn check(method: &Method, path: &str, response: &TestResponse) {
    let Some(route) = route(method, path) else { return };
    let summary = format!("{method} {path}: {}", response.status);
    let is_success = response.status < StatusCode::BAD_REQUEST;
    let is_declared = openapi::statuses(route).any(|status| status == response.status.as_u16());
    assert!(!is_success || is_declared, "{summary} is not declared");
    if response.body.is_empty() {
        return;
    }
    let media_type = response.header("content-type").split(';').next().unwrap_or_default();
    let schema = match is_success {
        true => {
            let mut returned =
                route.returns.iter().filter(|returned| returned.status == response.status.as_u16());
            let is_declared = |known: &str| known == media_type || known == "*/*";
            returned.find(|returned| is_declared(returned.media_type)).map(|returned| returned.schema)
        }
        false => {
            let mut known = openapi::error_schemas(route.access).iter();
            known.find(|(known, _)| *known == media_type).map(|(_, schema)| *schema)
        }
    };
    let schema = schema.unwrap_or_else(|| panic!("{summary}: a body of {media_type} is not declared"));
    let Some(name) = schema else { return };
    let document: Value = serde_json::from_slice(&response.body).expect("a body of JSON");
    if let Err(wrong) = SCHEMAS[name].validate(&document) {
        panic!(
            "{summary} does not match the schema {name}: {wrong} at {}\n{document}",
            wrong.instance_path()
        );
    }
}
