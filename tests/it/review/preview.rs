//! The pages with the resources of a file: they are readable for every shape of resource, and cost the same at every position.

use platform::Platform;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::error::Store;
use domain::ports::files::ByteStream;
use futures_util::StreamExt;
use http::StatusCode;
use serde_json::{Value, json};
use tests::hooked::{Hook, Hooked};
use tests::many::{observation, write_record};
use tests::{World, both_hosts};

use super::{link, link_named, page};
use crate::admin::in_review;

#[both_hosts]
async fn a_resource_is_shown_as_fields_and_as_json(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    let file = link(&shown, "/files/Observation.ndjson");
    let rows = page(&world, &staff, &file).await;
    assert!(rows.contains("Resources 1 to ") && rows.contains("final"), "{rows}");
    let one = page(&world, &staff, &link(&rows, "one=1")).await;
    for expected in
        ["Main fields", "All fields", "code.coding[0].code", "&#34;resourceType&#34;: &#34;Observation&#34;"]
    {
        assert!(one.contains(expected), "{expected}: {one}");
    }
    for wrong in
        ["/files/Nothing.ndjson", "/files/Observation.ndjson?at=x", "/files/Observation.ndjson?at=1&one=1"]
    {
        let response = world.get(&format!("/staff{job}{wrong}")).cookie(&staff).send().await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    // An offset at which no line begins shows no resource.
    for nowhere in ["1", "99999999"] {
        let response =
            page(&world, &staff, &format!("/staff{job}/files/Observation.ndjson?at={nowhere}")).await;
        assert!(response.contains("There is nothing here"), "{response}");
    }
}

/// Counts the bytes that are read from files.
#[derive(Default)]
struct Counter(AtomicU64);

impl Hook for Counter {
    fn follows(&self, _: Store) -> bool {
        false
    }

    fn read(self: &Arc<Self>, bytes: ByteStream) -> ByteStream {
        let counter = self.clone();
        Box::pin(bytes.inspect(move |piece| {
            let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
            counter.0.fetch_add(length, Ordering::SeqCst);
        }))
    }
}

/// Loads the first three pages, if there are as many, of a file with this number of Observations. Returns each page and the
/// number of bytes that the server read for it.
async fn pages_of(observations: usize) -> Vec<(String, u64)> {
    let records = tempfile::tempdir().expect("a directory");
    write_record(records.path(), (0..observations).map(observation));
    let world = World::with("sandbox = true", records.path());
    let (job, _, staff) = in_review(&world).await;
    let counter = Arc::new(Counter::default());
    let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook: counter.clone() };
    let app = web::host::host(ehi::server::routers(&hooked).expect("its ports"), hooked.context());
    let load = async |path: &str| {
        let before = counter.0.load(Ordering::SeqCst);
        let response = world.get(path).cookie(&staff).send_over(app.clone()).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        (response.text(), counter.0.load(Ordering::SeqCst) - before)
    };
    let file = format!("/staff{job}/files/Observation.ndjson");
    let mut pages = vec![load(&file).await];
    for _ in 0..2 {
        let Some(next) = link_named(&pages[pages.len() - 1].0, "Next page") else { break };
        pages.push(load(&next).await);
    }
    // The export copies lines as they are.
    let first = observations - 50;
    let at: usize = (0..first).map(|number| observation(number).to_string().len() + 1).sum();
    pages.push(load(&format!("{file}?at={at}&row={}", first + 1)).await);
    pages
}

/// Check 33.
#[tokio::test]
async fn a_page_costs_the_same_for_any_number_of_resources() {
    let (few, many) = (pages_of(50).await, pages_of(50_000).await);
    assert_eq!((few.len(), many.len()), (2, 4));
    let shown = ["1 to 50", "51 to 100", "101 to 150", "49,951 to 50,000"];
    for ((page, bytes), rows) in many.iter().zip(shown) {
        assert!(page.contains(&format!("Resources {rows} of 50,000")), "{rows}: {page}");
        assert_eq!(page.matches("Glucose ").count(), 50, "{rows}");
        assert!(*bytes < few[0].1 + 256 * 1024, "{rows}: {bytes} bytes");
    }
    assert!(many[3].0.contains("Glucose 49999"));
}

#[tokio::test]
async fn pages_link_to_the_next_and_previous_and_show_every_resource_once() {
    let records = tempfile::tempdir().expect("a directory");
    write_record(records.path(), (0..230).map(observation));
    let world = World::with("sandbox = true", records.path());
    let (job, _, staff) = in_review(&world).await;
    let mut path = format!("/staff{job}/files/Observation.ndjson");
    let (mut numbers, mut paths) = (Vec::new(), Vec::new());
    loop {
        let shown = page(&world, &staff, &path).await;
        numbers.extend(shown.match_indices("Glucose ").map(|(at, _)| {
            let digits = shown[at + 8..].chars().take_while(char::is_ascii_digit);
            digits.collect::<String>().parse::<usize>().expect("a number")
        }));
        paths.push(path.clone());
        match link_named(&shown, "Next page") {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(numbers, (0..230).collect::<Vec<_>>());
    assert_eq!(paths.len(), 5);
    for (before, path) in paths.iter().zip(&paths[1..]).rev() {
        let shown = page(&world, &staff, path).await;
        let back = link_named(&shown, "Previous page").expect("a link");
        let place = |path: &str| {
            path.split_once("at=").map_or("0", |(_, at)| at.split_once('&').expect("a row").0).to_owned()
        };
        assert_eq!(place(&back), place(before));
    }
}

/// Shapes of resources that a record may contain and every page must show.
#[tokio::test]
async fn a_resource_of_any_shape_and_size_is_shown() {
    let records = tempfile::tempdir().expect("a directory");
    let strange = |id: &str, more: Value| {
        let mut resource = observation(0);
        resource["id"] = json!(id);
        resource["strange"] = more;
        resource
    };
    let deep = (0..100).fold(json!("bottom"), |inner, _| json!([inner]));
    let all = [
        strange("markup", json!("</pre><script>alert(1)</script>")),
        strange("marks", json!("\u{202e}abc\u{202c} \u{1f489} \u{0000}")),
        strange("deep", deep),
        strange("many", json!((0..5_000).map(|number| json!({ "a": number })).collect::<Vec<_>>())),
        strange("long", json!("x".repeat(300_000))),
        strange("huge", json!("y".repeat(3_000_000))),
        strange("last", json!(null)),
    ];
    write_record(records.path(), all.into_iter());
    let world = World::with("sandbox = true", records.path());
    let (job, _, staff) = in_review(&world).await;
    let mut rows = page(&world, &staff, &format!("/staff{job}/files/Observation.ndjson")).await;
    let mut opened = 0;
    loop {
        for part in rows.clone().split("href=\"").filter(|part| part.contains("one=1")) {
            let path = part.split_once('"').expect("its end").0.replace("&amp;", "&");
            let one = page(&world, &staff, &path).await;
            assert!(!one.contains("<script>alert") && one.len() < 1_500_000, "{}", one.len());
            opened += 1;
        }
        match link_named(&rows, "Next page") {
            Some(next) => rows = page(&world, &staff, &next).await,
            None => break,
        }
    }
    assert_eq!(opened, 7);
    assert!(rows.contains("last"), "{rows}");
}
