//! `/format`, the public description of what an export contains (45 CFR 170.315(b)(10)(iii)).

use std::collections::BTreeSet;

use domain::redaction::REASONS;
use domain::sensitive::Sensitive;
use http::StatusCode;
use serde_json::Value;
use tests::{BASE_URL, World, both_hosts};

use crate::bulk::exported;

/// Returns the words that the page shows as code.
fn codes(page: &str) -> BTreeSet<&str> {
    let shown = page.split("<code translate=\"no\">").skip(1);
    let shown = shown.filter_map(|rest| Some(rest.split_once("</code>")?.0));
    shown.flat_map(|code| code.split(['.', ',', ' '])).collect()
}

/// Collects the names of members at any depth. A FHIR extension has the name in its `url`.
fn names(document: &Value, found: &mut BTreeSet<String>) {
    match document {
        Value::Object(members) => {
            found.extend(members.keys().cloned());
            let is_extension = members.keys().any(|name| name.starts_with("value") || name == "extension");
            if let (true, Some(url)) = (is_extension && !members.contains_key("count"), members.get("url")) {
                found.extend(url.as_str().and_then(|url| url.rsplit('/').next()).map(str::to_owned));
            }
            members.values().for_each(|member| names(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

/// Panics if a member of a manifest is not on the page.
pub(crate) async fn assert_described(world: &World, manifest: &Value) {
    let page = world.get("/format").send().await.text();
    let (codes, mut found) = (codes(&page), BTreeSet::new());
    names(manifest, &mut found);
    let missing: Vec<_> = found.iter().filter(|name| !codes.contains(name.as_str())).collect();
    assert!(missing.is_empty() && !found.is_empty(), "{missing:?} are not described: {manifest}");
}

#[both_hosts]
async fn the_page_describes_blocks_and_the_reasons_of_staff(world: World) {
    let token = world.service("service", "system/*.rs").await;
    let manifest =
        exported(&world, &token, "/fhir/Patient/$export?_type=Patient&organizeOutputBy=Patient").await;
    assert_eq!(manifest["outputOrganizedBy"], "Patient");
    assert_described(&world, &manifest).await;
    for language in ["en", "es"] {
        let page = world.get("/format").header("accept-language", language).send().await.text();
        assert!(page.contains("organizeOutputBy=Patient") && page.contains(REASONS), "{language}");
    }
}

/// 45 CFR 170.315(b)(10)(iii): the format of an export is described at a public URL, and the export contains this URL.
#[both_hosts]
async fn a_manifest_has_the_url_of_the_page_that_describes_its_files(world: World) -> tests::Result {
    let token = world.service("service", "system/*.rs").await;
    for kick_off in ["/fhir/$export", "/4_0_0/$export", "/fhir/r4/$export"] {
        let manifest = exported(&world, &token, kick_off).await;
        let documentation = manifest["extension"]["ehiDocumentationUrl"].as_str().unwrap_or_default();
        let path = documentation.strip_prefix(BASE_URL).unwrap_or(documentation);
        let page = world.get(path).send().await;
        assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
        let text = page.text();
        for output in manifest["output"].as_array().into_iter().flatten() {
            let resource_type = output["type"].as_str().unwrap_or("Observation");
            assert!(text.contains(resource_type), "{resource_type} is not described");
        }
        for topic in Sensitive::ALL {
            let words = topic.labels().iter().chain([&topic.key()]).copied().collect::<Vec<_>>();
            assert!(words.iter().all(|word| codes(&text).contains(word)), "{}", topic.key());
        }
    }
    Ok(())
}

/// This story has settings of its own.
#[tokio::test]
async fn the_documentation_may_be_elsewhere() -> tests::Result {
    let elsewhere = "https://docs.example.org/ehi";
    let world =
        World::with(&format!("documentation_url = \"{elsewhere}\""), &ehi::defaults::sample_records());
    assert!(world.get("/").send().await.text().contains(&format!("<a href=\"{elsewhere}\">")));
    let token = world.service("service", "system/*.rs").await;
    let manifest = exported(&world, &token, "/fhir/$export").await;
    assert_eq!(manifest["extension"]["ehiDocumentationUrl"], elsewhere);
    Ok(())
}
