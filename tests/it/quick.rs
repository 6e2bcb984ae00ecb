//! Checks 32 and 33 of the design: the pages of staff are as quick with 10,000 exports, 50,000 resources and large groups as with a few. A small
//! store in the same run is the yardstick, so that a slow machine and a build without optimisation change nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{FixedClock, SeededRandom};
use domain::ports::jobs::Jobs;
use http::StatusCode;
use local::Local;
use platform::Platform;
use serde_json::json;
use settings::Settings;
use tempfile::TempDir;
use tests::{ANNA, TestResponse, World};

use crate::admin::in_review;
use crate::many_jobs::job;
use crate::review::link_named;

/// The number of requests whose median counts.
const REQUESTS: usize = 20;
/// The largest time with many entries, in times of the small store.
const MOST: f64 = 3.0;
/// The time of the design, and five times as much without optimisation.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 100 });

/// A server with its session of staff.
struct Server {
    world: World,
    staff: TestResponse,
    _files: TempDir,
}

impl Server {
    /// Returns a page and the time of its response.
    async fn timed(&self, path: &str) -> (String, Duration) {
        let begun = Instant::now();
        let page = self.world.get(path).cookie(&self.staff).send().await;
        let time = begun.elapsed();
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        (page.text(), time)
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Compares the times of a page of a large store and a page of a small one. The requests alternate, so that other work on the machine
/// slows down both.
async fn assert_quick(name: &str, large: (&Server, &str), small: (&Server, &str)) {
    let (mut of_large, mut of_small) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        of_large.push(large.0.timed(large.1).await.1);
        of_small.push(small.0.timed(small.1).await.1);
    }
    let (of_large, of_small) = (median(&mut of_large), median(&mut of_small));
    let ratio = of_large.as_secs_f64() / of_small.as_secs_f64();
    assert!(ratio <= MOST, "{name}: {of_large:?}, and {of_small:?} with few");
    assert!(of_large < LIMIT, "{name}: {of_large:?}");
}

/// Returns a server with a database on disk and these jobs, which were requested in the last hours.
async fn with_jobs(numbers: impl Iterator<Item = usize>) -> Server {
    let files = tempfile::tempdir().expect("a directory");
    let settings = Settings::parse(&tests::settings("sandbox = true"), |_| None, None).expect("settings");
    let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    let random = Arc::new(SeededRandom::new(7));
    let records = ehi::defaults::sample_records();
    let platform =
        Local::open(&files.path().join("state"), &records, settings, Arc::new(clock.clone()), random);
    let platform = platform.expect("a platform");
    let jobs: Arc<dyn Jobs> = Platform::jobs(&platform).expect("the port");
    // The time at which the ids of `contract::job` begin.
    let newest =
        "2026-03-01T11:00:00Z".parse::<jiff::Timestamp>().expect("a time").as_second() - 1_700_000_000;
    for number in numbers {
        let seconds = newest - 10_000 + i64::try_from(number).expect("few");
        jobs.create(&job(number, seconds)).await.expect("created");
    }
    let world = World::over(platform, clock);
    let staff = world.staff().await;
    Server { world, staff, _files: files }
}

/// Check 32 of the design.
#[tokio::test]
async fn the_list_of_ten_thousand_exports_is_as_quick_as_that_of_a_hundred() {
    let large = with_jobs(0..10_000).await;
    // A hundred jobs with a whole page of each state and of each name.
    let waiting = (0..25).map(|number| number * 50);
    let named = (0..25).map(|number| number * 100 + 7);
    let others = (0..50).map(|number| number * 100 + 31);
    let small = with_jobs(waiting.chain(named).chain(others)).await;
    for (name, path) in
        [("all", "/staff?tab=all"), ("by state", "/staff?tab=waiting"), ("by name", "/staff?tab=all&q=lindq")]
    {
        for server in [&large, &small] {
            let page = server.timed(path).await.0;
            assert_eq!(
                page.matches("<td role=\"cell\" data-label=\"Patient\"").count(),
                25,
                "{name}: {page}"
            );
        }
        assert_quick(name, (&large, path), (&small, path)).await;
    }
    let next = async |server: &Server| {
        let page = server.timed("/staff?tab=all").await.0;
        link_named(&page, "Next page").expect("another page")
    };
    assert_quick("the next page", (&large, &next(&large).await), (&small, &next(&small).await)).await;
}

/// The lines of these Observations, as they are stored.
fn lines(observations: usize) -> Vec<String> {
    let line = |number: usize| {
        json!({
            "resourceType": "Observation", "id": format!("o{number}"), "status": "final",
            "category": [{ "coding": [{ "code": "laboratory" }] }],
            "subject": { "reference": format!("Patient/{ANNA}") },
            "code": { "text": format!("Glucose {number}") }, "effectiveDateTime": "2020-01-01",
            "valueQuantity": { "value": number, "unit": "mg/dL" },
        })
    };
    (0..observations).map(|number| line(number).to_string() + "\n").collect()
}

/// Returns a server with an export of these lines in review, and the path of its file.
async fn with_observations(lines: &[String]) -> (Server, String) {
    let files = tempfile::tempdir().expect("a directory");
    let directory = files.path().join("Patient").join(ANNA);
    std::fs::create_dir_all(&directory).expect("a directory");
    let patient = json!({ "resourceType": "Patient", "id": ANNA, "name": [{ "family": "Lindqvist" }] });
    std::fs::write(directory.join("all.ndjson"), format!("{patient}\n{}", lines.concat())).expect("written");
    let world = World::with("sandbox = true", files.path());
    let (job, _, staff) = in_review(&world).await;
    (Server { world, staff, _files: files }, format!("/staff{job}/files/Observation.ndjson"))
}

/// Check 33 of the design.
#[tokio::test]
async fn a_page_of_fifty_thousand_observations_is_as_quick_as_one_of_a_hundred() {
    let many = lines(50_000);
    let (large, file) = with_observations(&many).await;
    let (small, of_few) = with_observations(&many[..100]).await;
    let next = link_named(&large.timed(&file).await.0, "Next page").expect("another page");
    // The export copies lines as they are.
    let at: usize = many[..49_950].iter().map(String::len).sum();
    let last = format!("{file}?at={at}&row=49951");
    for (name, path, shows) in [
        ("the first page", file.as_str(), "Resources 1 to 50 of 50,000"),
        ("the second page", &next, "Resources 51 to 100 of 50,000"),
        ("the last page", &last, "Resources 49,951 to 50,000 of 50,000"),
    ] {
        let page = large.timed(path).await.0;
        assert!(page.contains(shows), "{name}: {page}");
        assert_eq!(page.matches("Glucose ").count(), 50, "{name}");
        assert_quick(name, (&large, path), (&small, &of_few)).await;
    }
    assert!(large.timed(&last).await.0.contains("Glucose 49999"));
}

/// Returns a server with groups. The first ones are on the first page of the list, and have these numbers of members.
async fn with_groups(groups: usize, members: &[usize]) -> Server {
    let files = tempfile::tempdir().expect("a directory");
    for directory in ["Patient", "Group"] {
        std::fs::create_dir_all(files.path().join(directory)).expect("a directory");
    }
    let member = |number: usize| {
        format!("{{\"entity\":{{\"reference\":\"Patient/01a1fb95-ab0a-7a46-{number:012}\"}}}}")
    };
    for group in 0..groups {
        let listed: Vec<_> = (0..members.get(group).copied().unwrap_or(1)).map(member).collect();
        let text = format!("{{\"name\":\"Study {group}\",\"member\":[{}]}}", listed.join(","));
        std::fs::write(files.path().join(format!("Group/g{group:04}.json")), text).expect("written");
    }
    let world = World::with("sandbox = true", files.path());
    let staff = world.staff().await;
    Server { world, staff, _files: files }
}

/// The list reads the beginning of each group, so the yardstick has groups of that size.
#[tokio::test]
async fn the_list_of_a_thousand_groups_with_many_members_is_as_quick_as_that_of_a_few() {
    let mut members = [2_000; 25];
    (members[3], members[7]) = (500_000, 100_000);
    let large = with_groups(1_000, &members).await;
    let small = with_groups(26, &[1_000; 25]).await;
    let page = large.timed("/staff/groups").await.0;
    for shown in ["Study 0<", "Study 24<", "More than 9"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert_quick("groups", (&large, "/staff/groups"), (&small, "/staff/groups")).await;
    let next = link_named(&page, "Next page").expect("another page");
    assert_quick("the next groups", (&large, &next), (&small, "/staff/groups")).await;
}
