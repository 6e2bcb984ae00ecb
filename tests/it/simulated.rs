//! The simulated AWS passes the same contracts as the real services, so that results over it are
//! meaningful. `aws` runs the same contracts over an emulator that others wrote.

mod audit_page;
mod cost;
mod dynamodb;
mod groups;
mod groups_page;
mod scale;
mod walks;

use std::sync::Arc;

use contract::FixedClock;
use domain::clock::Clock;
use domain::ports::files::{read_all, write_all};
use domain::ports::queue::TaskGroup;
use domain::request::SizeClass;
use jiff::SignedDuration;
use platform::Platform;
use tests::simulated::names::LAKE_BUCKET;
use tests::simulated::platform::{dead_letters, platform, random, sdk};
use tests::simulated::{Client, Simulation, Stage, run};

fn client() -> Client {
    Client::new(&Simulation::new(), Stage::Outside)
}

#[test]
fn jobs_keep_the_contract() {
    run(async { contract::jobs(platform(&client(), "", random(1)).await.jobs().expect("the port")).await });
}

#[test]
fn files_keep_the_contract() {
    run(async {
        contract::files(&*platform(&client(), "", random(1)).await.files().expect("the port")).await;
    });
}

#[test]
fn joined_files_keep_the_contract() {
    run(async {
        let client = client();
        let platform = platform(&client, "", random(1)).await;
        let (files, joiner) = (platform.files().expect("the port"), platform.joiner().expect("the port"));
        contract::joined(&*files, &*joiner).await;
        assert!(!client.simulation().has_open_uploads(), "an upload that failed is aborted");
    });
}

#[test]
fn records_keep_the_contract() {
    run(async {
        let client = client();
        let clock = Arc::new(client.simulation().clock());
        let lake = aws::files_at(&sdk(&client).await, &format!("s3://{LAKE_BUCKET}"), clock);
        let lake = lake.expect("a lake");
        contract::records(
            &*platform(&client, "", random(1)).await.records().expect("the port"),
            async |path, bytes| {
                write_all(&*lake, path, bytes.to_vec()).await.expect("written");
            },
        )
        .await;
    });
}

#[test]
fn expiring_entries_keep_the_contract() {
    run(async {
        let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let client = client();
        let grants = tests::simulated::platform::with_clock(&client, Arc::new(clock.clone()), random(1))
            .await
            .expiring()
            .expect("the port");
        contract::expiring(grants, &clock as &dyn Clock, |by| clock.advance(by)).await;
    });
}

#[test]
fn the_audit_trail_keeps_the_contract() {
    run(async {
        let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let client = client();
        let now = Arc::new(clock.clone());
        let platform = tests::simulated::platform::with_clock(&client, now, random(1)).await;
        let log = platform.audit().expect("the port");
        contract::audit(log, "run", &clock, |by| clock.advance(by)).await;
    });
}

#[test]
fn the_queue_keeps_the_contract() {
    run(async {
        let platform = platform(&client(), "", random(1)).await;
        let inbox = platform.inbox(SizeClass::Large, &dead_letters()).expect("a queue");
        let queue = Large(platform.queue().expect("the port"));
        contract::queue(&queue, &inbox, SignedDuration::from_secs(2), async |by: SignedDuration| {
            tokio::time::sleep(by.try_into().expect("a wait")).await;
        })
        .await;
    });
}

/// A queue that sends every task to the large queue.
struct Large(Arc<dyn domain::ports::queue::Queue>);

#[async_trait::async_trait]
impl domain::ports::queue::Queue for Large {
    async fn send(&self, group: &TaskGroup, tasks: &[domain::task::Task]) -> domain::error::Result<()> {
        self.0.send(&TaskGroup { size: SizeClass::Large, ..group.clone() }, tasks).await
    }
}

/// Upload tools compress objects without changing their names.
#[test]
fn shared_resources_are_found_in_an_object_that_is_compressed_according_to_its_header_only() {
    run(async {
        let client = client();
        let line = |number: u32| format!("{{\"resourceType\":\"Organization\",\"id\":\"o{number}\"}}\n");
        let lines = (0..2_000).map(line).collect::<Vec<_>>().concat();
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut compressed, lines.as_bytes()).expect("compressed");
        let compressed = compressed.finish().expect("compressed");
        client.simulation().store("Patient/a/a.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"a\"}");
        client.simulation().store_encoded("shared/all.ndjson", compressed, Some("gzip"));
        let records = platform(&client, "", random(1)).await.records().expect("the port");
        let wanted = ["Organization/o0", "Organization/o7", "Organization/o1999"].map(str::to_owned);
        let found = records.supporting(&wanted.into()).await.expect("found");
        let mut lines: Vec<_> =
            found.lines.iter().map(|found| String::from_utf8_lossy(&found.line).into_owned()).collect();
        lines.sort();
        let expected =
            ["o0", "o1999", "o7"].map(|id| format!("{{\"resourceType\":\"Organization\",\"id\":\"{id}\"}}"));
        assert_eq!(lines, expected);
        assert!(found.damaged.is_empty(), "{:?}", found.damaged);
    });
}

#[test]
fn large_files_are_uploaded_in_parts() {
    run(async {
        let client = client();
        let files = platform(&client, "", random(1)).await.files().expect("the port");
        let large: Vec<u8> = (0..=u8::MAX).cycle().take(20_000_000).collect();
        let mut writer = files.create("parts/large").await.expect("created");
        for piece in large.chunks(300_000) {
            writer.write(piece.to_vec()).await.expect("written");
        }
        assert!(client.simulation().has_open_uploads());
        writer.finish().await.expect("finished");
        assert_eq!(client.simulation().meter(|meter| meter.calls(&[], &["UploadPart"])), 3);
        assert!(!client.simulation().has_open_uploads());
        assert_eq!(read_all(&*files, "parts/large", large.len()).await.expect("read"), large);
    });
}
