//! The pages of staff with many entries, compared with the same pages with few: the same server, the same run.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use contract::{FixedClock, SeededRandom};
use http::StatusCode;
use local::Local;
use platform::Platform;
use settings::Settings;
use tests::{ANNA, TestResponse, World, many};

use crate::{Aim, Row, Scale, directory, runtime};

/// The most milliseconds for a page.
const AIM: f64 = 100.0;

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    runtime().block_on(async { vec![list_of_exports(scale).await, page_of_a_file(scale).await] })
}

/// A page, and the server that it is on.
struct Target<'w> {
    world: &'w World,
    staff: TestResponse,
    path: String,
}

impl Target<'_> {
    /// Returns the milliseconds until the page has arrived.
    async fn load(&self) -> f64 {
        let started = Instant::now();
        let page = self.world.get(&self.path).cookie(&self.staff).send().await;
        let took = started.elapsed();
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        took.as_secs_f64() * 1e3
    }
}

/// Compares a page with many entries and one with few. They are loaded in turns, so that the state of the machine affects both alike.
async fn compared(scale: Scale, what: &str, many: (Target<'_>, u64), few: (Target<'_>, u64)) -> Row {
    let tries = scale.of(200, 20);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..tries {
        times[0].push(many.0.load().await);
        times[1].push(few.0.load().await);
    }
    let [of_many, of_few] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    Row {
        what: format!("{what} of {}, median of {tries}", many.1),
        measured: format!("{of_many:.2} ms"),
        yardstick: format!("of {}: {of_few:.2} ms", few.1),
        ratio: Some(of_many / of_few),
        aim: Aim::at_most(AIM, "ms", of_many),
    }
}

/// Returns a server with these jobs in a database on the disk.
async fn with_jobs(state: &Path, numbers: impl Iterator<Item = usize>) -> World {
    let settings = Settings::parse(&tests::settings("sandbox = true"), |_| None, None).expect("settings");
    let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    let random = Arc::new(SeededRandom::new(7));
    let records = ehi::defaults::sample_records();
    let platform =
        Local::open(state, &records, settings, Arc::new(clock.clone()), random).expect("a platform");
    let jobs = Platform::jobs(&platform).expect("the port");
    many::add_jobs(&*jobs, numbers, "2026-03-01T11:00:00Z").await;
    World::over(platform, clock)
}

async fn list_of_exports(scale: Scale) -> Row {
    let (states, path) = ([directory(), directory()], "/staff?tab=all".to_owned());
    let large = with_jobs(states[0].path(), 0..10_000).await;
    let small = with_jobs(states[1].path(), many::hundred()).await;
    let many = Target { world: &large, staff: large.staff().await, path: path.clone() };
    let few = Target { world: &small, staff: small.staff().await, path };
    compared(scale, "a page of the list of exports", (many, 10_000), (few, 100)).await
}

/// Returns a server with an export in review, and the path of its Observations.
async fn with_observations(lake: &Path, count: usize) -> (World, String) {
    many::write_record(lake, (0..count).map(many::observation));
    let world = World::with("sandbox = true", lake);
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    (world, format!("/staff{job}/files/Observation.ndjson"))
}

async fn page_of_a_file(scale: Scale) -> Row {
    let lakes = [directory(), directory()];
    let (large, of_many) = with_observations(lakes[0].path(), 50_000).await;
    let (small, of_few) = with_observations(lakes[1].path(), 100).await;
    let many = Target { world: &large, staff: large.staff().await, path: of_many };
    let few = Target { world: &small, staff: small.staff().await, path: of_few };
    compared(scale, "a page of a file with Observations", (many, 50_000), (few, 100)).await
}
