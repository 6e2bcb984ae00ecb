//! The OpenAPI document and the table of routes are those that the functions declare.

use http::StatusCode;
use serde_json::Value;
use tests::{World, both_hosts};

use crate::docs::page;
use crate::house::root;

#[test]
fn the_document_in_the_repository_is_that_of_the_routes() {
    let stored = std::fs::read_to_string(root().join("functions/metadata/openapi.json")).expect("a document");
    assert!(
        stored == ehi::openapi::document(),
        "regenerate it: cargo run --release -- openapi > functions/metadata/openapi.json"
    );
}

#[test]
fn the_contract_has_the_table_of_routes() {
    let table = ehi::openapi::table();
    assert!(page("api.md").contains(&table), "put this table into infra/docs/api.md, section 8:\n{table}");
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document: Value = serde_json::from_str(&ehi::openapi::document()).expect("JSON");
    let mut names = std::collections::BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{method} {path}: {name}");
        }
    }
    assert!(names.len() > 60, "{} operations", names.len());
}

both_hosts!(the_document_is_served_to_anybody);
async fn the_document_is_served_to_anybody(world: World) {
    let served = world.get("/openapi.json").send().await;
    assert_eq!((served.status, served.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(served.json()["openapi"], "3.0.3");
    assert_eq!(served.text(), ehi::openapi::document());
}
