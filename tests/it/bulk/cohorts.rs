//! Which patients the export of a Group has: groups that do not list their members, the limits of the token on groups, and when a
//! patient joined.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{World, both_hosts, reference};

use super::{begin, exported, resources};
use crate::supporting::{bulk, lake, named, of_patient};

fn group(id: &str, more: Value) -> (String, Value) {
    let mut group = json!({ "resourceType": "Group", "id": id, "type": "person", "actual": true });
    for (name, value) in more.as_object().expect("an object") {
        group[name] = value.clone();
    }
    (format!("Group/{id}.json"), group)
}

fn member(reference: &str) -> Value {
    json!({ "entity": { "reference": reference } })
}

/// Writes two patients and these groups, and starts a server for them.
fn world(groups: Vec<(String, Value)>) -> (tempfile::TempDir, World) {
    let patients = ["ann", "bob"].map(|id| {
        let meta = json!({ "lastUpdated": "2020-01-01T00:00:00Z" });
        of_patient(id, json!({ "resourceType": "Patient", "id": id, "meta": meta }))
    });
    let directory = lake(&patients.into_iter().chain(groups).collect::<Vec<_>>());
    let world = World::with("sandbox = true", directory.path());
    (directory, world)
}

/// Returns the names of the exported resources and the texts of what is reported.
async fn with_problems(world: &World, token: &str, path: &str) -> (Vec<String>, Vec<String>) {
    let manifest = exported(world, token, path).await;
    let found = resources(world, token, &manifest, "output").await.iter().map(reference).collect();
    let problems = resources(world, token, &manifest, "error").await;
    (found, problems.iter().map(|outcome| tests::text(&outcome["issue"][0]["diagnostics"])).collect())
}

/// Returns groups whose members this server cannot determine, with a part of the reason.
fn without_lists() -> Vec<((String, Value), &'static str)> {
    let modifier = json!([{ "url": "http://x/not-a-member", "valueBoolean": true }]);
    let filter = json!([{ "url": "http://hl7.org/fhir/uv/bulkdata/StructureDefinition/member-filter",
        "valueExpression": { "language": "application/x-fhir-query", "expression": "Condition?code=E11" } }]);
    let mut modified = member("Patient/bob");
    modified["modifierExtension"] = modifier.clone();
    let ann = || json!([member("Patient/ann")]);
    vec![
        (
            group("criteria", json!({ "actual": false, "characteristic": [{ "exclude": false }] })),
            "by criteria",
        ),
        (group("r5", json!({ "membership": "definitional" })), "by criteria"),
        (group("counted", json!({ "quantity": 5000 })), "quantity of 5000"),
        (group("filtered", json!({ "modifierExtension": filter, "member": ann() })), "member-filter"),
        (
            group("narrowed", json!({ "modifierExtension": modifier, "member": ann() })),
            "http://x/not-a-member",
        ),
        (group("member", json!({ "member": [member("Patient/ann"), modified] })), "one of its members"),
    ]
}

/// A client that receives an empty export of a group would delete its patients.
#[tokio::test]
async fn a_group_that_does_not_list_its_members_is_never_an_empty_export() {
    let groups = without_lists();
    let (_directory, world) = world(groups.iter().map(|(group, _)| group.clone()).collect());
    let token = world.service("service", "system/*.rs").await;
    for ((file, group), reason) in &groups {
        let id = tests::text(&group["id"]);
        for more in ["", "?patient=Patient/ann"] {
            let refused = world.get(&format!("/fhir/Group/{id}/$export{more}")).bearer(&token).send().await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{file}: {}", refused.text());
            let text = refused.outcome();
            assert!(text.contains(reason) && text.contains("lists its members in 'member'"), "{text}");
        }
        assert_eq!(
            world.get(&format!("/fhir/Group/{id}")).bearer(&token).send().await.status,
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn a_group_changed_after_the_kick_off_fails_with_the_reason() -> tests::Result {
    let (directory, world) = world(vec![group("g", json!({ "member": [member("Patient/ann")] }))]);
    let token = world.service("service", "system/*.rs").await;
    let status = begin(&world, &token, "/fhir/Group/g/$export").await;
    let changed = group("g", json!({ "actual": false })).1;
    std::fs::write(directory.path().join("Group/g.json"), changed.to_string())?;
    world.work().await;
    let failed = world.get(&status).bearer(&token).send().await;
    assert!(failed.status.is_server_error(), "{}", failed.status);
    assert!(failed.outcome().contains("Group/g cannot be exported"), "{}", failed.outcome());
    Ok(())
}

#[tokio::test]
async fn such_a_group_inside_another_one_is_named() {
    let inside = without_lists();
    let members: Vec<_> = inside.iter().map(|((_, group), _)| member(&reference(group))).collect();
    let members: Vec<_> = members.into_iter().chain([member("Patient/bob")]).collect();
    let mut groups: Vec<_> = inside.iter().map(|(group, _)| group.clone()).collect();
    groups.push(group("outer", json!({ "quantity": 9, "member": members })));
    let (_directory, world) = world(groups);
    let token = world.service("service", "system/*.rs").await;
    let (found, problems) = with_problems(&world, &token, "/fhir/Group/outer/$export").await;
    assert_eq!(found, ["Patient/bob"]);
    for ((file, _), reason) in &inside {
        assert!(problems.iter().any(|problem| problem.contains(reason)), "{file}: {problems:#?}");
    }
    let fewer = "Group/outer has a quantity of 9 and lists 7 members";
    assert!(problems.iter().any(|problem| problem.contains(fewer)), "{problems:#?}");
    assert_eq!(problems.len(), inside.len() + 1, "{problems:#?}");
}

#[tokio::test]
async fn staff_see_that_a_group_cannot_be_exported() {
    let mut groups: Vec<_> = without_lists().into_iter().map(|(group, _)| group).collect();
    groups.push(group("listed", json!({ "member": [member("Patient/ann")] })));
    let (_directory, world) = world(groups);
    let staff = world.staff().await;
    let list = world.get("/staff/groups").cookie(&staff).send().await.text();
    assert_eq!(list.matches("This group cannot be exported.").count(), 6, "{list}");
    assert_eq!(list.matches("/export\"").count(), 1, "{list}");
    for response in [
        world.get("/staff/groups/criteria/export").cookie(&staff).send().await,
        world.post("/staff/groups/criteria/export").cookie(&staff).form::<&str, &str>(&[]).send().await,
    ] {
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(response.text().contains("Ask for a group that lists its members"), "{}", response.text());
    }
}

/// The sample's group `everyone` has no tag, and no identifier.
#[both_hosts]
async fn an_export_of_a_group_needs_access_to_the_group(world: World) {
    let export = async |scopes: &str, query: &str| {
        let token = world.service("service", scopes).await;
        world.get(&format!("/fhir/Group/everyone/$export{query}")).bearer(&token).send().await.status
    };
    for query in ["", "?patient=Patient/anna"] {
        for scopes in [
            "system/*.rs access/open.read",
            "system/Patient.rs system/Group.rs?identifier=https://x|site-a",
            "system/Patient.rs system/Group.rs?_id=other",
        ] {
            assert_eq!(export(scopes, query).await, StatusCode::NOT_FOUND, "{scopes}");
        }
    }
    for scopes in ["system/*.rs", "system/Patient.rs", "system/Patient.rs system/Group.rs?_id=everyone,other"]
    {
        assert_eq!(export(scopes, "").await, StatusCode::ACCEPTED, "{scopes}");
    }
}

#[tokio::test]
async fn a_group_inside_another_one_needs_access_as_well() {
    let open = json!({ "security": [{ "code": "open" }] });
    let at = |site: &str| json!([{ "system": "https://x", "value": site }]);
    let (directory, world) = world(vec![
        group(
            "outer",
            json!({ "meta": open, "identifier": at("a"), "member": [member("Group/inner"), member("Group/none")] }),
        ),
        group("inner", json!({ "identifier": at("b"), "member": [member("Patient/ann")] })),
    ]);
    for id in ["ann", "bob"] {
        let patient = json!({ "resourceType": "Patient", "id": id, "meta": open });
        std::fs::write(directory.path().join(format!("Patient/{id}/records.ndjson")), patient.to_string())
            .expect("written");
    }
    for scopes in ["system/*.rs access/open.read", "system/Patient.rs system/Group.rs?identifier=https://x|a"]
    {
        let token = world.service("service", scopes).await;
        let (found, mut problems) = with_problems(&world, &token, "/fhir/Group/outer/$export").await;
        problems.sort();
        let missing =
            ["inner", "none"].map(|id| format!("Group/{id}, a member of Group/outer, does not exist"));
        assert_eq!((found, problems), (Vec::new(), missing.to_vec()), "{scopes}");
        let named = world.get("/fhir/Group/outer/$export?patient=Patient/ann").bearer(&token).send().await;
        assert_eq!(named.status, StatusCode::BAD_REQUEST, "{scopes}");
    }
    let token = world.service("service", "system/Patient.rs").await;
    let (found, problems) = with_problems(&world, &token, "/fhir/Group/outer/$export").await;
    assert_eq!((found.len(), problems.len()), (1, 1), "a token without a limit on Group: {problems:?}");
}

#[tokio::test]
async fn a_member_of_an_inner_group_has_joined_when_both_memberships_had_begun() {
    let since = |reference: &str, start: &str| json!({ "entity": { "reference": reference }, "period": { "start": start } });
    let (_directory, world) = world(vec![
        group("outer", json!({ "member": [since("Group/inner", "2025-06-01"), member("Patient/bob")] })),
        group("inner", json!({ "member": [since("Patient/ann", "2010-01-01"), member("Group/outer")] })),
        // The patient is found twice: with the later time first, or last.
        group("two", json!({ "member": [since("Group/x", "2025-06-01"), since("Group/y", "2000-01-01")] })),
        group("owt", json!({ "member": [since("Group/y", "2000-01-01"), since("Group/x", "2025-06-01")] })),
        group("x", json!({ "member": [member("Group/deep")] })),
        group("y", json!({ "member": [member("Group/deep")] })),
        group("deep", json!({ "member": [member("Group/deepest")] })),
        group("deepest", json!({ "member": [member("Patient/ann"), member("Group/x")] })),
    ]);
    for (id, since, expected) in [
        ("outer", "2025-01-01", &["Patient/ann"][..]),
        ("outer", "2025-07-01", &[]),
        ("inner", "2025-01-01", &[]),
        ("two", "2025-01-01", &["Patient/ann"]),
        ("owt", "2025-01-01", &["Patient/ann"]),
        ("y", "2025-01-01", &[]),
    ] {
        let path = format!("/fhir/Group/{id}/$export?_since={since}T00:00:00Z");
        assert_eq!(bulk(&world, "system/*.rs", &path).await, named(expected), "{path}");
    }
}

/// Programs of some systems write a byte order mark before JSON.
#[tokio::test]
async fn a_byte_order_mark_before_a_group_makes_no_difference() -> tests::Result {
    let (directory, world) =
        world(vec![group("g", json!({ "name": "Marked", "member": [member("Group/h")] }))]);
    let inner = group("h", json!({ "member": [member("Patient/ann")] })).1;
    std::fs::write(directory.path().join("Group/h.json"), format!("\u{feff}{inner}"))?;
    let outer = std::fs::read_to_string(directory.path().join("Group/g.json"))?;
    std::fs::write(directory.path().join("Group/g.json"), format!("\u{feff}{outer}"))?;
    let token = world.service("service", "system/*.rs").await;
    let list = world.get("/fhir/Group?name=Marked").bearer(&token).send().await.json();
    assert_eq!(list["total"], 1, "{list}");
    assert_eq!(world.get("/fhir/Group/g").bearer(&token).send().await.json()["id"], "g");
    assert_eq!(
        with_problems(&world, &token, "/fhir/Group/g/$export").await,
        (vec!["Patient/ann".to_owned()], Vec::new())
    );
    let page = world.get("/staff/groups/g/export").cookie(&world.staff().await).send().await.text();
    assert!(page.contains("Marked") && page.contains("up to 1 patient"), "{page}");
    Ok(())
}
