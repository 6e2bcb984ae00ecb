//! The OpenAPI document and the table of routes match the routes that the functions declare.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Request, StatusCode};
use platform::Platform;
use serde_json::Value;
use tests::{World, both_hosts};
use tower::ServiceExt;
use web::describe::Parameter;
use web::extract::Query;
use web::host::host;
use web::routes::{Access, Below, Routes};

use crate::docs::page;
use crate::house::root;

#[test]
fn the_document_in_the_repository_matches_the_routes() {
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
fn the_settings_know_the_first_segments_of_all_routes() -> tests::Result {
    let document: Value = serde_json::from_str(&ehi::openapi::document())?;
    let paths = document["paths"].as_object().expect("paths").keys();
    let of_routes = paths.filter_map(|path| path.split('/').nth(1)).filter(|segment| !segment.is_empty());
    let of_sandbox = ["auto-approve", "no-form"];
    let segments: BTreeSet<_> = of_routes.chain(of_sandbox).collect();
    assert_eq!(segments, BTreeSet::from(settings::FIRST_SEGMENTS));
    Ok(())
}

#[test]
fn every_operation_has_a_name_of_its_own() -> tests::Result {
    let document: Value = serde_json::from_str(&ehi::openapi::document())?;
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{method} {path}: {name}");
        }
    }
    assert!(names.len() > 60, "{} operations", names.len());
    Ok(())
}

/// Returns the routes of all pages that a GET request returns.
pub(crate) fn pages() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&ehi::openapi::document()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let is_page =
        |operations: &Value| operations["get"]["responses"]["200"]["content"].get("text/html").is_some();
    paths.iter().filter(|(_, operations)| is_page(operations)).map(|(path, _)| path.clone()).collect()
}

#[both_hosts]
async fn the_document_is_public(world: World) {
    let served = world.get("/openapi.json").send().await;
    assert_eq!((served.status, served.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(served.json()["openapi"], "3.1.0");
    assert_eq!(served.text(), ehi::openapi::document());
}

#[tokio::test]
async fn a_handler_that_reads_an_undeclared_parameter_fails() {
    let world = World::new();
    let declared = [Parameter::query("x", "What is read")];
    for (parameters, status) in [(&declared[..], StatusCode::OK), (&[], StatusCode::INTERNAL_SERVER_ERROR)] {
        let read = async |query: Query| query.get("x").unwrap_or_default().to_owned();
        let routes = Routes::<()>::new().below(Below::Root, |at| {
            at.get("/x", Access::Public, ("Reads a parameter", &[200]), read).reading(parameters)
        });
        let request = Request::get("/x?x=1").body(Body::empty()).expect("a request");
        let response = host(routes.with_state(()), world.platform().context()).oneshot(request).await;
        assert_eq!(response.expect("a response").status(), status);
    }
}

#[test]
fn every_document_that_a_route_returns_has_a_schema() {
    let document: Value = serde_json::from_str(&ehi::openapi::document()).expect("JSON");
    for (_, route) in ehi::server::routes() {
        for returned in &route.returns {
            assert!(route.statuses.contains(&returned.status), "{} {}", route.method, route.path);
            let schema = returned.schema.map(|name| &document["components"]["schemas"][name]);
            assert!(schema.is_none_or(Value::is_object), "{} {}: {schema:?}", route.method, route.path);
        }
    }
}
