//! The protocol of bulk exports: errors, dialects, progress, manifests, discovery.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{BASE_URL, World, both_hosts, text};

use super::{EVERYTHING, Lake, begin, resources};

#[tokio::test]
async fn pages_of_a_partial_manifest_never_change() -> tests::Result {
    let directory = tempfile::tempdir()?;
    for number in 0..120 {
        let patient = directory.path().join(format!("Patient/p{number:03}"));
        std::fs::create_dir_all(&patient)?;
        let line = format!("{{\"resourceType\":\"Patient\",\"id\":\"p{number:03}\"}}\n");
        std::fs::write(patient.join("records.ndjson"), line)?;
    }
    for base in ["/fhir", "/4_0_0", "/fhir/r4"] {
        let world = World::with("sandbox = true\nchunk_bytes = 1", directory.path());
        partial_pages(&world, base).await;
    }
    Ok(())
}

async fn partial_pages(world: &World, base: &str) {
    let token = world.service("service", EVERYTHING).await;
    let path = format!("{base}/Patient/$export?allowPartialManifests=true");
    let status = begin(world, &token, &path).await;
    // The signature of a URL changes over time.
    let names = |manifest: &Value| -> Vec<String> {
        let files = manifest["output"].as_array().into_iter().flatten();
        files.map(|file| text(&file["url"]).split('?').next().unwrap_or_default().to_owned()).collect()
    };
    let mut early: Option<Value> = None;
    let mut steps = 0;
    while world.step().await {
        steps += 1;
        let response = world.get(&status).bearer(&token).send().await;
        let manifest = if response.body.is_empty() { Value::Null } else { response.json() };
        let is_running = response.status == StatusCode::ACCEPTED || manifest.get("status").is_some();
        if is_running && manifest.get("output").is_some() {
            if base == "/fhir/r4" {
                assert_eq!(manifest["status"], "in_progress");
            }
            if let Some(early) = &early {
                assert_eq!(names(early), names(&manifest), "a page never changes");
            } else {
                // Listed files can be downloaded already; other files cannot.
                assert_eq!(resources(world, &token, &manifest, "output").await.len(), 50);
            }
            early = Some(manifest);
        }
    }
    assert!(steps > 120 && early.is_some(), "{base}");
    let mut url = status;
    let mut all = Vec::new();
    let mut pages = 0;
    loop {
        let response = world.get(&url).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::OK);
        let manifest = response.json();
        if pages == 0 {
            assert_eq!(early.as_ref().map(names), Some(names(&manifest)));
        }
        all.extend(resources(world, &token, &manifest, "output").await);
        pages += 1;
        match manifest["link"][0]["url"].as_str() {
            Some(next) => next.strip_prefix(BASE_URL).expect("ours").clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!((pages, all.len()), (3, 120));
}

#[tokio::test]
async fn mistakes_are_refused_or_reported_in_the_manifest() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let long = "Patient,".repeat(1_300);
    let many = (0..200).map(|number| format!("x{number}=1")).collect::<Vec<_>>().join("&");
    for (query, named, ignorable) in [
        ("colour=red", "colour", true),
        ("_since=yesterday", "_since", false),
        ("_since=2020-01-01", "_since", false),
        ("_until=2020", "_until", false),
        ("_since=2021-01-01T00:00:00Z&_until=2020-01-01T00:00:00Z", "_until", false),
        ("_type=Patients", "Patients", false),
        ("_type=Patient,Patients", "Patients", true),
        ("_outputFormat=csv", "_outputFormat", true),
        ("_typeFilter=Observation%3Fcolour%3Dred", "colour", true),
        ("_typeFilter=Observation%3F_sort%3Ddate", "_sort", true),
        ("_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal", "Observation", true),
        ("_typeFilter=status%3Dfinal", "_typeFilter", true),
        ("_elements=Observation.value.code", "_elements", true),
        ("includeAssociatedData=_custom", "includeAssociatedData", true),
        ("organizeOutputBy=Encounter", "organizeOutputBy", true),
        ("allowPartialManifests=maybe", "allowPartialManifests", true),
        ("_maximumFileSize=1", "_maximumFileSize", false),
        ("patientReferenceBatchSize=0", "patientReferenceBatchSize", false),
        ("uploadPartSize=1", "uploadPartSize", false),
        ("ttlSecondsAfterFinished=1", "ttlSecondsAfterFinished", false),
        ("ram=lots", "ram", true),
        ("loglevel=loud", "loglevel", true),
        ("patient=Patient/p1", "patient", false),
        ("_since=2020-01-01T00:00:00Z&_since=2021-01-01T00:00:00Z", "_since", false),
        (&format!("_type={long}"), "_type", false),
        (&many, "parameters", false),
    ] {
        let path = format!("/fhir/$export?{query}");
        let strict = world.get(&path).bearer(&token).send().await;
        let shown = &query[..query.len().min(80)];
        assert_eq!(strict.status, StatusCode::BAD_REQUEST, "{shown}");
        assert!(strict.outcome().contains(named), "{shown}: {}", strict.outcome());
        let lenient = world.get(&path).bearer(&token).header("prefer", "handling=lenient").send().await;
        if !ignorable {
            assert_eq!(lenient.status, StatusCode::BAD_REQUEST, "{shown}, lenient");
            continue;
        }
        assert_eq!(lenient.status, StatusCode::ACCEPTED, "{shown}, lenient: {}", lenient.text());
        world.work().await;
        let manifest = world.get(lenient.header("content-location")).bearer(&token).send().await.json();
        let problems = resources(&world, &token, &manifest, "error").await;
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(texts.len() == 1 && texts[0].contains(named), "{shown}: {texts:?}");
    }
}

#[tokio::test]
async fn mistakes_in_a_body_are_refused() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    for (body, named) in [
        (
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "_since", "valueBoolean": true }] }),
            "_since",
        ),
        (json!({ "resourceType": "Parameters", "parameter": [{ "name": "_type" }] }), "_type"),
        (json!({ "resourceType": "Parameters", "parameter": {} }), "parameter"),
        (json!({ "resourceType": "Parameters", "parameter": [{}] }), "name"),
        (
            json!({ "resourceType": "Parameters", "parameter": [
                { "name": "_type", "valueCode": "Patient", "valueString": "Observation" },
            ] }),
            "_type",
        ),
        (
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "_type", "valueCode": "Patient", "part": [] }] }),
            "_type",
        ),
        (json!({ "resourceType": "Parameters", "parameters": [] }), "'parameters'"),
        (json!({ "resourceType": "Patient" }), "Parameters"),
    ] {
        let response = world.post("/fhir/$export").bearer(&token).json(&body).send().await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(response.outcome().contains(named), "{body}");
    }
}

#[both_hosts]
async fn the_dialects_match_their_table(world: World) {
    let token = world.service("service", EVERYTHING).await;
    let mut dialects = BTreeMap::new();
    for base in ["/fhir", "/4_0_0", "/fhir/r4"] {
        let response = world
            .get(&format!("{base}/Patient/$export?_type=Patient,Provenance"))
            .bearer(&token)
            .send()
            .await;
        assert_eq!(response.status, StatusCode::ACCEPTED, "{base}: {}", response.text());
        let status = response.header("content-location");
        world.work().await;
        let done = world.get(status).bearer(&token).send().await;
        assert_eq!(done.status, StatusCode::OK);
        let manifest = done.json();
        let mut members: Vec<_> = manifest.as_object().expect("an object").keys().cloned().collect();
        members.sort();
        let mut of_file: Vec<_> =
            manifest["output"][0].as_object().expect("a file").keys().cloned().collect();
        of_file.sort();
        assert!(!done.header("expires").is_empty(), "{base}");
        let url = text(&manifest["output"][0]["url"]);
        let with = world.get(&url).bearer(&token).send().await;
        let without = world.get(&url).send().await;
        assert_eq!(with.status, StatusCode::OK, "{base}");
        let cancelled = world.request(Method::DELETE, status).bearer(&token).send().await;
        let gone = world.get(status).bearer(&token).send().await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
        gone.outcome();
        let id = status.split('/').find(|part| part.len() == 36).expect("an id").to_owned();
        dialects.insert(
            base,
            json!({
                "status": status.strip_prefix(BASE_URL).expect("ours").replace(&id, "{job}"),
                "manifest": members, "file": of_file, "requiresAccessToken": manifest["requiresAccessToken"],
                "x-progress": done.header("x-progress"),
                "without a token": without.status.as_u16(), "cancelled": cancelled.status.as_u16(),
            }),
        );
    }
    insta::assert_json_snapshot!("dialects", dialects);
}

#[tokio::test]
async fn a_running_export_shows_its_progress_in_each_dialect() {
    let lake = Lake::new();
    let world = lake.world("chunk_bytes = 3000");
    let token = world.service("service", EVERYTHING).await;
    for (base, status_code, progress) in
        [("/fhir", 202, "0%"), ("/4_0_0", 202, "accepted"), ("/fhir/r4", 200, "")]
    {
        let status = begin(&world, &token, &format!("{base}/$export")).await;
        let waiting = world.get(&status).bearer(&token).send().await;
        assert_eq!(waiting.status.as_u16(), status_code, "{base}");
        assert_eq!(waiting.header("x-progress"), progress, "{base}");
        assert_eq!(waiting.header("retry-after"), "0", "{base}: no time has passed");
        if base == "/fhir/r4" {
            assert_eq!(waiting.json(), json!({ "status": "pending", "progress": 0, "totalResources": 0 }));
        }
        let mut last = 0;
        while world.step().await {
            world.advance(10);
            let response = world.get(&status).bearer(&token).send().await;
            match base {
                "/fhir" if response.status == StatusCode::ACCEPTED => {
                    let progress = response.header("x-progress");
                    let percent: u32 =
                        progress.split('%').next().expect("a number").parse().expect("a number");
                    assert!(percent >= last && progress.len() < 100, "{progress} after {last}%");
                    last = percent;
                }
                "/4_0_0" => {
                    let word = if response.status == StatusCode::OK { "completed" } else { "in-progress" };
                    assert_eq!(response.header("x-progress"), word);
                }
                "/fhir/r4" if response.json().get("status").is_some() => {
                    assert_eq!(response.json()["status"], "in_progress");
                }
                _ => {}
            }
        }
        assert!(base != "/fhir" || last > 20, "{last}%");
    }
}

/// This story needs workers that wait for the test, unlike those of a deployment.
#[tokio::test]
async fn the_separate_status_header_has_the_status_of_the_export_in_each_dialect() -> tests::Result {
    use domain::ids::JobId;
    use domain::retention::Retention;
    use platform::Platform;

    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    for base in ["/fhir", "/4_0_0", "/fhir/r4"] {
        let kick_off = || world.get(&format!("{base}/$export")).bearer(&token);
        let prefer = "respond-async,separate-export-status";
        let response = kick_off().header("prefer", prefer).send().await;
        assert_eq!(response.header("preference-applied"), "respond-async, separate-export-status");
        let url = response.header("content-location").to_owned();
        let status = async || {
            let response = world.get(&url).bearer(&token).send().await;
            assert_eq!(response.status, StatusCode::OK, "{base}");
            response.header("x-export-status").to_owned()
        };
        assert_eq!(status().await, "202 Accepted", "{base}");
        world.step().await;
        assert_eq!(status().await, "202 Accepted", "{base}");
        world.work().await;
        assert_eq!(status().await, "200 OK", "{base}");
        let failing = kick_off().header("prefer", prefer).send().await;
        let url = failing.header("content-location");
        let id = url.split('/').find(|part| part.len() == 36).expect("an id");
        let jobs = world.platform().jobs();
        let stored = jobs.get(&JobId::parse(id).expect("an id")).await.expect("a response").expect("a job");
        let now = world.platform().clock().now();
        let failed = stored.job.fail("no room", "no-store", "a test", now, &Retention::default());
        let failed = domain::job::Job::Failed(failed.expect("failed"));
        jobs.replace(&failed, stored.version).await?;
        let response = world.get(url).bearer(&token).send().await;
        assert_eq!(
            (response.status, response.header("x-export-status")),
            (StatusCode::OK, "500 Internal Server Error")
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_capability_statement_lists_what_works() {
    let world = World::new();
    for (base, claims) in [("/fhir", true), ("/4_0_0", true), ("/fhir/r4", false)] {
        let statement = world.get(&format!("{base}/metadata")).send().await.json();
        assert_eq!(statement["instantiates"].to_string().contains("bulk-data"), claims, "{base}");
    }
    let statement = world.get("/fhir/metadata").send().await.json();
    let rest = &statement["rest"][0];
    assert_eq!(
        rest["operation"][0]["definition"],
        "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"
    );
    let resources = rest["resource"].as_array().expect("resources");
    let named = |name: &str| {
        resources.iter().find(|resource| resource["type"] == name).unwrap_or_else(|| panic!("{name}"))
    };
    let operation = |name: &str| named(name)["operation"].to_string();
    assert!(operation("Patient").contains("OperationDefinition/patient-export"));
    assert!(operation("Group").contains("OperationDefinition/group-export"));
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut compiled = 0;
    for resource in resources {
        for parameter in resource["searchParam"].as_array().expect("parameters") {
            let value = match parameter["type"].as_str().expect("a type") {
                "date" => "ge2024-01-01",
                "quantity" => "gt5.4|http://unitsofmeasure.org|mg",
                _ => "x",
            };
            let search = format!("{}?{}={value}", text(&resource["type"]), text(&parameter["name"]));
            fhir::search::compile::compile(&search, now).unwrap_or_else(|problem| panic!("{problem}"));
            compiled += 1;
        }
    }
    assert!(compiled > 900, "{compiled}");
    let configuration = world.get("/fhir/.well-known/smart-configuration").send().await.json();
    assert!(configuration["token_endpoint_auth_methods_supported"].to_string().contains("private_key_jwt"));
}
