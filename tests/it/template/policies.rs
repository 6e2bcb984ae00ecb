//! Compares the AWS calls of each function during the stories with its policy in `template.yaml`.
//!
//! The simulated AWS records the IAM access that each request of a function needs. Every recorded access must be
//! allowed; every allowed access must be recorded, or must have a reason here.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use serde_json::Value;
use tests::World;
use tests::simulated::account::{Setup, deployed};
use tests::simulated::{Record, run};
use tests::stories::{self, Story};
use tests::template::{Policy, Template};

use super::{called, stories as alone};

const POLLER: &str = "Lambda itself calls this with the role of the function, to pass it messages or changes";
const BOTH_QUEUES: &str =
    "the port has both queues; the cohort of an export, or the size of a ZIP, decides which one it uses";
const BROKEN_UPLOAD: &str = "a multipart upload that fails in the middle; no story has a file of that size";
const DELETED: &str = "an export with _since reads deleted/; the sample patients have none";
const SMALL_GROUP: &str =
    "a client can ask for a small worker, also for the export of a group; no story does";
const FORMER: &str = "Links: arn:aws:iam::000000000000:role/simulated-SigningRole-*";
const FORMER_ROLE: &str =
    "the role that signs the links while an update replaces it; the next release removes this";
const SPREAD: &str = "the counters of a plan with many chunks are spread over items; no story has so many";

/// The accesses that no story needs, by function and statement, each with its reason.
const UNUSED: [(&str, &str, &str); 33] = [
    ("AdminFunction", FORMER, FORMER_ROLE),
    ("AnnounceFunction", "Stream: dynamodb:DescribeStream", POLLER),
    ("AnnounceFunction", "Stream: dynamodb:GetRecords", POLLER),
    ("AnnounceFunction", "Stream: dynamodb:GetShardIterator", POLLER),
    ("AnnounceFunction", "Streams: dynamodb:ListStreams", POLLER),
    ("CustomizeFunction", "Jobs: dynamodb:BatchGetItem", SPREAD),
    ("CustomizeFunction", "Queue: arn:aws:sqs:us-east-1:000000000000:large", BOTH_QUEUES),
    ("DeadLettersFunction", "Jobs: dynamodb:BatchGetItem", SPREAD),
    ("DeadLettersFunction", "Messages: sqs:ReceiveMessage", POLLER),
    ("DeadLettersFunction", "Messages: sqs:DeleteMessage", POLLER),
    ("DeadLettersFunction", "Messages: sqs:ChangeMessageVisibility", POLLER),
    ("DeadLettersFunction", "Messages: sqs:GetQueueAttributes", POLLER),
    ("DownloadFunction", FORMER, FORMER_ROLE),
    ("KickOffFunction", "Jobs: dynamodb:BatchGetItem", SPREAD),
    ("LargeGeneratorFunction", "Queue: arn:aws:sqs:us-east-1:000000000000:small", BOTH_QUEUES),
    ("LargeGeneratorFunction", "Files: s3:AbortMultipartUpload", BROKEN_UPLOAD),
    ("LargeGeneratorFunction", "Records: arn:aws:s3:::the-lake/lake/deleted/*", DELETED),
    ("LargeGeneratorFunction", "Messages: sqs:ReceiveMessage", POLLER),
    ("LargeGeneratorFunction", "Messages: sqs:DeleteMessage", POLLER),
    ("LargeGeneratorFunction", "Messages: sqs:GetQueueAttributes", POLLER),
    ("MailFunction", "Stream: dynamodb:DescribeStream", POLLER),
    ("MailFunction", "Stream: dynamodb:GetRecords", POLLER),
    ("MailFunction", "Stream: dynamodb:GetShardIterator", POLLER),
    ("MailFunction", "Streams: dynamodb:ListStreams", POLLER),
    ("MyFunction", FORMER, FORMER_ROLE),
    ("MyFunction", "Queue: arn:aws:sqs:us-east-1:000000000000:large", BOTH_QUEUES),
    ("SmallGeneratorFunction", "Files: s3:AbortMultipartUpload", BROKEN_UPLOAD),
    ("SmallGeneratorFunction", "Records: arn:aws:s3:::the-lake/lake/Group/*", SMALL_GROUP),
    ("SmallGeneratorFunction", "Records: arn:aws:s3:::the-lake/lake/deleted/*", DELETED),
    ("SmallGeneratorFunction", "Messages: sqs:ReceiveMessage", POLLER),
    ("SmallGeneratorFunction", "Messages: sqs:DeleteMessage", POLLER),
    ("SmallGeneratorFunction", "Messages: sqs:GetQueueAttributes", POLLER),
    ("StatusFunction", "Jobs: dynamodb:BatchGetItem", SPREAD),
];

/// Runs stories on the simulated AWS, several at once; returns the names of those that failed.
fn run_all(all: &[(Setup, &Story)], record: &Record) -> Vec<&'static str> {
    let (left, failed) = (Mutex::new(all.iter()), Mutex::new(Vec::new()));
    let run_the_rest = || {
        while let Some((setup, story)) = { left.lock().expect("no panic").next() } {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                run(async { (story.run)(World::simulated(*setup, record)).await });
            }));
            if outcome.is_err() {
                failed.lock().expect("no panic").push(story.name);
            }
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            let builder = std::thread::Builder::new().stack_size(16 << 20);
            builder.spawn_scoped(threads, run_the_rest).expect("a thread");
        }
    });
    failed.into_inner().expect("no panic")
}

#[test]
fn every_function_has_exactly_the_permissions_that_it_needs() {
    let record = Record::default();
    let shared = stories::all().map(|story| (Setup::default(), story));
    let all: Vec<_> = shared.chain(alone::ALL.iter().map(|(setup, story)| (*setup, story))).collect();
    let failed = run_all(&all, &record);
    let mut wrong: Vec<String> = failed.into_iter().map(|name| format!("{name} failed")).collect();
    let deployed = deployed(&[("PatientMail", "true")]);
    let mut unused = BTreeSet::new();
    for (id, (_, function)) in deployed.template().functions() {
        let policy = Policy::of_function(&deployed, function);
        let recorded = record.of(id);
        let refused = recorded.iter().filter(|access| !policy.allows(access));
        wrong.extend(refused.map(|access| format!("{id} lacks {access:?}")));
        unused.extend(policy.unused(&recorded).into_iter().map(|what| (id.to_owned(), what)));
    }
    let known: BTreeSet<_> =
        UNUSED.iter().map(|(id, what, _)| ((*id).to_owned(), (*what).to_owned())).collect();
    wrong.extend(unused.difference(&known).map(|(id, what)| format!("{id} does not need {what}")));
    wrong.extend(known.difference(&unused).map(|(id, what)| format!("{id} does need {what}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the statement of a list entry, which may be conditional.
pub(super) fn statement(entry: &Value) -> &Value {
    entry.pointer("/Fn::If/1").unwrap_or(entry)
}

/// The secret with the settings also has keys and hashes of passwords.
#[test]
fn a_stack_that_sends_no_mails_gives_no_secret_to_the_function_for_mails() {
    let sids = |mails: &str| {
        let deployed = deployed(&[("PatientMail", mails)]);
        let (_, function) = deployed.template().functions()["MailFunction"];
        let statements = deployed.evaluate(&function["Properties"]["Policies"][0]["Statement"]);
        let of = |one: &Value| one["Sid"].as_str().expect("an id").to_owned();
        let mapping = deployed.template().resources("AWS::Lambda::EventSourceMapping")["MailMapping"];
        let runs = deployed.evaluate(&mapping["Properties"]["Enabled"]);
        (statements.as_array().expect("statements").iter().map(of).collect::<Vec<_>>(), runs)
    };
    let stream = ["Stream", "Streams"].map(str::to_owned);
    assert_eq!(sids("false"), (stream.to_vec(), Value::from(false)));
    let both = ["Stream", "Streams", "Audit", "Secrets"].map(str::to_owned);
    assert_eq!(sids("true"), (both.to_vec(), Value::from(true)));
}

#[test]
fn policies_name_actions_and_resources_one_by_one() {
    let template = Template::load();
    for (id, (_, function)) in template.functions() {
        let statements = function["Properties"]["Policies"][0]["Statement"].as_array().expect("statements");
        for statement in statements.iter().map(statement) {
            assert!(!statement["Action"].to_string().contains('*'), "{id}: {statement}");
            // Listing the streams needs access to all streams.
            let is_of_all = statement["Resource"] == "*";
            assert_eq!(is_of_all, statement["Sid"] == "Streams", "{id}: {statement}");
        }
    }
}

/// A function that has a mapping may take its messages, and is the worker.
#[test]
fn a_function_takes_messages_only_if_a_queue_is_mapped_to_it() {
    let template = Template::load();
    let mappings = template.resources("AWS::Lambda::EventSourceMapping").into_values();
    let mapped: BTreeSet<_> =
        mappings.map(|mapping| called(&mapping["Properties"]["FunctionName"])).collect();
    for (id, (binary, function)) in template.functions() {
        let statements = function["Properties"]["Policies"][0]["Statement"].as_array().expect("statements");
        let has = |sid: &str| statements.iter().any(|one| statement(one)["Sid"] == sid);
        assert_eq!(has("Messages"), binary == "export-generator", "{id}");
        assert_eq!(has("Messages") || has("Stream"), mapped.contains(id), "{id}");
    }
}
