//! Complete exports over the emulator, in which every call fails once.

use super::*;

/// Returns a lake with the sample patients, which is loaded once for all exports of this process.
async fn sample_lake() -> &'static str {
    static LOADED: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    LOADED
        .get_or_init(|| async {
            let prefix = format!("sample-{}", OsRandom.attempt());
            let into = format!("{}/{prefix}", variable("EHI_TEST_LAKE"));
            let inputs = vec![ehi::defaults::sample_records()];
            ehi::load::run(ehi::load::Options { inputs, into: into.into() }).await.expect("loaded");
            prefix
        })
        .await
}

async fn begin(platform: &Aws, patients: Vec<PatientId>) -> Job {
    tests::exports::begin(platform, tests::exports::new_export(Cohort::of(patients))).await
}

/// An inbox whose messages become visible again soon: if the response to a receive is lost, the message is hidden until then.
struct Brief(SqsInbox);

#[async_trait::async_trait]
impl Inbox for Brief {
    async fn receive(&self, _: SignedDuration) -> Result<Option<Delivery>> {
        self.0.receive(SignedDuration::from_secs(2)).await
    }

    async fn acknowledge(&self, delivery: &Delivery) -> Result<()> {
        self.0.acknowledge(delivery).await
    }

    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()> {
        self.0.release(delivery, delay.min(SignedDuration::from_secs(2))).await
    }

    async fn extend(&self, delivery: &Delivery, visibility: SignedDuration) -> Result<()> {
        self.0.extend(delivery, visibility).await
    }

    async fn dead(&self) -> Result<Option<Delivery>> {
        dead_letter(&self.0, false).await
    }
}

/// The time in which a job must end, whatever call fails.
const PATIENCE: Duration = Duration::from_mins(2);

/// Handles one message after the other, like a Lambda function, until the job has ended.
async fn work(platform: &Aws, inbox: &Brief, job: &JobId) -> Job {
    let worker = export_generator::worker(platform).expect("its ports");
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "{job} does not come to rest");
        if let Ok(Some(stored)) = platform.jobs().expect("the port").get(job).await
            && !stored.job.is_active()
        {
            return stored.job;
        }
        // A fault can also end a call of the queue's loop, which then continues.
        let _ = ehi::worker::step(inbox, &*worker, &NoDeadline).await;
    }
}

/// Returns how often each resource is in the files of a complete job.
pub(crate) async fn exported(platform: &Aws, job: &Job) -> BTreeMap<String, u32> {
    let files = platform.files().expect("the port");
    let manifest = web::manifest::stored_page(job, 0, &*files).await.expect("read").expect("a manifest");
    let mut counts = BTreeMap::new();
    for named in manifest.files.iter().filter(|named| named.file.purpose.is_data()) {
        let bytes = packs::read(&*files, &named.file.location(), 100_000_000).await.expect("a file");
        assert_eq!(bytes.len() as u64, named.file.size);
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let resource: Value = serde_json::from_slice(line).expect("a resource");
            *counts.entry(reference(&resource)).or_default() += 1;
        }
    }
    counts
}

/// The least number of calls of the export of one patient with its deliveries. It makes 49.
const LEAST_CALLS: u64 = 40;

/// Whatever call fails, every export is complete or has failed with a reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask test deploys what it needs"]
async fn each_resource_is_exported_once_whichever_call_fails() -> tests::Result {
    let lake = sample_lake().await;
    let client = FaultyClient::over(sdk().await.http_client().expect("a client"));
    let broken = sdk().await.into_builder().http_client(SharedHttpClient::from(&client)).build();
    let platform = platform(broken, resources(lake, &[]), Arc::new(SystemClock), Arc::new(OsRandom));
    let inbox = Brief(platform.inbox(SizeClass::Small, &variable("EHI_TEST_DEAD_LETTERS")).expect("a queue"));
    let patient = vec![PatientId::parse(BRUNO).expect("an id")];
    let job = begin(&platform, patient.clone()).await;
    work(&platform, &inbox, job.id()).await;
    // The second export makes the calls that every later one makes.
    let job = begin(&platform, patient.clone()).await;
    client.follow(Plan::Nothing);
    let done = work(&platform, &inbox, job.id()).await;
    let expected = exported(&platform, &done).await;
    assert!(expected.len() > 50 && expected.values().all(|count| *count == 1), "{}", expected.len());
    // The response of each call is lost once, because this fault is the worst. Each call also gets one of the other faults in turn.
    let others: Vec<_> = Fault::ALL.into_iter().filter(|fault| *fault != Fault::LostResponse).collect();
    let turn = |call: u64| others[usize::try_from(call).expect("few calls") % others.len()];
    // Tasks of other tests can be on the same queue, so that the number of calls is known only when no fault strikes any more.
    let mut call = 0;
    loop {
        let mut struck = 0;
        for fault in [Fault::LostResponse, turn(call)] {
            let job = begin(&platform, patient.clone()).await;
            client.follow(Plan::Once(call, fault));
            let done = work(&platform, &inbox, job.id()).await;
            struck += client.struck();
            client.follow(Plan::Nothing);
            assert!(matches!(done, Job::Complete(_)), "call {call}, {fault:?}: {:?}", done.header().history);
            assert_eq!(exported(&platform, &done).await, expected, "call {call}, {fault:?}");
        }
        if struck == 0 {
            break;
        }
        call += 1;
    }
    assert!(call >= LEAST_CALLS, "an export ended after {call} calls");
    // If many calls fail, each export is complete or has failed with a reason.
    let mut complete = 0;
    for seed in 0..8 {
        let job = begin(&platform, patient.clone()).await;
        client.follow(Plan::OneIn(5, seed));
        let done = work(&platform, &inbox, job.id()).await;
        assert!(client.struck() > 3, "seed {seed}");
        client.follow(Plan::Nothing);
        match &done {
            Job::Complete(_) => {
                complete += 1;
                assert_eq!(exported(&platform, &done).await, expected, "seed {seed}");
            }
            Job::Failed(failed) => assert!(!failed.reason.is_empty()),
            other => panic!("seed {seed}: {:?}", other.state()),
        }
    }
    assert!(complete > 4, "most get through");
    Ok(())
}

/// Counts the calls to AWS for the export of one patient, from which `infra/docs/cost.md` calculates the costs.
#[tokio::test]
#[ignore = "cargo xtask test deploys what it needs"]
async fn one_export_makes_the_calls_of_the_cost_calculation() {
    let lake = sample_lake().await;
    let client = FaultyClient::over(sdk().await.http_client().expect("a client"));
    let counted = sdk().await.into_builder().http_client(SharedHttpClient::from(&client)).build();
    let clock = || Arc::new(SystemClock);
    let platform = platform(counted, resources(lake, &[]), clock(), Arc::new(OsRandom));
    let worker = export_generator::worker(&platform).expect("its ports");
    // A short export has one task. It is handled directly, without the calls that would deliver it.
    let calls = async || {
        let job = begin(&platform, vec![PatientId::parse(BRUNO).expect("an id")]).await;
        let id = job.id().clone();
        client.follow(Plan::Nothing);
        worker.handle(&Task::Plan { job: id.clone() }, &NoDeadline).await.expect("done");
        let operations = client.operations();
        let done = platform.jobs().expect("the port").get(&id).await.expect("a response").expect("a job");
        assert!(matches!(done.job, Job::Complete(_)));
        operations
    };
    // The first export indexes the shared records.
    calls().await;
    let calls = calls().await;
    let of = |names: &[&str]| names.iter().filter_map(|name| calls.get(*name)).sum::<u64>();
    let reads = of(&["GetItem", "Query", "BatchGetItem"]);
    let writes = of(&["UpdateItem", "TransactWriteItems", "PutItem"]);
    let puts =
        of(&["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListObjectsV2"]);
    let gets = of(&["GetObject", "HeadObject"]);
    let page = std::fs::read_to_string(root().join("infra/docs/cost.md")).expect("a page");
    for sentence in [
        format!("| DynamoDB | {reads} reads and {writes} writes ("),
        format!("| S3 | {puts} PUT or LIST, {gets} GET by the engine;"),
        format!("| SQS | {} message,", of(&["SendMessage"]) + 1),
    ] {
        assert!(page.contains(&sentence), "infra/docs/cost.md does not say '{sentence}': {calls:?}");
    }
}
