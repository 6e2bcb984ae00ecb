//! Groups: those that are too large for a response or for the memory of a function, and who is a member of a group now.

use std::fmt::Write as _;

use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::World;

use super::{EVERYTHING, Lake};
use crate::program::{Served, ehi, printed, run};
use crate::supporting::{bulk, lake, named, of_patient};

/// The number of members of the large group.
const MEMBERS: usize = 500_000;
/// The groups with so many members.
const LARGE: [&str; 3] = ["large", "large-2", "large-3"];
/// The memory in kilobytes that a function of 256 MB has in addition to the server's usual memory.
const MOST_KILOBYTES: u64 = 120_000;

fn group(id: &str, members: usize) -> String {
    let mut text = format!(
        "{{\"resourceType\":\"Group\",\"id\":\"{id}\",\"type\":\"person\",\"actual\":true,\"member\":["
    );
    for number in 0..members {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}{{\"entity\":{{\"reference\":\"Patient/01a1fb95-ab0a-7a46-{number:012}\"}}}}"
        );
    }
    text.push_str("]}");
    text
}

#[tokio::test]
async fn a_group_that_is_too_large_for_a_response_is_refused_with_an_explanation() -> tests::Result {
    let lake = Lake::new();
    std::fs::write(lake.path().join("Group/many.json"), group("many", 200))?;
    std::fs::write(lake.path().join("Group/odd.json"), "{\"resourceType\":\"Group\",\"member\":{}}")?;
    let world = lake.world("max_direct_bytes = 10000");
    let get = async |world: &World, path: &str| {
        let token = world.service("service", EVERYTHING).await;
        world.get(path).bearer(&token).send().await
    };
    let refused = get(&world, "/fhir/Group/many").await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        refused.outcome().contains("200 members") && refused.outcome().contains("_summary=true"),
        "{}",
        refused.outcome()
    );
    let summary = get(&world, "/fhir/Group/many?_summary=true").await;
    assert_eq!(
        (summary.status, summary.json()),
        (
            StatusCode::OK,
            json!({ "resourceType": "Group", "id": "many", "type": "person", "actual": true, "quantity": 200 })
        )
    );
    // A Group whose members are not a list is not found, and does not hide other Groups.
    assert_eq!(get(&world, "/fhir/Group/odd").await.status, StatusCode::NOT_FOUND);
    let bundle = get(&world, "/fhir/Group").await.json();
    let ids: Vec<_> =
        bundle["entry"].as_array().expect("entries").iter().map(|entry| &entry["resource"]["id"]).collect();
    assert!(ids.contains(&&json!("many")) && !ids.contains(&&json!("odd")), "{bundle}");
    Ok(())
}

/// Returns the peak memory of a process in kilobytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
async fn half_a_million_members_are_counted_within_the_memory_of_a_function() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let lake = directory.path().join("lake");
    for name in ["Patient/one", "Group"] {
        std::fs::create_dir_all(lake.join(name))?;
    }
    std::fs::write(lake.join("Patient/one/a.ndjson"), "{\"resourceType\":\"Patient\",\"id\":\"one\"}\n")?;
    let text = group("large", MEMBERS);
    assert!(text.len() > 30_000_000, "{}", text.len());
    for name in LARGE {
        std::fs::write(lake.join(format!("Group/{name}.json")), &text)?;
    }
    let (config, key) = (directory.path().join("settings.toml"), directory.path().join("key.json"));
    let added = run(ehi()
        .args(["client", "add", "--id", "registry", "--scopes", "system/*.rs", "--config"])
        .arg(&config)
        .arg("--make-key")
        .arg(&key));
    assert!(added.status.success(), "{}", printed(&added));
    let mut command = ehi();
    command.env("EHI_MAX_DIRECT_BYTES", "4194304").env("EHI_LOG", "warn");
    let (lake, config) = (lake.to_str().expect("a path"), config.to_str().expect("a path"));
    let state = directory.path().join("state");
    let server = Served::start_as(command, &state, &["--records", lake, "--config", config]);
    let base = format!("{}/fhir", server.base);
    let token = run(ehi()
        .args(["client", "token", "--id", "registry", "--scope", "system/*.rs", "--server", &base, "--key"])
        .arg(&key));
    let token = String::from_utf8_lossy(&token.stdout).trim().to_owned();
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let response =
            client.get(format!("{base}/{path}")).bearer_auth(&token).send().await.expect("a response");
        (response.status(), response.bytes().await.expect("a body"))
    };
    for first in ["Group", "Group?type=person"] {
        let (mut path, mut pages) = (first.to_owned(), 0);
        loop {
            let (status, body) = get(&path).await;
            let bundle: Value = serde_json::from_slice(&body)?;
            let entries = bundle["entry"].as_array().expect("entries");
            assert_eq!((status, entries.len()), (StatusCode::OK, 1), "a page reads one group of this size");
            assert_eq!(entries[0]["resource"]["quantity"], MEMBERS);
            assert!(body.len() < 1_000, "{}", body.len());
            pages += 1;
            let Some(next) = bundle["link"][1]["url"].as_str() else { break };
            path = next.rsplit('/').next().expect("a path").to_owned();
        }
        assert_eq!(pages, LARGE.len(), "{first}");
    }
    assert_eq!(get("Group/large").await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(get("Group/large?_summary=true").await.0, StatusCode::OK);
    let peak = peak(server.child.id());
    assert!(peak < MOST_KILOBYTES, "{peak} kB");
    assert!(server.stop().is_some(), "the server exits successfully");
    Ok(())
}

/// `Group.member.period` is the time of the membership: it may not have begun yet.
#[tokio::test]
async fn only_those_who_are_members_now_are_exported() {
    let member = |patient: &str, period: Value| json!({ "entity": { "reference": format!("Patient/{patient}") }, "period": period });
    let group = json!({ "resourceType": "Group", "id": "g", "type": "person", "actual": true, "member": [
        member("always", json!({})),
        member("began", json!({ "start": "2000" })),
        member("begins", json!({ "start": "2099-01-01" })),
        member("ended", json!({ "start": "2000", "end": "2001-01-01" })),
        member("left-and-returns", json!({ "end": "2001-01-01" })),
        member("left-and-returns", json!({ "start": "2099-01-01T00:00:00Z" })),
    ] });
    let patients = ["always", "began", "begins", "ended", "left-and-returns"];
    let patients = patients.map(|id| of_patient(id, json!({ "resourceType": "Patient", "id": id })));
    let resources: Vec<_> = patients.into_iter().chain([("Group/g.json".to_owned(), group)]).collect();
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    for path in ["/fhir/Group/g/$export", "/fhir/Group/g/$export?_since=2010-01-01T00:00:00Z"] {
        let found = bulk(&world, "system/*.rs", path).await;
        assert_eq!(found, named(&["Patient/always", "Patient/began"]), "{path}");
    }
    // The clock moves to the year 2100.
    world.clock().advance(SignedDuration::from_hours(24 * 366 * 74));
    let found = bulk(&world, "system/*.rs", "/fhir/Group/g/$export").await;
    let now = ["Patient/always", "Patient/began", "Patient/begins", "Patient/left-and-returns"];
    assert_eq!(found, named(&now));
}
