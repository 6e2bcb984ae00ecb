//! Manifests: registered formats, signed links, and many pages.

use std::collections::BTreeSet;

use domain::chunk::{ChunkResult, OutputFile, Purpose};
use domain::dated::DaysByType;
use domain::ids::{Attempt, JobId};
use domain::job::Job;
use domain::ledger::{Ledger, Patients};
use domain::manifest::{Names, StoredManifest};
use domain::ports::files::write_all;
use domain::ports::jobs::{DoneChunk, StoredChunk};
use domain::request::OutputOptions;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use tests::{BASE_URL, World, text};

use super::{EVERYTHING, Lake, begin, exported, resources};
use crate::format::assert_described;

#[tokio::test]
async fn a_registered_client_gets_its_manifest_format_and_signed_links() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("other-service", EVERYTHING).await;
    let manifest = exported(&world, &token, "/fhir/Patient/$export").await;
    assert_described(&world, &manifest).await;
    assert_eq!(manifest["outcome"], json!([]));
    assert_eq!(manifest["outputFormat"], "application/fhir+ndjson");
    assert!(manifest["extension"].is_array() && manifest.get("error").is_none());
    // The token is limited to the client's registration: all of Patient, and laboratory Observations.
    let found = resources(&world, &token, &manifest, "output").await;
    let patients = found.iter().filter(|found| found["resourceType"] == "Patient").count();
    let observations: Vec<_> = found.iter().filter(|found| found["resourceType"] == "Observation").collect();
    assert_eq!((patients, observations.len(), found.len()), (6, 12, 18));
    assert!(observations.iter().all(|found| found["category"][0]["coding"][0]["code"] == "laboratory"));

    let token = world.service("direct-service", "system/*.read").await;
    let manifest = exported(&world, &token, "/fhir/Patient/$export?_type=Patient").await;
    assert_described(&world, &manifest).await;
    assert_eq!(manifest["requiresAccessToken"], false);
    let url = text(&manifest["output"][0]["url"]);
    assert_eq!(world.get(&url).send().await.status, StatusCode::OK);
    let other = url.replace("Patient.ndjson", "Observation.ndjson");
    let longer = url.replace("expires=1", "expires=2");
    for wrong in [
        other,
        longer,
        format!("{url}0"),
        url.split("signature").next().expect("a URL").to_owned() + "signature=",
    ] {
        let response = world.get(&wrong).send().await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{wrong}");
        response.outcome();
    }
    world.advance(301);
    assert_eq!(world.get(&url).send().await.status, StatusCode::FORBIDDEN, "the link has expired");
}

/// The limit of a response on AWS.
const LIMITED: &str = "max_direct_bytes = 4194304";

/// Starts an export and replaces the pages of its manifest; returns the path of its status, and its id.
async fn with_pages(
    world: &World,
    token: &str,
    (pages, files_per_page): (u32, usize),
    change: impl FnOnce(&mut OutputOptions),
) -> tests::Result<(String, JobId)> {
    let status = begin(world, token, "/fhir/$export").await;
    world.work().await;
    let id = status.split('/').find(|part| part.len() == 36).expect("an id");
    let id = JobId::parse(id)?;
    let (jobs, files) = (world.platform().jobs(), world.platform().files());
    let stored = jobs.get(&id).await?.expect("the job");
    let Job::Complete(mut complete) = stored.job else { panic!("complete") };
    complete.summary.pages = pages;
    change(&mut complete.header.request.output);
    for page in 0..pages {
        let mut names = Names::of_page(page);
        let listed = (0..files_per_page).map(|number| {
            names.name(OutputFile {
                purpose: Purpose::Output,
                resource_type: "Observation".to_owned(),
                key: format!("exports/{id}/{page}-{number}"),
                place: None,
                count: 1,
                size: 3,
                sha256: "0".repeat(64),
            })
        });
        let manifest =
            StoredManifest { transaction_time: complete.summary.transaction_time, files: listed.collect() };
        let bytes = serde_json::to_vec(&manifest)?;
        write_all(&*files, &complete.summary.page_key(page), bytes).await?;
    }
    jobs.replace(&Job::Complete(complete), stored.version).await?;
    Ok((status, id))
}

/// Returns the URLs of the files of a manifest.
fn urls(manifest: &Value) -> impl Iterator<Item = String> {
    manifest["output"].as_array().expect("output").iter().map(|file| text(&file["url"]))
}

#[tokio::test]
async fn a_manifest_of_100_000_files_is_read_page_by_page() -> tests::Result {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let (status, id) = with_pages(&world, &token, (10, 10_000), |_| {}).await?;
    write_all(&*world.platform().files(), &format!("exports/{id}/7-4"), b"{}\n".to_vec()).await?;
    let (mut url, mut names, mut pages) = (status, BTreeSet::new(), 0);
    loop {
        let manifest = world.get(&url).bearer(&token).send().await.json();
        if names.is_empty() {
            assert!(manifest["link"].is_array());
            assert_described(&world, &manifest).await;
        }
        names.extend(urls(&manifest));
        pages += 1;
        match manifest["link"][0]["url"].as_str() {
            Some(next) => next.strip_prefix(BASE_URL).expect("ours").clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!((names.len(), pages), (100_000, 10));
    let file = world.get(&format!("/jobs/{id}/download/Observation.7-5.ndjson")).bearer(&token).send().await;
    assert_eq!(file.text(), "{}\n");
    Ok(())
}

/// A page that would be too large for a function on AWS is returned in parts. The names of its files do not change.
#[tokio::test]
async fn a_large_page_is_read_in_parts_that_stay_the_same() -> tests::Result {
    let lake = Lake::new();
    let world = lake.world(LIMITED);
    let token = world.service("service", EVERYTHING).await;
    let (status, id) = with_pages(&world, &token, (2, 13_000), |_| {}).await?;
    write_all(&*world.platform().files(), &format!("exports/{id}/0-12999"), b"{}\n".to_vec()).await?;
    let get = async |path: &str| world.get(path).bearer(&token).send().await;
    let (mut path, mut read, mut queries) = (status.clone(), Vec::new(), Vec::new());
    loop {
        let response = get(&path).await;
        assert_eq!(response.status, StatusCode::OK);
        assert!(response.body.len() < 5_000_000, "{}", response.body.len());
        assert_eq!(get(&path).await.body, response.body, "a part stays the same");
        let manifest = response.json();
        assert_described(&world, &manifest).await;
        read.extend(urls(&manifest));
        let Some(next) = manifest["link"][0]["url"].as_str() else { break };
        next.strip_prefix(BASE_URL).expect("a URL of this server").clone_into(&mut path);
        queries.push(path.split_once('?').expect("a query").1.to_owned());
    }
    let [of_first, second, of_second] = &queries[..] else { panic!("{queries:?}") };
    assert!(of_first.starts_with("page=0&from=") && second == "page=1", "{queries:?}");
    assert!(of_second.starts_with("page=1&from="), "{queries:?}");
    let expected = |page: u32| {
        let names = (1..=13_000).map(|number| match (page, number) {
            (0, 1) => "Observation".to_owned(),
            (0, number) => format!("Observation.{number}"),
            (page, number) => format!("Observation.{page}-{number}"),
        });
        let url = |name: String| format!("{BASE_URL}/jobs/{id}/download/{name}.ndjson");
        names.map(url).collect::<Vec<_>>()
    };
    assert_eq!(read, [expected(0), expected(1)].concat());
    assert_eq!(get(read[12_999].strip_prefix(BASE_URL).expect("a URL")).await.text(), "{}\n");
    let job = get(&format!("/jobs/{id}/metadata")).await;
    assert!(job.status == StatusCode::OK && job.body.len() < 5_000_000, "{}", job.body.len());
    assert_eq!(get(&format!("{status}?page=0&from=13000")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&format!("{status}?page=0&from=x")).await.status, StatusCode::BAD_REQUEST);
    Ok(())
}

/// A host without a limit returns whole pages, because some clients read only the first response.
#[tokio::test]
async fn a_large_page_is_whole_on_a_host_that_does_not_limit_responses() -> tests::Result {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let mut recorded = Some(0);
    let (status, _) = with_pages(&world, &token, (2, 13_000), |output| {
        recorded = output.manifest_url_bytes.replace(u32::MAX);
    })
    .await?;
    assert_eq!(recorded, None, "a job here does not record the length of the URL");
    let manifest = world.get(&status).bearer(&token).send().await.json();
    assert_eq!(urls(&manifest).count(), 13_000);
    assert_eq!(text(&manifest["link"][0]["url"]), format!("{BASE_URL}{status}?page=1"));
    // A link to a part, which the host handed out before its settings were changed, leads to the rest of the page.
    let manifest = world.get(&format!("{status}?page=0&from=9000")).bearer(&token).send().await.json();
    assert_eq!(urls(&manifest).count(), 4_000);
    Ok(())
}

/// A row that an earlier version wrote has no length of the URL. Its pages are divided as well, because they are too large for AWS, and
/// the link to the next page, which a client may have, leads to the same files.
#[tokio::test]
async fn a_large_page_of_an_earlier_version_is_read_in_parts() -> tests::Result {
    let lake = Lake::new();
    let world = lake.world(LIMITED);
    let token = world.service("service", EVERYTHING).await;
    let (status, id) =
        with_pages(&world, &token, (2, 13_000), |output| output.manifest_url_bytes = None).await?;
    let get = async |path: &str| world.get(path).bearer(&token).send().await;
    let (mut path, mut read) = (Some(status.clone()), 0);
    while let Some(here) = path {
        let response = get(&here).await;
        assert!(response.body.len() < 5_000_000, "{}", response.body.len());
        let manifest = response.json();
        read += urls(&manifest).count();
        let next = manifest["link"][0]["url"].as_str();
        path = next.map(|next| next.strip_prefix(BASE_URL).expect("a URL of this server").to_owned());
    }
    assert_eq!(read, 26_000);
    let second = get(&format!("{status}?page=1")).await.json();
    let first = format!("{BASE_URL}/jobs/{id}/download/Observation.1-1.ndjson");
    assert_eq!(urls(&second).next(), Some(first));
    Ok(())
}

/// Records a result with many files for each chunk of an export, without reading a record.
async fn record_files(world: &World, id: &JobId, files_per_chunk: usize) -> tests::Result {
    let jobs = world.platform().jobs();
    let progress = jobs.get(id).await?.expect("the job").progress;
    for StoredChunk { chunk, .. } in jobs.chunks(id, 0..progress.plan_end).await? {
        let listed = (0..files_per_chunk).map(|number| OutputFile {
            purpose: Purpose::Output,
            resource_type: "Observation".to_owned(),
            key: format!("exports/{id}/{}-{number}", chunk.id),
            place: None,
            count: 0,
            size: 0,
            sha256: "0".repeat(64),
        });
        let patients = Patients { planned: 1, exported: 1, absent: 0, failed: 0 };
        let result = ChunkResult {
            attempt: Attempt::from_bytes([0; 8]),
            files: listed.collect(),
            ledger: Some(Ledger { patients, ..Ledger::default() }),
            references: None,
            existing: None,
            attachments: None,
            days: DaysByType::default(),
            bytes_read: 0,
        };
        let done = DoneChunk { chunk: &chunk, result: &result, rest: None, at: Timestamp::UNIX_EPOCH };
        assert!(jobs.finish_chunk(id, done).await?.recorded);
    }
    Ok(())
}

/// The parts of a page that a client has read while the export was running are the same when it is complete.
#[tokio::test]
async fn a_large_page_of_a_running_export_has_parts_that_stay_the_same() -> tests::Result {
    let directory = tempfile::tempdir()?;
    for number in 0..60 {
        let patient = directory.path().join(format!("Patient/p{number:02}"));
        std::fs::create_dir_all(&patient)?;
        std::fs::write(patient.join("a.ndjson"), "{\"resourceType\":\"Patient\",\"id\":\"p\"}\n")?;
    }
    let world = World::with(&format!("sandbox = true\nchunk_bytes = 1\n{LIMITED}"), directory.path());
    let token = world.service("service", EVERYTHING).await;
    let status = begin(&world, &token, "/fhir/Patient/$export?allowPartialManifests=true").await;
    let id = JobId::parse(status.split('/').find(|part| part.len() == 36).expect("an id"))?;
    assert!(world.step().await, "the plan");
    record_files(&world, &id, 300).await?;
    let get = async |path: &str| world.get(path).bearer(&token).send().await;
    let first = get(&status).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "the export is running");
    let next = text(&first.json()["link"][0]["url"]);
    let next = next.strip_prefix(BASE_URL).expect("a URL of this server");
    assert!(next.contains("?page=0&from="), "{next}");
    let second = get(next).await;
    assert!(second.json().get("link").is_none(), "the next page has chunks that are not planned yet");
    let running = [first.json(), second.json()].map(|manifest| urls(&manifest).collect::<Vec<_>>());
    assert_eq!(running.concat().len(), 50 * 300);
    while world.step().await {}
    let (first, second) = (get(&status).await, get(next).await);
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(text(&first.json()["link"][0]["url"]), format!("{BASE_URL}{next}"));
    assert_eq!(text(&second.json()["link"][0]["url"]), format!("{BASE_URL}{status}?page=1"));
    let complete = [first.json(), second.json()].map(|manifest| urls(&manifest).collect::<Vec<_>>());
    assert!(complete == running, "a part has the same files when the export is complete");
    assert_eq!(urls(&get(&format!("{status}?page=1")).await.json()).count(), 10 * 300);
    Ok(())
}
