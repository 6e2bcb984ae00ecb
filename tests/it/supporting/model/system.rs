//! System-level exports of random lakes: everything that the token gives access to and that is new enough, each in its most recent version.

use serde_json::{Value, json};

use super::lake::{Node, RandomLake, Target};
use super::*;

/// Runs the export. Returns the resources with their times, without the Patients and the Groups; each of them must occur once.
pub(super) async fn exported(world: &World, open_only: bool, since: Option<&str>) -> BTreeMap<String, Value> {
    let scopes = if open_only { "system/*.rs access/open.read" } else { "system/*.rs" };
    let token = world.service("service", scopes).await;
    let query = since.map(|since| format!("?_since={since}")).unwrap_or_default();
    let started = world.get(&format!("/fhir/$export{query}")).bearer(&token).send().await;
    assert_eq!(started.status, http::StatusCode::ACCEPTED, "{}", started.text());
    world.work().await;
    let manifest = world.get(started.header("content-location")).bearer(&token).send().await.json();
    assert_eq!(manifest["error"], json!([]), "{manifest}");
    let mut found = BTreeMap::new();
    for file in manifest["output"].as_array().expect("output") {
        for line in world.get(&text(&file["url"])).bearer(&token).send().await.lines() {
            let known = found.insert(reference(&line), line["meta"]["lastUpdated"].clone());
            assert_eq!(known, None, "twice: {line}");
        }
    }
    found.retain(|name, _| !["Patient/", "Group/"].iter().any(|begin| name.starts_with(begin)));
    found
}

/// Returns the resources of the model. The lake has one version of each resource: the most recent one, with the labels of all of them.
pub(super) fn expected(lake: &RandomLake, open_only: bool, since: Option<&str>) -> BTreeMap<String, Value> {
    let is_exported = |node: &Node| {
        let is_new = node.updated.is_none_or(|at| since.is_none_or(|since| at > since));
        is_new && (node.is_open || !open_only)
    };
    let named = |nodes: &[Node], target: fn(usize) -> Target| -> Vec<_> {
        let exported = nodes.iter().enumerate().filter(|(_, node)| is_exported(node));
        exported.map(|(number, node)| (lake.name(target(number)), json!(node.updated))).collect()
    };
    let of_records = named(&lake.records, Target::Record);
    of_records.into_iter().chain(named(&lake.shared, Target::Shared)).collect()
}
