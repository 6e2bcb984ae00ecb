//! The pages of the list of groups: each group is on one page, and a page reads a limited number of groups and bytes.

use std::path::Path;

use http::StatusCode;
use serde_json::{Value, json};
use tests::simulated::account::Setup;
use tests::simulated::{Record, run_with_large_stack};
use tests::{BASE_URL, World, text};

use super::EVERYTHING;

/// The limits of the server, see `infra/docs/bulk.md`.
const ENTRIES: usize = 100;
const READ: usize = 200;
const READ_BYTES: usize = 32 * 1024 * 1024;

/// The members of the groups that are larger than most, by the number of the group.
const LARGE: [(usize, usize); 6] =
    [(70, 200_000), (71, 200_000), (72, 250_000), (210, 550_000), (211, 1_000), (212, 400_000)];

/// A file of the lake with a group.
struct File {
    id: String,
    text: String,
}

/// Returns groups of very different sizes. A few names begin with `Clinic`.
fn files() -> Vec<File> {
    let member = "{\"entity\":{\"reference\":\"Patient/01a1fb95-ab0a-7a46-aeea-001492bd7651\"}},";
    let group = |number: usize| {
        // Some ids begin with another id: their files are in another order than the ids.
        let id = if number % 5 == 4 { format!("g{}-a", number - 1) } else { format!("g{number}") };
        let name = if number.is_multiple_of(7) { "Clinic" } else { "Ward" };
        let large = LARGE.iter().find(|(of, _)| *of == number);
        let members = large.map_or(number * 37 % 50, |(_, members)| *members);
        let mut text = format!(
            "{{\"resourceType\":\"Group\",\"id\":\"{id}\",\"type\":\"person\",\"actual\":true,\"name\":\"{name} {number}\",\"member\":["
        );
        text.push_str(&member.repeat(members));
        text.push_str("{}]}");
        File { id, text }
    };
    (0..450).map(group).collect()
}

/// Returns the ids on each page, with the rules written as simply as possible. The files are in the order of the store.
fn expected(files: &[File], is_found: IsFound<'_>, count: usize) -> Vec<Vec<String>> {
    let (mut pages, mut at) = (Vec::new(), 0);
    while at < files.len() {
        let (mut page, mut bytes, begin) = (Vec::new(), 0, at);
        while at < files.len() && page.len() < count && at - begin < READ {
            bytes += files[at].text.len();
            if bytes > READ_BYTES && at > begin {
                break;
            }
            if is_found(&files[at]) {
                page.push(files[at].id.clone());
            }
            at += 1;
        }
        pages.push(page);
    }
    pages
}

/// Follows the links of a list; returns the bundles, and calls `look` after each of them.
async fn bundles(world: &World, query: &str, mut look: impl FnMut()) -> Vec<Value> {
    let token = world.service("service", EVERYTHING).await;
    let (mut path, mut bundles) = (format!("/fhir/Group{query}"), Vec::new());
    loop {
        let response = world.get(&path).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::OK, "{path}: {}", response.text());
        look();
        let bundle = response.json();
        assert_eq!(bundle["link"][0]["url"], format!("{BASE_URL}{path}"), "the page names itself");
        let next = bundle["link"][1]["url"].as_str().map(str::to_owned);
        let is_only = bundles.is_empty() && next.is_none();
        assert_eq!(bundle.get("total").is_some(), is_only, "{path}");
        bundles.push(bundle);
        let Some(next) = next else { return bundles };
        next.strip_prefix(BASE_URL).expect("a URL of this server").clone_into(&mut path);
    }
}

fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().expect("entries").iter();
    entries
        .filter(|entry| entry["search"]["mode"] == "match")
        .map(|entry| text(&entry["resource"]["id"]))
        .collect()
}

/// Says whether a search finds a group.
type IsFound<'f> = &'f dyn Fn(&File) -> bool;

/// Compares every page with the expected one. The files are all groups of the lake.
async fn assert_pages(world: &World, mut files: Vec<File>, mut look: impl FnMut()) {
    files.sort_by_key(|file| format!("{}.json", file.id));
    let clinic = |file: &File| file.text.contains("\"name\":\"Clinic");
    let searches: [(&str, usize, IsFound<'_>); 4] = [
        ("", ENTRIES, &|_| true),
        ("?name=clinic", ENTRIES, &clinic),
        ("?name=clinic&_count=3", 3, &clinic),
        ("?name=nobody", ENTRIES, &|_| false),
    ];
    for (query, count, is_found) in searches {
        let expected = expected(&files, is_found, count);
        let found: Vec<_> = bundles(world, query, &mut look).await.iter().map(ids).collect();
        assert!(found.len() > 4, "{query}: {} pages", found.len());
        assert_eq!(found, expected, "{query}");
    }
}

fn write(lake: &Path, files: &[File]) -> std::io::Result<()> {
    for directory in ["Patient/one", "Group"] {
        std::fs::create_dir_all(lake.join(directory))?;
    }
    std::fs::write(lake.join("Patient/one/a.ndjson"), "{\"resourceType\":\"Patient\",\"id\":\"one\"}\n")?;
    files.iter().try_for_each(|file| std::fs::write(lake.join(format!("Group/{}.json", file.id)), &file.text))
}

#[tokio::test]
async fn each_group_of_a_directory_is_on_one_page() -> tests::Result {
    let (lake, files) = (tempfile::tempdir()?, files());
    write(lake.path(), &files)?;
    let world = World::with("sandbox = true", lake.path());
    assert_pages(&world, files, || {}).await;
    Ok(())
}

async fn the_groups_of_a_bucket() {
    let world = World::simulated(Setup::default(), &Record::default());
    let simulation = world.account().simulation();
    let mut files = files();
    for file in &files {
        simulation.store(&format!("lake/Group/{}.json", file.id), file.text.clone());
    }
    let sample = ehi::defaults::sample_records().join("Group");
    for entry in std::fs::read_dir(sample).expect("the groups of the sample") {
        let path = entry.expect("an entry").path();
        let id = path.file_stem().expect("a name").to_string_lossy().into_owned();
        files.push(File { id, text: std::fs::read_to_string(path).expect("a group") });
    }
    // The first request of the function reads its settings and keys.
    let token = world.service("service", EVERYTHING).await;
    world.get("/fhir/Group?_count=1").bearer(&token).send().await;
    let reads = || simulation.meter(|meter| meter.calls(&[], &["GetObject"]));
    let lists = || simulation.meter(|meter| meter.calls(&[], &["ListObjectsV2"]));
    let mut before = (reads(), lists(), world.now());
    assert_pages(&world, files, || {
        let after = (reads(), lists(), world.now());
        assert!(after.0 - before.0 <= READ as u64, "{} groups are read", after.0 - before.0);
        assert_eq!(after.1 - before.1, 1);
        assert!(after.2 - before.2 < 20, "a request on Lambda takes {} s", after.2 - before.2);
        before = after;
    })
    .await;
}

#[test]
fn each_group_of_a_bucket_is_on_one_page() {
    run_with_large_stack(the_groups_of_a_bucket);
}

/// A page ends by the size of its groups, and a group that is too large for any page is named and hides no other.
#[tokio::test]
async fn a_page_is_smaller_than_a_response_may_be() -> tests::Result {
    const LIMIT: usize = 3_000;
    let lake = tempfile::tempdir()?;
    let file = |id: String, more: Value| {
        let mut group = json!({ "resourceType": "Group", "id": id, "type": "person", "actual": true });
        group.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        File { id, text: group.to_string() }
    };
    let quoted = json!({ "name": "\"".repeat(90) });
    let small = (0..40).map(|number| file(format!("g{number:02}"), quoted.clone()));
    let wide = [
        file("g20-text".to_owned(), json!({ "name": "x".repeat(LIMIT) })),
        file("g21-quotes".to_owned(), json!({ "name": "\"".repeat(LIMIT / 4) })),
    ];
    let files: Vec<_> = small.chain(wide).collect();
    write(lake.path(), &files)?;
    let world = World::with(&format!("sandbox = true\nmax_direct_bytes = {LIMIT}"), lake.path());
    let bundles = bundles(&world, "", || {}).await;
    let mut found: Vec<_> = bundles.iter().flat_map(ids).collect();
    assert!(bundles.len() > 5, "{} pages", bundles.len());
    for bundle in &bundles {
        // Lambda returns the body as a JSON string.
        let entries = json!(bundle["entry"].to_string()).to_string();
        assert!(entries.len() < LIMIT + 100, "{}", entries.len());
    }
    let entries = bundles.iter().flat_map(|bundle| bundle["entry"].as_array().expect("entries"));
    let outcomes = entries.filter(|entry| entry["search"]["mode"] == "outcome");
    let outcomes: Vec<_> =
        outcomes.map(|entry| text(&entry["resource"]["issue"][0]["diagnostics"])).collect();
    for (outcome, id) in outcomes.iter().zip(["g20-text", "g21-quotes"]) {
        assert!(outcome.starts_with(&format!("Group/{id} is not on this page: it has ")), "{outcome}");
        found.push(id.to_owned());
    }
    found.sort();
    let mut all: Vec<_> = files.iter().map(|file| file.id.clone()).collect();
    all.sort();
    assert_eq!((found, outcomes.len()), (all, 2));
    let token = world.service("service", EVERYTHING).await;
    let refused = world.get("/fhir/Group/g20-text?_summary=true").bearer(&token).send().await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.outcome().contains("without its members"), "{}", refused.outcome());
    Ok(())
}

#[tokio::test]
async fn a_page_that_cannot_be_found_is_refused_with_an_explanation() {
    let world = World::new();
    let token = world.service("service", EVERYTHING).await;
    for (query, said) in [
        ("page=1", "earlier version"),
        ("from=everyone", "a link of this list"),
        ("_count=abc", "from 0 to 100"),
    ] {
        let refused = world.get(&format!("/fhir/Group?{query}")).bearer(&token).send().await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(refused.outcome().contains(said), "{query}: {}", refused.outcome());
    }
    let bundle = world.get("/fhir/Group?_count=1000").bearer(&token).send().await.json();
    assert_eq!(ids(&bundle), ["everyone"]);
}
