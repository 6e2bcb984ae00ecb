//! How long calls take, as seen from a function in the same region: medians that are often reported, with a spread.
//!
//! They are assumptions and no measurements. A simulation says how an export grows with its patients and what waits for
//! what; it does not replace a run on a real account.

use std::time::Duration;

use super::random::mixed;

/// Milliseconds until an operation's first byte.
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
/// Of all others.
const OTHERS: f64 = 10.0;
/// Milliseconds that each key of a listing adds.
const KEY: f64 = 0.06;
/// Milliseconds that each item of a transaction or a batch adds, by the length of its body.
const BODY_KILOBYTE: f64 = 0.05;
/// Bytes a millisecond of one connection.
pub const CONNECTION: f64 = 80_000.0;
/// One call in so many takes five times as long.
const SLOW_ONE_IN: u64 = 100;

/// Milliseconds of an operation before its bytes.
pub fn base(operation: &str) -> f64 {
    BASE.iter().find(|(known, _)| *known == operation).map_or(OTHERS, |(_, base)| *base)
}

/// The time of the n-th call, which sends and gets so many bytes, and so many keys of a listing.
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
