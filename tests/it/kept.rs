//! The caches of a process never show old data, nor data of another owner; and an expired job is not found from then on.

use domain::ids::JobId;
use http::{Method, StatusCode};
use tests::{ANNA, BRUNO, World, text};

/// Returns the statuses of every URL of a complete job for the owner's token; the last one is an attachment's.
async fn statuses(world: &World, token: &str, job: &str, attachment: &str) -> Vec<StatusCode> {
    let mut statuses = Vec::new();
    for place in ["/status", "/metadata", "/download/Patient"].map(|place| format!("{job}{place}")) {
        statuses.push(world.get(&place).bearer(token).send().await.status);
    }
    statuses.push(world.get(attachment).bearer(token).send().await.status);
    statuses
}

/// Returns the path of an attachment of the export.
async fn attachment(world: &World, token: &str, job: &str) -> String {
    let documents = world.get(&format!("{job}/download/DocumentReference")).bearer(token).send().await.text();
    let (_, rest) = documents.split_once("/download/attachments/").expect("an attachment");
    format!("{job}/download/attachments/{}", rest.split('"').next().expect("a name"))
}

#[tokio::test]
async fn cached_data_is_for_the_owner_only_and_ends_with_the_job() {
    for limits in ["", "limits = { manifest_cache_bytes = 0 }"] {
        let world = World::with(&format!("sandbox = true\n{limits}"), &ehi::defaults::sample_records());
        let token = world.token(ANNA).await;
        let job = world.exported(&token, ANNA).await;
        let first = world.status(&token, &job).await;
        assert_eq!(first.status, StatusCode::OK);
        let again = world.status(&token, &job).await;
        assert_eq!((again.json(), again.header("expires")), (first.json(), first.header("expires")));
        let bruno = world.token(BRUNO).await;
        let other_app = text(&world.tokens("other-app", ANNA).await["access_token"]);
        for stranger in [&bruno, &other_app] {
            assert_eq!(world.status(stranger, &job).await.status, StatusCode::NOT_FOUND);
        }
        world.post("/auth/revoke").form(&[("token", token.as_str())]).send().await;
        assert_eq!(world.status(&token, &job).await.status, StatusCode::UNAUTHORIZED);
        let token = world.token(ANNA).await;
        assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
        let file = attachment(&world, &token, &job).await;
        assert_eq!(statuses(&world, &token, &job, &file).await, [StatusCode::OK; 4]);
        world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
        assert_eq!(statuses(&world, &token, &job, &file).await, [StatusCode::NOT_FOUND; 4]);
    }
}

#[tokio::test]
async fn a_change_of_the_job_is_seen_at_once() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    for _ in 0..2 {
        assert_eq!(world.status(&token, &job).await.header("x-progress"), "0%");
    }
    world.step().await;
    assert_ne!(world.status(&token, &job).await.header("x-progress"), "0%", "progress without a new version");
    world.work().await;
    for _ in 0..2 {
        assert_eq!(world.status(&token, &job).await.status, StatusCode::ACCEPTED);
    }
    let staff = world.staff().await;
    let attached = world.post(&format!("/admin{job}/add-files")).cookie(&staff);
    attached.files(&[("letter.txt", "text/plain", b"A letter.")]).send().await;
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let manifest = world.status(&token, &job).await;
    assert_eq!(manifest.status, StatusCode::OK);
    assert!(manifest.text().contains("DocumentReference.attached"), "{}", manifest.text());
}

#[tokio::test]
async fn each_manifest_has_new_signatures() -> tests::Result {
    let world = World::new();
    let token = world.service("direct-service", "system/*.read").await;
    let started = world.get("/fhir/$export?_type=Patient").bearer(&token).send().await;
    let status = started.header("content-location").to_owned();
    world.work().await;
    let signed = async || {
        let manifest = world.get(&status).bearer(&token).send().await;
        text(&manifest.json()["output"][0]["url"])
    };
    let first = signed().await;
    world.advance(60);
    // The stored page never changes, so it is read only once.
    let id = JobId::parse(status.split('/').find(|part| part.len() == 36).expect("an id")).expect("an id");
    let stored = world.platform().jobs().get(&id).await.expect("a response").expect("a job");
    let page = stored.job.summary().expect("a summary").page_key(0);
    world.platform().files().remove(&page).await?;
    assert_ne!(signed().await, first);
    Ok(())
}

#[tokio::test]
async fn an_expired_job_is_not_found_even_before_cleanup() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    world.advance(24 * 3_600 - 1);
    let token = world.token(ANNA).await;
    let file = attachment(&world, &token, &job).await;
    let before = statuses(&world, &token, &job, &file).await;
    assert_eq!(before, [StatusCode::OK; 4]);
    let staff = world.staff().await;
    let id = job.rsplit('/').next().expect("an id");
    world.advance(1);
    assert_eq!(statuses(&world, &token, &job, &file).await, [StatusCode::NOT_FOUND; 4]);
    let deleted = world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    assert_eq!(deleted.status, StatusCode::NOT_FOUND);
    for (path, cookie) in [("/jobs", false), ("/admin/jobs", true), ("/staff", true)] {
        let call = world.get(path);
        let call = if cookie { call.cookie(&staff) } else { call.bearer(&token) };
        let list = call.send().await;
        assert_eq!(list.status, StatusCode::OK, "{path}");
        assert!(!list.text().contains(id), "{path}: {}", list.text());
    }
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await;
    assert_eq!(shown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_signed_link_ends_with_the_job() {
    let world = World::with("sandbox = true\nretention_seconds = 100", &ehi::defaults::sample_records());
    let token = world.service("direct-service", "system/*.read").await;
    let started = world.get("/fhir/$export?_type=Patient").bearer(&token).send().await;
    let status = started.header("content-location").to_owned();
    world.work().await;
    let manifest = world.get(&status).bearer(&token).send().await.json();
    let url = text(&manifest["output"][0]["url"]);
    assert_eq!(world.get(&url).send().await.status, StatusCode::OK);
    world.advance(100);
    assert_eq!(world.get(&url).send().await.status, StatusCode::NOT_FOUND);
}
