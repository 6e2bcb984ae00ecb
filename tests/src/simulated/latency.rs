//! The durations of calls, as seen from a function in the same region: commonly reported medians, with a spread.
//!
//! They are assumptions, not measurements. A simulation shows how an export scales with its patients and which part waits for
//! which; it does not replace a run on a real account.

use std::time::Duration;

use super::random::mixed;

/// The time until the first byte of an operation's response, in milliseconds.
const BASE: [(&str, f64); 22] = [
    ("GetItem", 3.0),
    ("BatchGetItem", 6.0),
    ("Query", 5.0),
    ("PutItem", 5.0),
    ("UpdateItem", 5.0),
    ("DeleteItem", 5.0),
    ("BatchWriteItem", 10.0),
    ("TransactWriteItems", 15.0),
    ("ListObjectsV2", 60.0),
    ("ListMultipartUploads", 40.0),
    ("GetObject", 30.0),
    ("HeadObject", 15.0),
    ("PutObject", 40.0),
    ("DeleteObject", 25.0),
    ("DeleteObjects", 60.0),
    ("CreateMultipartUpload", 30.0),
    ("UploadPart", 40.0),
    ("CompleteMultipartUpload", 80.0),
    ("AbortMultipartUpload", 30.0),
    ("SendMessage", 10.0),
    ("SendMessageBatch", 15.0),
    ("ReceiveMessage", 10.0),
];
/// The time of all other operations, in milliseconds.
const OTHERS: f64 = 10.0;
/// The additional time of each key in a listing, in milliseconds.
const KEY: f64 = 0.06;
/// The additional time of each kilobyte in the body of a transaction or a batch, in milliseconds.
const BODY_KILOBYTE: f64 = 0.05;
/// The throughput of one connection, in bytes per millisecond.
pub const CONNECTION: f64 = 80_000.0;
/// One call in this number takes five times as long.
const SLOW_ONE_IN: u64 = 100;

/// Returns the time of an operation without its bytes, in milliseconds.
pub fn base(operation: &str) -> f64 {
    BASE.iter().find(|(known, _)| *known == operation).map_or(OTHERS, |(_, base)| *base)
}

/// Returns the time of an operation without its bytes.
pub fn of_base(operation: &str) -> Duration {
    Duration::from_secs_f64(base(operation) / 1_000.0)
}

/// Returns the duration of the n-th call, which sends `sent` bytes, receives `got` bytes, and lists `keys` keys.
pub(crate) fn of(operation: &str, number: u64, sent: usize, got: usize, keys: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let (sent, got, keys, random) =
        (sent as f64, got as f64, keys as f64, (mixed(number) % 1_000) as f64 / 1_000.0);
    let is_s3 = matches!(operation, "GetObject" | "PutObject" | "UploadPart");
    let bytes =
        if is_s3 { (sent + got) / CONNECTION } else { sent / 1024.0 * BODY_KILOBYTE + got / CONNECTION };
    let spread = 0.75 + 0.5 * random;
    let slow = if mixed(number ^ 0x5107).is_multiple_of(SLOW_ONE_IN) { 5.0 } else { 1.0 };
    Duration::from_secs_f64((base(operation) * spread * slow + keys * KEY + bytes) / 1_000.0)
}
