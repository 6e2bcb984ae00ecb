//! The generator over S3: one record of 2 GB from a bucket to a bucket, compared with the raw upload of the same parts
//! with the same concurrency to the same emulator. The generator runs in its own process, as on Lambda.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::{Aws, files_at, sdk};
use aws_config::SdkConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use crypto::OsRandom;
use domain::clock::{Clock, Random, SystemClock};
use domain::ids::PatientId;
use domain::job::Job;
use domain::ports::queue::NoDeadline;
use domain::request::{Cohort, SizeClass};
use futures_util::{StreamExt, TryStreamExt};
use platform::Platform;
use settings::resources::Resources;
use tests::deployed::variable;
use tests::exports::{begin, new_export};

use crate::{Aim, Row, Scale, directory, megabytes_a_second, memory, runtime, settings};

/// The part size and the concurrency of the adapter.
const PART_BYTES: usize = 8 * 1024 * 1024;
const AT_ONCE: usize = 3;
const PATIENT: &str = "large";

/// The function's values in template.yaml: freed parts are returned to the system.
const MEMORY: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "262144"), ("MALLOC_ARENA_MAX", "2")];

/// The argument that makes the program run the generator.
pub(crate) const PART: &str = "--part=generator";

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let megabytes = scale.of(2_000, 200);
    let bytes = megabytes * 1_000_000;
    let runtime = runtime();
    let (out, copy) = runtime.block_on(async {
        let sdk = sdk().await;
        put_patient(&sdk, bytes).await;
        (raw_rate(&sdk, bytes, None).await, raw_rate(&sdk, bytes, Some(record())).await)
    });
    let this = std::env::current_exe().expect("this program");
    let run = Command::new(this).arg(PART).envs(MEMORY).output().expect("the generator runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let printed = String::from_utf8_lossy(&run.stdout);
    let numbers: Vec<f64> =
        printed.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [seconds, peak] = numbers[..] else { panic!("{printed}") };
    let rate = megabytes_a_second(bytes, Duration::from_secs_f64(seconds));
    vec![
        Row {
            what: format!("generator from S3 to S3, {megabytes} MB, in and out"),
            measured: format!("{rate:.0} MB/s"),
            yardstick: format!("raw parts, in and out: {copy:.0} MB/s"),
            ratio: Some(rate / copy),
            aim: Aim::ratio_at_least(0.70, rate / copy),
        },
        Row {
            what: format!("generator from S3 to S3, {megabytes} MB, in and out"),
            measured: format!("{rate:.0} MB/s"),
            yardstick: format!("raw parts, out only: {out:.0} MB/s"),
            ratio: Some(rate / out),
            aim: Aim::ratio_at_least(0.70, rate / out),
        },
        Row {
            what: format!("generator from S3 to S3, peak memory, {megabytes} MB"),
            measured: format!("{:.1} MB", peak / 1e6),
            yardstick: String::new(),
            ratio: None,
            aim: Aim::at_most(128.0, "MB", peak / 1e6),
        },
    ]
}

fn lake() -> String {
    format!("{}/bench", variable("EHI_TEST_LAKE"))
}

/// Returns bucket and key of the record.
fn record() -> (String, String) {
    let lake = lake();
    let (bucket, prefix) = lake.trim_start_matches("s3://").split_once('/').expect("a prefix");
    (bucket.to_owned(), format!("{prefix}/Patient/{PATIENT}/records.ndjson"))
}

async fn put_patient(sdk: &SdkConfig, bytes: u64) {
    let local = directory();
    memory::large_patient(local.path(), bytes);
    let files = files_at(sdk, &lake(), Arc::new(SystemClock)).expect("a place");
    let name = format!("Patient/{PATIENT}/records.ndjson");
    let mut writer = files.create(&name).await.expect("created");
    let mut file = std::fs::File::open(local.path().join(&name)).expect("a record");
    loop {
        let mut piece = vec![0; 1 << 20];
        match std::io::Read::read(&mut file, &mut piece).expect("read") {
            0 => break,
            read => piece.truncate(read),
        }
        writer.write(piece).await.expect("written");
    }
    writer.finish().await.expect("finished");
}

/// Returns the MB/s of a multipart upload from memory, or of a copy of an object.
async fn raw_rate(sdk: &SdkConfig, bytes: u64, source: Option<(String, String)>) -> f64 {
    let config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(true).build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let bucket = variable("EHI_TEST_FILES_BUCKET");
    let part = bytes::Bytes::from(b"{\"resourceType\":\"Patient\"}\n".repeat(PART_BYTES / 27));
    let parts = i32::try_from(bytes / part.len() as u64).expect("some parts");
    let started = Instant::now();
    let read = source.map(|(bucket, key)| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut body = client.get_object().bucket(bucket).key(key).send().await.expect("read").body;
            let mut read = 0;
            while let Some(piece) = body.try_next().await.expect("read") {
                read += piece.len() as u64;
            }
            read
        })
    });
    let upload = client.create_multipart_upload().bucket(&bucket).key("bench").send().await.expect("created");
    let id = upload.upload_id().expect("an id");
    let sent = futures_util::stream::iter(1..=parts).map(|number| {
        let part = ByteStream::from(part.clone());
        let request =
            client.upload_part().bucket(&bucket).key("bench").upload_id(id).part_number(number).body(part);
        async move {
            let response = request.send().await?;
            let tag = response.e_tag().unwrap_or_default();
            Ok::<_, Box<dyn std::error::Error>>(
                CompletedPart::builder().part_number(number).e_tag(tag).build(),
            )
        }
    });
    let done: Vec<_> = sent.buffered(AT_ONCE).try_collect().await.expect("sent");
    let done = CompletedMultipartUpload::builder().set_parts(Some(done)).build();
    let complete = client.complete_multipart_upload().bucket(&bucket).key("bench").upload_id(id);
    complete.multipart_upload(done).send().await.expect("completed");
    if let Some(read) = read {
        assert!(read.await.expect("the read ends") >= bytes, "the whole record is read");
    }
    let rate = megabytes_a_second(u64::try_from(parts).expect("some") * part.len() as u64, started.elapsed());
    client.delete_object().bucket(&bucket).key("bench").send().await.expect("removed");
    rate
}

/// Runs the generator in this process and exports the record. Returns the seconds and the peak memory in bytes.
pub(crate) fn generator() -> String {
    // One thread, like the function.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let lake = lake();
        let resources = Arc::new(Resources::of(|name| match name {
            "EHI_RECORDS" => Some(lake.clone()),
            "EHI_JOBS_TABLE" | "EHI_SMALL_QUEUE" | "EHI_LARGE_QUEUE" | "EHI_FILES_BUCKET" => {
                Some(variable(&name.replace("EHI_", "EHI_TEST_")))
            }
            _ => None,
        }));
        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(OsRandom));
        let platform = Aws::new(sdk().await, resources, settings("http://127.0.0.1"), None, clock, random);
        let worker = export_generator::worker(&platform).expect("its ports");
        let inboxes = [SizeClass::Small, SizeClass::Large]
            .map(|size| platform.inbox(size, &variable("EHI_TEST_DEAD_LETTERS")).expect("a queue"));
        let patient = PatientId::parse(PATIENT).expect("an id");
        let started = Instant::now();
        let job = begin(&platform, new_export(Cohort::of(vec![patient]))).await;
        let done = loop {
            let stored =
                platform.jobs().expect("the port").get(job.id()).await.expect("a response").expect("the job");
            if !stored.job.is_active() {
                break stored.job;
            }
            for inbox in &inboxes {
                ehi::worker::step(inbox, &*worker, &NoDeadline).await.expect("the queue responds");
            }
        };
        assert!(matches!(done, Job::Complete(_)), "{:?}", done.header().history);
        format!("{} {}", started.elapsed().as_secs_f64(), memory::peak_of("self"))
    })
}
