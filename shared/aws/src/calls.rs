//! Settings that all calls to AWS share: time-outs, retries, and the mapping of their failures to errors.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use domain::clock::Random;
use domain::error::{Error, Store};

/// The kind of caller, which decides how often a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A client waits for a response: the waits between the tries are less than a second in total.
    Request,
    /// A worker, whose task would otherwise start again from the beginning: the waits are at most five and a half
    /// seconds in total.
    Worker,
}

impl Caller {
    fn tries(self) -> u32 {
        match self {
            Self::Request => 5,
            Self::Worker => 8,
        }
    }
}

/// The tokens that a client may spend on retries without success: a retry costs 5, or 10 after a broken connection; the
/// last retry is refunded when its call succeeds, and a call that succeeds at once adds 1. This limits retries while a
/// service is down.
pub const RETRY_TOKENS: usize = 1_000;

pub(super) fn retries(caller: Caller) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(caller.tries())
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(2))
}

/// Returns the retry tokens of a client, which are its own. The SDK's default is shared by all clients of a service in a process.
pub(super) fn retry_tokens(client: &'static str) -> RetryPartition {
    RetryPartition::custom(client).token_bucket(TokenBucket::new(RETRY_TOKENS)).build()
}

/// Returns the time-outs of a call. A call with all its attempts ends within 20 seconds.
/// [`respond_by`](crate::lambda::respond_by) limits the total time of all calls of a request.
pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(20))
        .build()
}

/// Returns the time-outs for the upload of a part, which transfers megabytes: the same number of tries, but more time.
pub(super) fn upload_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(30))
        .operation_timeout(Duration::from_secs(90))
        .build()
}

/// Returns the time-outs for the completion of an upload: S3 may take minutes to join the parts of a large object.
pub(super) fn completion_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_mins(2))
        .operation_timeout(Duration::from_mins(5))
        .build()
}

/// Returns the error of a call that failed after all its attempts: the client gets 503, and the log gets the cause.
/// Messages of AWS name tables, keys and actions, but no stored values. A call that AWS calls invalid is a defect of this
/// program, so it is not retried. A call that AWS does not allow is retried, because it may be allowed later.
pub(super) fn failed<E, R>(call: &'static str) -> impl Fn(SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    move |error| {
        let text = format!("{call}: {}", described(&error));
        let is_defect = matches!(&error, SdkError::ConstructionFailure(_))
            || error.code().is_some_and(|code| INVALID.contains(&code));
        if is_defect {
            return Error::internal(text);
        }
        match store_of(call) {
            Some(store) => Error::unavailable(text).of_store(store),
            None => Error::unavailable(text),
        }
    }
}

/// Error codes of AWS for requests that can never succeed.
const INVALID: [&str; 5] = [
    "ValidationException",
    "SerializationException",
    "InvalidParameterValue",
    "InvalidMessageContents",
    "MalformedXML",
];

/// Returns the store that a call belongs to. Objects of two stores are read and listed, so those calls have no store here:
/// [`Bucket`](crate::objects::Bucket) adds it.
fn store_of(call: &str) -> Option<Store> {
    match call.split(' ').next().unwrap_or_default() {
        "SendMessage"
        | "SendMessageBatch"
        | "ReceiveMessage"
        | "ChangeMessageVisibility"
        | "DeleteMessage" => Some(Store::Queue),
        "PutItem" | "GetItem" | "UpdateItem" | "Query" | "BatchGetItem" | "BatchWriteItem"
        | "TransactWriteItems" => Some(Store::Database),
        "PutObject"
        | "HeadObject"
        | "DeleteObjects"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload"
        | "ListMultipartUploads" => Some(Store::Files),
        _ => None,
    }
}

fn described<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            format!("{} {}", error.code().unwrap_or("error"), error.message().unwrap_or_default())
        }
        other => DisplayErrorContext(other).to_string().chars().take(500).collect(),
    }
}

/// Waits before the next attempt after a lost race. The wait is random; its limit is 10 milliseconds at first and doubles
/// with each attempt, up to 640.
pub(super) async fn pause(random: &dyn Random, tries: u32) {
    let mut drawn = [0; 2];
    random.fill(&mut drawn);
    let longest = 10_u64 << tries.min(6);
    let wait = u64::from(u16::from_le_bytes(drawn)) % longest + 1;
    tokio::time::sleep(Duration::from_millis(wait)).await;
}
