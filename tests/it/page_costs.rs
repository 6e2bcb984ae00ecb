//! Checks 32 and 33 (`infra/docs/checks.md`): a page of staff costs the same with many exports and large groups as with a few. Calls of the
//! stores and bytes are counted, so that the speed of the machine changes nothing; what a store does within a call is not counted; `cargo xtask bench pages` measures the times. Pages
//! of many resources are in `review::preview`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use domain::error::{Result, Store};
use http::StatusCode;
use platform::Platform;
use tempfile::TempDir;
use tests::hooked::{Hook, Hooked, Made};
use tests::{TestResponse, World, many};

use crate::review::link_named;

/// Counts calls of the stores, and the bytes of the beginnings of files.
#[derive(Default)]
struct Counter {
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

impl Hook for Counter {
    fn follows(&self, _: Store) -> bool {
        true
    }

    async fn call<T: Send>(&self, _: Made, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        call.await
    }

    fn head(&self, head: &[u8]) {
        self.bytes.fetch_add(head.len(), Ordering::SeqCst);
    }
}

/// The calls and the bytes of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    calls: usize,
    bytes: usize,
}

/// A server whose calls are counted, with a session of staff.
struct Server {
    world: World,
    staff: TestResponse,
    counter: Arc<Counter>,
    app: Router,
    _lake: Option<TempDir>,
}

impl Server {
    /// `lake` is kept as long as the server.
    async fn over(world: World, lake: Option<TempDir>) -> Self {
        let staff = world.staff().await;
        let counter = Arc::new(Counter::default());
        let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook: counter.clone() };
        let app = web::host::host(ehi::server::routers(&hooked).expect("its ports"), hooked.context());
        Self { world, staff, counter, app, _lake: lake }
    }

    /// Returns a page and its cost.
    async fn page(&self, path: &str) -> (String, Cost) {
        let (calls, bytes) = (&self.counter.calls, &self.counter.bytes);
        let count = || Cost { calls: calls.load(Ordering::SeqCst), bytes: bytes.load(Ordering::SeqCst) };
        let before = count();
        let page = self.world.get(path).cookie(&self.staff).send_over(self.app.clone()).await;
        let after = count();
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        (page.text(), Cost { calls: after.calls - before.calls, bytes: after.bytes - before.bytes })
    }
}

async fn with_jobs(numbers: impl Iterator<Item = usize>) -> Server {
    let world = World::new();
    let jobs = Platform::jobs(world.platform()).expect("the port");
    many::add_jobs(&*jobs, numbers, "2026-03-01T11:00:00Z").await;
    Server::over(world, None).await
}

/// Check 32.
#[tokio::test]
async fn the_list_of_ten_thousand_exports_makes_as_many_calls_as_that_of_a_hundred() {
    let large = with_jobs(0..10_000).await;
    let small = with_jobs(many::hundred()).await;
    for path in ["/staff?tab=all", "/staff?tab=waiting", "/staff?tab=all&q=lindq"] {
        let mut costs = Vec::new();
        for server in [&large, &small] {
            let (page, cost) = server.page(path).await;
            assert_eq!(
                page.matches("<td role=\"cell\" data-label=\"Patient\"").count(),
                25,
                "{path}: {page}"
            );
            costs.push(cost);
            if path == "/staff?tab=all" {
                let next = link_named(&page, "Next page").expect("another page");
                costs.push(server.page(&next).await.1);
            }
        }
        assert!(costs[0].calls > 0, "{path}");
        assert_eq!(costs[..costs.len() / 2], costs[costs.len() / 2..], "{path}");
    }
}

fn write_group(lake: &Path, number: usize, members: usize) {
    let member = |number: usize| {
        format!("{{\"entity\":{{\"reference\":\"Patient/01a1fb95-ab0a-7a46-{number:012}\"}}}}")
    };
    let members: Vec<_> = (0..members).map(member).collect();
    let text = format!("{{\"name\":\"Study {number}\",\"member\":[{}]}}", members.join(","));
    std::fs::write(lake.join(format!("Group/g{number:04}.json")), text).expect("written");
}

/// Returns a server with groups. The first ones are on the first page of the list, and have these numbers of members; the others have one.
async fn with_groups(groups: usize, members: &[usize]) -> Server {
    let lake = tempfile::tempdir().expect("a directory");
    for directory in ["Patient", "Group"] {
        std::fs::create_dir_all(lake.path().join(directory)).expect("a directory");
    }
    for group in 0..groups {
        write_group(lake.path(), group, members.get(group).copied().unwrap_or(1));
    }
    let world = World::with("sandbox = true", lake.path());
    Server::over(world, Some(lake)).await
}

/// The list reads only the beginning of each group.
#[tokio::test]
async fn the_list_of_a_thousand_groups_with_many_members_reads_as_much_as_that_of_a_few() {
    let mut members = [2_000; 25];
    let small = with_groups(26, &members).await;
    (members[3], members[7]) = (500_000, 100_000);
    let large = with_groups(1_000, &members).await;
    let (page, cost) = large.page("/staff/groups").await;
    for shown in ["Study 0<", "Study 24<", "More than 9"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let (_, of_few) = small.page("/staff/groups").await;
    assert_eq!(cost, of_few);
    assert!(cost.bytes < 25 * 100_000, "{cost:?}");
    let next = link_named(&page, "Next page").expect("another page");
    let (page, of_next) = large.page(&next).await;
    assert!(page.contains("Study 25<") && page.contains("Study 49<"), "{page}");
    assert_eq!(of_next.calls, cost.calls);
}
