//! Several versions of a resource in `shared/`, in one file or in several, and of a Group.

use std::sync::atomic::{AtomicU32, Ordering};

use domain::job::Job;
use domain::ports::queue::Deadline;
use serde_json::{Value, json};
use tests::{World, reference, text};

use super::{by_form, by_token};
use crate::crash::at_every_call;
use crate::supporting::{lake, of_patient, shared};

/// Returns a version of a Medication.
fn medication(number: u32, updated: &str, label: &str) -> (String, Value) {
    let mut meta = json!({ "versionId": number.to_string(), "security": [{ "code": label }] });
    if !updated.is_empty() {
        meta["lastUpdated"] = json!(updated);
    }
    shared(json!({ "resourceType": "Medication", "id": "p", "meta": meta }))
}

/// Returns a lake with these versions of a Medication, to which a Condition of ann refers.
fn of_versions(versions: &[(String, Value)]) -> tempfile::TempDir {
    let condition = json!({
        "resourceType": "Condition", "id": "c", "meta": { "security": [{ "code": "open" }] },
        "evidence": [{ "detail": [{ "reference": "Medication/p" }] }],
    });
    let own =
        [json!({ "resourceType": "Patient", "id": "ann" }), condition].map(|own| of_patient("ann", own));
    lake(&[versions, &own].concat())
}

/// Returns the same resources in one file, and each in a file of its own.
fn in_files<const N: usize>(versions: [(String, Value); N]) -> [[(String, Value); N]; 2] {
    let mut apart = versions.clone();
    for (number, (path, _)) in apart.iter_mut().enumerate() {
        *path = format!("shared/{number}.ndjson");
    }
    [versions, apart]
}

/// Returns the versions of the Medication in the output.
fn exported(resources: &[Value]) -> Vec<String> {
    let found = resources.iter().filter(|resource| resource["resourceType"] == "Medication");
    found.map(|medication| text(&medication["meta"]["versionId"])).collect()
}

const PATHS: [&str; 2] =
    ["/fhir/$export?_type=Medication", "/fhir/Patient/$export?_type=Condition,Medication"];
const TIMES: [&str; 2] = ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"];

#[tokio::test]
async fn a_token_gets_no_version_if_one_has_none_of_its_tags() {
    for labels in [["open", "restricted"], ["restricted", "open"]] {
        for times in [TIMES, [TIMES[1], TIMES[0]]] {
            let versions = [medication(1, times[0], labels[0]), medication(2, times[1], labels[1])];
            for versions in in_files(versions) {
                let lake = of_versions(&versions);
                for path in PATHS {
                    let scopes = "system/*.rs access/open.read";
                    let (found, ledger, _) = by_token(lake.path(), scopes, path).await;
                    assert_eq!(exported(&found), [""; 0], "{labels:?} {path}");
                    assert_eq!(ledger["duplicates"], 1, "{labels:?} {path}: {ledger}");
                    assert!(ledger["leftOut"]["tag"].as_u64() >= Some(1), "{labels:?} {path}: {ledger}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_most_recent_version_is_exported_whatever_its_place() {
    for (times, expected) in
        [(TIMES, "2"), ([TIMES[1], TIMES[0]], "1"), ([TIMES[0]; 2], "2"), (["", TIMES[0]], "2")]
    {
        for versions in in_files([medication(1, times[0], "open"), medication(2, times[1], "open")]) {
            let lake = of_versions(&versions);
            for path in PATHS {
                for scopes in ["system/*.rs", "system/*.rs access/open.read"] {
                    let (found, ledger, _) = by_token(lake.path(), scopes, path).await;
                    assert_eq!(exported(&found), [expected], "{times:?} {path} {scopes}");
                    assert_eq!(ledger["duplicates"], 1, "{times:?} {path}: {ledger}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_label_of_one_version_withholds_all_of_them() {
    for (labels, expected) in [(["open", "PSY"], &[][..]), (["PSY", "open"], &[]), (["open", "open"], &["2"])]
    {
        for versions in in_files([medication(1, "", labels[0]), medication(2, "", labels[1])]) {
            let lake = of_versions(&versions);
            let (found, ledger) = by_form(lake.path()).await;
            assert_eq!(exported(&found), expected, "{labels:?}");
            assert_eq!(ledger["duplicates"], 1, "{labels:?}: {ledger}");
        }
    }
}

/// Some versions are in one file, and others in a second one.
#[tokio::test]
async fn versions_in_one_file_are_compared_with_those_in_another_one() {
    for (years, expected) in [([2021, 2023, 2022], "2"), ([2021, 2022, 2023], "3"), ([2023, 2022, 2021], "1")]
    {
        let mut versions = in_files(
            [1, 2, 3]
                .map(|number| medication(number, &format!("{}-01-01", years[number as usize - 1]), "open")),
        )[0]
        .clone();
        versions[2].0 = "shared/another.ndjson".to_owned();
        let lake = of_versions(&versions);
        for path in PATHS {
            let (found, ledger, _) = by_token(lake.path(), "system/*.rs", path).await;
            assert_eq!(exported(&found), [expected], "{years:?} {path}");
            assert_eq!(ledger["duplicates"], 2, "{years:?} {path}: {ledger}");
        }
    }
}

/// A Group may be in its file and in `shared/`. Of two that changed at the same time, that of its file counts.
#[tokio::test]
async fn the_versions_of_a_group_are_compared() {
    let group = |number: u32, updated: &str, label: &str| {
        json!({ "resourceType": "Group", "id": "g", "type": "person", "actual": true,
            "meta": { "versionId": number.to_string(), "lastUpdated": updated, "security": [{ "code": label }] } })
    };
    for (times, labels, expected) in [
        (TIMES, ["open", "open"], &["2"][..]),
        ([TIMES[1], TIMES[0]], ["open", "open"], &["1"]),
        ([TIMES[0]; 2], ["open", "open"], &["1"]),
        (TIMES, ["open", "restricted"], &[]),
        (TIMES, ["restricted", "open"], &[]),
    ] {
        let resources = [
            of_patient("ann", json!({ "resourceType": "Patient", "id": "ann" })),
            ("Group/g.json".to_owned(), group(1, times[0], labels[0])),
            shared(group(2, times[1], labels[1])),
        ];
        let lake = lake(&resources);
        let path = "/fhir/$export?_type=Group";
        let (found, ledger, _) = by_token(lake.path(), "system/*.rs access/open.read", path).await;
        let found: Vec<_> = found.iter().map(|group| text(&group["meta"]["versionId"])).collect();
        assert_eq!(found, expected, "{times:?} {labels:?}");
        assert_eq!(ledger["duplicates"], 1, "{times:?} {labels:?}: {ledger}");
    }
}

/// The time of an invocation is over at every third look.
#[derive(Default)]
struct Short(AtomicU32);

impl Deadline for Short {
    fn is_near(&self, _: jiff::Timestamp) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % 3 == 2
    }
}

/// A large `shared/` takes longer than an invocation: the next one continues, also within a file.
#[tokio::test]
async fn a_comparison_continues_in_the_next_invocation() -> tests::Result {
    let [_, versions] = in_files([1, 2, 3, 4, 5].map(|number| {
        let year = if number == 3 { 2025 } else { 2020 };
        medication(number, &format!("{year}-01-01"), "open")
    }));
    let many = (0..4_500).map(|number| {
        let other =
            json!({ "resourceType": "Medication", "id": format!("m{number}"), "meta": { "versionId": "0" } });
        ("shared/1.ndjson".to_owned(), other)
    });
    let lake = of_versions(&versions.into_iter().chain(many).collect::<Vec<_>>());
    let world = World::with("sandbox = true", lake.path());
    let token = world.service("service", "system/*.rs").await;
    let job = world.get("/fhir/$export?_type=Medication").bearer(&token).send().await.job();
    let (inbox, worker) = (world.platform().inbox(), export_generator::worker(world.platform())?);
    let (deadline, mut paused) = (Short::default(), std::collections::BTreeSet::new());
    while ehi::worker::step(&*inbox, &*worker, &deadline).await? {
        let stored = world.platform().jobs().get(&tests::packs::job_id(&job)).await?.expect("a job");
        if let Job::Running(running) = stored.job {
            paused.extend(running.comparison);
        }
    }
    assert!(paused.len() >= 3, "{paused:?}");
    let found = world.resources(&token, &job).await;
    assert_eq!(found.len(), 4_501);
    assert!(exported(&found).contains(&"3".to_owned()), "the most recent one");
    let left = world.platform().files().list("exports/").await?;
    assert!(left.iter().all(|name| !name.contains("versions-")), "{left:?}");
    Ok(())
}

/// The files of `shared/` are compared once, and the lists are removed at the end.
#[tokio::test]
async fn a_comparison_survives_a_crash_at_every_call() {
    let versions = [medication(1, TIMES[1], "open"), medication(2, TIMES[0], "open")];
    let [_, versions] = in_files(versions);
    let lake = of_versions(&versions);
    let begun = async || {
        let world = World::with("sandbox = true", lake.path());
        let token = world.service("service", "system/*.rs").await;
        let started = world.get("/fhir/$export").bearer(&token).send().await;
        (world, (token, started))
    };
    let check = async |world: &World, (token, started): (String, tests::TestResponse), call: i64| {
        let status = started.header("content-location");
        let manifest = world.get(status).bearer(&token).send().await.json();
        let mut found = Vec::new();
        for file in manifest["output"].as_array().expect("output") {
            found.extend(world.get(&text(&file["url"])).bearer(&token).send().await.lines());
        }
        assert_eq!(exported(&found), ["1"], "call {call}");
        let mut names: Vec<_> = found.iter().map(reference).collect();
        names.sort();
        assert_eq!(names, ["Condition/c", "Medication/p", "Patient/ann"], "call {call}");
        world.clean().await;
        let job = status.split("/jobs/").nth(1).and_then(|rest| rest.split('/').next()).expect("a job");
        let left = world.platform().files().list(&format!("exports/{job}/")).await.expect("a list");
        assert!(left.iter().all(|name| !name.starts_with("versions-")), "call {call}: {left:?}");
    };
    let crashes = at_every_call(begun, check).await;
    assert!(crashes > 15, "{crashes}");
}
