//! Manifests: registered formats, signed links, and many pages.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::json;
use tests::{BASE_URL, text};

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

#[tokio::test]
async fn a_manifest_of_100_000_files_is_read_page_by_page() -> tests::Result {
    use domain::chunk::{OutputFile, Purpose};
    use domain::job::Job;
    use domain::manifest::{Names, StoredManifest};
    use domain::ports::files::write_all;

    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let status = begin(&world, &token, "/fhir/$export").await;
    world.work().await;
    let id = status.split('/').find(|part| part.len() == 36).expect("an id");
    let id = domain::ids::JobId::parse(id)?;
    let (jobs, files) = (world.platform().jobs(), world.platform().files());
    let stored = jobs.get(&id).await?.expect("the job");
    let Job::Complete(mut complete) = stored.job else { panic!("complete") };
    complete.summary.pages = 10;
    for page in 0..10 {
        let mut names = Names::of_page(page);
        let listed = (0..10_000).map(|number| {
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
    write_all(&*files, &format!("exports/{id}/7-4"), b"{}\n".to_vec()).await?;
    jobs.replace(&Job::Complete(complete), stored.version).await?;
    let (mut url, mut names) = (status, BTreeSet::new());
    loop {
        let manifest = world.get(&url).bearer(&token).send().await.json();
        if names.is_empty() {
            assert!(manifest["link"].is_array());
            assert_described(&world, &manifest).await;
        }
        names.extend(manifest["output"].as_array().expect("output").iter().map(|file| text(&file["url"])));
        match manifest["link"][0]["url"].as_str() {
            Some(next) => next.strip_prefix(BASE_URL).expect("ours").clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!(names.len(), 100_000);
    let file = world.get(&format!("/jobs/{id}/download/Observation.7-5.ndjson")).bearer(&token).send().await;
    assert_eq!(file.text(), "{}\n");
    Ok(())
}
