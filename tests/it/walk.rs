//! A complete export: every host must support it, whether it is the process in memory, a deployment, or the
//! containers of `sam local`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use ehi::defaults::sample_records;
use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, World, both_hosts, reference, stored_lines, text};

use crate::bulk;
use crate::download::attachment_urls;

#[both_hosts]
async fn an_export_of_a_patient_and_a_bulk_export_succeed(world: World) {
    one_patient(&world).await;
    all_patients(&world).await;
}

/// Kick-off, form, work, review and download.
async fn one_patient(world: &World) {
    assert_eq!(world.get("/fhir/metadata").send().await.json()["resourceType"], "CapabilityStatement");
    let token = world.token(ANNA).await;
    let started = world.post(&format!("/fhir/Patient/{ANNA}/$ehi-export")).bearer(&token).send().await;
    assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text());
    let (job, form) =
        (started.job(), started.header("link").split(['<', '>']).nth(1).expect("a form").to_owned());
    let (_, page) = world.open_form(&form).await;
    assert!(page.status == StatusCode::OK && page.text().contains("Anna Lindqvist"), "{}", page.status);
    let code = tests::parameter(&form, "code").expect("a code");
    let choices = json!({ "parameters": { "labs": { "enabled": true }, "visits": { "enabled": true } } });
    let chosen = world.post(&format!("{job}?code={code}")).json(&choices).send().await;
    assert_eq!((chosen.status, &chosen.json()["status"]), (StatusCode::OK, &json!("requested")));
    world.work().await;

    let staff = world.staff().await;
    let review = world.get(&format!("/admin{job}")).cookie(&staff).send().await;
    assert_eq!(review.json()["status"], "retrieved", "{}", review.text());
    let letter: [(&str, &str, &[u8]); 1] = [("letter.txt", "text/plain", b"With regards")];
    let attached = world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&letter).send().await;
    assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());

    let resources = world.resources(&token, &job).await;
    let mut counts = BTreeMap::new();
    for resource in &resources {
        *counts.entry(text(&resource["resourceType"])).or_insert(0) += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let expected = [
        ("DiagnosticReport", 6),
        ("DocumentReference", 1),
        ("Encounter", 6),
        ("Observation", 36),
        ("Organization", 3),
        ("Patient", 1),
        ("Practitioner", 3),
        ("Procedure", 3),
    ];
    assert_eq!(counts, expected);
    let mut letters = 0;
    for url in attachment_urls(&resources) {
        let file = world.get(&url).bearer(&token).send().await;
        assert_eq!(file.status, StatusCode::OK, "{url}");
        letters += usize::from(file.body == b"With regards");
    }
    assert_eq!(letters, 1);
}

/// Exports a group, and its changes since a time.
async fn all_patients(world: &World) {
    const TYPES: [&str; 3] = ["Condition", "Encounter", "Observation"];
    const SINCE: &str = "2016-03-12T09:30:00.000Z";

    let records = sample_records();
    let patients = [ANNA, tests::BRUNO, "chiara-rossi", "dmitri-sokolov"];
    let mut lines: Vec<Value> = patients.iter().flat_map(|patient| stored_lines(&records, patient)).collect();
    lines.extend(compressed_lines(&records.join("Patient/bruno-keller/older.ndjson.gz")));
    let is_exported = |line: &&Value| TYPES.iter().any(|name| line["resourceType"] == *name);
    let changed = |line: &&Value| line["meta"]["lastUpdated"].as_str().is_some_and(|at| at > SINCE);
    let token = world.service("service", "system/*.rs").await;
    let path = format!("/fhir/Group/everyone/$export?_type={}", TYPES.join(","));
    for (path, expected) in [
        (path.clone(), lines.iter().filter(is_exported).collect::<Vec<_>>()),
        (format!("{path}&_since={SINCE}"), lines.iter().filter(is_exported).filter(changed).collect()),
    ] {
        let manifest = bulk::exported(world, &token, &path).await;
        let found = bulk::resources(world, &token, &manifest, "output").await;
        let sorted = |lines: &mut dyn Iterator<Item = &Value>| {
            let mut references: Vec<_> = lines.map(reference).collect();
            references.sort();
            references
        };
        assert!(expected.len() > 50);
        assert_eq!(sorted(&mut found.iter()), sorted(&mut expected.into_iter()), "{path}");
    }
}

fn compressed_lines(path: &Path) -> Vec<Value> {
    let file = std::fs::File::open(path).expect("a file");
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect()
}
