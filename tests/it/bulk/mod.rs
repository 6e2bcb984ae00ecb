//! Bulk exports.
//!
//! - [`content`]: their content; [`deletions`]: many deletions; [`filter`]: random requests, compared with a plain filter over the lake.
//! - [`helix`]: parameter values of Helix; [`protocol`]: the protocol: errors, dialects, progress.
//! - [`manifests`]: formats, signed links, pages.
//! - [`access`]: access and limits.
//! - [`groups`]: large groups; [`group_pages`]: the pages of their list; [`group_links`]: the links between them; [`cohorts`]: which
//!   patients a group has.

mod access;
mod cohorts;
mod content;
mod delay;
mod deletions;
mod filter;
mod filter_examples;
mod group_links;
mod group_pages;
mod groups;
mod helix;
mod manifests;
mod protocol;

use std::path::Path;

use http::StatusCode;
use serde_json::Value;
use tests::{BASE_URL, World, lake, text};

const EVERYTHING: &str = "system/*.rs";

struct Lake {
    directory: tempfile::TempDir,
    resources: Vec<Value>,
}

impl Lake {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let resources = lake::write(directory.path());
        Self { directory, resources }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn world(&self, more: &str) -> World {
        World::with(&format!("sandbox = true\n{more}"), self.path())
    }
}

/// Starts an export by GET; returns the path of its status.
async fn begin(world: &World, token: &str, path: &str) -> String {
    let response = world.get(path).bearer(token).send().await;
    assert_eq!(response.status, StatusCode::ACCEPTED, "{path}: {}", response.text());
    let location = response.header("content-location");
    location
        .strip_prefix(BASE_URL)
        .unwrap_or_else(|| panic!("not a URL of this server: {location}"))
        .to_owned()
}

/// Exports by GET; returns the manifest.
pub(crate) async fn exported(world: &World, token: &str, path: &str) -> Value {
    let status = begin(world, token, path).await;
    world.work().await;
    let response = world.get(&status).bearer(token).send().await;
    assert_eq!(response.status, StatusCode::OK, "{path}: {}", response.text());
    response.json()
}

/// Returns the resources of a list of the manifest, and checks counts and types.
pub(crate) async fn resources(world: &World, token: &str, manifest: &Value, list: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for file in manifest[list].as_array().unwrap_or_else(|| panic!("no {list}: {manifest}")) {
        let response = world.get(&text(&file["url"])).bearer(token).send().await;
        assert_eq!(response.status, StatusCode::OK, "{file}");
        let lines = response.lines();
        assert_eq!(file["count"], lines.len(), "{file}");
        assert!(!lines.is_empty(), "{file}: no empty files");
        if let Some(resource_type) = file["type"].as_str() {
            assert!(lines.iter().all(|line| line["resourceType"] == resource_type), "{file}");
        }
        all.extend(lines);
    }
    all
}

fn sorted(resources: &[Value]) -> Vec<String> {
    let mut lines: Vec<_> = resources
        .iter()
        .map(|resource| {
            let mut resource = resource.clone();
            resource.sort_all_objects();
            resource.to_string()
        })
        .collect();
    lines.sort();
    lines
}
