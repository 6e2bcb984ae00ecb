//! Tokens that are limited by tags: what they give access to, and that no request leaves a tag out.

use http::StatusCode;
use serde_json::json;
use tests::{ANNA, World, both_hosts, lake, text};

#[both_hosts]
async fn a_registered_tag_cannot_be_left_out(world: World) {
    for scopes in [
        "system/*.rs",
        "system/*.rs access/other.read",
        "system/*.rs access/*.*",
        "system/*.rs access/*.read access/open.write",
        "system/*.rs access/open.read",
    ] {
        let (header, claims) = tests::service::assertion("team-service", world.now());
        let response = world.by_assertion(&tests::service::signed(&header, &claims), scopes).await;
        assert_eq!(response.json()["scope"], "system/*.rs access/open.read", "{scopes}: {}", response.text());
    }
    // An EHI export has no tags by which it could be limited.
    let token = world.service("team-service", "system/$ehi-export").await;
    let path = format!("/no-form/fhir/Patient/{ANNA}/$ehi-export");
    assert_eq!(world.post(&path).bearer(&token).send().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_limited_by_tags_sees_resources_with_these_tags_only() -> tests::Result {
    let directory = tempfile::tempdir()?;
    lake::write(directory.path());
    let tagged = json!({
        "resourceType": "Group", "id": "tagged", "type": "person", "actual": true,
        "meta": { "security": [{ "system": "https://example.org/access", "code": "open" }] },
    });
    std::fs::write(directory.path().join("Group/tagged.json"), tagged.to_string())?;
    let world = World::with("sandbox = true", directory.path());
    let token = world.service("team-service", "system/*.rs").await;
    let groups = world.get("/fhir/Group").bearer(&token).send().await.json();
    let ids: Vec<_> = groups["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| text(&entry["resource"]["id"]))
        .collect();
    assert_eq!((ids, &groups["total"]), (vec!["tagged".to_owned()], &json!(1)));
    for (group, expected) in [("tagged", StatusCode::OK), ("all", StatusCode::NOT_FOUND)] {
        let response = world.get(&format!("/fhir/Group/{group}")).bearer(&token).send().await;
        assert_eq!(response.status, expected, "{group}");
    }
    let begun = world.get("/fhir/$export?_type=Observation").bearer(&token).send().await;
    world.work().await;
    let manifest = world.get(begun.header("content-location")).bearer(&token).send().await.json();
    let lines = world.get(&text(&manifest["output"][0]["url"])).bearer(&token).send().await.lines();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["meta"]["security"][0]["code"] == "open"));
    Ok(())
}
