//! Damaged files of the lake: each is reported in an OperationOutcome, and everything else is exported.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use serde_json::{Value, json};
use tests::{World, lake, reference, text};

/// Returns a gzip stream that is cut off in the middle.
fn truncated(lines: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(lines.as_bytes()).expect("memory");
    let mut bytes = encoder.finish().expect("memory");
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn write(root: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(root.join(name), bytes).expect("written");
}

/// Exports by GET; returns the manifest, the references of all resources in the output, and the texts of the error files.
async fn exported(world: &World, path: &str) -> (Value, Vec<String>, Vec<String>) {
    let token = world.service("service", "system/*.rs").await;
    let kicked_off = world.get(path).bearer(&token).send().await;
    assert_eq!(kicked_off.status, StatusCode::ACCEPTED, "{}", kicked_off.text());
    world.work().await;
    let response = world.get(kicked_off.header("content-location")).bearer(&token).send().await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    let manifest = response.json();
    let mut lists = Vec::new();
    for list in ["output", "error"] {
        let mut lines = Vec::new();
        for file in manifest[list].as_array().expect("a list") {
            lines.extend(world.get(&text(&file["url"])).bearer(&token).send().await.lines());
        }
        lists.push(lines);
    }
    let problems = lists[1].iter().map(|outcome| text(&outcome["issue"][0]["diagnostics"])).collect();
    let resources = lists[0].iter().map(reference).collect();
    (manifest, resources, problems)
}

#[tokio::test]
async fn damaged_files_are_reported_and_the_rest_is_exported() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    let all = lake::write(root);
    let more = "{\"resourceType\":\"Claim\",\"id\":\"lost\"}\n".repeat(9);
    write(root, "Patient/p1/more.ndjson.gz", &truncated(&more));
    write(root, "Patient/p2/more.ndjson.gz", b"{\"resourceType\":\"Claim\",\"id\":\"not-gzip\"}\n");
    write(root, "shared/third.ndjson.gz", &truncated(&more));
    write(root, "Group/broken.json", b"{\"resourceType\":\"Group\"");
    write(root, "deleted/more.ndjson.gz", &truncated(&more));
    write(
        root,
        "deleted/other.ndjson",
        b"{\"resourceType\":\"Claim\",\"id\":\"x\",\"deleted\":\"yesterday\"}\n",
    );
    for chunk_bytes in [1, 100_000_000] {
        let world = World::with(&format!("sandbox = true\nchunk_bytes = {chunk_bytes}"), root);
        let (manifest, mut resources, problems) =
            exported(&world, "/fhir/$export?_since=2000-01-01T00:00:00Z").await;
        let files = [
            "Patient/p1/more.ndjson.gz",
            "Patient/p2/more.ndjson.gz",
            "shared/third.ndjson.gz",
            "Group/broken.json",
            "deleted/more.ndjson.gz",
            "deleted/other.ndjson line 1",
        ];
        for file in files {
            assert_eq!(
                problems.iter().filter(|problem| problem.contains(file)).count(),
                1,
                "{file}: {problems:#?}"
            );
        }
        assert_eq!(problems.len(), files.len(), "{problems:#?}");
        let ledger = &manifest["extension"]["ledger"];
        let patients = json!({ "planned": 6, "exported": 4, "absent": 0, "failed": 2 });
        assert_eq!((&ledger["patients"], &ledger["resources"]["problems"]), (&patients, &json!(1)));
        // The deletion of an Observation that is still in the record is reported and the Observation is not exported; everything else is.
        let mut expected: Vec<_> =
            all.iter().map(reference).filter(|name| name != "Observation/p1-o1").collect();
        resources.sort();
        expected.sort();
        assert_eq!(resources, expected);
    }
    Ok(())
}

/// The cohort and the first chunk make no difference.
#[tokio::test]
async fn damage_in_deleted_is_reported_once_for_every_cohort() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    lake::write(root);
    let nobody = json!({ "resourceType": "Group", "id": "nobody", "type": "person", "actual": true });
    write(root, "Group/nobody.json", nobody.to_string().as_bytes());
    let strangers = json!({ "resourceType": "Group", "id": "strangers", "type": "person", "actual": true,
        "member": [{ "entity": { "reference": "Patient/stranger" } }] });
    write(root, "Group/strangers.json", strangers.to_string().as_bytes());
    let line = json!({ "resourceType": "Claim", "id": "x", "deleted": "yesterday" });
    write(root, "deleted/other.ndjson", format!("{line}\n").as_bytes());
    let world = World::with("sandbox = true\nchunk_bytes = 1", root);
    for level in ["", "/Patient", "/Group/nobody", "/Group/strangers"] {
        let path = format!("/fhir{level}/$export?_since=2000-01-01T00:00:00Z");
        let (_, _, problems) = exported(&world, &path).await;
        let named = problems.iter().filter(|problem| problem.contains("deleted/other.ndjson line 1"));
        assert_eq!(named.count(), 1, "{level}: {problems:#?}");
        let (_, _, problems) = exported(&world, &format!("/fhir{level}/$export")).await;
        assert!(
            !problems.iter().any(|problem| problem.contains("deleted/")),
            "{level}: without _since: {problems:#?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_patient_whose_only_file_is_damaged_counts_as_failed_and_not_as_absent() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let patient = directory.path().join("Patient/p");
    std::fs::create_dir_all(&patient)?;
    write(&patient, "records.ndjson.gz", b"no gzip");
    let world = World::with("sandbox = true", directory.path());
    let (manifest, resources, problems) = exported(&world, "/fhir/Patient/$export").await;
    assert!(
        resources.is_empty() && problems.len() == 1 && problems[0].contains("Patient/p/records.ndjson.gz"),
        "{problems:?}"
    );
    let patients = json!({ "planned": 1, "exported": 0, "absent": 0, "failed": 1 });
    assert_eq!(manifest["extension"]["ledger"]["patients"], patients);
    Ok(())
}

#[tokio::test]
async fn lines_of_shared_that_are_not_resources_are_reported_once_per_file() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    for name in ["Patient/p", "shared"] {
        std::fs::create_dir_all(root.join(name))?;
    }
    let patient = json!({
        "resourceType": "Patient", "id": "p",
        "generalPractitioner": [{ "reference": "Practitioner/doc" }, { "reference": "Organization/org" }],
    });
    write(root, "Patient/p/records.ndjson", patient.to_string().as_bytes());
    let (practitioner, organization) = (
        json!({ "resourceType": "Practitioner", "id": "doc" }),
        json!({ "resourceType": "Organization", "id": "org" }),
    );
    let practitioners =
        format!("\u{feff}\n\n{{\"resourceType\":\"Practitioner\"}}\nnonsense\n{practitioner}\n{{}}\n");
    write(root, "shared/a.ndjson", practitioners.as_bytes());
    let long = format!("{organization}\n{}\n\"x\"", "x".repeat(40 << 20));
    write(root, "shared/b.ndjson", long.as_bytes());
    // Each reference is looked up in a call of its own.
    let world = World::with("sandbox = true", root);
    let (manifest, mut resources, mut problems) =
        exported(&world, "/fhir/Patient/$export?fetchResourceBatchSize=1").await;
    resources.sort();
    problems.sort();
    assert_eq!(resources, ["Organization/org", "Patient/p", "Practitioner/doc"]);
    assert_eq!(
        problems,
        [
            "shared/a.ndjson line 3 cannot be read: the resource has no id; 2 more lines of the file cannot be read",
            "shared/b.ndjson line 2 cannot be read: the line is longer than 16 MiB; another line of the file cannot be read either",
        ]
    );
    let ledger = &manifest["extension"]["ledger"];
    assert_eq!(ledger["problems"], json!({ "reported": 2, "unlisted": 0 }));
    assert_eq!(ledger["resources"]["read"], 3, "the damaged lines were not requested");
    Ok(())
}

/// Every file in the lake that has bytes is exported, or reported with its path.
#[tokio::test]
async fn files_outside_the_layout_are_reported() -> tests::Result {
    use std::os::unix::ffi::OsStrExt;
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    lake::write(root);
    let line =
        b"{\"resourceType\":\"Observation\",\"id\":\"lost\",\"subject\":{\"reference\":\"Patient/p1\"}}\n";
    let named = [
        "Patient/p0/more.NDJSON",
        "Patient/p1/more.json",
        "Patient/p2/more",
        "Patient/p3/2024/more.ndjson",
        "Patient/flat.ndjson",
        "Patient/no id!/records.ndjson",
        "shared/more.jsonl",
        "Group/no id!.json",
        "deleted/more.txt",
    ];
    for file in named.iter().chain(&[
        "Patient/p4/.DS_Store",
        "Patient/p4/.git/HEAD",
        "shared/.hidden",
        "Patient/.DS_Store",
    ]) {
        std::fs::create_dir_all(root.join(file).parent().expect("a directory")).expect("a directory");
        write(root, file, line);
    }
    let spelled = std::ffi::OsStr::from_bytes(b"caf\xe9.ndjson");
    std::fs::write(root.join("Patient/p5").join(spelled), line)?;
    for (path, has_areas) in [
        ("/fhir/$export?_since=2000-01-01T00:00:00Z", true),
        ("/fhir/Patient/$export?_since=2000-01-01T00:00:00Z", false),
    ] {
        for chunk_bytes in [1, 100_000_000] {
            let world = World::with(&format!("sandbox = true\nchunk_bytes = {chunk_bytes}"), root);
            let (manifest, resources, problems) = exported(&world, path).await;
            assert!(!resources.iter().any(|reference| reference == "Observation/lost"));
            let entry = |file: &str| match file {
                "Patient/p3/2024/more.ndjson" => "Patient/p3/2024".to_owned(),
                "Patient/no id!/records.ndjson" => "Patient/no id! ".to_owned(),
                file => file.to_owned(),
            };
            let expected = named.iter().filter(|file| has_areas || !file.starts_with("Group"));
            let mut expected: Vec<_> = expected.map(|file| entry(file)).collect();
            expected.push("Patient/p5/caf\u{fffd}.ndjson".to_owned());
            for file in &expected {
                assert_eq!(
                    problems.iter().filter(|problem| problem.contains(file)).count(),
                    1,
                    "{path} {file}: {problems:#?}"
                );
            }
            assert_eq!(problems.len(), expected.len(), "{path}: {problems:#?}");
            let patients = json!({ "planned": 6, "exported": 1, "absent": 0, "failed": 5 });
            assert_eq!(manifest["extension"]["ledger"]["patients"], patients);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_lake_in_which_no_patient_has_a_directory_is_reported() -> tests::Result {
    let directory = tempfile::tempdir()?;
    std::fs::create_dir(directory.path().join("Patient"))?;
    for number in 0..150 {
        write(directory.path(), &format!("Patient/p{number:03}.ndjson"), b"x");
    }
    let world = World::with("sandbox = true", directory.path());
    let (manifest, resources, problems) = exported(&world, "/fhir/Patient/$export").await;
    assert_eq!((resources.len(), problems.len()), (0, 101), "{problems:?}");
    assert!(
        problems[0].contains("Patient/p000.ndjson") && problems[100].contains("50 more problems"),
        "{problems:?}"
    );
    assert_eq!(manifest["extension"]["ledger"]["problems"], json!({ "reported": 100, "unlisted": 50 }));
    Ok(())
}
