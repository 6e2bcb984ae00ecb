//! Referenced resources that are fetched in parts: with few of them in memory, and in invocations of one or two steps. The export is the
//! same as one that is done at once.

use domain::chunk::Work;
use domain::ports::jobs::StoredChunk;
use export_generator::{GatherSizes, ShardSizes, Sizes};
use tests::packs::job_id;
use tests::parts;

use super::*;

/// Everything that a client sees of an export.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// Every line of every file, after the name of the list that its file is in.
    pub(super) lines: Vec<String>,
    /// The ledger of the manifest.
    pub(super) ledger: Value,
}

/// Runs a bulk export. Returns what a client sees, and the plan.
pub(super) async fn seen(world: &World, scopes: &str, path: &str) -> (Seen, Vec<StoredChunk>) {
    let token = world.service("service", scopes).await;
    let started = world.get(path).bearer(&token).send().await;
    assert_eq!(started.status, http::StatusCode::ACCEPTED, "{path}: {}", started.text());
    world.work().await;
    let manifest = world.get(started.header("content-location")).bearer(&token).send().await;
    assert_eq!(manifest.status, http::StatusCode::OK, "{path}: {}", manifest.text());
    let manifest = manifest.json();
    let mut lines = Vec::new();
    for list in ["output", "deleted", "error"] {
        for file in manifest[list].as_array().expect("a list") {
            let text = world.get(&text(&file["url"])).bearer(&token).send().await.text();
            lines.extend(text.lines().map(|line| format!("{list} {line}")));
        }
    }
    lines.sort();
    let id = job_id(&started.job());
    let jobs = world.platform().jobs();
    let end = jobs.get(&id).await.expect("the store responds").expect("a job").progress.plan_end;
    let chunks = jobs.chunks(&id, 0..end).await.expect("the plan");
    (Seen { lines, ledger: manifest["extension"]["ledger"].clone() }, chunks)
}

fn count(chunks: &[StoredChunk], is_counted: impl Fn(&Work) -> bool) -> usize {
    chunks.iter().filter(|stored| is_counted(&stored.chunk.work)).count()
}

fn sizes(references: usize, messages: usize, files: u32) -> Sizes {
    let (gather, shards) = (GatherSizes { files }, ShardSizes { references, messages });
    Sizes { gather, shards, ..Sizes::default() }
}

/// Returns six patients with practitioners, a chain of organizations, Provenance, a missing resource, and lines that cannot be used.
fn large_clinic() -> Vec<(String, Value)> {
    let reference = |name: String| json!({ "reference": name });
    let at = |year: u32| json!({ "lastUpdated": format!("{year}-01-01T00:00:00Z") });
    let mut resources = clinic();
    for number in 0..5 {
        let (patient, year) = (format!("p{number}"), 2020 + number);
        resources.push(of_patient(
            &patient,
            json!({ "resourceType": "Patient", "id": patient, "meta": at(year) }),
        ));
        let performers = [format!("Practitioner/{number}"), format!("Practitioner/{}", number + 1)];
        let performers =
            performers.into_iter().chain(["Practitioner/none".to_owned(), "Practitioner/lab".to_owned()]);
        resources.push(of_patient(
            &patient,
            json!({ "resourceType": "Observation", "id": patient, "meta": at(year), "subject": reference(format!("Patient/{patient}")),
            "performer": performers.map(reference).collect::<Vec<_>>() }),
        ));
    }
    for number in 0..6 {
        resources.push(shared(
            json!({ "resourceType": "Practitioner", "id": number.to_string(), "meta": at(2018 + number),
            "qualification": [{ "issuer": reference(format!("Organization/{}", number * 2)) }] }),
        ));
        for (kind, year) in [("first", 2020), ("last", 2025)] {
            let targets = [format!("Practitioner/{number}"), format!("Organization/{number}")];
            resources.push(shared(
                json!({ "resourceType": "Provenance", "id": format!("{kind}-{number}"), "meta": at(year), "recorded": format!("{year}-01-01T00:00:00Z"),
                "target": targets.map(reference), "agent": [{ "who": reference(format!("Organization/agent-{kind}-{number}")) }] }),
            ));
            resources.push(shared(
                json!({ "resourceType": "Organization", "id": format!("agent-{kind}-{number}"), "meta": at(year) }),
            ));
        }
    }
    for number in 0..14 {
        let parent = reference(format!("Organization/{}", number + 1));
        let organization = json!({ "resourceType": "Organization", "id": number.to_string(), "meta": at(2012 + number), "partOf": parent });
        // Some have an earlier version.
        resources.extend((0..=number % 3 / 2).map(|_| shared(organization.clone())));
    }
    // A line without an id is reported.
    resources.push(("shared/broken.ndjson".to_owned(), json!({ "resourceType": "Practitioner" })));
    resources.push((
        "deleted/all.ndjson".to_owned(),
        json!({ "resourceType": "Practitioner", "id": "3", "deleted": "2026-01-01T00:00:00Z" }),
    ));
    resources
}

const QUERIES: [&str; 5] = [
    "",
    "?_since=2022-06-01T00:00:00Z",
    "?includeAssociatedData=LatestProvenanceResources",
    "?includeAssociatedData=LatestProvenanceResources&_since=2022-06-01T00:00:00Z",
    "?_type=Observation,Practitioner,Provenance&fetchResourceBatchSize=3",
];

#[tokio::test]
async fn an_export_in_parts_is_the_export_at_once() {
    let directory = lake(&large_clinic());
    let settings = "sandbox = true\nchunk_bytes = 1";
    for query in QUERIES {
        let path = format!("/fhir/Patient/$export{query}");
        let (expected, chunks) = seen(&World::with(settings, directory.path()), "system/*.rs", &path).await;
        assert!(expected.lines.len() > 15, "{query}: {expected:?}");
        assert!(expected.lines.windows(2).all(|two| two[0] != two[1]), "{query}: {expected:?}");
        assert_eq!(count(&chunks, |work| matches!(work, Work::Gather { .. } | Work::Follow { .. })), 0);
        for (references, messages, files) in [(1, 1, 1), (2, 5, 2), (3, 1, 4), (8, 2, 3), (1_000, 1_000, 256)]
        {
            let what = format!("{query} {references} {messages} {files}");
            let world =
                World::with(settings, directory.path()).in_parts_of(sizes(references, messages, files));
            let (found, chunks) = seen(&world, "system/*.rs", &path).await;
            assert_eq!(found, expected, "{what}");
            let gathers = count(&chunks, |work| matches!(work, Work::Gather { .. }));
            // A plan with `_since` has a chunk without references.
            let planned = 6 + count(&chunks, |work| matches!(work, Work::Deleted));
            assert_eq!(gathers, if files < 6 { planned.div_ceil(files as usize) } else { 0 }, "{what}");
            let parts = count(&chunks, |work| matches!(work, Work::Follow { .. }));
            assert!(parts > if references < 9 { 10 } else { 3 }, "{what}: {parts}");
        }
    }
}

/// The form's choices leave practitioners of left-out resources in the export, which are followed last.
#[tokio::test]
async fn a_copy_in_parts_is_the_copy_at_once() {
    let directory = lake(&large_clinic());
    for choices in [
        json!({ "parameters": { "billing": { "enabled": true } } }),
        json!({ "parameters": { "visits": { "enabled": true } } }),
    ] {
        for patient in ["ann", "p3"] {
            let world = World::with("sandbox = true", directory.path());
            let expected = ehi(&world, patient, &choices).await;
            assert!(expected.len() > 6, "{expected:?}");
            let world = World::with("sandbox = true", directory.path()).in_parts();
            assert_eq!(ehi(&world, patient, &choices).await, expected, "{patient} {choices}");
        }
    }
}

/// Two workers take the same Finish task at every step: what one of them has recorded, the other one does not record again.
#[tokio::test]
async fn two_workers_at_every_step_export_nothing_twice() -> tests::Result {
    use domain::ports::queue::Inbox;
    use jiff::SignedDuration;

    let directory = lake(&large_clinic());
    let settings = "sandbox = true\nchunk_bytes = 1";
    let path = "/fhir/Patient/$export?includeAssociatedData=LatestProvenanceResources";
    let (expected, _) = seen(&World::with(settings, directory.path()), "system/*.rs", path).await;
    let world = World::with(settings, directory.path()).in_parts();
    let token = world.service("service", "system/*.rs").await;
    let started = world.get(path).bearer(&token).send().await;
    let (inbox, one, other) = (
        world.platform().inbox(),
        parts::worker(world.platform()),
        parts::worker_of(world.platform(), sizes(3, 2, 2)),
    );
    let deadline = parts::TwoOfThree::default();
    while let Some(delivery) = inbox.receive(SignedDuration::from_secs(60)).await? {
        let both = futures_util::future::join(
            one.handle(&delivery.task, &deadline),
            other.handle(&delivery.task, &deadline),
        );
        let (first, second) = both.await;
        // One of them may be too late.
        assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
        inbox.acknowledge(&delivery).await?;
    }
    let mut found = Vec::new();
    let manifest = world.get(started.header("content-location")).bearer(&token).send().await.json();
    for list in ["output", "deleted", "error"] {
        for file in manifest[list].as_array().expect("a list") {
            let text = world.get(&text(&file["url"])).bearer(&token).send().await.text();
            found.extend(text.lines().map(|line| format!("{list} {line}")));
        }
    }
    found.sort();
    assert_eq!(found, expected.lines);
    Ok(())
}
