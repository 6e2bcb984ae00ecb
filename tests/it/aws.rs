//! The adapters of AWS: the contract suite, and whole exports over a connection with faults. The tests use a stack of their own,
//! whose workers are stopped, in the emulator of `cargo xtask test`.

mod compressed;
mod exports;

pub(crate) use self::exports::exported;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::{Aws, SqsInbox, files_at, sdk};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::types::{BillingMode, GlobalSecondaryIndex};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use contract::FixedClock;
use crypto::OsRandom;
use domain::clock::{Clock, Random, SystemClock};
use domain::error::Result;
use domain::ids::{JobId, PatientId};
use domain::job::Job;
use domain::ports::files::{Announced, Linked, read_all};
use domain::ports::queue::{Delivery, Inbox, NoDeadline, Queue, TaskGroup};
use domain::request::{Cohort, SizeClass};
use domain::task::Task;
use jiff::SignedDuration;
use platform::Platform;
use serde_json::Value;
use settings::Settings;
use settings::resources::Resources;
use storage::packs;
use tests::deployed::variable;
use tests::faulty_client::{Fault, FaultyClient, Plan};
use tests::{BRUNO, reference};

use crate::house::root;

/// Returns the stack's resources, with the lake at a prefix of the test's own.
pub(crate) fn resources(prefix: &str, more: &[(&'static str, &str)]) -> Arc<Resources> {
    let lake = format!("{}/{prefix}", variable("EHI_TEST_LAKE"));
    Arc::new(Resources::of(|name| {
        if let Some((_, value)) = more.iter().find(|(known, _)| *known == name) {
            return Some((*value).to_owned());
        }
        match name {
            "EHI_JOBS_TABLE" => Some(variable("EHI_TEST_JOBS_TABLE")),
            "EHI_GRANTS_TABLE" => Some(variable("EHI_TEST_GRANTS_TABLE")),
            "EHI_AUDIT_TABLE" => Some(variable("EHI_TEST_AUDIT_TABLE")),
            "EHI_SMALL_QUEUE" => Some(variable("EHI_TEST_SMALL_QUEUE")),
            "EHI_LARGE_QUEUE" => Some(variable("EHI_TEST_LARGE_QUEUE")),
            "EHI_FILES_BUCKET" => Some(variable("EHI_TEST_FILES_BUCKET")),
            "EHI_RECORDS" => Some(lake.clone()),
            _ => None,
        }
    }))
}

fn platform(
    sdk: SdkConfig,
    resources: Arc<Resources>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Aws {
    let text = "base_url = \"http://localhost:8888\"\nchunk_bytes = 30000";
    let settings = Settings::parse(text, |_| None, None).expect("valid settings");
    Aws::new(sdk, resources, settings, None, clock, random)
}

async fn contracted(prefix: &str) -> Aws {
    platform(sdk().await, resources(prefix, &[]), Arc::new(SystemClock), Arc::new(OsRandom))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn jobs_keep_the_contract() -> tests::Result {
    let (sdk, table) = (sdk().await, format!("ehi-contract-{}", OsRandom.attempt()));
    let database = DynamoDb::new(&sdk);
    create_jobs_table(&database, &table).await?;
    let resources = resources("jobs", &[("EHI_JOBS_TABLE", &table)]);
    let platform = platform(sdk, resources, Arc::new(SystemClock), Arc::new(OsRandom));
    contract::jobs(platform.jobs().expect("the port")).await;
    database.delete_table().table_name(table).send().await?;
    Ok(())
}

/// Creates a table with the keys and indexes of the stack's table of jobs. The contract counts all jobs of a table, so other tests
/// must not use the same table.
async fn create_jobs_table(database: &DynamoDb, name: &str) -> tests::Result {
    let stack = database.describe_table().table_name(variable("EHI_TEST_JOBS_TABLE")).send().await?;
    let stack = stack.table().expect("the stack has a table of jobs");
    let mut table = database
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(stack.attribute_definitions.clone())
        .set_key_schema(stack.key_schema.clone());
    for index in stack.global_secondary_indexes() {
        let index = GlobalSecondaryIndex::builder()
            .set_index_name(index.index_name.clone())
            .set_key_schema(index.key_schema.clone())
            .set_projection(index.projection.clone());
        table = table.global_secondary_indexes(index.build()?);
    }
    table.send().await?;
    let waiter = database.wait_until_table_exists().table_name(name);
    waiter.wait(Duration::from_secs(30)).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn files_keep_the_contract_plain_and_compressed() {
    let plain = contracted("files").await;
    contract::files(&*plain.files().expect("the port")).await;
    contract::joined(&*plain.files().expect("the port"), &*plain.joiner().expect("the port")).await;
    let compressed = resources("files", &[("EHI_COMPRESS_FILES", "true")]);
    let platform = platform(sdk().await, compressed, Arc::new(SystemClock), Arc::new(OsRandom));
    contract::files(&*platform.files().expect("the port")).await;
    compressed::read_as_written(&*platform.files().expect("the port")).await;
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn large_files_are_uploaded_in_parts_and_interrupted_uploads_leave_nothing() -> tests::Result {
    let client = FaultyClient::over(sdk().await.http_client().expect("a client"));
    let sdk = sdk().await.into_builder().http_client(SharedHttpClient::from(&client)).build();
    let platform = platform(sdk, resources("parts", &[]), Arc::new(SystemClock), Arc::new(OsRandom));
    let files = platform.files().expect("the port");
    let large: Vec<u8> = (0..=u8::MAX).cycle().take(20_000_000).collect();
    let write = async |key: &str, finishes: bool| {
        let mut writer = files.create(key).await?;
        for piece in large.chunks(300_000) {
            writer.write(piece.to_vec()).await?;
        }
        if finishes { writer.finish().await } else { Ok(()) }
    };
    client.follow(Plan::Nothing);
    write("parts/large", true).await?;
    assert_eq!(client.operations()["UploadPart"], 3, "{:?}", client.operations());
    assert_eq!(read_all(&*files, "parts/large", large.len()).await?, large);
    // One writer is dropped in the middle; then every call fails.
    write("parts/dropped", false).await?;
    for fault in [Fault::Throttle, Fault::ServerError, Fault::Reset, Fault::LostResponse] {
        client.follow(Plan::Always(fault));
        assert!(write("parts/failed", true).await.is_err(), "{fault:?}: no call succeeds");
    }
    client.follow(Plan::Nothing);
    files.remove_prefix("parts/").await?;
    assert_eq!(files.list("parts/").await?, Vec::<String>::new());
    client.follow(Plan::Nothing);
    files.remove_prefix("parts/").await?;
    assert_eq!(client.operations().get("AbortMultipartUpload"), None, "{:?}", client.operations());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn expiring_entries_keep_the_contract() {
    let clock = FixedClock::at(SystemClock.now());
    let (now, random) = (Arc::new(clock.clone()), Arc::new(OsRandom));
    let platform = platform(sdk().await, resources("grants", &[]), now, random);
    contract::expiring(platform.expiring().expect("the port"), &*platform.clock(), |by| clock.advance(by))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn the_audit_trail_keeps_the_contract() {
    let clock = FixedClock::at(SystemClock.now());
    let (now, random) = (Arc::new(clock.clone()), Arc::new(OsRandom));
    let run = random.attempt().to_string();
    let platform = platform(sdk().await, resources("audit", &[]), now, random);
    contract::audit(platform.audit().expect("the port"), &run, &clock, |by| clock.advance(by)).await;
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn records_keep_the_contract() -> tests::Result {
    let prefix = format!("records-{}", OsRandom.attempt());
    let lake = format!("{}/{prefix}", variable("EHI_TEST_LAKE"));
    let lake = files_at(&sdk().await, &lake, Arc::new(SystemClock)).expect("a lake");
    contract::records(&*contracted(&prefix).await.records().expect("the port"), async |path, bytes| {
        domain::ports::files::write_all(&*lake, path, bytes.to_vec()).await.expect("written");
    })
    .await;
    Ok(())
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn the_queue_keeps_the_contract() -> tests::Result {
    // The large queue is used, because other tests run exports over the small queue at the same time.
    let platform = contracted("queue").await;
    let inbox = platform.inbox(SizeClass::Large, &variable("EHI_TEST_DEAD_LETTERS")).expect("a queue");
    let inbox = OfContract(inbox);
    let unit = SignedDuration::from_secs(2);
    let queue = Large(platform.queue().expect("the port"));
    contract::queue(&queue, &inbox, unit, async |by: SignedDuration| {
        tokio::time::sleep(Duration::try_from(by).expect("a wait")).await;
    })
    .await;
    // This is more than one batch.
    let job = OsRandom.job(SystemClock.now());
    let tasks: Vec<_> = (0..23).map(|_| Task::Finish { job: job.clone() }).collect();
    platform
        .queue()
        .expect("the port")
        .send(&TaskGroup { size: SizeClass::Large, owner: Vec::new() }, &tasks)
        .await
        .expect("sent");
    let mut received = 0;
    while let Some(delivery) = inbox.receive(unit * 30).await? {
        inbox.acknowledge(&delivery).await?;
        received += 1;
    }
    assert_eq!(received, 23);
    Ok(())
}

/// A queue that sends every task to the large queue.
struct Large(Arc<dyn Queue>);

#[async_trait::async_trait]
impl Queue for Large {
    async fn send(&self, group: &TaskGroup, tasks: &[Task]) -> Result<()> {
        self.0.send(&TaskGroup { size: SizeClass::Large, ..group.clone() }, tasks).await
    }
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn links_are_valid_for_one_file_and_a_limited_time() -> tests::Result {
    let clock = FixedClock::at(SystemClock.now());
    let at = |now: FixedClock| async move {
        platform(sdk().await, resources("links", &[]), Arc::new(now), Arc::new(OsRandom))
    };
    let files = at(clock.clone()).await.files().expect("the port");
    domain::ports::files::write_all(&*files, "exports/l/a.pdf", b"text".to_vec()).await.expect("written");
    let minute = SignedDuration::from_mins(1);
    let saved = Linked::saved("a.pdf");
    let link = files.link("exports/l/a.pdf", minute, saved).await.expect("a link").expect("a URL");
    let fetched = reqwest::get(&link).await?;
    assert_eq!(fetched.status(), 200, "{:?}", fetched.text().await);
    assert_eq!(fetched.headers()["content-disposition"], "attachment; filename=\"a.pdf\"");
    assert_eq!(fetched.text().await?, "text");
    let other = link.replace("a.pdf", "b.pdf");
    assert_eq!(reqwest::get(&other).await?.status(), 403);
    // The server's clock may be wrong by up to five minutes in either direction.
    for skew in [-290, 290] {
        let skewed = FixedClock::at(SystemClock.now() + SignedDuration::from_secs(skew));
        let link =
            at(skewed).await.files().expect("the port").link("exports/l/a.pdf", minute * 5, saved).await;
        let status = reqwest::get(link.expect("a link").expect("a URL")).await.expect("S3 responds").status();
        assert_eq!(status, 200, "{skew}");
    }
    // A link that was created six minutes ago for one minute has expired.
    let past = FixedClock::at(SystemClock.now() - minute * 6);
    let link = at(past).await.files().expect("the port").link("exports/l/a.pdf", minute, saved).await;
    let late = reqwest::get(link.expect("a link").expect("a URL")).await.expect("S3 responds");
    assert_eq!(late.status(), 403);
    Ok(())
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn upload_forms_accept_one_file_of_one_type_and_size() -> tests::Result {
    let files = contracted("forms").await.files().expect("the port");
    let key = "exports/f/uploads/u/scan.pdf";
    let lifetime = SignedDuration::from_mins(1);
    let announced = Announced { content_type: "application/pdf", max_bytes: 10, lifetime, redirect: None };
    let form = files.upload_form(key, announced).await;
    let form = form.expect("a form").expect("a form");
    let send = async |content_type: &str, bytes: &[u8]| {
        let mut parts = reqwest::multipart::Form::new();
        for (name, value) in &form.fields {
            let value = if name == "Content-Type" { content_type } else { value };
            parts = parts.text(name.clone(), value.to_owned());
        }
        parts = parts.part("file", reqwest::multipart::Part::bytes(bytes.to_vec()));
        let sent = reqwest::Client::new().post(&form.url).multipart(parts).send().await.expect("S3 responds");
        (sent.status().is_success(), sent.text().await.expect("text"))
    };
    assert!(!send("text/html", b"12345").await.0, "another type");
    assert!(!send("application/pdf", b"12345678901").await.0, "too large");
    assert_eq!(files.size(key).await?, None);
    let (sent, response) = send("application/pdf", b"1234567890").await;
    assert!(sent, "{response}");
    assert_eq!(files.size(key).await?, Some(10));
    Ok(())
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn a_missing_resource_is_503_with_its_cause_in_the_log() {
    let nowhere = resources(
        "missing",
        &[
            ("EHI_JOBS_TABLE", "no-such-table"),
            ("EHI_FILES_BUCKET", "no-such-bucket"),
            ("EHI_SMALL_QUEUE", "http://127.0.0.1:9/000000000000/no-such-queue"),
        ],
    );
    let platform = platform(sdk().await, nowhere, Arc::new(SystemClock), Arc::new(OsRandom));
    let job = OsRandom.job(SystemClock.now());
    let task = [Task::Plan { job: job.clone() }];
    let errors = [
        (platform.jobs().expect("the port").get(&job).await.expect_err("missing"), "ResourceNotFound"),
        (platform.files().expect("the port").remove("a/b").await.expect_err("missing"), "NoSuchBucket"),
        (
            platform
                .queue()
                .expect("the port")
                .send(&TaskGroup { size: SizeClass::Small, owner: Vec::new() }, &task)
                .await
                .expect_err("missing"),
            "NonExistentQueue",
        ),
    ];
    for (error, named) in errors {
        assert_eq!(web::respond::status_of(&error), http::StatusCode::SERVICE_UNAVAILABLE, "{error:?}");
        assert!(
            error.causes().contains(named) || error.causes().contains("QueueDoesNotExist"),
            "{}",
            error.causes()
        );
        assert!(!error.to_string().contains("no-such"), "{error}");
    }
}

/// The inbox of the contract suite.
struct OfContract(SqsInbox);

/// Returns a dead letter of the contract suite, or one of another test: the tests share one dead-letter queue. The ids of the contract's
/// jobs begin with the date of their creation, 14 November 2023.
async fn dead_letter(inbox: &SqsInbox, of_contract: bool) -> Result<Option<Delivery>> {
    let letter = inbox.dead().await?;
    Ok(letter.filter(|letter| letter.task.job().as_str().starts_with("018bcfe5") == of_contract))
}

#[async_trait::async_trait]
impl Inbox for OfContract {
    async fn receive(&self, visibility: SignedDuration) -> Result<Option<Delivery>> {
        self.0.receive(visibility).await
    }

    async fn acknowledge(&self, delivery: &Delivery) -> Result<()> {
        self.0.acknowledge(delivery).await
    }

    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()> {
        self.0.release(delivery, delay).await
    }

    async fn extend(&self, delivery: &Delivery, visibility: SignedDuration) -> Result<()> {
        self.0.extend(delivery, visibility).await
    }

    async fn dead(&self) -> Result<Option<Delivery>> {
        dead_letter(&self.0, true).await
    }
}
