//! The approval of several exports at once.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, TestResponse, World, both_hosts};

use super::{list, listed, tick};
use crate::admin::in_review;

/// Returns the tick of an export in the list of those that wait for review, whichever page it is on.
async fn tick_of(world: &World, staff: &TestResponse, job: &str) -> String {
    let mut address = "?tab=review&q=lindq".to_owned();
    loop {
        let page = list(world, staff, &address).await;
        if listed(&page).iter().any(|listed| listed == job) {
            return tick(&page, job);
        }
        let next = page.split("<a href=\"").find(|link| link.contains("Next page")).expect("it is listed");
        address = next.split('"').next().expect("an address").replace("&#38;", "&").replacen("/staff", "", 1);
    }
}

fn assert_approved_once(job: &Value) {
    let events = job["history"].as_array().expect("a history");
    let approved = events.iter().filter(|event| event["what"] == "approved").count();
    assert_eq!((&job["status"], approved), (&json!("approved"), 1));
}

/// Check 36 for several exports: each is approved once, and the page tells the second reviewer who approved it first.
#[both_hosts]
async fn several_exports_are_approved_at_once_and_failures_are_named(world: World) {
    let (one, token, staff) = in_review(&world).await;
    let (two, _, _) = in_review(&world).await;
    let (changed, _, _) = in_review(&world).await;
    let (gone, _, _) = in_review(&world).await;
    let waiting = world.kick_off(&token, "", ANNA).await;
    let mut ticks = Vec::new();
    for job in [&one, &two, &changed, &gone] {
        ticks.push(tick_of(&world, &staff, job).await);
    }
    ticks.push(format!("{}.1", waiting.trim_start_matches("/jobs/")));
    ticks.extend(["nonsense".to_owned(), ticks[0].clone()]);
    let file: [(&str, &str, &[u8]); 1] = [("a.txt", "text/plain", b"x")];
    world.post(&format!("/admin{changed}/add-files")).cookie(&staff).files(&file).send().await;
    world.request(http::Method::DELETE, &format!("/admin{gone}")).cookie(&staff).send().await;
    let fields: Vec<_> = ticks.iter().map(|tick| ("job", tick.as_str())).collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let question = world.get(&format!("/staff/approve?{query}")).cookie(&staff).send().await;
    assert_eq!(question.status, StatusCode::OK);
    let question = question.text();
    assert!(
        question.contains("Approve 2 exports?") && question.contains("Born April 12, 1961"),
        "{question}"
    );
    for why in [
        "Somebody changed it after you looked.",
        "This export is gone.",
        "Its state is now \"Waiting for the patient\"",
    ] {
        assert!(question.replace("&#34;", "\"").contains(why), "{why}: {question}");
    }
    let status = async |job: &str| world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(
        status(&one).await["status"],
        "retrieved",
        "the export is approved only after the button is pressed"
    );
    let send = || world.post("/staff/approve").cookie(&staff).form(&fields);
    let other_site = send().header("origin", "https://evil.example.org").send().await;
    assert_eq!(other_site.status, StatusCode::FORBIDDEN);
    let (first, second) = tokio::join!(send().send(), send().send());
    for response in [&first, &second] {
        assert!(response.text().contains("Somebody changed it after you looked."), "{}", response.text());
    }
    let again = send().send().await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text().contains("Nothing was approved"), "{}", again.text());
    assert_eq!(again.text().matches("Approved already by admin at").count(), 2, "{}", again.text());
    for job in [&one, &two] {
        assert_approved_once(&status(job).await);
    }
    for job in [&changed, &waiting] {
        assert_ne!(status(job).await["status"], "approved");
    }
    let none = world.get("/staff/approve").cookie(&staff).send().await.text();
    assert!(none.contains("Tick at least one export"), "{none}");
    assert_only_staff_approve(&world, &token, &fields).await;
}

async fn assert_only_staff_approve(world: &World, token: &str, fields: &[(&str, &str)]) {
    for response in [
        world.get("/staff/approve").bearer(token).send().await,
        world.post("/staff/approve").bearer(token).form(fields).send().await,
    ] {
        assert_eq!(response.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(world.post("/staff/approve").form(fields).send().await.status, StatusCode::UNAUTHORIZED);
}
