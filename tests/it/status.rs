//! Status requests: progress, manifest and cancelling.

use http::StatusCode;
use tests::{ANNA, BASE_URL, BRUNO, World, both_hosts, text};

/// This story needs workers that wait for the test, unlike those of a deployment.
#[tokio::test]
async fn an_export_goes_from_form_to_review_to_manifest() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    let waiting = world.status(&token, &job).await;
    assert_eq!((waiting.status, waiting.header("x-progress")), (StatusCode::ACCEPTED, "0%"));
    assert!(waiting.header("retry-after").parse::<u32>().is_ok());
    world.work().await;
    let review = world.status(&token, &job).await;
    assert_eq!((review.status, review.header("x-progress")), (StatusCode::ACCEPTED, "100%, in review"));
    let staff = world.staff().await;
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let manifest = world.status(&token, &job).await;
    assert_eq!((manifest.status, manifest.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(manifest.header("expires"), "Mon, 02 Mar 2026 12:00:00 GMT");
}

/// The snapshot contains times, so this story needs a fixed clock.
#[tokio::test]
async fn the_manifest_is_what_clients_expect() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let manifest = world.status(&token, &job).await.json();
    assert_eq!(manifest["transactionTime"], "2026-03-01T12:00:00.000Z");
    assert_eq!(
        text(&manifest["request"]),
        format!("{BASE_URL}/auto-approve/no-form/fhir/Patient/{ANNA}/$ehi-export")
    );
    assert_eq!(manifest["requiresAccessToken"], true);
    assert_eq!((&manifest["error"], &manifest["deleted"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(text(&manifest["extension"]["metadata"]), format!("{BASE_URL}{job}/metadata"));
    let first = &manifest["output"][0];
    insta::assert_json_snapshot!(first, { ".url" => "[url]" }, @r#"
    {
      "type": "AllergyIntolerance",
      "url": "[url]",
      "count": 1,
      "extension": {
        "sha256": "88ba25ac18309b15c7360d86431b0df52f5309cda99c32f661402f8d2c5d7561",
        "size": 879
      }
    }
    "#);
    for file in manifest["output"].as_array().expect("output") {
        assert!(text(&file["url"]).starts_with(&format!("{BASE_URL}{job}/download/")));
        assert!(file["count"].as_u64().expect("a count") > 0);
    }
}

#[both_hosts]
async fn only_the_owner_sees_the_job(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let bruno = world.token(BRUNO).await;
    let other_app = text(&world.tokens("other-app", ANNA).await["access_token"]);
    for stranger in [&bruno, &other_app] {
        for path in ["status", "metadata", "download/Patient", "download/attachments/x"] {
            let response = world.get(&format!("{job}/{path}")).bearer(stranger).send().await;
            assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}");
            response.outcome();
        }
    }
    // A later token of the same app and patient gives the same access.
    let later = world.token(ANNA).await;
    assert_eq!(world.status(&later, &job).await.status, StatusCode::OK);
}

#[tokio::test]
async fn deleting_cancels_the_job_and_removes_its_files() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let waiting = world.kick_off(&token, "", ANNA).await;
    let running = world.kick_off(&token, "/no-form", ANNA).await;
    let done = world.exported(&token, ANNA).await;
    for job in [waiting, running, done] {
        let deleted =
            world.request(http::Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
        assert_eq!(deleted.status, StatusCode::ACCEPTED);
        deleted.outcome();
        for path in ["status", "metadata", "download/Patient"] {
            assert_eq!(
                world.get(&format!("{job}/{path}")).bearer(&token).send().await.status,
                StatusCode::NOT_FOUND
            );
        }
        let again = world.request(http::Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
    }
    world.work().await;
    assert!(world.platform().files().list("exports/").await?.is_empty());
    Ok(())
}

#[both_hosts]
async fn a_rejected_export_has_its_reason_and_stays_visible_to_staff_after_the_client_deletes_it(
    world: World,
) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let staff = world.staff().await;
    let body = serde_json::json!({ "reason": "Please call us" });
    world.post(&format!("/admin{job}/reject")).cookie(&staff).json(&body).send().await;
    let rejected = world.status(&token, &job).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(rejected.outcome().contains("Please call us"));
    let delete = || world.request(http::Method::DELETE, &format!("{job}/status")).bearer(&token).send();
    assert_eq!(delete().await.status, StatusCode::ACCEPTED);
    for gone in [
        world.status(&token, &job).await,
        world.get(&format!("{job}/metadata")).bearer(&token).send().await,
        world.get(&job).bearer(&token).send().await,
        delete().await,
    ] {
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
        assert!(gone.outcome().contains("Please call us"), "{}", gone.outcome());
        assert_eq!(gone.json()["issue"][0]["code"], "not-found");
    }
    let own = world.get("/jobs").bearer(&token).send().await.text();
    let id = job.rsplit('/').next().expect("an id");
    assert!(!own.contains(id), "{own}");
    let stranger = world.status(&world.token(BRUNO).await, &job).await;
    assert!(!stranger.outcome().contains("Please call us"), "the reason is for the patient's app");
    let kept = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!((&kept["status"], &kept["error"]), (&"rejected".into(), &"Please call us".into()));
    let listed = world.get("/admin/jobs?status=rejected").cookie(&staff).send().await.text();
    assert!(listed.contains(id), "{listed}");
    // Staff delete the job permanently.
    let deleted = world.request(http::Method::DELETE, &format!("/admin{job}")).cookie(&staff).send().await;
    assert_eq!(deleted.status, StatusCode::OK);
    assert_eq!(world.get(&format!("/admin{job}")).cookie(&staff).send().await.status, StatusCode::NOT_FOUND);
}

/// This story moves the clock in steps.
#[tokio::test]
async fn a_client_never_waits_longer_than_the_export_has_taken() -> tests::Result {
    let directory = tempfile::tempdir()?;
    for number in 0..90 {
        let patient = directory.path().join(format!("Patient/p{number:02}"));
        std::fs::create_dir_all(&patient)?;
        // The first patient is small: its size says nothing about the rate.
        let filler = "x".repeat(if number == 0 { 1 } else { 2_000 });
        let line = format!("{{\"resourceType\":\"Patient\",\"id\":\"p{number:02}\",\"x\":\"{filler}\"}}\n");
        std::fs::write(patient.join("records.ndjson"), line)?;
    }
    let world = World::with("sandbox = true\nchunk_bytes = 1", directory.path());
    let token = world.service("service", "system/*.rs").await;
    let response = world.get("/fhir/$export").bearer(&token).send().await;
    let url = response.header("content-location").to_owned();
    let began = world.now();
    let (mut steps, mut estimates, mut longest) = (0, 0, 0);
    while world.step().await {
        let response = world.get(&url).bearer(&token).send().await;
        if response.status != StatusCode::ACCEPTED {
            break;
        }
        let (progress, passed) = (response.header("x-progress"), world.now() - began);
        let seconds: i64 = response.header("retry-after").parse().expect("seconds");
        assert!(seconds <= passed, "{seconds} s after {passed} s");
        longest = longest.max(seconds);
        let percent: u32 = progress.split('%').next().expect("a percentage").parse()?;
        if progress.contains("left") {
            assert!(percent >= 5 || passed >= 10, "{progress} after {passed} s");
            estimates += 1;
        }
        steps += 1;
        world.advance(i64::from(steps > 2));
    }
    assert!(estimates > 50 && longest >= 5, "{estimates} estimates, at most {longest} s");
    Ok(())
}

/// The emulator handles preflight requests itself.
#[tokio::test]
async fn browsers_can_read_the_headers_and_preflights_are_204() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    let path = format!("{job}/status");
    let preflight = world
        .request(http::Method::OPTIONS, &path)
        .header("origin", "https://anywhere.example.org")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization")
        .send()
        .await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-headers"), "authorization");
    assert!(preflight.header("access-control-allow-methods").contains("DELETE"));
    let response =
        world.get(&path).bearer(&token).header("origin", "https://anywhere.example.org").send().await;
    assert_eq!(response.header("access-control-allow-origin"), "https://anywhere.example.org");
    assert_eq!(response.header("access-control-allow-credentials"), "");
    // The scripts of other origins read these headers of the responses to exports, downloads and errors.
    let exposed: Vec<_> = response.header("access-control-expose-headers").split(", ").collect();
    for name in [
        "Content-Location",
        "Location",
        "Link",
        "X-Progress",
        "X-Export-Status",
        "X-Request-Id",
        "Preference-Applied",
        "Retry-After",
        "Expires",
        "ETag",
        "Accept-Ranges",
        "Content-Range",
        "Content-Disposition",
        "WWW-Authenticate",
    ] {
        assert!(exposed.contains(&name), "{name}");
    }
    // The headers are also present without a token, so that a browser can see the error.
    let stranger = world.get(&path).header("origin", "https://anywhere.example.org").send().await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.header("access-control-allow-origin"), "https://anywhere.example.org");
    // If a route takes cookies, only the staff app's origin is allowed, with credentials.
    for (origin, allowed) in [("http://localhost:3000", true), ("https://anywhere.example.org", false)] {
        let response = world.get("/admin/jobs").header("origin", origin).send().await;
        assert_eq!(response.header("access-control-allow-origin") == origin, allowed);
        assert_eq!(response.header("access-control-allow-credentials") == "true", allowed);
    }
}
