//! The JSON schemas of a manifest. The OpenAPI document contains them, and the page `/format` explains each of their members.

use serde_json::{Map, Value};

/// Returns the schemas of a manifest and of its parts by name. A `$ref` names its place in the OpenAPI document.
pub fn schemas() -> Map<String, Value> {
    serde_json::from_str(include_str!("schemas.json")).expect("the schemas are JSON")
}

/// Returns the members of a schema in their order, and those of the objects inside them: `link`, then `link.relation`. A schema
/// to which it refers has members of its own.
pub fn members(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(schema, "", &mut found);
    found
}

fn collect(schema: &Value, prefix: &str, found: &mut Vec<String>) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let below = format!("{path}.");
        found.push(path);
        collect(member, &below, found);
    }
    for variant in schema["anyOf"].as_array().into_iter().flatten() {
        collect(variant, prefix, found);
    }
    if let Some(items) = schema.get("items") {
        collect(items, prefix, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_listed_with_those_of_inner_objects() {
        let schemas = schemas();
        assert_eq!(
            members(&schemas["ManifestFile"]),
            ["type", "url", "count", "fileSize", "extension", "extension.sha256", "extension.size"]
        );
        let manifest = members(&schemas["Manifest"]);
        assert!(manifest.iter().any(|member| member == "link.relation"), "{manifest:?}");
        assert!(!manifest.iter().any(|member| member.starts_with("output.")), "{manifest:?}");
    }
}
