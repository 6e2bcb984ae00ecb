//! The links of the list of groups, and what a page may cost: a link shows nothing of groups that the token may not read, only the server
//! makes one, and a page ends after a number of bytes and after a time.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::FixedClock;
use domain::error::{Result, Store};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use jiff::SignedDuration;
use platform::Platform;
use serde_json::{Value, json};
use tests::hooked::{Hook, Hooked, Made};
use tests::simulated::account::Setup;
use tests::simulated::{Record, run_with_large_stack};
use tests::{BASE_URL, TestResponse, World, text};

use super::EVERYTHING;

const TAGGED: &str = "system/*.rs access/open.read";

fn write(lake: &Path, groups: impl Iterator<Item = (String, Value)>) -> std::io::Result<()> {
    for directory in ["Patient/one", "Group"] {
        std::fs::create_dir_all(lake.join(directory))?;
    }
    std::fs::write(lake.join("Patient/one/a.ndjson"), "{\"resourceType\":\"Patient\",\"id\":\"one\"}\n")?;
    for (id, meta) in groups {
        let group =
            json!({ "resourceType": "Group", "id": id, "meta": meta, "type": "person", "actual": true });
        std::fs::write(lake.join(format!("Group/{id}.json")), group.to_string())?;
    }
    Ok(())
}

/// Writes 450 groups, of which ten have the tag `open`. The ids of the others contain `secret`.
fn write_hidden(lake: &Path) -> std::io::Result<()> {
    let group = |number: usize| match number % 45 {
        7 => (format!("g{number:03}"), json!({ "security": [{ "code": "open" }] })),
        _ => (format!("g{number:03}-secret{}", "-x".repeat(number % 25)), json!({})),
    };
    write(lake, (0..450).map(group))
}

fn next(bundle: &Value) -> Option<String> {
    let link = bundle["link"].as_array().expect("links").iter().find(|link| link["relation"] == "next")?;
    Some(text(&link["url"]).strip_prefix(BASE_URL).expect("a URL of this server").to_owned())
}

fn position(path: &str) -> &str {
    path.split(['?', '&']).find_map(|parameter| parameter.strip_prefix("from=")).expect("a position")
}

fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().expect("entries").iter();
    entries.map(|entry| text(&entry["resource"]["id"])).collect()
}

#[tokio::test]
async fn the_links_show_nothing_of_groups_that_the_token_may_not_read() -> tests::Result {
    let lake = tempfile::tempdir()?;
    write_hidden(lake.path())?;
    let world = World::with("sandbox = true", lake.path());
    let token = world.service("service", TAGGED).await;
    let open: Vec<_> = (0..10).map(|number| format!("g{:03}", 45 * number + 7)).collect();
    for (query, expected) in [("?_count=1", &open[..]), ("", &open[..]), ("?name=nobody", &[][..])] {
        let (mut path, mut found, mut lengths) =
            (Some(format!("/fhir/Group{query}")), Vec::new(), Vec::new());
        while let Some(here) = path {
            let response = world.get(&here).bearer(&token).send().await;
            assert_eq!(response.status, StatusCode::OK, "{here}");
            let bundle = response.json();
            found.extend(ids(&bundle));
            path = next(&bundle);
            // All text of the response, and what a client could decode of its link.
            let mut shown = response.body;
            if let Some(path) = &path {
                let position = URL_SAFE_NO_PAD.decode(position(path))?;
                lengths.push(position.len());
                shown.extend(position);
            }
            assert!(
                !shown.windows(6).any(|window| window == b"secret"),
                "{}",
                String::from_utf8_lossy(&shown)
            );
        }
        assert_eq!(found, expected, "{query}");
        assert!(lengths.len() > 1, "{query}: {} links", lengths.len());
        assert!(
            lengths.iter().all(|length| *length == lengths[0]),
            "the length of an id is hidden: {lengths:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn only_the_server_makes_a_link_and_it_is_for_one_list() -> tests::Result {
    let lake = tempfile::tempdir()?;
    write_hidden(lake.path())?;
    let world = World::with("sandbox = true", lake.path());
    let token = world.service("service", TAGGED).await;
    let bundle = world.get("/fhir/Group?_count=1").bearer(&token).send().await.json();
    let path = next(&bundle).expect("a link");
    let sealed = position(&path).to_owned();
    let mut changed = URL_SAFE_NO_PAD.decode(&sealed)?;
    changed[20] ^= 1;
    let others = world.service("direct-service", "system/*.read").await;
    let id = "g009-secret";
    for (token, path) in [
        (&token, format!("/fhir/Group?from={id}")),
        (&token, "/fhir/Group?from=%2F".to_owned()),
        (&token, format!("/fhir/Group?from={}", URL_SAFE_NO_PAD.encode(id))),
        (&token, format!("/fhir/Group?from={}", URL_SAFE_NO_PAD.encode(changed))),
        (&token, format!("/fhir/Group?name=ward&from={sealed}")),
        (&token, format!("/4_0_0/Group?from={sealed}")),
        (&others, path.clone()),
    ] {
        let refused = world.get(&path).bearer(token).send().await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(refused.outcome().contains("start the search again"), "{path}: {}", refused.outcome());
    }
    // Another token of the client follows the link, also after the group was removed, and with another number of groups.
    std::fs::remove_file(lake.path().join(format!("Group/g008-secret{}.json", "-x".repeat(8))))?;
    let again = world.service("service", TAGGED).await;
    let bundle = world.get(&format!("/fhir/Group?_count=2&from={sealed}")).bearer(&again).send().await.json();
    assert_eq!(ids(&bundle), ["g052", "g097"]);
    Ok(())
}

/// Moves the clock at each call to the record store.
struct Slow {
    clock: FixedClock,
}

impl Hook for Slow {
    fn follows(&self, store: Store) -> bool {
        store == Store::Records
    }

    async fn call<T: Send>(&self, _: Made, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.clock.advance(SignedDuration::from_secs(1));
        call.await
    }
}

#[tokio::test]
async fn a_page_ends_when_a_slow_store_has_taken_ten_seconds() -> tests::Result {
    let lake = tempfile::tempdir()?;
    write(lake.path(), (0..30).map(|number| (format!("g{number:02}"), json!({}))))?;
    let world = World::with("sandbox = true", lake.path());
    let hook = Arc::new(Slow { clock: world.clock().clone() });
    let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook };
    let app = web::host::host(ehi::server::routers(&hooked).expect("its ports"), hooked.context());
    let token = world.service("service", EVERYTHING).await;
    let (mut path, mut pages) = (Some("/fhir/Group".to_owned()), Vec::new());
    while let Some(here) = path {
        let before = world.now();
        let response: TestResponse = world.get(&here).bearer(&token).send_over(app.clone()).await;
        assert!(world.now() - before <= 10, "{} s", world.now() - before);
        let bundle = response.json();
        pages.push(ids(&bundle));
        path = next(&bundle);
    }
    // The list of the files takes one second of each page.
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [9, 9, 9, 3]);
    assert_eq!(pages.concat(), (0..30).map(|number| format!("g{number:02}")).collect::<Vec<_>>());
    Ok(())
}

async fn groups_that_unpack_to_too_much() {
    let world = World::simulated(Setup::default(), &Record::default());
    let simulation = world.account().simulation();
    for id in ["a", "c", "e"] {
        let group = json!({ "resourceType": "Group", "id": id, "type": "person", "actual": true });
        simulation.store(&format!("lake/Group/{id}.json"), group.to_string());
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..65 {
        packed.write_all(&vec![b' '; 1024 * 1024]).expect("memory");
    }
    let packed = packed.finish().expect("memory");
    for id in ["b", "d"] {
        simulation.store_encoded(&format!("lake/Group/{id}.json"), packed.clone(), Some("gzip"));
    }
    let token = world.service("service", EVERYTHING).await;
    let (mut path, mut pages) = (Some("/fhir/Group".to_owned()), Vec::new());
    while let Some(here) = path {
        let bundle = world.get(&here).bearer(&token).send().await.json();
        pages.push(ids(&bundle));
        path = next(&bundle);
    }
    // Nothing else is read after such a group. The last one is that of the sample.
    assert_eq!(pages, [vec!["a"], vec!["c"], vec!["e", "everyone"]]);
}

/// Such a group was read up to the limit, and not only its stored bytes.
#[test]
fn a_group_that_unpacks_to_more_than_the_limit_counts_as_much_as_the_limit() {
    run_with_large_stack(groups_that_unpack_to_too_much);
}

#[tokio::test]
async fn a_count_of_zero_returns_the_total_if_it_is_known() -> tests::Result {
    let (small, large) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write(small.path(), (0..3).map(|number| (format!("g{number}"), json!({}))))?;
    write_hidden(large.path())?;
    for (lake, total) in [(&small, Some(3)), (&large, None)] {
        let world = World::with("sandbox = true", lake.path());
        let token = world.service("service", EVERYTHING).await;
        let get = async |path: &str| world.get(path).bearer(&token).send().await;
        let bundle = get("/fhir/Group?_count=0").await.json();
        let link = json!([{ "relation": "self", "url": format!("{BASE_URL}/fhir/Group?_count=0") }]);
        let total = total.map(|total| json!(total));
        assert_eq!(
            (&bundle["entry"], &bundle["link"], bundle.get("total")),
            (&json!([]), &link, total.as_ref())
        );
        // A parameter without a value is ignored, and the link to the first page of an earlier version is valid.
        let first = ids(&get("/fhir/Group").await.json());
        for query in ["_count=", "from=", "page=", "page=0"] {
            assert_eq!(ids(&get(&format!("/fhir/Group?{query}")).await.json()), first, "{query}");
        }
    }
    Ok(())
}
