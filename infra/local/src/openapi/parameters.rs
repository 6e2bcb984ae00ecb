//! The parameters of queries and headers, which operations share, and the fields of bodies.

use std::collections::BTreeMap;

use fhir::FHIR_JSON;
use serde_json::{Map, Value, json};
use web::describe::{Kind, Parameter, ParameterIn};
use web::routes::Route;

use super::reference;

/// The parameters of queries and headers, each with the name of its component.
pub(super) struct Parameters(Vec<(String, Parameter)>);

impl Parameters {
    /// Collects the parameters of routes. Parameters with the same name and different meanings get different component names.
    pub(super) fn of<'r>(routes: impl Iterator<Item = &'r Route>) -> Self {
        let mut named: Vec<(String, Parameter)> = Vec::new();
        let in_query_or_header =
            routes.flat_map(|route| &route.parameters).filter(|known| known.place != ParameterIn::Body);
        for parameter in in_query_or_header {
            if named.iter().any(|(_, known)| known == parameter) {
                continue;
            }
            let same = named.iter().filter(|(_, known)| known.name == parameter.name).count();
            let name = match same {
                0 => parameter.name.to_owned(),
                same => format!("{}-{}", parameter.name, same + 1),
            };
            named.push((name, *parameter));
        }
        Self(named)
    }

    /// Returns the parameters as components of the document.
    pub(super) fn components(&self) -> BTreeMap<&str, Value> {
        self.0.iter().map(|(name, known)| (name.as_str(), parameter(known))).collect()
    }

    /// Returns references to the parameters of a route.
    pub(super) fn references(&self, route: &Route) -> impl Iterator<Item = Value> {
        let name = |parameter| self.0.iter().find(|(_, known)| known == parameter).map(|(name, _)| name);
        let names = route.parameters.iter().filter_map(name);
        names.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }))
    }
}

fn parameter(parameter: &Parameter) -> Value {
    let place = if parameter.place == ParameterIn::Header { "header" } else { "query" };
    let value = match parameter.is_repeated {
        true => json!({ "type": "array", "items": value_schema(parameter.kind) }),
        false => value_schema(parameter.kind),
    };
    let mut described = json!({ "name": parameter.name, "in": place, "description": parameter.description });
    described["schema"] = value;
    described
}

fn value_schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Instant => json!({ "type": "string", "format": "date-time" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Files => json!({ "type": "array", "items": { "type": "string", "format": "binary" } }),
    }
}

/// Returns the schema of the body of a request: its fields, or a resource.
pub(super) fn body_schema(route: &Route) -> Value {
    if route.takes.contains(&FHIR_JSON) {
        return reference("Parameters");
    }
    let fields = route.parameters.iter().filter(|parameter| parameter.place == ParameterIn::Body);
    let properties: Map<_, _> = fields
        .map(|field| {
            let mut schema = value_schema(field.kind);
            schema["description"] = json!(field.description);
            (field.name.to_owned(), schema)
        })
        .collect();
    match properties.is_empty() {
        true => json!({ "type": "object" }),
        false => json!({ "type": "object", "properties": properties }),
    }
}
